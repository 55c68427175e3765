"""The certified OpenID provider, and us as its client."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from infra.local.oidc_provider import OidcProvider, oidc_provider
from shared.domain.ids import ProviderId
from shared.domain.provider import Endpoints, Provider
from shared.domain.secret import Secret
from shared.oauth.servers import Servers
from shared.outbound.session import Outbound
from shared.ports.oauth import AuthorizationServer, ConsentRequest
from tests.oauth.browser import consent

REDIRECT = "https://farshore.example/api/v1/oauth/oidc/callback"
SCOPES = ("openid", "email", "offline_access", "files.read", "files.write")


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


@dataclass
class Connection:
    """The provider, our row for it, and the port's view of it."""

    oidc: OidcProvider
    provider: Provider
    server: AuthorizationServer
    turn: int = field(default=0)

    def request(self, **changes: object) -> ConsentRequest:
        self.turn += 1
        standard = {
            "redirect_uri": REDIRECT,
            "state": f"state-{self.turn}",
            "verifier": Secret(f"verifier-{self.turn}".ljust(43, "v")),
            "nonce": Secret(f"nonce-{self.turn}"),
            "scopes": SCOPES,
        }
        return ConsentRequest(**(standard | changes))

    def code(self, request: ConsentRequest, person: str = "ada") -> Secret[str]:
        return Secret(consent(self.server.consent_url(request), request.redirect_uri, person)["code"])


def row(oidc: OidcProvider, **changes: object) -> Provider:
    """The provider as an administrator would describe it."""
    now = datetime.now(UTC)
    standard = {
        "id": ProviderId("prv_oidc"),
        "name": "OIDC",
        "slug": "oidc",
        "connector": "dropbox",
        "auth_types": ("oauth2",),
        "created_by": "admin",
        "created_at": now,
        "updated_at": now,
        "endpoints": Endpoints(oidc.authorize, oidc.token, oidc.revoke, oidc.user_info),
        "client_id": oidc.client_id,
        "scopes": SCOPES,
        "authorize_parameters": {"prompt": "consent"},
        "issuer": oidc.issuer,
        "issuer_required": True,
        "rotation": "strict",
    }
    return Provider(**(standard | changes))


def connection(oidc: OidcProvider, **changes: object) -> Connection:
    provider = row(oidc, **changes)
    servers = Servers(Outbound(frozenset({oidc.issuer.removeprefix("http://")})), WallClock())
    return Connection(oidc, provider, servers.of(provider, Secret(oidc.client_secret)))


@pytest.fixture(scope="session")
def oidc() -> Iterator[OidcProvider]:
    with oidc_provider([REDIRECT]) as running:
        yield running


@pytest.fixture
def connected(oidc: OidcProvider) -> Connection:
    return connection(oidc)
