"""Streaming into Azurite as it comes (MD5 alone) and as the local stack runs it (CRC64, as the service)."""

import base64
import logging
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, quote

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from infra.local import emulators
from infra.local.emulators import Azurite, azurite
from shared.connectors.azure_blob import AzureBlobConnector
from shared.connectors.transfer.content import BytesContent, StreamContent
from shared.connectors.transfer.crc import crc64
from shared.domain.errors import (
    ChecksumMismatch,
    ContainerMissing,
    CredentialsRefused,
    LengthMismatch,
    PreconditionFailed,
    SourceChanged,
)
from shared.domain.objects import Attributes, Checksums, Tag
from shared.domain.precondition import Absent, Any, Match
from shared.domain.stamp import Stamp
from tests.unit.connectors.azure_blob.conftest import known

PART = 64 * 1024
NAMES = [
    "x//y",
    "/lead",
    "trail/",
    "trail.",
    "a./b.",
    ".",
    "..",
    "a/../b",
    "back\\slash",
    "a b",
    "a+b",
    "a%2Bb",
    "%zz",
    "q?x#y",
    "ünïcode/日本",
    "emoji😀",
    "e\u0301",
    "\u00e9",
    "nul\x00",
    "tab\t",
    "line\r\n",
    "\x85",
    "\uffff",
    "lone\ud800",
    "~2e",
    "~7e2e",
    " both ",
    "n" * 1024,
    "/".join("x" * 300),
]


@pytest.fixture(scope="session")
def plain_azurite() -> Iterator[Azurite]:
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # for this one alone: others start theirs while it still runs
            patch.setattr(emulators, "AZURITE_CRC64", Path("absent"))
            server = stack.enter_context(azurite())
        yield server


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Azurite:
    """The local stack's Azurite, unless a test asks for both."""
    return request.getfixturevalue(getattr(request, "param", "azurite_server"))


both = pytest.mark.parametrize("server", ["azurite_server", "plain_azurite"], indirect=True)


@pytest.fixture
def container(server: Azurite, request: pytest.FixtureRequest) -> Iterator[ContainerClient]:
    name = f"c{abs(hash(request.node.name)):x}"
    with ContainerClient.from_connection_string(server.connection_string, name) as client:
        client.create_container()
        yield client
        client.delete_container()


@pytest.fixture
def store(server: Azurite, container: ContainerClient) -> Iterator[AzureBlobConnector]:
    with closing(
        AzureBlobConnector(container.container_name, connection_string=server.connection_string, part_size=PART)
    ) as store:
        yield store


