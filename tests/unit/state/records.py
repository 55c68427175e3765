"""Whole records: every field differs from its default, so that one forgotten on the way shows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from shared.domain.audit import Actor, AuditEvent, document
from shared.domain.grant import Flow
from shared.domain.integration import Account, Integration, Tokens
from shared.domain.notice import Delivery, Notice, Webhook
from shared.domain.provider import Endpoints, Metadata, Provider
from shared.domain.rule import Rule, Target
from shared.domain.seal import Sealed
from shared.domain.tenant import Source, Tenant

NOW = datetime(2026, 11, 20, 12, 0, 0, 5, UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def event(tenant_id: str = "acme", action: str = "thing.changed", **more) -> AuditEvent:
    return AuditEvent(tenant_id, NOW, Actor("ada", "192.0.2.1"), action, "thing/1", **more)


TOLD = event(
    outcome="grant_revoked",
    before={"status": "active", "n": 1, "scopes": ["b", "a"]},
    after={"status": "revoked", "reason": None, "ratio": 0.5, "name": 'ü"\\日本😀'},
)


def documents(memory, tenant_id: str = "acme") -> list[dict]:
    """A trail as it is exported. ``memory`` has an ``audit``."""
    entries = memory.audit.page(tenant_id, limit=1000)
    return [{**document(it.event, it.sequence, it.previous), "hash": it.hash} for it in entries]


TENANT = Tenant(
    "acme", "Acme", Source("s3", "main", "acme/"), NOW, frozenset({"ada", "bob"}), frozenset({"eve"}), later(1), 1
)

RULE = Rule("r1", "acme", Target("azure", "i1", "box", "x/{key}"), NOW, "a/", ".txt", "delete", 3, True, 1)

PROVIDER = Provider(
    id="p1",
    name="Box",
    slug="box",
    connector="box",
    auth_types=("oauth2", "service_account"),
    created_by="ada",
    created_at=NOW,
    updated_at=later(1),
    endpoints=Endpoints("https://a.example", "https://t.example", "https://r.example", "https://u.example"),
    client_id="client",
    secret=Sealed(b"\x00secret\xff", 4),
    scopes=("read", "write"),
    token_method="BASIC",
    authorize_parameters=MappingProxyType({"access_type": "offline"}),
    issuer="https://a.example",
    issuer_required=True,
    dialect="google",
    rotation="strict",
    idle_days=60,
    metadata=Metadata("box.svg", "#0061d5", "Files", "yes", ("us", "eu")),
)

INTEGRATION = Integration(
    id="i1",
    tenant_id="acme",
    name="Files",
    connector="box",
    auth_type="oauth2",
    container="backup",
    created_at=NOW,
    updated_at=later(1),
    settings=MappingProxyType({"region": "eu"}),
    credentials=Sealed(b"\x01credentials", 2),
    status="error",
    is_active=False,
    version=1,
    provider_id="p1",
    tokens=Tokens(7, Sealed(b"\x02access", 7), Sealed(b"\x03refresh", 5), later(3600)),
    generation=7,
    account=Account("42", "ada@example.com"),
    reason="scope_missing",
    scopes_requested=("read", "write"),
    scopes_granted=("read",),
    connected_at=later(2),
    last_refreshed_at=later(3),
    refresh_due_at=later(3000),
    failures=2,
    created_by="ada",
)

ALONE = replace(INTEGRATION, provider_id=None)
"""One that needs no provider to be there."""

FLOW = Flow(
    state_hash="5" * 64,
    browser_hash="6" * 64,
    tenant_id="acme",
    integration_id="i1",
    provider_id="p1",
    user="ada",
    secrets=Sealed(b"\x04verifier"),
    redirect_uri="https://farshore.example/api/v1/oauth/box/callback",
    scopes=("read", "write"),
    created_at=NOW,
    expires_at=later(600),
    return_to="https://console.example/done",
    loopback="http://127.0.0.1:5000/done",
    confirmed=True,
    provider_version=3,
    integration_version=4,
)

WEBHOOK = Webhook(
    id="w1",
    tenant_id="acme",
    url="https://hooks.example/in",
    kinds=("integration.failed", "integration.recovered"),
    secret=Sealed(b"\x05key", 2),
    created_by="ada",
    created_at=NOW,
    updated_at=later(1),
    enabled=False,
    version=1,
    former=Sealed(b"\x06former", 1),
    former_until=later(86400),
)

NOTICE = Notice(
    id="evt_acme_9",
    kind="integration.failed",
    tenant_id="acme",
    at=NOW.replace(microsecond=0),
    integration_id="i1",
    status="expired",
    previous_status="active",
    reason="grant_expired",
)

DELIVERY = Delivery("w1", "acme", NOTICE, 1, NOW, "retrying", 503, "http_503", 12)
