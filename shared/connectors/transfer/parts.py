"""Cutting a content into parts and sending them, several at a time, in bounded memory."""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from shared.connectors.transfer.content import evenly
from shared.connectors.transfer.crc import combined, crc64, to_hex
from shared.connectors.transfer.rooms import Rooms
from shared.connectors.transfer.witness import Witness, witness_of
from shared.domain.capabilities import Capabilities
from shared.domain.errors import InvalidInput, LengthMismatch
from shared.domain.objects import Algorithm, Checksums
from shared.ports.content import Content, Fills, fill
from shared.ports.stores import Progress, silent

MIB = 1024 * 1024
PART = 20 * MIB
"""A multiple of every store's granule (4 MiB, 5 MiB, 320 KiB, 256 KiB), so that one cut serves all of them."""

LANES = 3
"""Parts of one write that are on their way at a time."""

MEMORY = LANES * PART
"""Bytes of parts that one write may hold at a time."""

ROOMS = Rooms(LANES + 1, PART)
"""What all writes of this process share, for contents that fill their reader's memory: 80 MiB."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """How one content is cut: ``workers`` parts of at most ``part_size`` bytes are in memory, never more."""

    part_size: int
    workers: int


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a content, in memory. ``number`` counts from 1; ``crc`` is the CRC64NVME of ``data``.

    ``data`` is valid until the upload of this part returns: it may be a view of a place that the next part takes. Whatever
    sends or hashes bytes takes a view as well, which is why its type does not tell.
    """

    number: int
    offset: int
    data: bytes = field(repr=False)
    crc: int
    witnessed: Mapping[Algorithm, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def checksums(self) -> Checksums:
        """For a part that is the whole: with what the source can be held to (``witness``)."""
        return _checksums(self.crc, self.witnessed)


@dataclass(frozen=True, slots=True)
class Receipt[R]:
    """What a connector brought back for one part: ``answer`` is its own (an ETag, a block id)."""

    number: int
    offset: int
    size: int
    crc: int
    answer: R


@dataclass(frozen=True, slots=True)
class Sent[R]:
    """All parts of a content, in order, with what they add up to."""

    receipts: tuple[Receipt[R], ...]
    size: int
    crc: int
    checksums: Checksums


def plan_parts(size: int | None, limits: Capabilities, *, part: int = PART, memory: int = MEMORY) -> PartPlan:
    """A plan within a store's limits: parts grow by whole multiples of ``part`` until their number fits.

    A ``part`` below ``limits.part_min`` is the caller's choice, for servers known to take less.

    Raises:
        InvalidInput: no number of allowed parts holds this many bytes.
    """
    step = min(part, limits.part_max)
    pieces = -(-(size or 0) // limits.parts_max)
    part_size = step * max(1, -(-pieces // step))
    if part_size > limits.part_max:
        raise InvalidInput(f"{limits.connector} cannot hold an object of {size} bytes")
    return PartPlan(part_size, max(1, memory // part_size) if limits.parts_any_order else 1)


def _checksums(crc: int, witnessed: Mapping[Algorithm, str]) -> Checksums:
    return Checksums(MappingProxyType({"crc64nvme": to_hex(crc), **witnessed}))


class Feed:
    """One content on its way to one target; used once.

    ``whole()`` first: small contents need no more. Otherwise ``send``.
    """

    def __init__(self, content: Content, plan: PartPlan) -> None:
        self._content = content
        self._plan = plan
        self._witness = witness_of(content.checksums)
        cut = _Ranges if content.ranged and content.size is not None else _Pieces
        self._cuts: _Ranges | _Pieces = cut(content, plan, self._witness)

    def whole(self) -> Part | None:
        """The content as a single part, if it is no longer than one; else None, and nothing is lost by asking.

        Raises:
            LengthMismatch: it has fewer or more bytes than it declares.
            StoreError: whatever reading raised.
        """
        size = self._content.size
        return self._cuts.whole() if size is None or size <= self._plan.part_size else None

    def send[R](self, upload: Callable[[Part], R], progress: Progress = silent) -> Sent[R]:
        """Calls ``upload`` for each part, from several threads where the plan says so.

        The first failure, of reading or of uploading, stops the rest and is raised once all threads are done. The
        caller aborts its session then. An empty content has no parts.

        Raises:
            LengthMismatch: as ``whole``; some parts may have been uploaded by then.
            FarshoreError: whatever ``upload`` or reading raised.
        """
        work = _Work(self._cuts, upload, progress)
        work.run(self._lanes())
        receipts = tuple(sorted(work.receipts, key=lambda receipt: receipt.number))
        crc = combined((r.crc, r.size) for r in receipts)
        return Sent(receipts, sum(r.size for r in receipts), crc, _checksums(crc, self._witness.values()))

    def _lanes(self) -> int:
        size = self._content.size
        parts = self._plan.workers if size is None else -(-size // self._plan.part_size)
        return max(1, min(self._plan.workers, parts))


class _Ranges:
    """Cuts a ranged content: each worker reads its own range, in its turn where a witness has to hear them in order."""

    def __init__(self, content: Content, plan: PartPlan, witness: Witness) -> None:
        self._content = content
        self._size = content.size or 0
        self._part = plan.part_size
        self._witness = witness
        self._turn: AbstractContextManager[Any] = threading.Lock() if witness.in_order else nullcontext()
        self._lock = threading.Lock()
        self._claimed = 0

    def whole(self) -> Part:
        data = self._content.read(0, self._size) if self._size else b""
        if len(data) != self._size:
            raise LengthMismatch
        self._witness.hear(0, data)
        return Part(1, 0, data, crc64(data), self._witness.values())

    def take(self) -> Generator[Part]:
        """The parts left, for one worker; each is valid until the next is asked for."""
        with ExitStack() as held:
            while (part := self._next(held)) is not None:
                yield part
                del part
                held.close()  # before the next turn: who waits for a place never keeps another waiting

    def _next(self, held: ExitStack) -> Part | None:
        with self._turn:
            index = self._claim()
            offset = index * self._part
            if offset >= self._size:
                return None
            data = held.enter_context(self._read(offset, min(self._part, self._size - offset)))
            self._witness.hear(offset, data)
        return Part(index + 1, offset, data, crc64(data))

    def _claim(self) -> int:
        with self._lock:
            index, self._claimed = self._claimed, self._claimed + 1
        return index

    @contextmanager
    def _read(self, offset: int, length: int) -> Iterator[bytes]:
        if isinstance(self._content, Fills):
            with ROOMS.room(length) as room:
                fill(self._content, offset, room)
                yield cast("bytes", room)
            return
        data = self._content.read(offset, length)
        if len(data) != length:
            raise LengthMismatch
        yield data


class _Pieces:
    """Cuts a content that only streams: workers take turns at reading the next piece."""

    def __init__(self, content: Content, plan: PartPlan, witness: Witness) -> None:
        self._declared = content.size
        self._part = plan.part_size
        self._content = content
        self._witness = witness
        self._stream: Iterator[bytes] | None = None
        self._lock = threading.Lock()
        self._ahead: list[bytes] = []
        self._count = 0
        self._offset = 0

    def whole(self) -> Part | None:
        first = self._pull()
        second = self._pull() if len(first) == self._part else b""
        if second:
            self._ahead = [first, second]
            return None
        self._offset = len(first)
        self._check_end()
        self._witness.hear(0, first)
        return Part(1, 0, first, crc64(first), self._witness.values())

    def take(self) -> Generator[Part]:
        """The parts left, for one of the workers that share this stream."""
        while (part := self._next()) is not None:
            yield part
            del part  # before the next one is read: a worker holds one part, never two

    def _next(self) -> Part | None:
        with self._lock:
            data = self._ahead.pop(0) if self._ahead else self._pull()
            if not data:
                self._check_end()
                return None
            number, offset = self._count + 1, self._offset
            self._count, self._offset = number, offset + len(data)
            self._check_so_far()
            self._witness.hear(offset, data)
        return Part(number, offset, data, crc64(data))

    def _pull(self) -> bytes:
        if self._stream is None:
            self._stream = evenly(self._content.stream(self._part), self._part)
        return next(self._stream, b"")

    def _check_so_far(self) -> None:
        if self._declared is not None and self._offset > self._declared:
            raise LengthMismatch

    def _check_end(self) -> None:
        if self._declared is not None and self._offset != self._declared:
            raise LengthMismatch


class _Work[R]:
    """One round of workers over one content."""

    def __init__(self, cuts: "_Ranges | _Pieces", upload: Callable[[Part], R], progress: Progress) -> None:
        self._cuts = cuts
        self._upload = upload
        self._progress = progress
        self._failure: BaseException | None = None
        self.receipts: list[Receipt[R]] = []

    def run(self, lanes: int) -> None:
        if lanes == 1:
            self._lane()
        else:
            with ThreadPoolExecutor(lanes, thread_name_prefix="part") as pool:
                for _ in range(lanes):
                    pool.submit(self._lane)
        if self._failure is not None:
            raise self._failure

    def _lane(self) -> None:
        try:
            with closing(self._cuts.take()) as parts:
                for part in parts:
                    self._one(part)
                    del part
                    if self._failure is not None:
                        return
        except BaseException as failure:  # carried to the calling thread and raised there
            self._failure = self._failure or failure

    def _one(self, part: Part) -> None:
        answer = self._upload(part)
        self.receipts.append(Receipt(part.number, part.offset, part.size, part.crc, answer))
        self._progress(part.size)
