"""Where long walks stand."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from shared.state.answers import asked, found
from shared.state.models import CursorItem
from shared.state.tables import Tables, bound

_KEPT = timedelta(days=30)


class DynamoCursors:
    """ports.state.Cursors."""

    def __init__(self, tables: Tables, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._row = bound(CursorItem, tables)
        self._now = now

    def load(self, name: str) -> str | None:
        item = found(self._row, name)
        # DynamoDB deletes expired items when it finds the time, which may be days later.
        return item.value if item and item.expires > self._now() else None

    def save(self, name: str, value: str | None) -> None:
        if value is None:
            asked(self._row(name).delete)
        else:
            asked(self._row(name, value=value, expires=self._now() + _KEPT).save)
