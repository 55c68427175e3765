"""One caller's turn at refreshing: the lease in its hand, and the writes that must not fail for want of patience."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from shared.domain.audit import AuditEvent
from shared.domain.errors import DeadlineExceeded, FarshoreError, StateUnavailable, VersionMismatch
from shared.domain.grant import Grant
from shared.domain.integration import Integration, Tokens, access_context, refresh_context
from shared.ports.connections import Lease, Leases, Providers
from shared.ports.oauth import AuthorizationServers
from shared.ports.state import Integrations
from shared.ports.world import Clock, Deadline, Metrics, Randomness, Vault
from shared.usecases.refresh_wish import Wish

LAST_SECONDS = 1.0
"""With less left than that, no further attempt to write is made."""

PAUSE_SECONDS = 0.25

type Change = Callable[[Integration], tuple[Integration, AuditEvent | None]]


@dataclass(frozen=True, slots=True)
class Refreshing:
    """What refreshing asks of the world."""

    integrations: Integrations
    providers: Providers
    leases: Leases
    vault: Vault
    servers: AuthorizationServers
    clock: Clock
    randomness: Randomness
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Turn:
    """One caller's: what it may use, how long it has, what it wants, and whether it waits for others."""

    world: Refreshing
    deadline: Deadline
    wants: Wish
    waits: bool = True

    def wanted(self, row: Integration) -> bool:
        return self.wants(row, self.world.clock.now())

    def pause(self, needed: float) -> None:
        """Lets a moment pass. Raises DeadlineExceeded if less than ``needed`` seconds are left."""
        if self.deadline.remaining() < needed:
            raise DeadlineExceeded
        self.world.clock.sleep(PAUSE_SECONDS * (1 + self.world.randomness.fraction()))


class Held:
    """A lease in hand. It is freed however the work ends, unless the process does; then it stays, and so does the doubt.

    Attributes:
        doubtful: what the next holder is told.
    """

    def __init__(self, lease: Lease, leases: Leases) -> None:
        self.before = self.doubtful = lease.doubtful
        self._lease, self._leases = lease, leases

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            with suppress(StateUnavailable):  # it ends by itself, and the doubt is right: nobody was told
                self._leases.free(self._lease, doubtful=self.doubtful)


def write(row: Integration, change: Change, turn: Turn) -> bool:
    """Makes a change of tokens on whatever else the record holds by now; False if it holds other tokens, or none.

    Raises:
        StateUnavailable: not before the deadline.
    """
    integrations, there = turn.world.integrations, row
    while there.tokens is not None and there.generation == row.generation:
        new, event = change(there)
        try:
            integrations.change(new, event)
            return True
        except (VersionMismatch, StateUnavailable) as error:
            _insist(turn, error)
        found = _read_on(row, turn)
        if found is None:
            return False
        if _stamp(found) == _stamp(new) != _stamp(row):
            return True  # the write that seemed to fail did not
        there = found
    return False


def _stamp(row: Integration) -> tuple[int, datetime | None]:
    """Tells one refresh's tokens from any others, also after they were wrapped anew."""
    return row.generation, row.last_refreshed_at


def _read_on(row: Integration, turn: Turn) -> Integration | None:
    while True:
        try:
            return turn.world.integrations.get(row.tenant_id, row.id, fresh=True)
        except StateUnavailable as error:
            _insist(turn, error)


def seal(row: Integration, grant: Grant, turn: Turn) -> Tokens:
    """The grant's tokens as the next generation; without a refresh token if the provider keeps the old one.

    Raises:
        StateUnavailable: not before the deadline.
        Misconfigured
    """
    vault, place = turn.world.vault, (row.tenant_id, row.id, row.generation + 1)
    while True:
        try:
            access = vault.seal(grant.access, access_context(*place))
            refresh = vault.seal(grant.refresh, refresh_context(*place)) if grant.refresh else None
            return Tokens(row.generation + 1, access, refresh, grant.expires_at)
        except StateUnavailable as error:
            _insist(turn, error)


def _insist(turn: Turn, error: FarshoreError) -> None:
    """Before a step is tried again that must not fail. Raises StateUnavailable if there is no time left for it."""
    try:
        turn.pause(LAST_SECONDS)
    except DeadlineExceeded:
        raise StateUnavailable from error
