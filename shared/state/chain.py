"""Trails of audit entries, each entry holding the hash of the one before: a change and its entry are one transaction.

Beside its own rows a change costs one read of the trail's head, and two writes in the same transaction (entry and head; writes in
transactions count twice). Trails are apart, so that only the changes of one tenant wait for each other.
"""

import random
import time
from collections.abc import Callable, Sequence

from shared.domain.audit import GENESIS, AuditEntry, AuditEvent, entry
from shared.domain.errors import StateUnavailable
from shared.state.answers import ConditionLost, Contended, found
from shared.state.connection_models import AuditItem, HeadItem
from shared.state.tables import Tables, bound
from shared.state.transactions import Save, Write, together

_ROUNDS = 40  # about 8 seconds of pauses: others' entries take turns of some 20 milliseconds each
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


class Chain:
    """Adds entries to the ends of trails."""

    def __init__(
        self,
        tables: Tables,
        *,
        sleep: Callable[[float], None] = time.sleep,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        self._entry = bound(AuditItem, tables)
        self._head = bound(HeadItem, tables)
        self._sleep = sleep
        self._fraction = fraction

    def commit(self, event: AuditEvent, writes: Sequence[Write] = ()) -> AuditEntry:
        """Makes the writes and the event's entry durable together.

        Where somebody else's entry came first, all is tried again upon that one, with growing pauses of random length.

        Raises:
            ConditionLost: of ``writes``; ``lost`` says which. Nothing was written.
            StateUnavailable
        """
        connection = self._entry._get_connection().connection
        for turn in range(_ROUNDS):
            made = entry(event, *self._next(event.tenant_id))
            try:
                together(connection, [*writes, *self._links(made)])
                return made
            except ConditionLost as error:
                if any(index < len(writes) for index in error.lost):
                    raise
            except Contended:
                pass
            self._sleep(self._fraction() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**turn))
        raise StateUnavailable("too many write to this audit trail at once")

    def head(self, tenant_id: str) -> tuple[int, str]:
        """Sequence and hash of the last entry. One call."""
        item = found(self._head, tenant_id, "head")
        return (int(item.sequence), item.digest) if item else (0, GENESIS)

    def _next(self, tenant_id: str) -> tuple[int, str]:
        sequence, previous = self.head(tenant_id)
        return sequence + 1, previous

    def _links(self, made: AuditEntry) -> list[Write]:
        tenant, head = made.event.tenant_id, self._head
        unmoved = head.id.does_not_exist() if made.sequence == 1 else head.digest == made.previous
        moved = head(tenant, "head", sequence=made.sequence, digest=made.hash)
        return [Save(item_of(self._entry, made), self._entry.id.does_not_exist()), Save(moved, unmoved)]


def key_of(sequence: int) -> str:
    """The sort key of an entry; in order up to 10**12."""
    return f"e#{sequence:012}"


def item_of(model: type[AuditItem], made: AuditEntry) -> AuditItem:
    """An entry as a row."""
    event = made.event
    return model(
        event.tenant_id,
        key_of(made.sequence),
        sequence=made.sequence,
        at=event.at,
        actor=event.actor.subject,
        origin=event.actor.origin,
        action=event.action,
        subject=event.subject,
        outcome=event.outcome,
        before=dict(event.before) if event.before is not None else None,
        after=dict(event.after) if event.after is not None else None,
        previous=made.previous,
        digest=made.hash,
    )
