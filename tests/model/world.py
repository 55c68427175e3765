"""The reference model: every port of replication in memory, honest about what is atomic.

One object does one thing at a time: an effect happens wholly or not at all, between ``Gate.around``'s before and after. A gate
sees every port call, and may fail it before its effect, after it (the answer is lost), or keep the effect for later: an
action is a ``partial`` that holds all it needs.

Where it differs from real stores: ``crc64nvme`` is a CRC-32 in disguise, parts are 4 bytes long, a listing page is 3 lines.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from shared.domain.capabilities import Capabilities
from shared.domain.errors import (
    ChecksumMismatch,
    FarshoreError,
    LengthMismatch,
    PreconditionFailed,
    SourceChanged,
)
from shared.domain.event import Job, ObjectChanged
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.integration import Integration
from shared.domain.objects import Attributes, Checksums, ObjectHead, ObjectSummary, Tag, Written
from shared.domain.precondition import Absent, Match
from shared.domain.replica import Failure, Replica
from shared.domain.retry import AfterUser, Never
from shared.domain.rule import Rule, Target
from shared.domain.sequencer import sequencer
from shared.domain.tenant import Source, Tenant
from shared.ports.state import ReplicaPage
from shared.ports.stores import Opened, Page, silent
from shared.usecases.plan import Planning, plan
from shared.usecases.replicate import Replicating, failed, replicate
from shared.usecases.sweep import Sweeping, Swept, sweep

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PART = 4
LINES = 3


class Gate:
    """Lets every call pass. Subclasses do not."""

    def around(self, call: str, action: Callable):
        return action()


class Clock:
    """Virtual time: it moves when somebody sleeps or the test says so. ``skew`` is what one process adds to it."""

    def __init__(self) -> None:
        self.time = EPOCH
        self.skew = timedelta()

    def now(self) -> datetime:
        return self.time + self.skew

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Until:
    """A deadline that is told what remains."""

    left: float = 900.0

    def remaining(self) -> float:
        return self.left


def crc(body: bytes) -> str:
    return f"{zlib.crc32(body):016x}"


@dataclass(frozen=True, slots=True)
class Thing:
    """One version of one object."""

    body: bytes
    attributes: Attributes
    version: str
    tag: Tag
    stamp: object
    modified: datetime


class Content:
    """One version's bytes. Pinned by version id (readable for ever) or, in a store without versions, by tag."""

    ranged = True

    def __init__(self, store: "Store", path: str, thing: Thing) -> None:
        self.store, self.path, self.thing = store, path, thing
        self.size, self.attributes = len(thing.body), thing.attributes
        self.checksums = Checksums({"crc64nvme": crc(thing.body)} if store.reports else {})

    def __repr__(self) -> str:
        return f"Content({self.path!r}, {self.thing!r})"

    def read(self, offset: int, length: int) -> bytes:
        return self.store.call("read", partial(self._read, self.thing, offset, length))

    def _read(self, thing: Thing, offset: int, length: int) -> bytes:
        if not self.store.versioned and self.store.things.get(self.path) != thing:
            raise SourceChanged
        return thing.body[offset : offset + length]

    def stream(self, chunk: int) -> Iterator[bytes]:
        for offset in range(0, self.size, chunk):
            yield self.read(offset, min(chunk, self.size - offset))

    def inside(self) -> None:
        return None

    def fetchable(self) -> None:
        return None


