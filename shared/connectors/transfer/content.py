"""Contents that come from the caller's hands: bytes, a file, a generator."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.errors import LengthMismatch, NotSupported
from shared.domain.objects import Attributes, Checksums
from shared.ports.content import Fetchable, Inside


class Readable(Protocol):
    """A binary file, as far as an upload needs it."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class BytesContent:
    """Bytes in memory."""

    data: bytes = field(repr=False)
    attributes: Attributes = Attributes()
    checksums: Checksums = Checksums()
    ranged: bool = True

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, length: int) -> bytes:
        piece = self.data[offset : offset + length]
        if len(piece) != length:
            raise LengthMismatch
        return piece

    def stream(self, chunk: int) -> Iterator[bytes]:
        return in_ranges(self.read, self.size, chunk)

    def inside(self) -> Inside | None:
        return None

    def fetchable(self) -> Fetchable | None:
        return None


@dataclass(frozen=True, slots=True)
class StreamContent:
    """What a binary file or an iterable of bytes gives, read once, in order, and never closed: its owner does that.

    Attributes:
        size: as declared by the caller; a source that gives another number of bytes fails the write.
    """

    source: Readable | Iterable[bytes] = field(repr=False)
    size: int | None = None
    attributes: Attributes = Attributes()
    checksums: Checksums = Checksums()
    ranged: bool = False

    def read(self, offset: int, length: int) -> bytes:
        """Never: a stream has no ranges."""
        raise NotSupported("read", "stream")

    def stream(self, chunk: int) -> Iterator[bytes]:
        if isinstance(self.source, Iterable) and not hasattr(self.source, "read"):
            return evenly(iter(self.source), chunk)
        read: Callable[[int], bytes] = getattr(self.source, "read")  # noqa: B009 - a binary file is iterable too, by lines
        return evenly(iter(lambda: read(chunk), b""), chunk)

    def inside(self) -> Inside | None:
        return None

    def fetchable(self) -> Fetchable | None:
        return None


def in_ranges(read: Callable[[int, int], bytes], size: int, chunk: int) -> Iterator[bytes]:
    """A ranged content as a stream: ``read`` called for each range in turn."""
    for offset in range(0, size, chunk):
        yield read(offset, min(chunk, size - offset))


def evenly(pieces: Iterator[bytes], chunk: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly ``chunk``, the last shorter. Pieces that fit already pass uncopied."""
    held: list[bytes] = []
    count = 0
    for piece in pieces:
        if not held and len(piece) == chunk:
            yield piece
            continue
        held.append(piece)
        count += len(piece)
        while count >= chunk:
            joined = b"".join(held)
            yield joined[:chunk]
            held, count = [joined[chunk:]], count - chunk
    if count:
        yield b"".join(held)
