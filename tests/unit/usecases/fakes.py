"""The world of connections, in memory: every port that the use cases of connections ask for.

``Town`` holds one of each, wired together. Each call of a port passes a gate (``tests.model.bucket.Gate``), whose ``Script``
here counts calls and fails those a test names. Records are read through a memory of 30 seconds, as the real repositories do:
a use case that forgets ``fresh`` shows it (``elsewhere`` writes as another process would).

Where it differs from the world: one process, one lock, no limits of size; the key service is ``HonestKeys``; the
authorization server (``authorization.Servers``) makes no HTTP.
"""

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import wraps
from threading import RLock
from typing import Any

from shared.crypto.envelope import seal, unseal
from shared.domain import audit
from shared.domain.audit import GENESIS, AuditEntry, AuditEvent
from shared.domain.errors import (
    AlreadyExists,
    Conflict,
    InUse,
    NotFound,
    StateUnavailable,
    TooManyRequests,
    VersionMismatch,
)
from shared.domain.grant import Flow
from shared.domain.integration import Integration
from shared.domain.notice import Delivery, Webhook
from shared.domain.provider import Provider
from shared.domain.rule import Rule
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret
from shared.domain.tenant import Tenant
from shared.ports.connections import Lease
from tests.model.bucket import Clock, Gate, Until
from tests.security.crypto_fakes import HonestKeys

MEMORY = timedelta(seconds=30)


class Script(Gate):
    """Counts every call by name (``integrations.change``) and fails the next ones that a test has named.

    An error listed in ``before`` is raised in place of the call, one in ``after`` once its effect is there; ``meanwhile`` is
    done just before the call, once.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.before: dict[str, list[Exception]] = defaultdict(list)
        self.after: dict[str, list[Exception]] = defaultdict(list)
        self.meanwhile: dict[str, Callable[[], Any]] = {}

    def count(self, call: str) -> int:
        return Counter(self.calls)[call]

    def around(self, call: str, action: Callable):
        self.calls.append(call)
        if call in self.meanwhile:
            self.meanwhile.pop(call)()
        if self.before[call]:
            raise self.before[call].pop(0)
        result = action()
        if self.after[call]:
            raise self.after[call].pop(0)
        return result


def gated(method: Callable) -> Callable:
    """A port's method: through the gate, one at a time."""

    @wraps(method)
    def call(self, *args, **named):
        def action():
            with self.lock:
                return method(self, *args, **named)

        return self.gate.around(f"{type(self).__name__.lower()}.{method.__name__}", action)

    return call


class Room:
    """What all fakes share: the gate and the lock."""

    def __init__(self, gate: Gate | None = None, lock: Any = None) -> None:
        self.gate = gate or Gate()
        self.lock = lock or RLock()


class Audit(Room):
    """Trails of hashes."""

    def __init__(self, *wiring) -> None:
        super().__init__(*wiring)
        self.trails: dict[str, list[AuditEntry]] = defaultdict(list)

    def write(self, event: AuditEvent | None) -> None:
        """As part of another room's transaction."""
        if event is not None:
            trail = self.trails[event.tenant_id]
            previous = trail[-1].hash if trail else GENESIS
            trail.append(audit.entry(event, len(trail) + 1, previous))

    def events(self, tenant_id: str) -> list[AuditEvent]:
        return [entry.event for entry in self.trails[tenant_id]]

    def actions(self, tenant_id: str) -> list[str]:
        return [event.action for event in self.events(tenant_id)]

    @gated
    def append(self, event: AuditEvent) -> AuditEntry:
        self.write(event)
        return self.trails[event.tenant_id][-1]

    @gated
    def page(self, tenant_id: str, *, after: int = 0, limit: int = 100, newest_first: bool = False):
        trail = self.trails[tenant_id]
        if newest_first:
            return [it for it in reversed(trail) if not after or it.sequence < after][:limit]
        return [it for it in trail if it.sequence > after][:limit]

    @gated
    def head(self, tenant_id: str) -> tuple[int, str]:
        trail = self.trails[tenant_id]
        return (trail[-1].sequence, trail[-1].hash) if trail else (0, GENESIS)


