"""Cutting and sending: exact sizes, bounded memory, first failure stops, order kept."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.connectors.registry import AZURE_BLOB, S3
from shared.connectors.transfer.content import BytesContent, StreamContent, evenly
from shared.connectors.transfer.crc import crc64
from shared.connectors.transfer.parts import MEMORY, MIB, PART, Feed, Part, PartPlan, plan_parts
from shared.connectors.transfer.rooms import Rooms
from shared.domain.errors import InvalidInput, LengthMismatch, NotSupported, SourceChanged

PLAN = PartPlan(part_size=10, workers=3)


def contents(data: bytes):
    """Every way to hand over the same bytes."""
    yield BytesContent(data)
    yield StreamContent(io.BytesIO(data))
    yield StreamContent(io.BytesIO(data), len(data))
    yield StreamContent((data[i : i + 7] for i in range(0, len(data), 7)), len(data))
    yield StreamContent([data] if data else [])


def received(feed: Feed) -> tuple[bytes, object]:
    parts: dict[int, Part] = {}
    sent = feed.send(lambda part: parts.__setitem__(part.number, part))
    return b"".join(parts[number].data for number in sorted(parts)), sent


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=75))
def test_all_bytes_arrive_once_and_in_order(data):
    for content in contents(data):
        feed = Feed(content, PLAN)
        whole = feed.whole()
        if len(data) <= 10:
            assert (whole.data, whole.crc, whole.number, whole.offset) == (data, crc64(data), 1, 0)
            continue
        assert whole is None
        got, sent = received(feed)
        assert (got, sent.size, sent.crc) == (data, len(data), crc64(data))
        assert [r.number for r in sent.receipts] == list(range(1, -(-len(data) // 10) + 1))
        assert [r.offset for r in sent.receipts] == list(range(0, len(data), 10))


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 19, 20, 21, 35])
@pytest.mark.parametrize("lie", [-1, 1])
def test_a_source_that_lies_about_its_size_fails(size, lie):
    if size + lie < 0:
        return
    feed = Feed(StreamContent(io.BytesIO(b"x" * size), size + lie), PLAN)
    with pytest.raises(LengthMismatch):  # noqa: PT012 - either step may be the one that notices
        if feed.whole() is None:
            received(feed)


def test_a_ranged_source_that_gives_too_little_fails():
    class Short(BytesContent):
        def read(self, offset, length):
            return super().read(offset, length)[:-1]

    for data in (b"x" * 5, b"x" * 25):
        feed = Feed(Short(data), PLAN)
        with pytest.raises(LengthMismatch):  # noqa: PT012 - either step may be the one that notices
            if feed.whole() is None:
                received(feed)


def test_the_source_is_read_once_and_left_open():
    class Counting(io.BytesIO):
        total = 0

        def read(self, size=-1, /):
            piece = super().read(size)
            self.total += len(piece)
            return piece

    source = Counting(b"x" * 95)
    received(Feed(StreamContent(source, 95), PLAN))
    assert (source.total, source.closed) == (95, False)


@pytest.mark.parametrize("ranged", [True, False])
def test_no_more_parts_than_workers_are_in_memory(ranged):
    alive: set[int] = set()
    most = 0
    lock = threading.Lock()

    class Tracked(bytes):
        __slots__ = ()

        def __del__(self):
            with lock:
                alive.discard(id(self))

    def fresh(size: int) -> bytes:
        nonlocal most
        piece = Tracked(size)
        with lock:
            alive.add(id(piece))
            most = max(most, len(alive))
        return piece

    class Ranged(BytesContent):
        def read(self, offset, length):
            return fresh(length)

    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield fresh(10)

    content = Ranged(b"x" * 200) if ranged else StreamContent(pieces(), 200)
    sent = Feed(content, PLAN).send(lambda part: None)
    assert sent.size == 200
    assert most <= PLAN.workers + 1  # a generator still holds the piece it gave last


def test_parts_go_several_at_a_time():
    together = threading.Barrier(PLAN.workers, timeout=5)
    sent = Feed(BytesContent(b"x" * 30), PLAN).send(lambda part: together.wait())
    assert sent.size == 30


def test_the_first_failure_stops_the_rest_and_is_raised():
    tried: list[int] = []

    def upload(part: Part) -> None:
        tried.append(part.number)
        raise SourceChanged

    with pytest.raises(SourceChanged):
        Feed(BytesContent(b"x" * 1000), PLAN).send(upload)
    assert len(tried) <= PLAN.workers


def test_a_source_that_raises_midway_fails_the_whole():
    def pieces() -> Iterator[bytes]:
        yield b"x" * 10
        yield b"x" * 10
        raise SourceChanged

    feed = Feed(StreamContent(pieces(), 50), PLAN)
    with pytest.raises(SourceChanged):
        feed.whole() or feed.send(lambda part: None)


def test_progress_adds_up_to_the_size():
    told: list[int] = []
    Feed(BytesContent(b"x" * 95), PLAN).send(lambda part: None, told.append)
    assert sum(told) == 95


@pytest.mark.parametrize(
    ("size", "limits"),
    [(0, S3), (None, S3), (5 * 2**30, S3), (300 * 2**30, S3), (40 * 2**40, S3), (190 * 2**40, AZURE_BLOB)],
)
def test_a_plan_keeps_the_stores_limits(size, limits):
    plan = plan_parts(size, limits)
    assert plan.part_size % PART == 0
    assert limits.part_min <= plan.part_size <= limits.part_max
    assert plan.part_size * limits.parts_max >= (size or 0)
    assert plan.workers == 1 or plan.part_size * plan.workers <= MEMORY


def test_what_no_parts_can_hold_is_refused():
    with pytest.raises(InvalidInput):
        plan_parts(10**15, S3)


def test_parts_in_order_only_go_one_by_one():
    assert plan_parts(100 * MIB, replace(S3, parts_any_order=False)).workers == 1


def test_a_stream_has_no_ranges():
    with pytest.raises(NotSupported):
        StreamContent([b""]).read(0, 1)


@given(st.lists(st.binary(max_size=9), max_size=12), st.integers(1, 8))
def test_pieces_are_evened_out(pieces, chunk):
    even = list(evenly(iter(pieces), chunk))
    assert b"".join(even) == b"".join(pieces)
    assert all(len(piece) == chunk for piece in even[:-1])
    assert all(0 < len(piece) <= chunk for piece in even)


class Filling(BytesContent):
    """A content that reads into the caller's memory."""

    def read_into(self, offset: int, room: memoryview) -> None:
        room[:] = self.data[offset : offset + len(room)]


