"""Sources that behave, and sources that do not: honest implementations of ``ports.content.Content`` for the suite."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType

from shared.domain.errors import LengthMismatch
from shared.domain.objects import Attributes, Checksums
from shared.ports.content import Fetchable, Inside


def pattern(size: int, seed: int = 0) -> bytes:
    """``size`` bytes that repeat nowhere soon, the same for the same arguments."""
    return hashlib.shake_128(seed.to_bytes(4, "big") + b"farshore").digest(size)


@dataclass
class Bytes:
    """A content in memory that remembers how it was read.

    Attributes:
        declared: the size it claims; its own length unless told otherwise. None: it does not say.
        honest: whether ``read`` refuses to give another number of bytes than asked. A dishonest one gives what it has, and
            one byte more where it has more than it declares.
        before: called with (offset, length) before each read; may wait or raise.
        reads: every (offset, length) that was given out.
        closed: whether somebody closed what is not theirs.
    """

    data: bytes
    ranged: bool = True
    declared: int | None = -1
    honest: bool = True
    attributes: Attributes = Attributes()
    checksums: Checksums = Checksums()
    before: Callable[[int, int], None] = lambda offset, length: None
    reads: list[tuple[int, int]] = field(default_factory=list)
    streams: int = 0
    closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int | None:
        return len(self.data) if self.declared == -1 else self.declared

    def read(self, offset: int, length: int) -> bytes:
        if not self.ranged:
            raise AssertionError("this content can only be streamed")
        self.before(offset, length)
        piece = self.data[offset : offset + length + (not self.honest and offset + length == self.size)]
        with self._lock:
            self.reads.append((offset, length))
        if len(piece) != length and self.honest:
            raise LengthMismatch
        return piece

    def stream(self, chunk: int) -> Iterator[bytes]:
        self.streams += 1
        if self.streams > 1 and not self.ranged:
            raise AssertionError("this content can be streamed once")
        offset = 0
        while offset < len(self.data) or offset == 0:
            self.before(offset, chunk)
            piece = self.data[offset : offset + chunk]
            if not piece:
                return
            self.reads.append((offset, len(piece)))
            yield piece
            offset += len(piece)

    def inside(self) -> Inside | None:
        return None

    def fetchable(self) -> Fetchable | None:
        return None

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> "Bytes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True


_: type[AbstractContextManager["Bytes"]] = Bytes  # it has what a careless connector could close


@dataclass
class Zeros:
    """``size`` bytes that take no room of their own: each piece is made when it is asked for."""

    size: int
    ranged: bool = True
    attributes: Attributes = Attributes()
    checksums: Checksums = Checksums()

    def read(self, offset: int, length: int) -> bytes:
        if offset + length > self.size:
            raise LengthMismatch
        return bytes(length)

    def stream(self, chunk: int) -> Iterator[bytes]:
        left = self.size
        while left:
            yield bytes(min(chunk, left))
            left -= min(chunk, left)

    def inside(self) -> Inside | None:
        return None

    def fetchable(self) -> Fetchable | None:
        return None
