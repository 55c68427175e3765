"""How often something may be done."""

from datetime import UTC, datetime, timedelta

from pynamodb.expressions.update import Action

from shared.domain.errors import TooManyRequests
from shared.state.answers import ConditionLost, asked
from shared.state.connection_models import LimitItem
from shared.state.tables import Tables, bound

_SPARE = timedelta(hours=1)  # a counter must not vanish within its window, whatever the clocks say


class DynamoLimits:
    """ports.connections.Limits. One call."""

    def __init__(self, tables: Tables) -> None:
        self._row = bound(LimitItem, tables)

    def spend(self, name: str, *, most: int, seconds: int, now: datetime) -> None:
        row, begin = self._row, int(now.timestamp()) // seconds * seconds
        end = datetime.fromtimestamp(begin + seconds, UTC)
        counter = row(f"limit#{name}#{seconds}#{begin}")
        actions: list[Action] = [row.v.set(row.format), row.used.add(1), row.expires.set(end + _SPARE)]
        try:
            asked(lambda: counter.update(actions, condition=row.used.does_not_exist() | (row.used < most)))
        except ConditionLost:
            raise TooManyRequests(after=(end - now).total_seconds()) from None
