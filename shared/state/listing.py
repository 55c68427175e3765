"""Pages of a tenant's replicas, ascending by key then target, by one Query each wherever an index allows.

Rows that an index does not order (the targets of one key) are put in order here, and a page never ends inside what is not
yet read whole. Work is bounded: where a filter lets little through, a page may hold fewer rows than asked for and still
be continued.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pynamodb.expressions.condition import Condition
from pynamodb.indexes import GlobalSecondaryIndex
from pynamodb.pagination import ResultIterator

from shared.domain.errors import InvalidCursor
from shared.domain.ids import TargetName, TenantId
from shared.domain.replica import Replica, ReplicaStatus
from shared.ports.state import ReplicaPage
from shared.state.answers import asked
from shared.state.models import ReplicaItem, TargetItem
from shared.state.rows import UNSETTLED, replica_of, unsettled_key
from shared.state.rules import targets_of
from shared.state.tables import Tables, bound

_KEY_BYTES = 1024
_LEAST = "\x00"  # no key comes before it; DynamoDB compares with no empty text
_WIDEST = ("\U0010ffff", "\uffff", "\u07ff", "\x7f")  # the greatest character of 4, 3, 2 and 1 bytes
_QUERIES = 8  # at most for one page and index partition
_SPARE = 16  # rows beyond a page, so that the last key's targets are read whole at once
_FILTERED = 1000  # rows looked at in one Query when a filter drops some


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A point between rows: after this key's target. The target ``""`` comes before all others."""

    key: str = ""
    target: str = ""

    def text(self) -> str:
        return json.dumps([self.key, self.target])


type Known = tuple[list[Replica], Place | None]
"""Rows in order, all there are up to a place; None: all there are."""


class Listing:
    """Reads pages."""

    def __init__(self, row: type[ReplicaItem], tables: Tables) -> None:
        self._row = row
        self._targets = bound(TargetItem, tables)

    def page(
        self,
        tenant_id: TenantId,
        status: ReplicaStatus | None,
        target: TargetName | None,
        prefix: str,
        limit: int,
        after: str | None,
    ) -> ReplicaPage:
        start = _parsed(after)
        first, last = max(prefix, start.key), last_key(prefix)
        if first > last:
            return ReplicaPage((), None)
        span = self._row.key.between(first or _LEAST, last)
        size = limit + _SPARE if status is None and target is None else _FILTERED
        queries = [
            index.query(partition, span, filter_condition=self._filter(status, only), page_size=size)
            for index, partition, only in self._partitions(tenant_id, status, target)
        ]
        return _merged([_read(query, limit, start) for query in queries], limit)

    def _partitions(
        self, tenant_id: TenantId, status: ReplicaStatus | None, target: TargetName | None
    ) -> list[tuple[GlobalSecondaryIndex[ReplicaItem], str, TargetName | None]]:
        """Where to look, and which target to filter by there. A tenant without rules has no register of targets."""
        if status in UNSETTLED and (names := [target] if target else targets_of(self._targets, tenant_id)):
            return [(self._row.by_unsettled, unsettled_key(tenant_id, name), None) for name in names]
        return [(self._row.by_key, tenant_id, target)]

    def _filter(self, status: ReplicaStatus | None, target: TargetName | None) -> Condition | None:
        condition = self._row.status == status if status else None
        if target:
            named = self._row.target == target
            condition = named if condition is None else condition & named
        return condition


def last_key(prefix: str) -> str:
    """The greatest text of at most 1,024 bytes that begins with ``prefix``; empty if the prefix itself is longer."""
    room = _KEY_BYTES - len(prefix.encode("utf-8", "surrogatepass"))
    if room < 0:
        return ""
    whole, rest = divmod(room, 4)
    return prefix + _WIDEST[0] * whole + (_WIDEST[4 - rest] if rest else "")


def _read(query: ResultIterator[ReplicaItem], limit: int, start: Place) -> Known:
    """The rows after ``start`` up to some place: ``limit`` rows on or more, or as far as the budget goes."""
    rows: list[Replica] = []
    torn: list[Replica] = []  # of the last key seen, which the next Query may tell more of
    edge = start.key
    for turn, (found, reached) in enumerate(_pages(query), start=1):
        torn += found
        if reached is None:
            return rows + _ordered(torn, start), None
        edge = reached
        rows += _ordered((row for row in torn if row.source_key != edge), start)
        torn = [row for row in torn if row.source_key == edge]
        if edge > start.key and (len(rows) >= limit or turn >= _QUERIES):  # each page gets past the key it began at
            break
    return rows, Place(edge)


def _pages(query: ResultIterator[ReplicaItem]) -> Iterator[tuple[list[Replica], str | None]]:
    """Each Query's rows and the key it reached; None when there is no more."""
    pages = query.page_iter
    while page := asked(lambda: next(pages, None)):
        reached = page.get("LastEvaluatedKey")
        yield (
            [replica_of(ReplicaItem.from_raw_data(raw)) for raw in page["Items"]],
            reached["key"]["S"] if reached else None,
        )


def _merged(found: Sequence[Known], limit: int) -> ReplicaPage:
    """One page of several partitions, up to where all of them are known."""
    horizon = min((place for _, place in found if place is not None), default=None)
    rows = sorted((row for some, _ in found for row in some if horizon is None or _place(row) <= horizon), key=_place)
    after = _place(rows[limit - 1]) if len(rows) > limit else horizon
    return ReplicaPage(rows[:limit], after.text() if after else None)


def _ordered(rows: Iterable[Replica], start: Place) -> list[Replica]:
    return sorted((row for row in rows if _place(row) > start), key=_place)


def _place(row: Replica) -> Place:
    return Place(row.source_key, row.target)


def _parsed(after: str | None) -> Place:
    """Raises InvalidCursor: not of ``Place.text``."""
    if after is None:
        return Place()
    try:
        match json.loads(after):
            case [str(key), str(target)] if len(key.encode()) <= _KEY_BYTES:
                return Place(key, target)
    except ValueError:
        pass
    raise InvalidCursor
