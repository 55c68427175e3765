"""What Azure says when it refuses, and what a lying or dumb endpoint can do."""

import logging
from collections.abc import Iterator
from contextlib import closing

import pytest

from infra.local import azure_pull as fake
from infra.local.azure_pull import AzurePull
from shared.connectors.azure_blob import AzureBlobConnector
from shared.connectors.azure_blob.faults import CODES
from shared.connectors.transfer.content import BytesContent, StreamContent
from shared.domain import errors
from shared.domain.errors import ChecksumMismatch, IntegrityUnproven, Misconfigured, StoreError, UnsupportedAttribute
from shared.domain.objects import Attributes
from shared.domain.precondition import Any
from shared.domain.retry import AfterUser, Later, Now
from tests.unit.connectors.azure_blob.conftest import Remote, known

SMALL, LARGE = BytesContent(b"small"), BytesContent(b"large" * 100)


@pytest.fixture
def store(pulling: AzurePull) -> Iterator[AzureBlobConnector]:
    pulling.account.containers.add("backup")
    with closing(AzureBlobConnector("backup", connection_string=pulling.connection_string, part_size=200)) as store:
        yield store


def refusing(monkeypatch: pytest.MonkeyPatch, status: int, code: str, **headers: str) -> list[str]:
    """Makes the server refuse everything; the list of what it was asked."""
    asked: list[str] = []

    def route(self: fake._Handler, *_: object) -> fake.Answer:
        asked.append(self.command)
        raise fake.Refused(status, code, **headers)

    monkeypatch.setattr(fake._Handler, "_route", route)
    monkeypatch.setattr("azure.core.pipeline.transport.HttpTransport.sleep", lambda *_: None)
    return asked


@pytest.mark.parametrize(
    ("status", "code", "error", "verdict"),
    [
        (403, "AuthenticationFailed", errors.CredentialsRefused, AfterUser()),
        (403, "AuthorizationPermissionMismatch", errors.CredentialsRefused, AfterUser()),
        (401, "InvalidAuthenticationInfo", errors.CredentialsRefused, AfterUser()),
        (404, "ContainerNotFound", errors.ContainerMissing, AfterUser()),
        (409, "ContainerBeingDeleted", errors.StoreUnavailable, Later()),
        (409, "BlobImmutableDueToPolicy", errors.CredentialsRefused, AfterUser()),
        (412, "LeaseIdMissing", errors.StoreUnavailable, Later()),
        (412, "ConditionNotMet", errors.PreconditionFailed, Now()),
        (400, "InvalidBlockList", errors.PreconditionFailed, Now()),
        (400, "Md5Mismatch", errors.ChecksumMismatch, Now()),
        (400, "SomethingNew", errors.StoreUnavailable, Later()),
        (307, "TemporaryRedirect", errors.StoreUnavailable, Later()),
        (500, "InternalError", errors.StoreUnavailable, Later()),
        (503, "ServerBusy", errors.Throttled, Later()),
    ],
)
def test_a_refusal_becomes_its_error(
    store: AzureBlobConnector,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    code: str,
    error: type[StoreError],
    verdict: object,
) -> None:
    refusing(monkeypatch, status, code)
    for content in (SMALL, LARGE):
        with pytest.raises(error) as refused:
            store.write("k", content, precondition=Any())
        assert refused.value.retry == verdict
        assert code not in str(refused.value)


