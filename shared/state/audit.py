"""The audit trail: append only, each entry chained to the one before."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.domain.audit import Actor, AuditEntry, AuditEvent
from shared.state.answers import asked
from shared.state.chain import Chain, key_of
from shared.state.connection_models import AuditItem
from shared.state.tables import Tables, bound

_END = 10**12  # no trail gets there


class DynamoAudit:
    """ports.connections.Audit."""

    def __init__(self, tables: Tables) -> None:
        self._row = bound(AuditItem, tables)
        self._chain = Chain(tables)

    def append(self, event: AuditEvent) -> AuditEntry:
        return self._chain.commit(event)

    def page(
        self, tenant_id: str, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> Sequence[AuditEntry]:
        first, last = (0, min(after or _END, _END) - 1) if newest_first else (after + 1, _END - 1)
        if first > last:
            return []
        span = self._row.id.between(key_of(first), key_of(last))
        query = self._row.query(tenant_id, span, limit=limit, scan_index_forward=not newest_first, consistent_read=True)
        return [_entry(item) for item in asked(lambda: list(query))]

    def head(self, tenant_id: str) -> tuple[int, str]:
        return self._chain.head(tenant_id)


def recorded(image: Mapping[str, dict[str, Any]]) -> AuditEntry | None:
    """The entry in an image of the table's stream (as DynamoDB spells items); None if the row is no entry: a trail's head,
    or from before there were trails.

    Raises:
        StateUnavailable: a newer release wrote it.
    """
    if not image["id"]["S"].startswith("e#"):
        return None
    return _entry(AuditItem.from_raw_data(dict(image)))


def _entry(item: AuditItem) -> AuditEntry:
    event = AuditEvent(
        tenant_id=item.tenant,
        at=item.at,
        actor=Actor(item.actor, item.origin),
        action=item.action,
        subject=item.subject,
        outcome=item.outcome,
        before=item.before,
        after=item.after,
    )
    return AuditEntry(event, int(item.sequence), item.previous, item.digest)