class Records(Room):
    """Versioned records with their audit events, read through a memory of 30 seconds."""

    def __init__(self, trail: Audit, clock: Clock, *wiring) -> None:
        super().__init__(*wiring)
        self.trail = trail
        self.clock = clock
        self.items: dict[Any, Any] = {}
        self.remembered: dict[Any, tuple[datetime, Any]] = {}

    def key(self, item) -> Any:
        return item.id

    def elsewhere(self, item) -> None:
        """Written by another process: this one's memory stays as it is."""
        self.items[self.key(item)] = item

    def read(self, key, *, fresh: bool = False):
        at, known = self.remembered.get(key, (None, None))
        if fresh or known is None or at is None or self.clock.now() - at >= MEMORY:
            known = self.items.get(key)
            self.remembered[key] = (self.clock.now(), known)
        return known

    def _put(self, item, event: AuditEvent | None) -> None:
        self.items[self.key(item)] = item
        self.remembered.pop(self.key(item), None)
        self.trail.write(event)

    def _add(self, item, event: AuditEvent) -> None:
        if self.key(item) in self.items:
            raise AlreadyExists
        self._put(item, event)

    def _change(self, item, event: AuditEvent | None) -> None:
        stored = self.items.get(self.key(item))
        if stored is None or stored.version != item.version - 1:
            raise VersionMismatch
        self._put(item, event)

    def _remove(self, item, event: AuditEvent) -> None:
        stored = self.items.get(self.key(item))
        if stored is None or stored.version != item.version:
            raise VersionMismatch
        del self.items[self.key(item)]
        self.remembered.pop(self.key(item), None)
        self.trail.write(event)

    def _page(self, keep: Callable[[Any], bool], after, limit: int) -> list:
        kept = sorted((it for it in self.items.values() if keep(it)), key=lambda it: it.id)
        return [it for it in kept if after is None or it.id > after][:limit]


class Tenants(Records):
    @gated
    def get(self, tenant_id, *, fresh: bool = False) -> Tenant | None:
        return self.read(tenant_id, fresh=fresh)

    @gated
    def owner_of(self, connector: str, bucket: str, key: str) -> Tenant | None:
        return next((it for it in self.items.values() if it.source.holds(connector, bucket, key)), None)

    @gated
    def add(self, tenant: Tenant, event: AuditEvent) -> None:
        self._apart(tenant)
        self._add(tenant, event)

    @gated
    def change(self, tenant: Tenant, event: AuditEvent) -> None:
        self._apart(tenant)
        self._change(tenant, event)

    @gated
    def remove(self, tenant: Tenant, event: AuditEvent) -> None:
        self._remove(tenant, event)

    @gated
    def page(self, *, after=None, limit: int = 100) -> list[Tenant]:
        return self._page(lambda _: True, after, limit)

    def _apart(self, tenant: Tenant) -> None:
        if any(it.id != tenant.id and it.source.overlaps(tenant.source) for it in self.items.values()):
            raise Conflict("the source overlaps another tenant's")


class Rules(Records):
    def key(self, item: Rule):
        return (item.tenant_id, item.id)

    @gated
    def of(self, tenant_id, *, fresh: bool = False) -> list[Rule]:
        return self._page(lambda it: it.tenant_id == tenant_id, None, 1000)

    @gated
    def get(self, tenant_id, rule_id) -> Rule | None:
        return self.read((tenant_id, rule_id))

    @gated
    def add(self, rule: Rule, event: AuditEvent) -> None:
        if any(it.target.name == rule.target.name for it in self.items.values() if it.tenant_id == rule.tenant_id):
            raise AlreadyExists
        self._add(rule, event)

    @gated
    def change(self, rule: Rule, event: AuditEvent) -> None:
        self._change(rule, event)


