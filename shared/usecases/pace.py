"""How a long copy keeps an eye on the clock and lets its progress be seen."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.errors import DeadlineExceeded, StateUnavailable
from shared.domain.event import Job
from shared.domain.objects import Attributes, Checksums
from shared.ports.content import Content, Fetchable, Inside, fill
from shared.ports.state import Ledger
from shared.ports.stores import Progress, silent
from shared.ports.world import Clock, Deadline

MARGIN_SECONDS = 10.0
"""Kept free at the end of an attempt: for the part under way, for ending the upload session and for telling the ledger."""

LARGE_BYTES = 64 * 1024 * 1024
"""From this size on the ledger hears of progress; below it a copy is over before anyone could look."""

STEPS = 10
"""Fewer progress reports than this follow the first one of a copy: each is a billed call."""


def check(deadline: Deadline) -> None:
    """Raises DeadlineExceeded unless there is time left to do something and to clean up after it."""
    if deadline.remaining() <= MARGIN_SECONDS:
        raise DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Punctual:
    """A content whose reads raise ``DeadlineExceeded`` near the attempt's end, and so does asking where others may read it.

    The target then fails as with any broken source, and so ends its upload session, instead of being killed in the middle.
    """

    content: Content
    deadline: Deadline

    @property
    def size(self) -> int | None:
        return self.content.size

    @property
    def attributes(self) -> Attributes:
        return self.content.attributes

    @property
    def checksums(self) -> Checksums:
        return self.content.checksums

    @property
    def ranged(self) -> bool:
        return self.content.ranged

    def read(self, offset: int, length: int) -> bytes:
        check(self.deadline)
        return self.content.read(offset, length)

    def read_into(self, offset: int, room: memoryview) -> None:
        check(self.deadline)
        fill(self.content, offset, room)

    def stream(self, chunk: int) -> Iterator[bytes]:
        for piece in self.content.stream(chunk):
            check(self.deadline)
            yield piece

    def inside(self) -> Inside | None:
        check(self.deadline)
        return self.content.inside()

    def fetchable(self) -> Fetchable | None:
        check(self.deadline)
        return self.content.fetchable()


class _Meter:
    """Tells the ledger in steps. Thread-safe; a ledger that is away costs only the report."""

    def __init__(self, job: Job, size: int, ledger: Ledger, clock: Clock) -> None:
        self._job, self._size, self._ledger, self._clock = job, size, ledger, clock
        self._lock = threading.Lock()
        self._done = self._told = 0

    def __call__(self, more: int) -> None:
        with self._lock:
            self._done += more
            if self._done >= self._size or (self._done - self._told) * STEPS < self._size:
                return
            self._told = self._done
            self.tell(self._done)

    def tell(self, done: int) -> None:
        try:
            self._ledger.copying(self._job, size=self._size, bytes_done=min(done, self._size), at=self._clock.now())
        except StateUnavailable:
            return  # progress is a courtesy: the copy's own record is what must arrive


def meter(job: Job, size: int, ledger: Ledger, clock: Clock) -> Progress:
    """Shows a large object as ``copying``, at once and then in steps; costs nothing for a small one."""
    if size < LARGE_BYTES:
        return silent
    progress = _Meter(job, size, ledger, clock)
    progress.tell(0)
    return progress