def test_a_throttled_call_says_how_long(store: AzureBlobConnector, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = refusing(monkeypatch, 503, "ServerBusy", **{"Retry-After": "11"})
    with pytest.raises(errors.Throttled) as throttled:
        store.head("k")
    assert throttled.value.retry == Later(11.0)
    assert len(asked) == 3  # bounded: the host waits, not the connection


def test_every_code_names_an_error_that_stores_raise() -> None:
    assert all(issubclass(fault, StoreError) for fault in CODES.values())


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_an_endpoint_that_stores_something_else_is_found_out(
    pulling: AzurePull, store: AzureBlobConnector, monkeypatch: pytest.MonkeyPatch, content: BytesContent
) -> None:
    monkeypatch.setattr(fake, "_crc_of", lambda *_: "AAAAAAAAAAA=")
    with pytest.raises(ChecksumMismatch):
        store.write("k", content, precondition=Any())
    assert pulling.account.blobs == {}


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_an_endpoint_that_proves_nothing_is_not_believed(
    pulling: AzurePull, store: AzureBlobConnector, monkeypatch: pytest.MonkeyPatch, content: BytesContent
) -> None:
    monkeypatch.setattr(fake, "_crc_of", lambda *_: "")
    with pytest.raises(IntegrityUnproven):
        store.write("k", content, precondition=Any())
    assert pulling.account.blobs == {}


def test_a_puller_that_proves_nothing_is_not_asked_again(
    pulling: AzurePull, store: AzureBlobConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "_crc_of", lambda *_: "")
    content = Remote(b"x", checksums=known(b"x"), url="http://127.0.0.1:9/k")
    monkeypatch.setattr(fake, "fetched", lambda *_: b"x")
    for _ in range(2):
        with pytest.raises(IntegrityUnproven):
            store.write("k", content, precondition=Any())
    assert sum("x-ms-copy-source" in r.headers for r in pulling.account.requests) == 1


@pytest.mark.parametrize(
    "said",
    [
        Attributes(content_disposition="attachment; filename=ä"),
        Attributes(cache_control="a\r\nx-ms-blob-type: PageBlob"),
        Attributes(metadata={"k": "v" * 9000}),
        Attributes(metadata={"": "v"}),
    ],
)
def test_what_azure_cannot_keep_is_refused_before_any_byte(
    pulling: AzurePull, store: AzureBlobConnector, said: Attributes
) -> None:
    read: list[bytes] = []

    def source() -> Iterator[bytes]:
        read.append(b"x")
        yield b"x"

    with pytest.raises(UnsupportedAttribute):
        store.write("k", StreamContent(source(), attributes=said), precondition=Any())
    assert (read, pulling.account.requests) == ([], [])


@pytest.mark.parametrize(
    "login",
    [
        {},
        {"connection_string": "canary"},
        {"connection_string": "AccountName=x;AccountKey=canary;BlobSecondaryEndpoint=https://x.example"},
        {"account_key": "canary"},
        {"account_url": "https://acc.blob.core.windows.net", "account_key": "canary", "sas_token": "sig=canary"},
        {
            "account_url": "http://acc.blob.core.windows.net",
            "credential": type("T", (), {"get_token": lambda *_: None})(),
        },
    ],
    ids=range(6),
)
def test_a_login_that_cannot_work_is_said_without_its_secret(login: dict[str, object]) -> None:
    with pytest.raises(Misconfigured) as refused:
        AzureBlobConnector("backup", **login)
    assert "canary" not in str(refused.value) + repr(refused.value.__cause__)
    assert refused.value.__cause__ is None


def test_a_key_that_is_none_needs_the_user() -> None:
    store = AzureBlobConnector("backup", account_url="https://acc.blob.core.windows.net", account_key="not base64")
    with closing(store), pytest.raises(errors.CredentialsRefused) as refused:
        store.head("k")
    assert "base64" not in str(refused.value)


def test_the_service_is_the_account_however_one_logs_in() -> None:
    url = "https://acc.blob.core.windows.net"
    logins = [
        {"account_url": url, "account_key": "a2V5"},
        {"account_url": f"{url}/", "sas_token": "?sv=1&sig=canary"},
        {
            "connection_string": "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5;EndpointSuffix=core.windows.net"
        },
    ]
    stores = [AzureBlobConnector("backup", **login) for login in logins]
    assert {store.service for store in stores} == {"azure:https://acc.blob.core.windows.net"}
    assert "canary" not in "".join(map(repr, stores))
    for store in stores:
        store.close()
        store.close()


def test_no_secret_is_logged(
    pulling: AzurePull, store: AzureBlobConnector, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "fetched", lambda *_: b"x")
    with caplog.at_level(logging.DEBUG):
        store.write("k", Remote(b"x", checksums=known(b"x"), url="http://127.0.0.1:9/k?sig=canary"), precondition=Any())
        store.head("k")
    assert pulling.account.blobs["backup/k"].data == b"x"
    key = pulling.connection_string.partition("AccountKey=")[2].partition(";")[0]
    assert caplog.text
    assert not [secret for secret in ("canary", key) if secret in caplog.text]
