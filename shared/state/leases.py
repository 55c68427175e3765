"""Who may be the only one at something."""

from datetime import UTC, datetime, timedelta

from shared.ports.connections import Lease
from shared.state.answers import ConditionLost, asked
from shared.state.connection_models import LeaseItem
from shared.state.tables import Tables, bound

_DOUBT = timedelta(days=90)  # longer than a rotated refresh token lives: then nothing is left to doubt
_OVER = datetime(1970, 1, 1, tzinfo=UTC)


class DynamoLeases:
    """ports.connections.Leases. Each method is one call.

    A lease's row is its doubt: it appears with ``take``, and only a ``free`` without doubt deletes it. A holder that takes its
    own lease again finds its own row, so it is told of doubt, too.
    """

    def __init__(self, tables: Tables) -> None:
        self._row = bound(LeaseItem, tables)

    def take(self, name: str, holder: str, *, until: datetime, now: datetime) -> Lease | None:
        row, table = self._row, self._row._get_connection()
        actions = [
            row.v.set(row.format),
            row.holder.set(holder),
            row.until.set(until),
            row.expires.set(until + _DOUBT),
        ]
        open_to_us = row.name.does_not_exist() | (row.until <= now) | (row.holder == holder)
        try:
            before = asked(
                lambda: table.update_item(_key(name), actions=actions, condition=open_to_us, return_values="ALL_OLD")
            )
        except ConditionLost:
            return None
        return Lease(name, holder, until, doubtful=bool(before.get("Attributes")))

    def free(self, lease: Lease, *, doubtful: bool = False) -> None:
        item, ours = self._row(_key(lease.name)), self._row.holder == lease.holder
        try:
            if doubtful:
                asked(lambda: item.update([self._row.until.set(_OVER)], condition=ours))
            else:
                asked(lambda: item.delete(condition=ours))
        except ConditionLost:
            return


def _key(name: str) -> str:
    return f"lease#{name}"
