"""The ledger of replicas: every write is one conditional call, and an older job's word is dropped without noise."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import batched

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from shared.domain.event import Job
from shared.domain.ids import TargetName, TenantId
from shared.domain.replica import Failure, Replica, ReplicaStatus
from shared.domain.sequencer import Sequencer
from shared.ports.state import ReplicaPage
from shared.state.answers import ConditionLost, asked
from shared.state.listing import Listing
from shared.state.models import ReplicaItem
from shared.state.rows import item_of, object_key, replica_of, unsettled_key
from shared.state.tables import Tables, bound

_TRANSACTION = 100  # actions at most (AWS documentation, TransactWriteItems)


class DynamoLedger:
    """ports.state.Ledger.

    Calls to DynamoDB: ``expect`` one for an object's jobs together, ``record``, ``copying``, ``fail`` and ``copies`` one.
    """

    def __init__(self, tables: Tables, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._row = bound(ReplicaItem, tables)
        self._listing = Listing(self._row, tables)
        self._sleep = sleep

    def expect(self, jobs: Sequence[Job], at: datetime) -> None:
        distinct = list({(job.tenant_id, job.key, job.target): job for job in jobs}.values())
        for some in batched(distinct, _TRANSACTION):
            self._expect(some, at)

    def copying(self, job: Job, *, size: int, bytes_done: int, at: datetime) -> None:
        progress = [self._row.size.set(size), self._row.bytes_done.set(bytes_done)]
        self._update(job, [*self._heard(job, "copying", at), *progress])

    def record(self, replica: Replica) -> None:
        item = item_of(self._row, replica)
        with suppress(ConditionLost):
            asked(lambda: item.save(condition=self._not_older(replica.sequencer)), self._sleep)

    def fail(self, job: Job, failure: Failure, *, attempts: int, final: bool, at: datetime) -> None:
        row = self._row
        actions = self._heard(job, "failed" if final else "pending", at)
        actions += [
            row.error_code.set(failure.code),
            row.error_message.set(failure.message),
            row.attempts.set(attempts),
        ]
        self._update(job, [*actions, row.bytes_done.remove()])

    def copies(self, tenant_id: TenantId, source_key: str) -> Sequence[Replica]:
        query = self._row.query(object_key(tenant_id, source_key), consistent_read=True)
        return [replica_of(item) for item in asked(lambda: list(query), self._sleep)]

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
        return self._listing.page(tenant_id, status, target, key_prefix, limit, after)

    def _expect(self, jobs: Sequence[Job], at: datetime) -> None:
        if len(jobs) > 1:
            # One lost condition cancels a transaction for all: then each row is asked by itself.
            with suppress(ConditionLost):
                return self._together(jobs, at)
        for job in jobs:
            self._update(job, self._expected(job, at))
        return None

    def _together(self, jobs: Iterable[Job], at: datetime) -> None:
        def commit() -> None:
            with TransactWrite(connection=self._row._get_connection().connection) as transaction:
                for job in jobs:
                    transaction.update(self._at(job), self._expected(job, at), condition=self._not_older(job.sequencer))

        asked(commit, self._sleep)

    def _expected(self, job: Job, at: datetime) -> list[Action]:
        return [*self._heard(job, "pending", at), self._row.bytes_done.remove()]

    def _update(self, job: Job, actions: list[Action]) -> None:
        item = self._at(job)
        with suppress(ConditionLost):
            asked(lambda: item.update(actions, condition=self._not_older(job.sequencer)), self._sleep)

    def _at(self, job: Job) -> ReplicaItem:
        return self._row(object_key(job.tenant_id, job.key), job.target)

    def _heard(self, job: Job, status: ReplicaStatus, at: datetime) -> list[Action]:
        """What every unsettled word says; it makes the row where there is none, and leaves all else as known."""
        row = self._row
        return [
            row.v.set(row.format),
            row.tenant.set(job.tenant_id),
            row.key.set(job.key),
            row.unsettled.set(unsettled_key(job.tenant_id, job.target)),
            row.rule.set(job.rule_id),
            row.status.set(status),
            row.seq.set(job.sequencer.value),
            row.updated_at.set(at),
        ]

    def _not_older(self, sequencer: Sequencer) -> Condition:
        condition: Condition = self._row.seq.does_not_exist() | (self._row.seq <= sequencer.value)
        return condition
