"""Farshore's own memory. Every method raises ``StateUnavailable`` when the store of state does not answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.audit import AuditEvent
from shared.domain.event import Job
from shared.domain.ids import IntegrationId, RuleId, TargetName, TenantId
from shared.domain.integration import Integration
from shared.domain.replica import Failure, Replica, ReplicaStatus
from shared.domain.rule import Rule
from shared.domain.tenant import Tenant


class Tenants(Protocol):
    def get(self, tenant_id: TenantId, *, fresh: bool = False) -> Tenant | None:
        """May be up to 30 seconds old unless ``fresh``, but None is never from memory: a job may follow its tenant, rule or
        integration within a second, and an absence buries it. The same holds for ``Rules.get`` and ``Integrations.get``.
        """
        ...

    def owner_of(self, connector: str, bucket: str, key: str) -> Tenant | None:
        """The tenant whose source holds this object. One query: sources in a bucket never nest, so the greatest prefix
        not after ``key`` is the only candidate.
        """
        ...

    def add(self, tenant: Tenant, event: AuditEvent) -> None:
        """Adds, together with its audit event. Raises AlreadyExists for the id, Conflict if its source overlaps another's."""
        ...

    def change(self, tenant: Tenant, event: AuditEvent) -> None:
        """Writes a tenant whose stored version is ``tenant.version - 1``; its source may have moved.

        Raises:
            VersionMismatch: it is not, or it is gone.
            Conflict: its new source overlaps another's.
        """
        ...

    def remove(self, tenant: Tenant, event: AuditEvent) -> None:
        """Removes this very version. Raises VersionMismatch."""
        ...

    def page(self, *, after: TenantId | None = None, limit: int = 100) -> Sequence[Tenant]:
        """Tenants ascending by id."""
        ...


class Rules(Protocol):
    def of(self, tenant_id: TenantId, *, fresh: bool = False) -> Sequence[Rule]:
        """All of a tenant's rules, paused ones too. One query; may be up to 30 seconds old unless ``fresh``."""
        ...

    def get(self, tenant_id: TenantId, rule_id: RuleId) -> Rule | None:
        """May be up to 30 seconds old; None is never from memory."""
        ...

    def add(self, rule: Rule, event: AuditEvent) -> None:
        """Adds, together with its audit event. Raises AlreadyExists if the id or the target's name is taken."""
        ...

    def change(self, rule: Rule, event: AuditEvent) -> None:
        """Writes a rule of the same target whose stored version is ``rule.version - 1``. Raises VersionMismatch."""
        ...


class Integrations(Protocol):
    """Writes are one transaction with their audit event, where there is one."""

    def get(self, tenant_id: TenantId, integration_id: IntegrationId, *, fresh: bool = False) -> Integration | None:
        """May be up to 30 seconds old unless ``fresh``; None is never from memory."""
        ...

    def of(self, tenant_id: TenantId, *, after: IntegrationId | None = None, limit: int = 100) -> Sequence[Integration]:
        """A tenant's, ascending by id. One query."""
        ...

    def add(self, integration: Integration, event: AuditEvent) -> None:
        """Adds, and counts one more use of its provider.

        Raises:
            AlreadyExists: the id is taken.
            NotFound: its provider is gone or not enabled.
        """
        ...

    def change(self, integration: Integration, event: AuditEvent | None = None) -> None:
        """Writes one whose stored version is ``integration.version - 1``. Raises VersionMismatch: it is not, or it is gone."""
        ...

    def remove(self, integration: Integration, event: AuditEvent) -> None:
        """Removes this very version, secrets and all, and counts one use of its provider less. Raises VersionMismatch."""
        ...

    def due(self, before: datetime, *, limit: int = 1000) -> Sequence[tuple[TenantId, IntegrationId]]:
        """Whose ``refresh_due_at`` is not after ``before``; the longest due of each shard first, at most ``limit``. One query
        a shard, whatever the number of integrations; may lag writes by a second.
        """
        ...


@dataclass(frozen=True, slots=True)
class ReplicaPage:
    """Part of a tenant's replicas; ``after`` continues it (opaque, not yet authenticated), None at the end."""

    items: Sequence[Replica]
    after: str | None


class Ledger(Protocol):
    """What is known of replicas. Writes keep the row of the greater sequencer: an older job never overwrites a newer one's
    word, and that is no error. Equal sequencers: the later write stands.
    """

    def expect(self, jobs: Sequence[Job], at: datetime) -> None:
        """Marks each job's replica ``pending``, before its job is queued; keeps what is known of an earlier copy. One call
        for all jobs of one object.
        """
        ...

    def copying(self, job: Job, *, size: int, bytes_done: int, at: datetime) -> None:
        """Shows progress of a long copy; for large objects only, it costs a call."""
        ...

    def record(self, replica: Replica) -> None:
        """Writes a settled row: ``replicated`` or ``deleted``. One call. Returns only when it is durable."""
        ...

    def fail(self, job: Job, failure: Failure, *, attempts: int, final: bool, at: datetime) -> None:
        """Records a failed attempt: status ``failed`` if ``final``, else ``pending``; the earlier copy stays known."""
        ...

    def copies(self, tenant_id: TenantId, source_key: str) -> Sequence[Replica]:
        """Every target's row of one object. One query."""
        ...

    def page(
        self,
        tenant_id: TenantId,
        *,
        status: ReplicaStatus | None = None,
        target: TargetName | None = None,
        key_prefix: str = "",
        limit: int = 100,
        after: str | None = None,
    ) -> ReplicaPage:
        """A tenant's rows ascending by key then target, filtered. "Not yet replicated on this target" (a target and an
        unsettled status) is one query on an index that holds unsettled rows only.
        """
        ...


@dataclass(frozen=True, slots=True)
class Transfer:
    """An upload session of ours that may be open at a target. No two have all four in common."""

    tenant_id: TenantId
    target: TargetName
    path: str
    begun_at: datetime


class Transfers(Protocol):
    """The register of our own upload sessions: what a sweep may end, and nothing else."""

    def begun(self, transfer: Transfer) -> None:
        """Registers a session, before it exists. One call. Returns only when it is durable.

        Raises:
            Conflict: this very transfer is registered already.
        """
        ...

    def ended(self, transfer: Transfer) -> None:
        """Forgets a session that is no more. One call. Idempotent."""
        ...

    def stale(
        self, tenant_id: TenantId, target: TargetName, *, older_than: datetime, limit: int = 100
    ) -> Sequence[Transfer]:
        """Sessions begun before then, the oldest first, at most ``limit``. One query."""
        ...


class Cursors(Protocol):
    """Where a long walk stands, so that a bounded run can continue it."""

    def load(self, name: str) -> str | None: ...

    def save(self, name: str, value: str | None) -> None:
        """None forgets it: the next run begins anew."""
        ...
