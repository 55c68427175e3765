"""ID tokens, as far as they tell whose account was connected (OpenID Connect Core 3.1.3.7).

They come from the token endpoint itself, over a connection we made: its TLS vouches for them in place of a signature (item 6).
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.errors import CodeRefused, IssuerMismatch
from shared.domain.integration import Account
from shared.domain.secret import Secret

_SKEW = 300
_DIRECTORY = re.compile(r"[0-9a-fA-F-]{1,64}")
_NAMES = ("email", "preferred_username", "name")


def nonce_for(nonce: Secret[str]) -> str:
    """What the consent page is told: the hash (OpenID Connect Core 15.5.2), so that the page's log does not hold the nonce."""
    return hashlib.sha256(nonce.reveal().encode()).hexdigest()


def account_in(
    token: Secret[str], *, client_id: str, issuer: str, nonce: Secret[str], now: datetime, bare: bool = False
) -> Account:
    """Whose account it is: ``sub``, or ``tid.oid`` where the issuer depends on the directory (``{tid}``).

    Args:
        bare: whether the token may name the issuer without its scheme.

    Raises:
        IssuerMismatch: another issuer made it.
        CodeRefused: it was made for another client or another consent, is over, or is none.
    """
    claims = _claims(token)
    directory = claims.get("tid")
    if "{tid}" in issuer:
        if not (isinstance(directory, str) and _DIRECTORY.fullmatch(directory)):
            raise IssuerMismatch
        issuer = issuer.replace("{tid}", directory)
    if claims.get("iss") not in (issuer, issuer.removeprefix("https://") if bare else issuer):
        raise IssuerMismatch
    _is_for_us(claims, client_id, nonce_for(nonce), now)
    subject = _text(claims, "oid", "sub") if directory is not None else _text(claims, "sub")
    if subject is None:
        raise CodeRefused
    return Account(f"{directory}.{subject}" if directory is not None else subject, _text(claims, *_NAMES))


def _is_for_us(claims: Mapping[str, Any], client_id: str, nonce: str, now: datetime) -> None:
    audience, over, told = claims.get("aud"), claims.get("exp"), claims.get("nonce")
    ours = audience == client_id or (audience == [client_id])
    alive = isinstance(over, int | float) and now.timestamp() < over + _SKEW
    if not (ours and alive and isinstance(told, str) and hmac.compare_digest(told.encode(), nonce.encode())):
        raise CodeRefused


def _claims(token: Secret[str]) -> Mapping[str, Any]:
    parts = token.reveal().split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, IndexError, RecursionError):
        raise CodeRefused from None
    if len(parts) != 3 or not isinstance(claims, dict):
        raise CodeRefused
    return claims


def _text(claims: Mapping[str, Any], *names: str) -> str | None:
    values = (claims.get(name) for name in names)
    return next(
        (value for value in values if isinstance(value, str) and 0 < len(value) <= 256 and value.isprintable()), None
    )
