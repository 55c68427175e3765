"""Google's ways: refreshed by google-auth, which knows its session control (RAPT); everything else is the standard.

Its ID tokens say ``https://accounts.google.com`` or ``accounts.google.com`` ("OpenID Connect", "Validating an ID token").
"""

from types import SimpleNamespace
from typing import Any

from google.oauth2 import reauth

from shared.domain.secret import Secret
from shared.oauth.answers import Answer
from shared.oauth.dialect import Client, Dialect
from shared.oauth.dialects import standard
from shared.oauth.faults import GOOGLE
from shared.oauth.scopes import Spelling
from shared.oauth.wire import Wire

_USER = "https://www.googleapis.com/auth/userinfo."


def refresh(wire: Wire[Answer], client: Client, token: Secret[str], scopes: tuple[str, ...]) -> None:
    """Scopes are left out, as in the standard's."""

    def transport(url: str, method: str, body: bytes, headers: dict[str, str], **named: Any) -> SimpleNamespace:
        sound = wire.request(method, url, data=body, headers=headers)
        return SimpleNamespace(status=sound.status_code, headers={}, data=sound.text.encode())

    reauth.refresh_grant(transport, client.endpoints.token, token.reveal(), client.id, client.needed_secret)  # type: ignore[no-untyped-call]  # google-auth has no types


DIALECT = Dialect(
    exchange=standard.exchange,
    refresh=refresh,
    revoke=standard.revoke,
    faults=GOOGLE,
    scopes=Spelling(aliases={f"{_USER}email": "email", f"{_USER}profile": "profile"}),
    needs_secret=True,
    bare_issuer=True,
)