class Store:
    """A bucket: source and target in one. ``tags``: ``unique`` (each write a new one) or ``content`` (of the bytes)."""

    service = "memory"

    def __init__(
        self, name: str, clock: Clock, gate: Gate, *, tags: str = "unique", versioned=True, reports=True
    ) -> None:
        self.name = self.container = name
        self.clock, self.gate, self.tags, self.versioned, self.reports = clock, gate, tags, versioned, reports
        self.things: dict[str, Thing] = {}
        self.changes = self.writes = self.begun = 0
        self.sessions: dict[int, datetime] = {}
        self.closed = False
        self.capabilities = Capabilities(
            "memory", frozenset({"head", "open", "write", "delete", "list"}), tags, True, True, frozenset({"crc64nvme"}),
            1, PART, 10_000, PART,
        )  # fmt: skip

    def call(self, name: str, action: Callable):
        return self.gate.around(f"{self.name}.{name}", action)

    # ---- what users of the bucket do ---------------------------------------------------------------------------------
    def put(self, path: str, body: bytes, attributes: Attributes = Attributes(), stamp=None) -> Thing:
        self.changes += 1
        tag = f"t{self.changes}" if self.tags == "unique" else hashlib.md5(body).hexdigest()
        thing = Thing(body, attributes, f"v{self.changes}", Tag(tag), stamp, self.clock.time)
        self.things[path] = thing
        return thing

    def remove(self, path: str) -> None:
        if self.things.pop(path, None):
            self.changes += 1

    # ---- the ports ---------------------------------------------------------------------------------------------------
    def head(self, path: str) -> ObjectHead | None:
        return self.call("head", partial(self._head, path))

    def _head(self, path: str) -> ObjectHead | None:
        thing = self.things.get(path)
        if thing is None:
            return None
        sums = Checksums({"crc64nvme": crc(thing.body)} if self.reports else {})
        kept = thing.stamp if thing.stamp and thing.stamp.vouches_for(len(thing.body), crc(thing.body)) else None
        return ObjectHead(path, len(thing.body), thing.tag, thing.version, thing.modified, thing.attributes, sums, kept)

    @contextmanager
    def open(self, path: str):
        yield self.call("open", partial(self._open, path))

    def _open(self, path: str) -> Opened | None:
        head = self._head(path)
        return Opened(head, Content(self, path, self.things[path])) if head else None

    def write(self, path, content, *, precondition, stamp=None, progress=silent) -> Written:
        self.begun += 1
        session = self.begun
        self.sessions[session] = self.clock.time
        try:
            body = self._parts(content, progress)
            written = self.call("write", partial(self._commit, path, body, content.attributes, precondition, stamp))
        except Exception:
            del self.sessions[session]
            raise
        del self.sessions[session]
        return written

    def _parts(self, content, progress) -> bytes:
        body = b""
        for offset in range(0, content.size, PART):
            piece = content.read(offset, min(PART, content.size - offset))
            body += self.call("part", partial(bytes, piece))
            progress(len(piece))
        if len(body) != content.size:
            raise LengthMismatch
        if content.checksums.agrees_with(Checksums({"crc64nvme": crc(body)})) is False:
            raise ChecksumMismatch
        return body

    def _commit(self, path, body, attributes, precondition, stamp) -> Written:
        self._require(path, precondition)
        self.writes += 1
        thing = self.put(path, body, attributes, stamp)
        return Written(thing.tag, len(body), Checksums({"crc64nvme": crc(body)}), "streamed")

    def _require(self, path, precondition) -> None:
        there = self.things.get(path)
        if isinstance(precondition, Absent) and there is not None:
            raise PreconditionFailed
        if isinstance(precondition, Match) and (there is None or there.tag != precondition.tag):
            raise PreconditionFailed

    def delete(self, path, *, precondition) -> None:
        self.call("delete", partial(self._delete, path, precondition))

    def _delete(self, path, precondition) -> None:
        self._require(path, precondition)
        self.remove(path)

    def list(self, prefix="", *, after=None, limit=1000) -> Page:
        return self.call("list", partial(self._list, prefix, after, min(limit, LINES)))

    def _list(self, prefix, after, limit) -> Page:
        names = sorted(name for name in self.things if name.startswith(prefix) and name > (after or ""))
        items = [
            ObjectSummary(name, len(thing.body), thing.tag, thing.modified)
            for name, thing in ((name, self.things[name]) for name in names[:limit])
        ]
        return Page(items, names[limit - 1] if len(names) > limit else None)

    def abort_uploads(self, *, older_than: datetime) -> int:
        return self.call("abort_uploads", partial(self._abort, older_than))

    def _abort(self, older_than: datetime) -> int:
        old = [session for session, begun in self.sessions.items() if begun < older_than]
        for session in old:
            del self.sessions[session]
        return len(old)

    def close(self) -> None:
        self.closed = True


