"""Server-side pull: which requests are made, what proves them, and when the bytes are streamed instead."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from azure.core.exceptions import HttpResponseError, ServiceResponseError

from infra.local.azure_pull import AzurePull
from shared.connectors.azure_blob import AzureBlobConnector, pull
from shared.connectors.transfer.content import BytesContent
from shared.domain.errors import ChecksumMismatch, PreconditionFailed, StoreUnavailable
from shared.domain.objects import Attributes, Checksums, Tag
from shared.domain.precondition import Absent, Any, Match
from shared.domain.stamp import Stamp
from tests.unit.connectors.azure_blob.conftest import SourceServer, at_url, known, remote

STAMP = Stamp("0" * 32, "v1", 11, None)


def writes(pulling: AzurePull) -> list[tuple[str, str | None, int]]:
    return [(r.method, r.query.get("comp"), r.status) for r in pulling.account.requests if r.method == "PUT"]


def test_azure_fetches_and_no_byte_passes_through_us(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer
) -> None:
    said = Attributes("text/plain", "gzip", "de", "inline", "no-store", {"my-key": "vä"})
    content = remote(source, "a b/ä", b"hello there", said)
    told: list[int] = []

    written = puller.write("a b/ä", content, precondition=Absent(), stamp=STAMP, progress=told.append)

    assert (written.route, written.size, written.checksums) == ("pulled", 11, content.checksums)
    assert content.streamed == []
    assert told == [11]
    assert writes(pulling) == [("PUT", "block", 201), ("PUT", "blocklist", 201)]
    head = puller.head("a b/ä")
    assert head is not None
    assert (head.attributes, head.stamp, head.tag) == (said, STAMP, written.tag)
    with puller.open("a b/ä") as opened:
        assert opened is not None
        assert opened.content.read(0, 11) == b"hello there"


def test_the_requests_are_exact(pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer) -> None:
    content = remote(source, "k", b"0123456789")

    puller.write("k", content, precondition=Match(_existing(puller)))

    block, commit = [r for r in pulling.account.requests if r.method == "PUT"][-2:]
    assert block.headers["x-ms-copy-source"] == content.url
    assert block.headers["x-ms-source-range"] == "bytes=0-9"
    assert block.headers["content-length"] == "0"
    assert "if-match" not in block.headers
    assert commit.headers["if-match"].startswith('"0X')
    assert source.asked == [("/k?X-Amz-Signature=canary", "bytes=0-9")]


def _existing(puller: AzureBlobConnector) -> Tag:
    return puller.write("k", BytesContent(b"before"), precondition=Absent()).tag


def test_large_objects_go_in_parallel_blocks(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_BLOCK", 1000)
    data = bytes(range(256)) * 20
    told: list[int] = []

    written = puller.write("big", remote(source, "big", data), precondition=Any(), progress=told.append)

    assert (written.route, sum(told)) == ("pulled", len(data))
    assert pulling.account.blobs["backup/big"].data == data
    assert sorted(asked for _, asked in source.asked)[:2] == ["bytes=0-999", "bytes=1000-1999"]
    assert len(source.asked) == 6


def test_what_azure_fetched_must_be_what_the_source_reports(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer
) -> None:
    content = remote(source, "k", b"the bytes")
    source.objects["k"] = b"otherwise"

    with pytest.raises(ChecksumMismatch):
        puller.write("k", content, precondition=Any())

    assert pulling.account.blobs == {}


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_source_that_refuses_azure_is_streamed(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer, status: int
) -> None:
    source.status = status

    assert puller.write("k", remote(source, "k", b"bytes"), precondition=Absent()).route == "streamed"

    assert pulling.account.blobs["backup/k"].data == b"bytes"


def test_a_source_out_of_azures_reach_is_not_tried_again_at_once(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer
) -> None:
    source.status = 403
    for name in ("one", "two"):
        puller.write(name, remote(source, name, b"bytes"), precondition=Absent())

    assert len(source.asked) == 1
    source.status = None
    pull_later = pull.time.monotonic() + pull._REST_SECONDS + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pull.time, "monotonic", lambda: pull_later)
        assert puller.write("three", remote(source, "three", b"b"), precondition=Absent()).route == "pulled"


def test_an_azure_that_breaks_down_while_fetching_is_streamed_to_and_rested(
    puller: AzureBlobConnector, source: SourceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_pull", _raising(HttpResponseError(response=_Broken())))

    assert puller.write("one", remote(source, "one", b"bytes"), precondition=Absent()).route == "streamed"

    monkeypatch.undo()
    assert puller.write("two", remote(source, "two", b"bytes"), precondition=Absent()).route == "streamed"
    assert source.asked == []


def test_a_pull_that_nobody_answered_is_an_error_of_ours(
    puller: AzureBlobConnector, source: SourceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_pull", _raising(ServiceResponseError("reset")))

    with pytest.raises(StoreUnavailable):
        puller.write("k", remote(source, "k", b"bytes"), precondition=Absent())


class _Broken:
    """A response of 500 without a code."""

    status_code, reason, headers = 500, "Internal Server Error", {}


def _raising(error: Exception) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise error

    return fail


def test_an_object_that_was_gone_does_not_rest_its_source(puller: AzureBlobConnector, source: SourceServer) -> None:
    gone = remote(source, "gone", b"bytes")
    del source.objects["gone"]
    assert puller.write("gone", gone, precondition=Absent()).route == "streamed"
    assert puller.write("here", remote(source, "here", b"bytes"), precondition=Absent()).route == "pulled"


def test_a_url_longer_than_azure_takes_is_streamed(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer
) -> None:
    content = remote(source, "k", b"bytes")
    fits = at_url(content, content.url + "&x=".ljust(pull.URL_MAX - len(content.url), "y"))
    too_long = at_url(content, fits.url + "y")

    assert puller.write("fits", fits, precondition=Absent()).route == "pulled"
    assert puller.write("long", too_long, precondition=Absent()).route == "streamed"

    assert all(len(r.headers.get("x-ms-copy-source", "")) <= pull.URL_MAX for r in pulling.account.requests)


def test_a_source_without_crc64_is_streamed(puller: AzureBlobConnector, source: SourceServer) -> None:
    content = replace(remote(source, "k", b"bytes"), checksums=Checksums())
    assert puller.write("k", content, precondition=Absent()).route == "streamed"


def test_an_empty_object_is_streamed(puller: AzureBlobConnector, source: SourceServer) -> None:
    assert puller.write("k", remote(source, "k", b""), precondition=Absent()).route == "streamed"


def test_the_condition_holds_at_the_commit(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer
) -> None:
    tag = _existing(puller)
    puller.write("k", BytesContent(b"newer"), precondition=Match(tag))

    with pytest.raises(PreconditionFailed):
        puller.write("k", remote(source, "k", b"late"), precondition=Match(tag))

    assert pulling.account.blobs["backup/k"].data == b"newer"


def test_a_writer_whose_blocks_another_commit_discarded_looks_again(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer
) -> None:
    content = remote(source, "k", b"mine")

    def meanwhile(_: int) -> None:
        puller.write("k", BytesContent(b"theirs"), precondition=Any())

    with pytest.raises(PreconditionFailed):
        puller.write("k", content, precondition=Any(), progress=meanwhile)

    assert pulling.account.blobs["backup/k"].data == b"theirs"


def test_a_failure_after_the_first_block_is_retried_later_not_streamed(
    pulling: AzurePull, puller: AzureBlobConnector, source: SourceServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull, "_BLOCK", 4)

    def break_down(_: int) -> None:
        source.status = 403

    content = remote(source, "k", b"0123456789")
    with pytest.raises(StoreUnavailable):
        puller.write("k", content, precondition=Any(), progress=break_down)

    assert content.streamed == []
    assert pulling.account.blobs == {}


@pytest.mark.parametrize(
    ("endpoint", "url", "offered"),
    [
        ("https://acc.blob.core.windows.net/c", "https://bucket.s3.amazonaws.com/k?sig", True),
        ("https://acc.blob.core.windows.net/c", "http://bucket.s3.amazonaws.com/k?sig", False),
        ("https://acc.blob.core.windows.net/c", "https://127.0.0.1/k", False),
        ("https://acc.blob.core.windows.net/c", "https://10.1.2.3/k", False),
        ("https://acc.blob.core.windows.net/c", "https://[::1]/k", False),
        ("https://acc.blob.core.windows.net/c", "https://minio:9000/k", False),
        ("https://acc.blob.core.windows.net/c", "https://localhost:4566/k", False),
        ("http://127.0.0.1:10000/acc/c", "http://127.0.0.1:4566/k", True),
    ],
)
def test_a_source_nearby_is_never_offered_to_an_endpoint_far_away(endpoint: str, url: str, offered: bool) -> None:
    content = at_url(remote(SourceServer("http://x"), "k", b"bytes"), url)
    assert (pull.Pulls(endpoint)._url(content) is not None) is offered


def test_checksums_of_the_test_source_are_right() -> None:
    assert known(b"123456789").values["crc64nvme"] == "ae8b14860a799888"
