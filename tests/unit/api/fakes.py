"""The API as a caller meets it, over a town in memory (``tests.unit.usecases.fakes``)."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import SimpleNamespace
from urllib.parse import urlencode

from shared.api.app import build
from shared.api.cursor import CursorCodec
from shared.api.services import Services
from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import FarshoreError, InvalidInput, Unauthenticated
from shared.domain.ids import TenantId
from shared.domain.tenant import Source, Tenant
from shared.ports.identity import Principal
from shared.ports.state import ReplicaPage
from shared.usecases.check import Checking
from shared.usecases.connect import Connecting
from shared.usecases.deliver import Delivering
from shared.usecases.disconnect import Disconnecting
from shared.usecases.integrations import Managing
from shared.usecases.providers import Administration
from shared.usecases.refresh import Refreshing
from shared.usecases.tenancy import Tenancy
from shared.usecases.webhooks import Hooks
from tests.unit.usecases.fakes import Town

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PUBLIC = "https://farshore.example"
RETURN = "https://app.acme.example/connections"
OWNER = Principal("anna", frozenset({"owner"}), frozenset({"acme"}))
ADMIN = Principal("root", frozenset({"superadmin"}))
NAMED = Principal("olga")
"""Owns beta because its record says so; her token names no tenant and no role."""


def check_url(url: str) -> None:
    if not url.startswith("https://") or "internal" in url:
        raise InvalidInput("a URL is https and leads to no private network")


class Courier:
    """Brings everything at once, and remembers it."""

    def __init__(self) -> None:
        self.brought: list = []

    def deliver(self, notice, webhook, secrets, attempt):
        from shared.domain.notice import Delivery

        self.brought.append((notice, webhook.id))
        return Delivery(webhook.id, webhook.tenant_id, notice, attempt, NOW, "delivered", 204, None, 7)


class Probes:
    """Reaches every store, or fails as it was told."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def reach(self, integration) -> None:
        if self.error:
            raise self.error

    def guarded(self, integration) -> bool:
        return True


class Worlds:
    """Every use case's world, of one set of ports."""

    def __init__(self, ports) -> None:
        self.ports = ports
        self.courier, self.probes = Courier(), Probes()

    def _of(self, kind, **more):
        names = [name for name in kind.__dataclass_fields__ if name not in more]
        return kind(**{name: getattr(self.ports, name) for name in names}, **more)

    @cached_property
    def administration(self) -> Administration:
        return self._of(Administration, check_url=check_url)

    @cached_property
    def tenancy(self) -> Tenancy:
        return self._of(Tenancy)

    @cached_property
    def managing(self) -> Managing:
        return self._of(Managing, check_url=check_url)

    @cached_property
    def connecting(self) -> Connecting:
        return self._of(Connecting, public_url=PUBLIC, return_urls=(RETURN,))

    @cached_property
    def disconnecting(self) -> Disconnecting:
        return self._of(Disconnecting)

    @cached_property
    def refreshing(self) -> Refreshing:
        return self._of(Refreshing)

    @cached_property
    def checking(self) -> Checking:
        return self._of(Checking, probes=self.probes, refreshing=self.refreshing)

    @cached_property
    def hooks(self) -> Hooks:
        return self._of(Hooks, check_url=check_url)

    @cached_property
    def delivering(self) -> Delivering:
        return self._of(Delivering, courier=self.courier)


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


def settled() -> Town:
    """A town with two tenants: acme, whom tokens name, and beta, whose record names its owner and member."""
    town = Town()
    for name, owners, members in (("acme", (), ()), ("beta", ("olga",), ("milo",))):
        tenant = Tenant(
            TenantId(name), name, Source("s3", "main", f"{name}/"), NOW, frozenset(owners), frozenset(members)
        )
        town.tenants.add(tenant, AuditEvent("*", NOW, Actor("test"), "tenant.added", f"tenant/{name}"))
    return town


@dataclass
class Api:
    """One API; ``ask`` speaks payload 2.0 to it."""

    town: Town = field(default_factory=settled)
    ledger: Ledger = field(default_factory=Ledger)
    verifier: Verifier = field(
        default_factory=lambda: Verifier(anna=OWNER, root=ADMIN, olga=NAMED, milo=Principal("milo"))
    )
    now: datetime = NOW
    public_url: str = PUBLIC
    reported: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.worlds = Worlds(self.town)
        self.app = build(self.services())

    def services(self) -> Services:
        town = self.town
        return Services(
            tenants=town.tenants,
            providers=town.providers,
            integrations=town.integrations,
            ledger=self.ledger,
            audit=town.audit,
            webhooks=town.webhooks,
            limits=town.limits,
            worlds=self.worlds,
            verifier=self.verifier,
            cursors=CursorCodec(lambda: [b"k" * 32], now=lambda: self.now),
            clock=town.clock,
            report=self.reported.append,
            deadline=lambda context: town.deadline,
            public_url=self.public_url,
        )

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = "anna",
        *,
        body=None,
        raw: str | None = None,
        query: str = "",
        headers=None,
        cookies=(),
    ):
        sent = {"authorization": f"Bearer {token}"} if token else {}
        if body is not None or raw is not None:
            sent["content-type"] = "application/json"
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": sent | (headers or {}),
            "cookies": list(cookies),
            "requestContext": {
                "stage": "$default",
                "requestId": "g-1",
                "http": {"method": method, "path": path, "sourceIp": "203.0.113.7"},
            },
            "isBase64Encoded": False,
        }
        if body is not None or raw is not None:
            event["body"] = raw if raw is not None else json.dumps(body)
        answer = self.app.resolve(event, SimpleNamespace(aws_request_id="request-1"))
        return Answer(answer["statusCode"], answer["headers"], answer["body"], answer.get("cookies", []))

    def get(self, path, token: str | None = "anna", *, query: str = "", method: str = "GET", headers=None, **params):
        return self.ask(method, path, token, query=query or urlencode(params), headers=headers)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str
    cookies: list[str] = field(default_factory=list)

    @property
    def json(self):
        return json.loads(self.text)
