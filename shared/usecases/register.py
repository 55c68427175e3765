"""Keeps the register of our own upload sessions, so that what a dead worker left open is found and nothing else is touched.

A session is in the register before the store opens it, and leaves it once it is surely over. So every session of ours that
is open is in the register; one in the register may well be over.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.domain.errors import Conflict, StateUnavailable
from shared.domain.event import Job
from shared.domain.ids import TargetName, TenantId
from shared.ports.state import Transfer, Transfers
from shared.ports.stores import Tidies
from shared.ports.world import Clock

UPLOADS_LIVE = timedelta(hours=24)
"""An upload session older than this belongs to no living worker: none lives longer than minutes."""

SLACK = timedelta(hours=1)
"""A session begins after it is registered, and by the store's clock: by less than this, which still is no living worker's."""

PAGE = 100
_MOMENTS = 20  # workers that begin on one path in one microsecond; there are a hundred workers, and they take turns


@dataclass(slots=True)
class Registered:
    """The ``Sessions`` of one write, kept in the register."""

    job: Job
    path: str
    transfers: Transfers = field(repr=False)
    clock: Clock = field(repr=False)
    _open: Transfer | None = None

    def begin(self) -> None:
        now = self.clock.now()
        for moment in range(_MOMENTS):
            begun_at = now + timedelta(microseconds=moment)
            transfer = Transfer(self.job.tenant_id, self.job.target, self.path, begun_at)
            with suppress(Conflict):  # another worker's on this path, of the same moment: it must outlive ours
                self.transfers.begun(transfer)
                self._open = transfer
                return
        raise StateUnavailable("the register has no moment left for this upload")

    def end(self) -> None:
        if self._open is not None:
            with suppress(StateUnavailable):  # the copy stands all the same, and the sweep tidies the register
                self.transfers.ended(self._open)


def tidy(target: Tidies, name: TargetName, tenant_id: TenantId, transfers: Transfers, now: datetime) -> Iterator[int]:
    """Ends what dead workers left open at a target; yields after each, so that its caller can stop in between.

    Raises:
        StateUnavailable, StoreError: what is not yet tidied stays in the register.
    """
    dead = now - UPLOADS_LIVE
    while found := transfers.stale(tenant_id, name, older_than=dead, limit=PAGE):
        for transfer in found:
            ended = target.abort_uploads(transfer.path, older_than=dead + SLACK)
            transfers.ended(transfer)
            yield ended
