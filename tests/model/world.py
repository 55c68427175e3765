"""The reference model: every port of replication in memory, wired, and what may happen to it.

It is the fake of the use cases' unit tests, and the world of the explorer, the state machine and the simulator alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from shared.domain.errors import FarshoreError
from shared.domain.event import Job, ObjectChanged
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.integration import Integration
from shared.domain.objects import Attributes
from shared.domain.replica import Replica
from shared.domain.retry import AfterUser, Never
from shared.domain.rule import Rule, Target
from shared.domain.sequencer import sequencer
from shared.domain.tenant import Source, Tenant
from shared.usecases.plan import Planning, plan
from shared.usecases.replicate import Replicating, failed, replicate
from shared.usecases.sweep import Sweeping, Swept, sweep
from tests.model.bucket import EPOCH, Clock, Gate, Store, Until
from tests.model.memory import Cursors, Ledger, Metrics, Queue, Rules, Stores, Table, Tenants, Transfers

__all__ = ["Gate", "Store", "Until", "World"]


@dataclass
class World:
    """Everything, wired. Build it with ``tenant``, ``integration`` and ``rule``; then put, plan and work."""

    gate: Gate = field(default_factory=Gate)
    receives: int = 5
    protocol: Callable = replicate

    def __post_init__(self) -> None:
        self.behind: Callable[[], None] = lambda: None  # what a careless host does after it acknowledged
        self.clock, self.metrics = Clock(), Metrics()
        self.tenants, self.rules = Tenants("tenants", self.gate), Rules("rules", self.gate)
        self.integrations, self.cursors = Table("integrations", self.gate), Cursors(self.gate)
        self.stores, self.ledger, self.queue = Stores(self.gate), Ledger(self.gate), Queue(self.gate)
        self.transfers = Transfers(self.gate)
        self.sequence = 0

    # ---- building ----------------------------------------------------------------------------------------------------
    def bucket(self, name: str, **nature) -> Store:
        self.stores.buckets.setdefault(name, Store(name, self.clock, self.gate, **nature))
        return self.stores.buckets[name]

    def tenant(self, name: str = "acme", bucket: str = "primary", prefix: str = "", **nature) -> Tenant:
        self.bucket(bucket, **nature)
        tenant = Tenant(TenantId(name), name, Source("memory", bucket, prefix), EPOCH)
        self.tenants.items[(name,)] = tenant
        return tenant

    def rule(
        self, name: str, *, tenant: str = "acme", container: str | None = None, path="{key}", nature=None, **of
    ) -> Rule:
        """A rule of this name to a target and container of the same name, through an integration of its own."""
        container = container or name
        self.bucket(container, **(nature or {}))
        place = (tenant, f"i-{name}")
        self.integrations.items[place] = Integration(
            IntegrationId(place[1]), TenantId(tenant), name, "memory", "access_key", container, EPOCH, EPOCH
        )
        target = Target(TargetName(of.pop("target", name)), IntegrationId(place[1]), None, path)
        rule = Rule(RuleId(name), TenantId(tenant), target, EPOCH, **of)
        self.rules.items[(tenant, name)] = rule
        return rule

    def change(self, kind: str, key: str, /, **changes) -> None:
        """Changes a rule or integration: ``world.change("rules", "b", paused=True)``."""
        table = getattr(self, kind)
        place = next(place for place in table.items if place[1] == key)
        table.items[place] = replace(table.items[place], **changes)

    # ---- the use cases' worlds ---------------------------------------------------------------------------------------
    @property
    def planning(self) -> Planning:
        return Planning(self.tenants, self.rules, self.ledger, self.queue, self.clock, self.metrics)

    @property
    def replicating(self) -> Replicating:
        return Replicating(
            self.tenants,
            self.rules,
            self.integrations,
            self.stores,
            self.ledger,
            self.transfers,
            self.clock,
            self.metrics,
        )

    def sweeping(self, limit: int = 20_000) -> Sweeping:
        return Sweeping(
            self.tenants, self.rules, self.integrations, self.stores, self.ledger, self.transfers, self.queue, self.cursors,
            self.clock, self.metrics, limit,
        )  # fmt: skip

    # ---- what happens ------------------------------------------------------------------------------------------------
    def event(self, key: str, bucket: str = "primary") -> ObjectChanged:
        """What the store says of the change just made; sequencers grow."""
        self.sequence += 1
        return ObjectChanged("memory", bucket, key, self.clock.time, sequencer(f"{self.sequence:08x}"))

    def put(self, key: str, body: bytes = b"body", bucket: str = "primary", attributes: Attributes = Attributes()):
        self.stores.buckets[bucket].put(key, body, attributes)
        return self.event(key, bucket)

    def remove(self, key: str, bucket: str = "primary") -> ObjectChanged:
        self.stores.buckets[bucket].remove(key)
        return self.event(key, bucket)

    def plan(self, event: ObjectChanged) -> Sequence[Job]:
        return plan(event, self.planning)

    def replicate(self, job: Job, deadline: Until | None = None) -> Replica | None:
        return self.protocol(job, self.replicating, deadline or Until())

    def work(self, job: Job, deadline: Until | None = None) -> str:
        """One delivery of a waiting job, as a host handles it: ``acknowledged``, ``buried``, or ``retry`` if it stays."""
        attempts = self.queue.attempts[job] = self.queue.attempts.get(job, 0) + 1
        end = "acknowledged"
        try:
            self.replicate(job, deadline)
        except FarshoreError as error:
            final = attempts >= self.receives or isinstance(error.retry, Never | AfterUser)
            failed(job, error, attempts, final, self.replicating)
            if not final:
                return "retry"
            self.queue.buried.append((job, error.code))
            end = "buried"
        self.gate.around("queue.ack", partial(self.queue.ack, job))
        self.behind()
        return end

    def drain(self) -> None:
        """Delivers until nothing waits."""
        while self.queue.waiting:
            self.work(self.queue.waiting[0])

    def redrive(self) -> None:
        self.queue.waiting += [job for job, _ in self.queue.buried]
        self.queue.buried.clear()

    def sweep(self, limit: int = 20_000, deadline: Until | None = None) -> Swept:
        return sweep(self.sweeping(limit), deadline or Until())

    def bytes_at(self, bucket: str) -> dict[str, bytes]:
        return {path: thing.body for path, thing in self.stores.buckets[bucket].things.items()}