@given(st.binary(min_size=11, max_size=95))
def test_a_content_that_fills_the_callers_memory_arrives_whole(data):
    parts: dict[int, bytes] = {}
    sent = Feed(Filling(data), PLAN).send(lambda part: parts.__setitem__(part.number, bytes(part.data)))
    assert b"".join(parts[number] for number in sorted(parts)) == data
    assert (sent.size, sent.crc) == (len(data), crc64(data))


def test_parts_of_all_writes_share_a_few_places():
    places: set[int] = set()
    rooms = Rooms(2, 10)

    class Watched(Filling):
        def read_into(self, offset: int, room: memoryview) -> None:
            places.add(id(room.obj))
            super().read_into(offset, room)

    with patch("shared.connectors.transfer.parts.ROOMS", rooms), ThreadPoolExecutor(4) as pool:
        feeds = [Feed(Watched(bytes([n]) * 500), PLAN) for n in range(4)]
        sent = list(pool.map(lambda feed: feed.send(lambda part: None), feeds))
    assert [s.crc for s in sent] == [crc64(bytes([n]) * 500) for n in range(4)]
    assert 1 <= len(places) <= 2


def test_a_failed_upload_gives_its_place_back():
    rooms = Rooms(1, 10)

    def fail(part: Part) -> None:
        raise SourceChanged

    with patch("shared.connectors.transfer.parts.ROOMS", rooms):
        with pytest.raises(SourceChanged):
            Feed(Filling(b"x" * 50), PLAN).send(fail)
        assert Feed(Filling(b"x" * 50), PLAN).send(lambda part: None).size == 50


def test_a_part_larger_than_a_place_has_one_of_its_own():
    rooms = Rooms(1, 10)
    with rooms.room(30) as large:
        assert len(large) == 30
    with rooms.room(4) as small:
        assert len(small) == 4
