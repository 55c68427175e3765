"""Cases 1 to 10: bytes arrive as they are, whatever their number."""

import gzip
import tracemalloc

import pytest

from shared.domain.objects import Attributes
from shared.domain.precondition import Any as Anyhow
from shared.ports.stores import TargetStore
from tests.conformance.cases import case
from tests.conformance.contents import Bytes, Zeros, pattern
from tests.conformance.rigs import PART, SINGLE
from tests.conformance.store import Store, crc_of

MIB = 1024 * 1024
STREAMS = 3
"""Parts that one write may have on their way at a time."""
both = pytest.mark.parametrize("ranged", [True, False], ids=["ranged", "streamed"])


def arrives(store: Store, size: int, *, ranged: bool) -> None:
    data = pattern(size, seed=size)
    written = store.put("object", Bytes(data, ranged=ranged))
    assert (written.size, written.checksums.values["crc64nvme"]) == (size, crc_of(data))
    head = store.connector.head("object")
    assert head is not None
    assert (head.size, head.tag) == (size, written.tag)
    assert store.get("object") == data
    with store.connector.open("object") as opened:
        assert opened is not None
        assert opened.content.read(0, size) == data
        assert opened.content.read(size // 2, size - size // 2) == data[size // 2 :]
    assert [(row.path, row.size) for row in store.rows()] == [("object", size)]


@case(1)
@both
def test_an_empty_object_arrives(store: Store, ranged: bool) -> None:
    arrives(store, 0, ranged=ranged)


@case(2)
@both
def test_one_byte_arrives(store: Store, ranged: bool) -> None:
    arrives(store, 1, ranged=ranged)


@case(3)
@both
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_about_one_chunk_arrives(store: Store, more: int, ranged: bool) -> None:
    arrives(store, PART + more, ranged=ranged)


@case(4)
@both
@pytest.mark.parametrize("more", [0, 1])
def test_about_two_chunks_arrive(store: Store, more: int, ranged: bool) -> None:
    arrives(store, 2 * PART + more, ranged=ranged)


@case(5)
@both
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_one_request_up_to_the_bound_and_parts_beyond_it(store: Store, more: int, ranged: bool) -> None:
    wire, data = store.wire(), pattern(SINGLE + more)
    store.put("object", Bytes(data, ranged=ranged), by=store.through(wire))
    store.assert_still("object", data)
    assert wire.count(store.rig.commit) == (1 if more > 0 else 0)
    assert wire.count(store.rig.part) == (2 if more > 0 else 0)
    assert wire.count(store.rig.single) == (0 if more > 0 else 1)


@case(6)
@pytest.mark.parametrize("size", [256, SINGLE + 256])
def test_all_byte_values_stay(store: Store, size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    store.put("object", data)
    assert store.get("object") == data


@case(6)
@pytest.mark.parametrize("seed", [b"short", pattern(SINGLE)], ids=["small", "large"])
def test_packed_content_is_never_unpacked(store: Store, seed: bytes) -> None:
    packed = gzip.compress(seed, mtime=0)
    store.put("object.gz", Bytes(packed, attributes=Attributes("text/plain", content_encoding="gzip")))
    assert store.get("object.gz") == packed
    with store.connector.open("object.gz") as opened:
        assert opened is not None
        assert opened.head.attributes.content_encoding == "gzip"
        assert opened.content.read(0, len(packed)) == packed


@case(7)
@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, SINGLE, SINGLE + 1, 5 * PART])
def test_an_unknown_length_is_found_at_the_end(store: Store, size: int) -> None:
    data = pattern(size)
    written = store.put("object", Bytes(data, ranged=False, declared=None))
    assert (written.size, written.checksums.values["crc64nvme"]) == (size, crc_of(data))
    store.assert_still("object", data)


@case(8)
@pytest.mark.long
def test_five_gibibytes_and_one_byte_arrive(store: Store) -> None:
    size = 5 * 1024 * MIB + 1
    connector = store.another(part_size=20 * MIB)
    written = store.put("object", Zeros(size), by=connector)
    assert written.size == size
    head = store.connector.head("object")
    assert head is not None
    assert head.size == size
    with store.connector.open("object") as opened:
        assert opened is not None
        assert opened.content.read(size - 3, 3) == b"\0\0\0"


@case(8)
def test_five_gibibytes_and_one_byte_fit_the_limits(store: Store) -> None:
    """The long run sends them; this tells beforehand that no bound of the store stands against it."""
    limits, size = store.capabilities, 5 * 1024 * MIB + 1
    assert limits.parts_max * limits.part_max >= size
    assert -(-size // max(limits.part_min, 20 * MIB)) <= limits.parts_max


@case(9)
@both
@pytest.mark.parametrize("size", [PART // 2, SINGLE + 1, 5 * PART + 7])
def test_the_source_is_read_once_and_not_closed(store: Store, size: int, ranged: bool) -> None:
    content = Bytes(pattern(size), ranged=ranged)
    store.put("object", content)
    at = 0
    for offset, length in sorted(content.reads):
        assert offset == at, "a gap, or bytes read twice"
        at += length
    assert at == size
    assert content.streams == (0 if ranged and not content.streams else 1)
    assert not content.closed


@case(10)
@both
def test_memory_is_bounded_and_flat(store: Store, ranged: bool) -> None:
    """Peak Python memory of one upload: two chunks for each stream that works at a time, and a constant."""
    chunk = MIB
    connector = store.another(part_size=chunk)
    connector.write("warm", Bytes(pattern(2 * MIB)), precondition=Anyhow())
    peaks = [peak_of(connector, parts * chunk, ranged) for parts in (8, 16)]
    assert max(peaks) <= 2 * chunk * STREAMS + 3 * MIB
    assert peaks[1] <= peaks[0] * 1.05 + chunk


@case(10)
def test_reading_takes_no_more_than_is_asked_for(store: Store) -> None:
    size, chunk = 8 * MIB, MIB // 2
    store.put("object", Zeros(size), by=store.another(part_size=4 * MIB))
    tracemalloc.start()
    try:
        with store.connector.open("object") as opened:
            assert opened is not None
            assert sum(map(len, opened.content.stream(chunk))) == size
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 2 * chunk + 2 * MIB


def peak_of(connector: TargetStore, size: int, ranged: bool) -> int:
    tracemalloc.start()
    try:
        connector.write("object", Zeros(size, ranged=ranged), precondition=Anyhow())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