class Providers(Records):
    @gated
    def get(self, provider_id, *, fresh: bool = False) -> Provider | None:
        return self.read(provider_id, fresh=fresh)

    @gated
    def by_slug(self, slug: str) -> Provider | None:
        return next((self.read(it.id) for it in self.items.values() if it.slug == slug), None)

    @gated
    def page(self, *, after=None, limit: int = 100) -> list[Provider]:
        return self._page(lambda _: True, after, limit)

    @gated
    def add(self, provider: Provider, event: AuditEvent) -> None:
        if any(it.slug == provider.slug for it in self.items.values()):
            raise AlreadyExists
        self._add(provider, event)

    @gated
    def change(self, provider: Provider, event: AuditEvent) -> None:
        stored = self.items.get(provider.id)
        self._change(replace(provider, uses=stored.uses) if stored else provider, event)

    @gated
    def remove(self, provider: Provider, event: AuditEvent) -> None:
        stored = self.items.get(provider.id)
        if stored is not None and stored.uses:
            raise InUse("integrations use this provider")
        self._remove(provider, event)

    def count(self, provider_id, by: int) -> None:
        stored = self.items.get(provider_id)
        if stored is not None:
            self.items[provider_id] = replace(stored, uses=stored.uses + by)


class Integrations(Records):
    def __init__(self, providers: Providers, *rest) -> None:
        super().__init__(*rest)
        self.providers = providers

    def key(self, item: Integration):
        return (item.tenant_id, item.id)

    @gated
    def get(self, tenant_id, integration_id, *, fresh: bool = False) -> Integration | None:
        return self.read((tenant_id, integration_id), fresh=fresh)

    @gated
    def of(self, tenant_id, *, after=None, limit: int = 100) -> list[Integration]:
        return self._page(lambda it: it.tenant_id == tenant_id, after, limit)

    @gated
    def add(self, integration: Integration, event: AuditEvent) -> None:
        if integration.provider_id is not None:
            provider = self.providers.items.get(integration.provider_id)
            if provider is None or not provider.enabled:
                raise NotFound("there is no such provider")
        self._add(integration, event)
        self.providers.count(integration.provider_id, 1)

    @gated
    def change(self, integration: Integration, event: AuditEvent | None = None) -> None:
        self._change(integration, event)

    @gated
    def remove(self, integration: Integration, event: AuditEvent) -> None:
        self._remove(integration, event)
        self.providers.count(integration.provider_id, -1)

    @gated
    def due(self, before: datetime, *, limit: int = 1000):
        due = [it for it in self.items.values() if it.refresh_due_at is not None and it.refresh_due_at <= before]
        return [(it.tenant_id, it.id) for it in sorted(due, key=lambda it: it.refresh_due_at)][:limit]


class Flows(Room):
    def __init__(self, *wiring) -> None:
        super().__init__(*wiring)
        self.items: dict[str, Flow] = {}

    @gated
    def add(self, flow: Flow) -> None:
        self.items[flow.state_hash] = flow

    @gated
    def look(self, state_hash: str, now: datetime) -> Flow | None:
        flow = self.items.get(state_hash)
        return flow if flow is not None and flow.expires_at > now else None

    @gated
    def take(self, state_hash: str, now: datetime) -> Flow | None:
        flow = self.items.get(state_hash)
        return self.items.pop(state_hash) if flow is not None and flow.expires_at > now else None


class Leases(Room):
    """A freed lease without doubt leaves nothing; any other leaves its row, and doubt for whoever comes next."""

    def __init__(self, *wiring) -> None:
        super().__init__(*wiring)
        self.held: dict[str, Lease] = {}

    @gated
    def take(self, name: str, holder: str, *, until: datetime, now: datetime) -> Lease | None:
        there = self.held.get(name)
        if there is not None and there.holder not in ("", holder) and there.until > now:
            return None
        lease = Lease(name, holder, until, doubtful=there is not None)
        self.held[name] = lease
        return lease

    @gated
    def free(self, lease: Lease, *, doubtful: bool = False) -> None:
        there = self.held.get(lease.name)
        if there is None or there.holder != lease.holder:
            return
        if doubtful:
            self.held[lease.name] = replace(lease, holder="")
        else:
            del self.held[lease.name]


