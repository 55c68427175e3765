"""An authorization server on loopback that answers what a test wrote down, and our client of it."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from shared.domain.ids import ProviderId
from shared.domain.provider import Endpoints, Provider
from shared.domain.secret import Secret
from shared.oauth.id_token import nonce_for
from shared.oauth.servers import Servers
from shared.outbound.session import Outbound
from shared.ports.oauth import ConsentRequest
from tests.unit.outbound.server import bytes_of, loopback

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
DIRECTORY = "9188040d-6c67-4c5b-b112-36a304b66dad"
ISSUER = "https://login.example/{tid}/v2.0"
SECRET = Secret("client-secret-%+:&")
REQUEST = ConsentRequest(
    redirect_uri="https://farshore.example/api/v1/oauth/house/callback",
    state="the-state",
    verifier=Secret("v" * 43),
    nonce=Secret("the-nonce"),
    scopes=("openid", "offline_access", "Files.ReadWrite"),
)
TOKENS = {"access_token": "access-1", "refresh_token": "refresh-1", "token_type": "bearer", "expires_in": 3600}


class StoppedClock:
    def now(self) -> datetime:
        return NOW

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


class House:
    """What was asked of it, and the server under test."""

    def __init__(self, server, dialect, changes, secret) -> None:
        base = server.url.rstrip("/")
        standard = {
            "id": ProviderId("prv_house"),
            "name": "House",
            "slug": "house",
            "connector": "dropbox",
            "auth_types": ("oauth2",),
            "created_by": "admin",
            "created_at": NOW,
            "updated_at": NOW,
            "client_id": "client-1",
            "dialect": dialect,
            "endpoints": Endpoints(f"{base}/authorize?keep=1", f"{base}/token", f"{base}/revoke", f"{base}/me"),
        }
        self.provider = Provider(**(standard | changes))
        self.server = Servers(Outbound(frozenset({server.authority})), StoppedClock()).of(self.provider, secret)
        self._asked = server.asked

    @property
    def calls(self) -> list[str]:
        return [raw.split(b" HTTP/", 1)[0].decode() for raw in self._asked]

    @property
    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(raw.partition(b"\r\n\r\n")[2].decode())) for raw in self._asked]

    def header(self, name: str, call: int = -1) -> str | None:
        lines = self._asked[call].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return next(
            (value for key, _, value in (line.partition(": ") for line in lines) if key.lower() == name.lower()), None
        )


@contextmanager
def house(dialect, *answers, secret=SECRET, **changes) -> Iterator[House]:
    """Answers are (status, object or bytes[, header lines]); after the last one it is silent."""
    left = list(answers)

    def answer(connection, over):
        if left:
            status, body, *headers = left.pop(0)
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            bytes_of(f"{status} X", raw, *headers)(connection, over)

    with loopback(answer) as server:
        yield House(server, dialect, changes, secret)


def id_token(**changes) -> str:
    """An ID token as Microsoft would make it for ``REQUEST``; None takes a claim out."""
    claims = {
        "iss": ISSUER.replace("{tid}", DIRECTORY),
        "aud": "client-1",
        "tid": DIRECTORY,
        "oid": "object-1",
        "sub": "pairwise-1",
        "nonce": nonce_for(REQUEST.nonce),
        "exp": NOW.timestamp() + 3600,
        "preferred_username": "ada@example.com",
    } | changes
    return encoded({name: value for name, value in claims.items() if value is not None})


def encoded(claims: Mapping[str, object]) -> str:
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "RS256"}, claims, "signature")
    )