@both
@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 5 * PART + 3])
def test_bytes_arrive_proven(store: AzureBlobConnector, container: ContainerClient, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    told: list[int] = []

    written = store.write("k", BytesContent(data), precondition=Absent(), progress=told.append)

    assert (written.size, written.route, written.checksums, sum(told)) == (size, "streamed", known(data), size)
    assert container.download_blob("k").readall() == data
    with store.open("k") as opened:
        assert opened is not None
        assert b"".join(opened.content.stream(PART)) == data
        assert opened.head.tag == written.tag


def test_what_a_killed_worker_left_behind_is_no_blob(store: AzureBlobConnector, container: ContainerClient) -> None:
    container.get_blob_client("k").stage_block("0" * 23, b"never committed")

    written = store.write("k", BytesContent(b"small"), precondition=Absent())

    assert container.download_blob("k").readall() == b"small"
    assert store.write("k", BytesContent(b"next"), precondition=Match(written.tag)).size == 4
    with pytest.raises(PreconditionFailed):
        store.write("k", BytesContent(b"late"), precondition=Absent())
    assert container.download_blob("k").readall() == b"next"


def test_attributes_and_stamp_survive(store: AzureBlobConnector) -> None:
    users = {"my-key": "vä", "farshore_stamp": "the user's own", "1st": " edges ", "e": "", "a_2d": "=?utf-8?b?eA==?="}
    said = Attributes("text/plain", "gzip", "de", 'attachment; filename="x"', "no-cache", users)
    stamp = Stamp("0" * 32, "v1", 1, None)

    store.write("k", BytesContent(b"x", said), precondition=Any(), stamp=stamp)

    head = store.head("k")
    assert head is not None
    assert (head.attributes, head.stamp) == (said, stamp)


def test_a_stamp_of_another_size_is_nobodys(store: AzureBlobConnector) -> None:
    store.write("k", BytesContent(b"edited"), precondition=Any(), stamp=Stamp("0" * 32, "v1", 1, None))
    head = store.head("k")
    assert head is not None
    assert head.stamp is None


@both
@pytest.mark.parametrize("size", [1, PART * 2])
def test_conditions_hold(store: AzureBlobConnector, size: int) -> None:
    first, second = BytesContent(b"a" * size), BytesContent(b"b" * size)
    with pytest.raises(PreconditionFailed):
        store.write("k", first, precondition=Match(Tag("0x8DC000000000000")))
    seen = store.write("k", first, precondition=Absent()).tag
    with pytest.raises(PreconditionFailed):
        store.write("k", second, precondition=Absent())
    newer = store.write("k", second, precondition=Match(seen)).tag
    with pytest.raises(PreconditionFailed):
        store.write("k", first, precondition=Match(seen))
    with pytest.raises(PreconditionFailed):
        store.delete("k", precondition=Match(seen))
    with pytest.raises(PreconditionFailed):
        store.delete("k", precondition=Absent())
    store.delete("k", precondition=Match(newer))
    store.delete("k", precondition=Match(newer))
    store.delete("k", precondition=Any())
    store.delete("k", precondition=Absent())
    assert store.head("k") is None


def test_reads_are_pinned(store: AzureBlobConnector) -> None:
    store.write("k", BytesContent(b"before"), precondition=Any())
    with store.open("k") as opened:
        assert opened is not None
        store.write("k", BytesContent(b"after!"), precondition=Any())
        with pytest.raises(SourceChanged):
            opened.content.read(0, 6)
        store.delete("k", precondition=Any())
        with pytest.raises(SourceChanged):
            opened.content.read(0, 6)


@pytest.mark.parametrize("declared", [3 * PART - 1, 3 * PART + 1])
def test_a_source_of_another_length_leaves_nothing(store: AzureBlobConnector, declared: int) -> None:
    with pytest.raises(LengthMismatch):
        store.write("k", StreamContent([b"x" * 3 * PART], size=declared), precondition=Any())
    assert store.head("k") is None


def test_of_two_overlapping_writes_one_wins_whole(store: AzureBlobConnector) -> None:
    theirs = BytesContent(b"t" * 2 * PART)

    def meanwhile(_: int) -> None:
        if store.head("k") is None:
            store.write("k", theirs, precondition=Any())

    with pytest.raises(PreconditionFailed):
        store.write("k", StreamContent([b"m" * 3 * PART], size=3 * PART), precondition=Absent(), progress=meanwhile)

    with store.open("k") as opened:
        assert opened is not None
        assert opened.content.read(0, 2 * PART) == theirs.data


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_any_name_arrives_and_comes_back(store: AzureBlobConnector, name: str) -> None:
    written = store.write(name, BytesContent(b"x"), precondition=Absent())
    head = store.head(name)
    assert head is not None
    assert (head.path, head.tag) == (name, written.tag)
    assert [item.path for item in store.list().items] == [name]
    assert all(store.list(name[:cut]).items for cut in range(1, min(len(name), 12) + 1))
    assert not store.list(name[:1000] + "!").items
    store.delete(name, precondition=Match(written.tag))
    assert store.head(name) is None


def test_listings_continue(store: AzureBlobConnector) -> None:
    for number in range(5):
        store.write(f"a/{number}", BytesContent(b"x" * number), precondition=Any())
    store.write("b", BytesContent(b""), precondition=Any())
    found, after = [], None
    while True:
        page = store.list("a/", after=after, limit=2)
        found += [(item.path, item.size) for item in page.items]
        after = page.after
        if after is None:
            break
    assert found == [(f"a/{number}", number) for number in range(5)]


def test_what_is_missing_is_said(server: Azurite) -> None:
    with closing(AzureBlobConnector("missing", connection_string=server.connection_string)) as nowhere:
        for act in (
            lambda: nowhere.head("k"),
            nowhere.list,
            lambda: nowhere.write("k", BytesContent(b""), precondition=Any()),
            lambda: nowhere.delete("k", precondition=Any()),
        ):
            with pytest.raises(ContainerMissing):
                act()


def test_every_login_reaches_the_same_service(server: Azurite, store: AzureBlobConnector) -> None:
    key = emulators.AZURITE_KEY
    wrong = base64.b64encode(b"wrong").decode()
    by_key = AzureBlobConnector(store.container, account_url=server.blob_endpoint, account_key=key)
    refused = AzureBlobConnector(store.container, account_url=server.blob_endpoint, account_key=wrong)
    with closing(by_key), closing(refused):
        assert by_key.head("k") is None
        assert by_key.service == store.service == refused.service
        with pytest.raises(CredentialsRefused):
            refused.head("k")


def test_the_local_azurite_knows_crc64_as_the_service_does(azurite_server: Azurite) -> None:
    with ContainerClient.from_connection_string(azurite_server.connection_string, "crc") as container:
        container.create_container()
        blob = container.get_blob_client("k")
        for size in (0, 1, 7, 8, 9, 4095, 65_537, 1_000_003):
            data = bytes(i * 7 & 255 for i in range(size))
            assert bytes(blob.upload_blob(data, overwrite=True)["content_crc64"]) == crc64(data).to_bytes(8, "little")
        blob.delete_blob()
        wrong = {"x-ms-content-crc64": base64.b64encode(bytes(8)).decode()}
        for send in (lambda: blob.upload_blob(b"x", headers=wrong), lambda: blob.stage_block("1", b"x", headers=wrong)):
            with pytest.raises(HttpResponseError, match="Crc64Mismatch"):
                send()
        assert not list(container.list_blobs(include=["uncommittedblobs"]))


@both
def test_a_source_that_reports_other_bytes_is_never_shown(store: AzureBlobConnector) -> None:
    for size in (1, 3 * PART):
        lying = BytesContent(b"x" * size, checksums=Checksums({"crc64nvme": "0" * 16}))
        with pytest.raises(ChecksumMismatch):
            store.write("k", lying, precondition=Any())
        assert store.head("k") is None


def test_a_link_reads_this_blob_and_needs_no_login(store: AzureBlobConnector) -> None:
    store.write("a b/ä", BytesContent(b"linked"), precondition=Any())
    with store.open("a b/ä") as opened:
        assert opened is not None
        link = opened.content.fetchable()
        assert opened.content.inside() is None
        assert (opened.content.size, opened.content.attributes) == (6, opened.head.attributes)
        assert opened.content.checksums == opened.head.checksums
    assert link is not None
    assert "sig" not in repr(link)
    with urllib.request.urlopen(link.url, timeout=10) as answer:
        assert answer.read() == b"linked"


def test_a_sas_token_is_enough_and_is_never_logged(
    server: Azurite, store: AzureBlobConnector, caplog: pytest.LogCaptureFixture
) -> None:
    token = generate_container_sas(
        emulators.AZURITE_ACCOUNT,
        store.container,
        account_key=emulators.AZURITE_KEY,
        permission=ContainerSasPermissions(read=True, write=True, create=True, delete=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    signature = parse_qs(token)["sig"][0]
    with closing(
        AzureBlobConnector(store.container, account_url=server.blob_endpoint, sas_token=f"?{token}")
    ) as limited:
        with caplog.at_level(logging.DEBUG):
            limited.write("k", BytesContent(b"x" * 3 * PART), precondition=Absent())
            with limited.open("k") as opened:
                assert opened is not None
                assert opened.content.read(0, 1) == b"x"
                assert opened.content.fetchable() is None
            limited.list()
            with pytest.raises(PreconditionFailed):
                limited.write("k", BytesContent(b"x"), precondition=Absent())
            limited.delete("k", precondition=Any())
        assert limited.service == store.service
        assert limited.abort_uploads("k", older_than=datetime.now(UTC)) == 0
    assert caplog.text
    assert signature not in caplog.text
    assert quote(signature, safe="") not in caplog.text
    assert signature not in repr(limited)
