"""Signed ID tokens (OpenID Connect Core 1.0), and the documents by which others check them."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import jwt

from infra.local.issuer import key_id, public_jwk
from infra.local.providers.exchange import Answer, says
from infra.local.providers.house import Office


def sign(claims: Mapping[str, Any], access_token: str, office: Office, *, seconds: int = 3600) -> str:
    """An ID token for the client, with the hash of the access token that came along."""
    now = int(office.book.now())
    half = sha256(access_token.encode()).digest()[:16]
    standard = {"aud": office.client.id, "iat": now, "exp": now + seconds, "at_hash": _b64(half)}
    return jwt.encode({**standard, **claims}, office.key(), algorithm="RS256", headers={"kid": key_id(office.key())})


def keys(office: Office) -> Answer:
    """The public keys (RFC 7517)."""
    return says(200, {"keys": [public_jwk(office.key())]})


def discovery(issuer: str, **endpoints: str) -> Answer:
    """OpenID Connect Discovery 1.0."""
    return says(
        200,
        {
            "issuer": issuer,
            **endpoints,
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        },
    )


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
