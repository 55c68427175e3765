"""Memory for parts, of the whole process: taken for one part, used again for the next, whichever write it belongs to."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore


class Rooms:
    """So many places of one size. Writes that run side by side share them part by part, so that none waits for another's end.

    Places stay with the process: parts of megabytes that come and go would leave holes in its heap, and fresh pages for each
    would cost about a CPU second per GiB.

    Args:
        count: parts in memory at a time.
        size: bytes of a place. A larger part has one made for it alone, in its turn.
    """

    def __init__(self, count: int, size: int) -> None:
        self._turns = BoundedSemaphore(count)
        self._size = size
        self._free: list[bytearray] = []

    @contextmanager
    def room(self, length: int) -> Iterator[memoryview]:
        """A place of ``length`` bytes, with whatever its last user left there. Waits until one is free."""
        with self._turns:
            place = self._place(length)
            try:
                yield memoryview(place)[:length]
            finally:
                if len(place) == self._size:
                    self._free.append(place)

    def _place(self, length: int) -> bytearray:
        if length > self._size:
            return bytearray(length)
        try:
            return self._free.pop()
        except IndexError:
            return bytearray(self._size)
