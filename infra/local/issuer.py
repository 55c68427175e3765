"""A small OpenID issuer on loopback: discovery, one RS256 key made at the first run, and tokens minted for the demo's people."""

import base64
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

AUDIENCE = "farshore"
TOKEN_SECONDS = 7 * 24 * 3600


def signing_key(file: Path) -> RSAPrivateKey:
    """The issuer's key, made and kept at the first call."""
    if file.exists():
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError(f"{file} is not an RSA key")
        return key
    made = generate_private_key(public_exponent=65537, key_size=2048)
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as output:
        output.write(pem)
    return made


def mint(
    key: RSAPrivateKey, issuer: str, subject: str, claims: Mapping[str, Any], *, seconds: int = TOKEN_SECONDS
) -> str:
    """A signed token for ``subject`` with these claims beside the standard ones."""
    now = int(time.time())
    standard = {"iss": issuer, "aud": AUDIENCE, "sub": subject, "iat": now, "nbf": now, "exp": now + seconds}
    return jwt.encode({**standard, **claims}, key, algorithm="RS256", headers={"kid": key_id(key)})


@contextmanager
def serving(key: RSAPrivateKey, port: int) -> Iterator[str]:
    """Publishes the issuer on a loopback port until the block ends; yields its URL."""
    issuer = f"http://127.0.0.1:{port}"
    documents = {
        "/.well-known/openid-configuration": {
            "issuer": issuer,
            "jwks_uri": f"{issuer}/jwks.json",
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["public"],
            "response_types_supported": ["id_token"],
        },
        "/jwks.json": {"keys": [public_jwk(key)]},
    }
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, documents))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, documents: Mapping[str, Any], *rest: Any) -> None:
        self._documents = documents
        super().__init__(*rest)

    def do_GET(self) -> None:
        document = self._documents.get(self.path)
        body = json.dumps(document if document is not None else {"error": "not_found"}).encode()
        self.send_response(200 if document is not None else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: what is asked of it is no news."""


def public_jwk(key: RSAPrivateKey) -> dict[str, str]:
    """The public half, as a JSON Web Key."""
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id(key), "n": _b64(numbers.n), "e": _b64(numbers.e)}


def key_id(key: RSAPrivateKey) -> str:
    """Names the key in what it signs."""
    return sha256(_b64(key.public_key().public_numbers().n).encode()).hexdigest()[:16]


def _b64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