class Limits(Room):
    def __init__(self, *wiring) -> None:
        super().__init__(*wiring)
        self.spent: Counter = Counter()

    @gated
    def spend(self, name: str, *, most: int, seconds: int, now: datetime) -> None:
        window, into = divmod(now.timestamp(), seconds)
        self.spent[name, window] += 1
        if self.spent[name, window] > most:
            raise TooManyRequests(after=seconds - into)


class Webhooks(Records):
    def __init__(self, *rest) -> None:
        super().__init__(*rest)
        self.log: dict[tuple, Delivery] = {}

    def key(self, item: Webhook):
        return (item.tenant_id, item.id)

    @gated
    def get(self, tenant_id, webhook_id) -> Webhook | None:
        return self.items.get((tenant_id, webhook_id))

    @gated
    def of(self, tenant_id) -> list[Webhook]:
        return self._page(lambda it: it.tenant_id == tenant_id, None, 1000)

    @gated
    def add(self, webhook: Webhook, event: AuditEvent) -> None:
        self._add(webhook, event)

    @gated
    def change(self, webhook: Webhook, event: AuditEvent) -> None:
        self._change(webhook, event)

    @gated
    def remove(self, webhook: Webhook, event: AuditEvent) -> None:
        self._remove(webhook, event)

    @gated
    def record(self, delivery: Delivery) -> None:
        self.log[delivery.webhook_id, delivery.notice.id, delivery.attempt] = delivery

    @gated
    def deliveries(self, tenant_id, webhook_id, *, after: str | None = None, limit: int = 100):
        rows = [it for it in reversed(self.log.values()) if (it.tenant_id, it.webhook_id) == (tenant_id, webhook_id)]
        begin = int(after or 0)
        page = rows[begin : begin + limit]
        return page, str(begin + limit) if begin + limit < len(rows) else None


class Vault(Room):
    """Seals for real, under keys that are not."""

    def __init__(self, *wiring) -> None:
        super().__init__(*wiring)
        self.keys = HonestKeys()

    @gated
    def seal(self, secret: Secret[str], context: SealContext) -> Sealed:
        return Sealed(seal(secret.reveal().encode(), context, self.keys), context.sequence)

    @gated
    def open(self, sealed: Sealed, context: SealContext) -> Secret[str]:
        return Secret(unseal(sealed.box, context, self.keys).reveal().decode())


class Randomness:
    """The same tokens in the same order; every jitter is ``jitter``."""

    def __init__(self, seed: str = "", jitter: float = 0.5) -> None:
        self.seed, self.jitter, self.given = seed, jitter, 0
        self.lock = RLock()

    def token(self, nbytes: int) -> str:
        with self.lock:
            self.given += 1
            made = hashlib.shake_256(f"{self.seed}/{self.given}".encode()).digest(nbytes)
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    def fraction(self) -> float:
        return self.jitter


class Metrics:
    def __init__(self) -> None:
        self.told: list[tuple[str, float, str, dict[str, str]]] = []

    def count(self, name: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
        self.told.append((name, value, unit, dimensions))

    def total(self, name: str) -> float:
        return sum(value for told, value, _, _ in self.told if told == name)


class Town:
    """One of each, wired together."""

    def __init__(self, gate: Gate | None = None) -> None:
        from tests.unit.usecases.authorization import Servers

        self.script = gate or Script()
        self.lock = RLock()
        wiring = (self.script, self.lock)
        self.clock = Clock()
        self.deadline = Until()
        self.randomness = Randomness()
        self.metrics = Metrics()
        self.audit = Audit(*wiring)
        self.tenants = Tenants(self.audit, self.clock, *wiring)
        self.rules = Rules(self.audit, self.clock, *wiring)
        self.providers = Providers(self.audit, self.clock, *wiring)
        self.integrations = Integrations(self.providers, self.audit, self.clock, *wiring)
        self.webhooks = Webhooks(self.audit, self.clock, *wiring)
        self.flows = Flows(*wiring)
        self.leases = Leases(*wiring)
        self.limits = Limits(*wiring)
        self.vault = Vault(*wiring)
        self.servers = Servers(self.clock, *wiring)

    def down(self, call: str) -> None:
        """The next such call finds no state store."""
        self.script.before[call].append(StateUnavailable())
