"""The audit trail: append only."""

import secrets
from contextlib import suppress

from shared.ports.state import AuditEvent
from shared.state.answers import ConditionLost, asked
from shared.state.models import AuditItem
from shared.state.tables import Tables, bound


class DynamoAudit:
    """ports.state.Audit."""

    def __init__(self, tables: Tables) -> None:
        self._row = bound(AuditItem, tables)

    def append(self, event: AuditEvent) -> None:
        item = self._row(
            event.tenant_id,
            f"{event.at:%Y-%m-%dT%H:%M:%S.%f}#{secrets.token_hex(8)}",
            at=event.at,
            actor=event.actor,
            action=event.action,
            subject=event.subject,
            outcome=event.outcome,
        )
        # The id is ours alone, so it can only exist because a retried call had already arrived: then all is well.
        with suppress(ConditionLost):
            asked(lambda: item.save(condition=self._row.id.does_not_exist()))
