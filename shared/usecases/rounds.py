"""Reading, changing and writing under a version that others may move."""

from collections.abc import Callable
from typing import Protocol

from shared.domain.errors import NotFound, VersionMismatch

ROUNDS = 5
"""Tries of one change. More than one is rare; five in a row mean that somebody writes faster than we can."""


class _Versioned(Protocol):
    @property
    def version(self) -> int: ...


def rounds[T](expected: int | None, attempt: Callable[[], T]) -> T:
    """What ``attempt`` returns, which reads, changes and writes; again if the record moved in between and the caller did not
    insist on a version.

    Raises:
        VersionMismatch: it moved, and the caller insisted; or it moved in every round.
    """
    for _ in range(ROUNDS - 1):
        try:
            return attempt()
        except VersionMismatch:
            if expected is not None:
                raise
    return attempt()


def found[T: _Versioned](record: T | None, what: str, expected: int | None = None) -> T:
    """The record as read.

    Raises:
        NotFound: there is none.
        VersionMismatch: it is not the version the caller saw.
    """
    if record is None:
        raise NotFound(f"there is no such {what}")
    if expected not in (None, record.version):
        raise VersionMismatch
    return record