class Ledger:
    """The ledger, with its rule that a row of a greater sequencer stands."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.rows: dict[tuple[str, str, str], Replica] = {}
        self.calls: list[str] = []

    def _call(self, name: str, action: Callable):
        self.calls.append(name)
        return self.gate.around(f"ledger.{name}", action)

    def row(self, job: Job) -> Replica | None:
        return self.rows.get((job.tenant_id, job.key, job.target))

    def _store(self, row: Replica) -> None:
        place = (row.tenant_id, row.source_key, row.target)
        known = self.rows.get(place)
        if known is None or known.sequencer <= row.sequencer:
            self.rows[place] = row

    def _touch(self, job: Job, at: datetime, **changes) -> None:
        new = Replica(job.tenant_id, job.key, job.target, job.rule_id, "pending", at)
        known = self.row(job) or new
        if known.sequencer <= job.sequencer:
            changes = {
                "rule_id": job.rule_id,
                "sequencer": job.sequencer,
                "updated_at": at,
                "bytes_done": None,
            } | changes
            self._store(replace(known, **changes))

    def expect(self, jobs: Sequence[Job], at: datetime) -> None:
        self._call("expect", partial(self._expect, tuple(jobs), at))

    def _expect(self, jobs: Sequence[Job], at: datetime) -> None:
        for job in jobs:
            self._touch(job, at, status="pending")

    def copying(self, job: Job, *, size: int, bytes_done: int, at: datetime) -> None:
        self._call("copying", partial(self._touch, job, at, status="copying", size=size, bytes_done=bytes_done))

    def record(self, replica: Replica) -> None:
        self._call("record", partial(self._store, replica))

    def fail(self, job: Job, failure: Failure, *, attempts: int, final: bool, at: datetime) -> None:
        status = "failed" if final else "pending"
        self._call("fail", partial(self._touch, job, at, status=status, failure=failure, attempts=attempts))

    def copies(self, tenant_id: TenantId, source_key: str) -> Sequence[Replica]:
        return self._call("copies", partial(self._copies, tenant_id, source_key))

    def _copies(self, tenant_id: TenantId, source_key: str) -> list[Replica]:
        return [row for place, row in sorted(self.rows.items()) if place[:2] == (tenant_id, source_key)]

    def page(self, tenant_id, *, status=None, target=None, key_prefix="", limit=100, after=None) -> ReplicaPage:
        def action() -> ReplicaPage:
            begin = tuple((after or "\0").split("\0"))
            rows = [
                row
                for place, row in sorted(self.rows.items())
                if place[0] == tenant_id and place[1:] > begin and place[1].startswith(key_prefix)
                and status in (None, row.status) and target in (None, row.target)
            ]  # fmt: skip
            last = rows[LINES - 1] if len(rows) > LINES else None
            return ReplicaPage(rows[:LINES], f"{last.source_key}\0{last.target}" if last else None)

        return self._call("page", action)


class Queue:
    """Jobs that wait, and those buried."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.waiting: list[Job] = []
        self.buried: list[tuple[Job, str]] = []
        self.attempts: dict[Job, int] = {}

    def ack(self, job: Job) -> None:
        self.waiting.remove(job)
        self.attempts.pop(job, None)

    def send(self, jobs: Sequence[Job]) -> None:
        self.gate.around("queue.send", partial(self.waiting.extend, tuple(jobs)))


class Table:
    """Tenants, rules or integrations: things by key, read through the gate."""

    def __init__(self, name: str, gate: Gate) -> None:
        self.name, self.gate = name, gate
        self.items: dict[tuple[str, ...], object] = {}

    def get(self, *key):
        return self.gate.around(f"{self.name}.get", partial(self.items.get, key))


class Tenants(Table):
    def owner_of(self, connector: str, bucket: str, key: str) -> Tenant | None:
        def action() -> Tenant | None:
            return next((t for t in self.items.values() if t.source.holds(connector, bucket, key)), None)

        return self.gate.around("tenants.owner_of", action)

    def page(self, *, after=None, limit=100) -> list[Tenant]:
        ids = sorted(key for key in self.items if key[0] > (after or ""))
        return self.gate.around("tenants.page", lambda: [self.items[key] for key in ids[:2]])


class Rules(Table):
    def of(self, tenant_id: TenantId) -> list[Rule]:
        return self.gate.around("rules.of", lambda: [rule for key, rule in self.items.items() if key[0] == tenant_id])


class Cursors:
    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.saved: dict[str, str | None] = {}

    def load(self, name: str) -> str | None:
        return self.gate.around("cursors.load", partial(self.saved.get, name))

    def save(self, name: str, value: str | None) -> None:
        self.gate.around("cursors.save", partial(self.saved.__setitem__, name, value))


class Metrics:
    def __init__(self) -> None:
        self.counts: list[tuple[str, float, str, dict]] = []

    def count(self, name: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
        self.counts.append((name, value, unit, dimensions))

    def total(self, name: str) -> float:
        return sum(value for counted, value, _, _ in self.counts if counted == name)


class Stores:
    """Opens buckets by name; any integration of any tenant, so that only the use cases keep tenants apart."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.buckets: dict[str, Store] = {}
        self.opened: list[str] = []

    def source(self, source: Source) -> Store:
        return self.gate.around("stores.source", partial(self.buckets.__getitem__, source.bucket))

    def target(self, integration: Integration, container: str | None = None) -> Store:
        name = container or integration.container
        self.opened.append(name)
        return self.gate.around("stores.target", partial(self.buckets.__getitem__, name))


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
            self.tenants, self.rules, self.integrations, self.stores, self.ledger, self.clock, self.metrics
        )

    def sweeping(self, limit: int = 20_000) -> Sweeping:
        return Sweeping(
            self.tenants, self.rules, self.integrations, self.stores, self.ledger, self.queue, self.cursors, self.clock,
            self.metrics, limit,
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
