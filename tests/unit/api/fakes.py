"""The API as a caller meets it, over fakes that remember what they were asked."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import urlencode

from shared.api.app import build
from shared.api.cursor import CursorCodec
from shared.api.services import Services
from shared.domain.errors import FarshoreError, Unauthenticated
from shared.domain.ids import TenantId
from shared.domain.tenant import Source, Tenant
from shared.ports.identity import Principal
from shared.ports.state import ReplicaPage

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OWNER = Principal("anna", frozenset({"owner"}), frozenset({"acme"}))


class Tenants:
    def __init__(self, *ids: str) -> None:
        self.ids = ids
        self.asked: list[str] = []

    def get(self, tenant_id):
        self.asked.append(tenant_id)
        if tenant_id in self.ids:
            return Tenant(TenantId(tenant_id), tenant_id, Source("s3", "main", f"{tenant_id}/"), NOW)
        return None


class Ledger:
    """Answers with its rows, or with the error it was given; remembers each call. Knows no write."""

    def __init__(self) -> None:
        self.rows: list = []
        self.after: str | None = None
        self.error: Exception | None = None
        self.asked: list[tuple] = []

    def _told(self, *call):
        self.asked.append(call)
        if self.error:
            raise self.error

    def page(self, tenant_id, **filters) -> ReplicaPage:
        self._told("page", tenant_id, filters)
        return ReplicaPage([row for row in self.rows if row.tenant_id == tenant_id], self.after)

    def copies(self, tenant_id, source_key):
        self._told("copies", tenant_id, source_key)
        return [row for row in self.rows if (row.tenant_id, row.source_key) == (tenant_id, source_key)]


class Verifier:
    """Tokens are names of principals it was told of."""

    def __init__(self, **known: Principal | FarshoreError) -> None:
        self.known = known

    def verify(self, token: str) -> Principal:
        found = self.known.get(token, Unauthenticated())
        if isinstance(found, FarshoreError):
            raise found
        return found


@dataclass
class Api:
    """One API; ``get`` speaks payload 2.0 to it."""

    tenants: Tenants = field(default_factory=lambda: Tenants("acme", "beta"))
    ledger: Ledger = field(default_factory=Ledger)
    verifier: Verifier = field(default_factory=lambda: Verifier(anna=OWNER))
    now: datetime = NOW
    reported: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        codec = CursorCodec(lambda: [b"k" * 32], now=lambda: self.now)
        self.app = build(Services(self.tenants, self.ledger, self.verifier, codec, self.reported.append))

    def get(
        self, path: str, token: str | None = "anna", *, query: str = "", method: str = "GET", headers=None, **params
    ):
        sent = {"authorization": f"Bearer {token}"} if token else {}
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query or urlencode(params),
            "headers": sent | (headers or {}),
            "requestContext": {"stage": "$default", "requestId": "g-1", "http": {"method": method, "path": path}},
            "isBase64Encoded": False,
        }
        answer = self.app.resolve(event, SimpleNamespace(aws_request_id="request-1"))
        return Answer(answer["statusCode"], answer["headers"], answer["body"])


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self):
        return json.loads(self.text)
