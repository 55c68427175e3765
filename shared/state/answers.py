"""One way to ask DynamoDB: what comes back is an answer, a lost condition, or ``StateUnavailable``."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pynamodb.exceptions import DoesNotExist, PynamoDBException, TransactWriteError

from shared.domain.errors import StateUnavailable
from shared.state.items import Item

_CONFLICTS = frozenset({"TransactionConflictException", "TransactionInProgressException", "TransactionConflict"})
_LOSSES = frozenset({"ConditionalCheckFailedException", "ConditionalCheckFailed"})
_PAUSES = (0.01, 0.02, 0.04, 0.08)  # a transaction holds its items for milliseconds


class ConditionLost(Exception):
    """A write's condition did not hold; nothing was written. Never leaves this room.

    Attributes:
        lost: of a transaction: the places in it of the writes whose conditions did not hold.
    """

    def __init__(self, lost: frozenset[int] = frozenset()) -> None:
        super().__init__()
        self.lost = lost


class Contended(Exception):
    """Another transaction holds the item just now. Never leaves this room."""


@contextmanager
def answered() -> Iterator[None]:
    """Speaks our errors instead of PynamoDB's, whose messages may quote items."""
    try:
        yield
    except DoesNotExist:
        raise
    except PynamoDBException as error:
        codes = _codes(error)
        if codes & _LOSSES:
            raise ConditionLost(_lost(error)) from error
        if codes & _CONFLICTS:
            raise Contended from error
        raise StateUnavailable("the state store refused or did not answer") from None  # what it said stays here


def asked[T](call: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Makes one call, again if a transaction was in its way.

    Raises:
        ConditionLost, StateUnavailable
    """
    for pause in _PAUSES:
        try:
            with answered():
                return call()
        except Contended:
            sleep(pause)
    try:
        with answered():
            return call()
    except Contended:
        raise StateUnavailable("the state store is contended") from None


def found[I: Item](model: type[I], hash_key: str, range_key: str | None = None) -> I | None:
    """The item as it is now, or None. One call."""
    try:
        return asked(lambda: model.get(hash_key, range_key, consistent_read=True))
    except DoesNotExist:
        return None


def _codes(error: PynamoDBException) -> set[str]:
    return {error.cause_response_code or "", *_reasons(error)}


def _lost(error: PynamoDBException) -> frozenset[int]:
    return frozenset(place for place, code in enumerate(_reasons(error)) if code in _LOSSES)


def _reasons(error: PynamoDBException) -> list[str]:
    """Why a transaction was cancelled, one code for each write in its order; empty for those that were fine."""
    reasons = error.cancellation_reasons if isinstance(error, TransactWriteError) else []
    return [reason.code if reason else "" for reason in reasons]
