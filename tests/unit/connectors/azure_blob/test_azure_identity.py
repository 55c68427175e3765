"""Federation without a secret, against a loopback token server."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest

from shared.connectors.azure_blob import AzureBlobConnector
from shared.connectors.azure_identity import ServicePrincipal, WorkloadIdentity, aws_assertion
from shared.domain.errors import CredentialsRefused, Misconfigured, StoreUnavailable, Throttled
from shared.domain.retry import Later
from shared.domain.secret import Secret

SCOPE = "https://storage.azure.com/.default"


@dataclass
class Entra:
    """A token endpoint that answers what a test says."""

    url: str = ""
    status: int = 200
    body: Any = field(
        default_factory=lambda: {"access_token": "canary-token", "token_type": "Bearer", "expires_in": 3600}
    )
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture
def entra() -> Iterator[Entra]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            said.asked.append((self.path, {key: values[0] for key, values in form.items()}))
            body = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for key, value in said.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    said = Entra(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield said
    server.shutdown()
    server.server_close()
    thread.join()


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def identity(entra: Entra, clock: Clock) -> Iterator[WorkloadIdentity]:
    with closing(
        WorkloadIdentity(
            tenant_id="contoso.example",
            client_id="app-1",
            assertion=lambda: "canary.jwt",
            authority=entra.url,
            now=clock,
        )
    ) as identity:
        yield identity


def test_the_statement_is_exchanged_for_a_token(entra: Entra, identity: WorkloadIdentity) -> None:
    token = identity.get_token(SCOPE)

    assert (token.token, token.expires_on) == ("canary-token", 1_003_600)
    [(path, form)] = entra.asked
    assert path == "/contoso.example/oauth2/v2.0/token"
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "canary.jwt",
        "scope": SCOPE,
    }


def test_an_endpoint_cannot_ask_for_another_resources_token(entra: Entra, identity: WorkloadIdentity) -> None:
    with pytest.raises(CredentialsRefused):
        identity.get_token("https://graph.microsoft.com/.default")

    assert entra.asked == []


def test_a_token_is_kept_until_shortly_before_its_end(entra: Entra, identity: WorkloadIdentity, clock: Clock) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({pool.submit(identity.get_token, SCOPE).result().token for _ in range(20)}) == 1
    clock.seconds += 3299
    identity.get_token(SCOPE)
    assert len(entra.asked) == 1
    clock.seconds += 2
    identity.get_token(SCOPE)
    assert len(entra.asked) == 2


def test_a_demand_for_a_new_token_is_obeyed(entra: Entra, identity: WorkloadIdentity) -> None:
    identity.get_token(SCOPE)
    identity.get_token(SCOPE, claims='{"access_token":{}}')
    assert entra.asked[1][1]["claims"] == '{"access_token":{}}'


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client", "invalid_scope"])
def test_a_refusal_needs_the_user(entra: Entra, identity: WorkloadIdentity, code: str) -> None:
    entra.status, entra.body = 400, {"error": code, "error_description": "canary-description", "error_codes": [700016]}
    with pytest.raises(CredentialsRefused) as refused:
        identity.get_token(SCOPE)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("code", [70021, 700211, 700213, 7002138])
def test_a_new_federated_credential_may_take_minutes(entra: Entra, identity: WorkloadIdentity, code: int) -> None:
    entra.status, entra.body = 400, {"error": "invalid_client", "error_codes": [code]}
    with pytest.raises(StoreUnavailable):
        identity.get_token(SCOPE)


def test_throttling_says_how_long(entra: Entra, identity: WorkloadIdentity) -> None:
    entra.status, entra.headers = 429, {"Retry-After": "7"}
    with pytest.raises(Throttled) as throttled:
        identity.get_token(SCOPE)
    assert throttled.value.retry == Later(7.0)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in</html>",
        [],
        {},
        {"access_token": "t", "token_type": "Bearer"},
        {"access_token": "t", "token_type": "mac", "expires_in": 3600},
        {"access_token": "t", "token_type": "Bearer", "expires_in": "soon"},
        {"access_token": "t", "token_type": "Bearer", "expires_in": -1},
        {"access_token": ["t"], "token_type": "Bearer", "expires_in": 3600},
    ],
    ids=str,
)
def test_what_is_not_a_token_is_not_taken_for_one(entra: Entra, identity: WorkloadIdentity, body: Any) -> None:
    entra.body = body
    with pytest.raises(StoreUnavailable):
        identity.get_token(SCOPE)


def test_a_redirect_does_not_carry_the_statement_away(entra: Entra, identity: WorkloadIdentity) -> None:
    entra.status, entra.headers = 307, {"Location": f"{entra.url}/elsewhere"}
    with pytest.raises(StoreUnavailable):
        identity.get_token(SCOPE)
    assert [path for path, _ in entra.asked] == ["/contoso.example/oauth2/v2.0/token"]


def test_no_answer_is_retried_later(clock: Clock) -> None:
    with (
        closing(
            WorkloadIdentity(
                tenant_id="t", client_id="c", assertion=lambda: "j", authority="http://127.0.0.1:9", now=clock
            )
        ) as identity,
        pytest.raises(StoreUnavailable),
    ):
        identity.get_token(SCOPE)


@pytest.mark.parametrize("authority", ["http://login.example", "login.example", "ftp://127.0.0.1", ""])
def test_the_statement_is_sent_over_tls_only(authority: str) -> None:
    with pytest.raises(Misconfigured):
        WorkloadIdentity(tenant_id="t", client_id="c", assertion=lambda: "j", authority=authority)


@pytest.mark.parametrize("name", ["", "../other", "a/b", "a?b", "a b"])
def test_names_cannot_redirect_the_exchange(name: str) -> None:
    with pytest.raises(Misconfigured):
        WorkloadIdentity(tenant_id=name, client_id="c", assertion=lambda: "j")
    with pytest.raises(Misconfigured):
        WorkloadIdentity(tenant_id="t", client_id=name, assertion=lambda: "j")


def test_aws_signs_what_entra_takes() -> None:
    asked: list[dict[str, Any]] = []

    class Sts:
        def get_web_identity_token(self, **options: Any) -> dict[str, Any]:
            asked.append(options)
            return {"WebIdentityToken": "jwt"}

    assert aws_assertion(Sts())() == "jwt"
    assert asked == [{"Audience": ["api://AzureADTokenExchange"], "SigningAlgorithm": "RS256", "DurationSeconds": 300}]


def test_nothing_secret_is_shown(identity: WorkloadIdentity) -> None:
    token = identity.get_token(SCOPE)
    assert "canary" not in repr(identity) + repr(token) + str(token)


def test_a_refused_identity_is_the_connectors_error(entra: Entra, identity: WorkloadIdentity) -> None:
    entra.status, entra.body = 401, {"error": "invalid_client"}
    store = AzureBlobConnector("backup", account_url="https://127.0.0.1:9", credential=identity)
    with closing(store), pytest.raises(CredentialsRefused):
        store.head("k")
    assert entra.asked[0][1]["scope"] == SCOPE


def test_an_applications_secret_is_exchanged_for_a_token_and_shown_to_nobody_else(entra: Entra, clock: Clock) -> None:
    principal = ServicePrincipal(
        tenant_id="contoso.example", client_id="app-1", secret=Secret("canary-secret"), authority=entra.url, now=clock
    )
    with closing(principal):
        assert principal.get_token(SCOPE).token == "canary-token"
        assert principal.get_token(SCOPE).token == "canary-token"
    ((path, form),) = entra.asked
    assert path == "/contoso.example/oauth2/v2.0/token"
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "client_secret": "canary-secret",
        "scope": SCOPE,
    }
    assert "canary" not in repr(principal)


def test_an_applications_expired_secret_is_its_owners_affair(entra: Entra, clock: Clock) -> None:
    entra.status, entra.body = 401, {"error": "invalid_client", "error_codes": [7000222]}
    principal = ServicePrincipal(
        tenant_id="contoso.example", client_id="app-1", secret=Secret("canary-secret"), authority=entra.url, now=clock
    )
    with closing(principal), pytest.raises(CredentialsRefused) as refused:
        principal.get_token(SCOPE)
    assert "canary" not in str(refused.value)
