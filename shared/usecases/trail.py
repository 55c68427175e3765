"""Reads audit trails: whether a chain is whole, and all of it as text that can be checked anywhere else.

What a chain shows is that nobody changed it piecemeal. Whoever can write to the table can also forge a whole new chain, head
and all; a head that was kept elsewhere (with an export) shows that too.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.audit import GENESIS, AuditEntry, document, first_break
from shared.ports.connections import Audit

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Verified:
    """How far a trail was followed, and what was found.

    Attributes:
        entries: sequence of the last entry that is sound, and so the number of them.
        head: its hash. Kept elsewhere, it shows later whether anything up to it was altered or cut off.
        broken_at: sequence of the first entry that does not follow from the ones before, or is missing; None if all do.
        unfinished: there is more: verify again after ``entries`` and ``head``.
    """

    sound: bool
    entries: int
    head: str
    broken_at: int | None = None
    unfinished: bool = False


def verify(tenant_id: str, audit: Audit, *, after: int = 0, previous: str = GENESIS, limit: int = 10_000) -> Verified:
    """Follows a trail from an entry that is known to be sound to its head. Memory: one page, however long the trail.

    Args:
        after: the sequence of that entry, and ``previous`` its hash; the start if left out.
        limit: entries to look at now, about.

    Raises:
        StateUnavailable
    """
    end, head = audit.head(tenant_id)
    stop = after + limit
    while after < min(end, stop):
        page = audit.page(tenant_id, after=after, limit=min(_PAGE, end - after))
        broken = first_break(map(_document, page), after=after, previous=previous)
        if broken is not None or not page:
            return _broken(page, broken or after + 1, previous)
        after, previous = page[-1].sequence, page[-1].hash
    if after < end:
        return Verified(True, after, previous, unfinished=True)
    if after > end or previous != head:
        return Verified(False, after, previous, broken_at=after)
    return _no_more_than(tenant_id, audit, after, previous)


def export(tenant_id: str, audit: Audit, *, after: int = 0, limit: int | None = None) -> Iterator[str]:
    """A trail's entries as lines of JSON (NDJSON, in ASCII), each with its hash, in order; for ``farshore audit verify``.

    Args:
        after: the sequence to go on from.
        limit: most lines; None: to the end as it is then.

    Raises:
        StateUnavailable: while the lines are taken.
    """
    left = limit
    while left is None or left > 0:
        page = audit.page(tenant_id, after=after, limit=_PAGE if left is None else min(_PAGE, left))
        for entry in page:
            yield json.dumps(_document(entry), separators=(",", ":")) + "\n"
        if not page:
            return
        after = page[-1].sequence
        left = None if left is None else left - len(page)


def _document(entry: AuditEntry) -> dict[str, Any]:
    return {**document(entry.event, entry.sequence, entry.previous), "hash": entry.hash}


def _broken(page: Sequence[AuditEntry], at: int, previous: str) -> Verified:
    """The page's entries before ``at`` are sound, and ``previous`` is the hash before the page."""
    sound = [entry for entry in page if entry.sequence < at]
    return Verified(False, at - 1, sound[-1].hash if sound else previous, broken_at=at)


def _no_more_than(tenant_id: str, audit: Audit, end: int, head: str) -> Verified:
    """Whether entries lie beyond the head. The head is written with each entry, so one seen first is never ahead of it."""
    beyond = audit.page(tenant_id, after=end, limit=1)
    if beyond and beyond[0].sequence > audit.head(tenant_id)[0]:
        return Verified(False, end, head, broken_at=end + 1)
    return Verified(True, end, head)
