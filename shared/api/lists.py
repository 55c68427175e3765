"""Lists in pages: the parameters they share, and where the next page begins."""

from collections.abc import Callable, Sequence
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from shared.api.cursor import CursorCodec, Scope

Limit = Annotated[int, Query(ge=1, le=100, description="At most so many; a page may hold fewer and still go on.")]
Cursor = Annotated[str | None, Query(description="``nextCursor`` of the page before.", max_length=4096)]

LIMIT = 50
"""Items of a page if nobody says."""


def page[T](
    codec: CursorCodec,
    scope: Scope,
    cursor: str | None,
    fetch: Callable[[str | None], Sequence[T]],
    limit: int,
    key: Callable[[T], str],
) -> tuple[Sequence[T], str | None]:
    """One page of an ordered list, and the cursor that continues it; None at the end.

    Args:
        scope: what the cursor is good for.
        fetch: given the key of the last item seen, the items after it: at least one more than ``limit`` if there are.
        key: what the list is ordered by.

    Raises:
        InvalidCursor
    """
    items = fetch(codec.open(scope, cursor) if cursor else None)
    if len(items) <= limit:
        return items, None
    return items[:limit], codec.seal(scope, key(items[limit - 1]))
