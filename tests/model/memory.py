"""The reference model's state: ledger, queue, tables and the rest of what the use cases are given."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from shared.domain.errors import Conflict
from shared.domain.event import Job
from shared.domain.ids import TenantId
from shared.domain.integration import Integration
from shared.domain.replica import Failure, Replica
from shared.domain.rule import Rule
from shared.domain.tenant import Source, Tenant
from shared.ports.state import ReplicaPage, Transfer
from tests.model.bucket import LINES, Gate, Store


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


class Transfers:
    """The register of upload sessions."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.rows: set[Transfer] = set()

    def begun(self, transfer: Transfer) -> None:
        self.gate.around("transfers.begun", partial(self._begun, transfer))

    def _begun(self, transfer: Transfer) -> None:
        if transfer in self.rows:
            raise Conflict
        self.rows.add(transfer)

    def ended(self, transfer: Transfer) -> None:
        self.gate.around("transfers.ended", partial(self.rows.discard, transfer))

    def stale(self, tenant_id, target, *, older_than, limit=100) -> list[Transfer]:
        return self.gate.around("transfers.stale", partial(self._stale, tenant_id, target, older_than, limit))

    def _stale(self, tenant_id, target, older_than, limit) -> list[Transfer]:
        old = (row for row in self.rows if row.begun_at < older_than)
        ours = (row for row in old if (row.tenant_id, row.target) == (tenant_id, target))
        return sorted(ours, key=lambda row: (row.begun_at, row.path))[: min(limit, LINES)]


class Queue:
    """Jobs that wait, and those buried."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.waiting: list[Job] = []
        self.buried: list[tuple[Job, str]] = []
        self.attempts: dict[Job, int] = {}

    def ack(self, job: Job) -> None:
        if job in self.waiting:  # else another delivery was quicker
            self.waiting.remove(job)
        self.attempts.pop(job, None)

    def send(self, jobs: Sequence[Job]) -> None:
        self.gate.around("queue.send", partial(self.waiting.extend, tuple(jobs)))


class Table:
    """Tenants, rules or integrations: things by key, read through the gate."""

    def __init__(self, name: str, gate: Gate) -> None:
        self.name, self.gate = name, gate
        self.items: dict[tuple[str, ...], object] = {}

    def get(self, *key, fresh: bool = False):
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
    def of(self, tenant_id: TenantId, *, fresh: bool = False) -> list[Rule]:
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
