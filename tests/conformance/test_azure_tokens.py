"""Case 53 for Azure's tokens, before servers that only answer what a storage account and Entra would.

Azure's SDK sends tokens over TLS only. So it believes it does, and TLS is taken off below it.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.connectors import AzureBlobConnector
from shared.connectors.azure_blob.transport import Urllib3Transport
from shared.connectors.azure_identity import WorkloadIdentity
from shared.domain.errors import CredentialsRefused
from tests.conformance.cases import case
from tests.conformance.proxy import Forward, Proxy, Request, Response, anything, proxy

CHALLENGE = "Bearer authorization_uri=https://login.microsoftonline.com/directory/oauth2/authorize resource_id=https://storage.azure.com"
EXPIRED = Response(401, (("WWW-Authenticate", CHALLENGE), ("x-ms-error-code", "InvalidAuthenticationInfo")))
FOUND = Response(
    200,
    (
        *(("ETag", '"0x8DD"'), ("Last-Modified", "Fri, 20 Nov 2026 12:00:00 GMT"), ("x-ms-blob-type", "BlockBlob")),
        *(("Content-Length", "0"), ("x-ms-version", "2026-02-06")),
    ),
)


@pytest.fixture
def entra() -> Iterator[Proxy]:
    """A token endpoint: ``token-1``, ``token-2``, and so on."""
    with proxy(None) as server:

        def issue(_: Request, __: Forward) -> Response:
            token = {"access_token": f"token-{server.count()}", "token_type": "Bearer", "expires_in": 3600}
            return Response(200, (("Content-Type", "application/json"),), json.dumps(token).encode())

        server.when(anything, issue, times=None)
        yield server


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    send = Urllib3Transport.send

    def plainly(self: Urllib3Transport, request: Any, **options: Any) -> Any:
        request.url = request.url.replace("https://", "http://", 1)
        return send(self, request, **options)

    monkeypatch.setattr(Urllib3Transport, "send", plainly)
    with proxy(None) as server:
        yield server


@pytest.fixture
def connector(entra: Proxy, storage: Proxy) -> Iterator[AzureBlobConnector]:
    now = iter(range(1_000_000, 10_000_000, 20)).__next__  # half a minute goes by between any two looks at the clock
    identity = WorkloadIdentity(
        tenant_id="directory", client_id="client", assertion=lambda: "statement", authority=entra.url, now=now
    )
    connector = AzureBlobConnector(
        "container", account_url=f"https://127.0.0.1:{storage.port}/account", credential=identity
    )
    yield connector
    connector.close()
    identity.close()


def accepts(storage: Proxy, token: str) -> None:
    """The account takes only this token."""
    storage.when(
        anything,
        lambda request, _: FOUND if request.header("authorization") == f"Bearer {token}" else EXPIRED,
        times=None,
    )


@case(53)
def test_an_expired_token_is_refreshed_once_and_the_request_tried_once_more(
    entra: Proxy, storage: Proxy, connector: AzureBlobConnector
) -> None:
    accepts(storage, "token-2")
    assert connector.head("object") is not None
    assert (entra.count(), storage.count()) == (2, 2)


@case(53)
def test_tokens_that_stay_refused_are_the_users_to_mend(
    entra: Proxy, storage: Proxy, connector: AzureBlobConnector
) -> None:
    accepts(storage, "another")
    with pytest.raises(CredentialsRefused):
        connector.head("object")
    assert (entra.count(), storage.count()) == (2, 2)
