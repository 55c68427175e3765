"""Cases 11 to 18: sources and connections that fail midway leave nothing, or the whole."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import (
    ChecksumMismatch,
    LengthMismatch,
    PreconditionFailed,
    SourceChanged,
    StoreError,
    StoreUnavailable,
)
from shared.domain.objects import Algorithm, Checksums, Written
from shared.domain.precondition import Absent, as_seen
from shared.domain.retry import Later, Now
from shared.ports.stores import TargetStore
from tests.conformance.cases import also_model, case
from tests.conformance.contents import Bytes, pattern
from tests.conformance.faults import answer, reset_after, reset_before, reset_in_last_byte, truncated, twice
from tests.conformance.rigs import PART, SINGLE
from tests.conformance.store import Store, eventually, sum_of

SMALL, LARGE = PART // 2, 6 * PART + 3
sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
both = pytest.mark.parametrize("ranged", [True, False], ids=["ranged", "streamed"])
OLD = b"what was there before"


class Gone(StoreError):
    """The source's own words."""

    code = "gone"


def fails(store: Store, content: Bytes, kind: type[StoreError]) -> None:
    """The write fails so, whether or not something was there, and changes nothing."""
    with pytest.raises(kind) as first:
        store.put("new", content)
    assert first.type is kind
    store.assert_nothing_at("new")
    content.streams = 0
    store.put("old", OLD)
    with pytest.raises(kind):
        store.put("old", content)
    store.assert_still("old", OLD)


@case(11)
@sizes
@both
def test_a_source_that_raises_midway_leaves_nothing(store: Store, size: int, ranged: bool) -> None:
    def before(offset: int, length: int) -> None:
        if offset + length >= size // 2:
            raise Gone

    fails(store, Bytes(pattern(size), ranged=ranged, before=before), Gone)


@case(12)
@sizes
@both
@pytest.mark.parametrize("missing", [1, PART // 4])
def test_a_source_that_ends_early_leaves_nothing(store: Store, size: int, ranged: bool, missing: int) -> None:
    fails(store, Bytes(pattern(size), ranged=ranged, declared=size + missing, honest=False), LengthMismatch)


@case(12)
@sizes
@pytest.mark.parametrize("lost", [1, 1000])
def test_a_download_cut_short_is_never_taken_for_the_whole(
    store: Store, size: int, lost: int, naps: list[float]
) -> None:
    data, wire = pattern(size), store.wire()
    store.put("object", data)
    wire.when(store.rig.body, truncated(lambda whole: max(0, whole - lost)), times=None)
    reader = store.through(wire)
    with pytest.raises((LengthMismatch, StoreUnavailable)), reader.open("object") as opened:
        opened.content.read(0, size)
    with pytest.raises((LengthMismatch, StoreUnavailable)), reader.open("object") as opened:
        b"".join(opened.content.stream(PART))
    wire.heal()
    assert store.get("object", by=reader) == data


@case(13)
@sizes
@both
@pytest.mark.parametrize("more", [1, PART])
def test_a_source_longer_than_declared_leaves_nothing(store: Store, size: int, ranged: bool, more: int) -> None:
    fails(store, Bytes(pattern(size + more), ranged=ranged, declared=size, honest=False), LengthMismatch)


@case(14)
@sizes
@both
@pytest.mark.parametrize("algorithm", ["crc64nvme", "crc32", "crc32c", "sha256"])
def test_a_byte_read_wrong_leaves_nothing(store: Store, size: int, ranged: bool, algorithm: Algorithm) -> None:
    """Whichever checksum the source's writer chose; boto3, say, CRC32."""
    data = pattern(size)
    reported, wrong = Checksums({algorithm: sum_of(algorithm, data)}), data[:-1] + bytes([data[-1] ^ 1])
    store.put("right", Bytes(data, ranged=ranged, checksums=reported))
    store.assert_still("right", data)
    fails(store, Bytes(wrong, ranged=ranged, checksums=reported), ChecksumMismatch)


@case(14)
@sizes
@both
def test_a_source_that_says_it_changed_leaves_nothing(store: Store, size: int, ranged: bool) -> None:
    def before(offset: int, length: int) -> None:
        if offset + length >= size - PART:
            raise SourceChanged

    fails(store, Bytes(pattern(size), ranged=ranged, before=before), SourceChanged)


@also_model
@case(14)
def test_a_replaced_object_is_never_read_as_two(store: Store) -> None:
    old, new = pattern(LARGE, seed=1), pattern(LARGE, seed=2)
    store.put("object", old)
    with store.connector.open("object") as opened:
        assert opened is not None
        first = opened.content.read(0, PART)
        store.put("object", new, by=store.another())
        with pytest.raises(SourceChanged):
            first += opened.content.read(PART, LARGE - PART)
    assert first == old[:PART]


@also_model
@case(14)
def test_a_deleted_object_is_a_changed_one(store: Store) -> None:
    store.put("object", pattern(LARGE))
    with store.connector.open("object") as opened:
        assert opened is not None
        opened.content.read(0, PART)
        store.another().delete("object", precondition=as_seen(opened.head))
        with pytest.raises(SourceChanged):
            opened.content.read(PART, PART)


@also_model
@case(14)
def test_a_copy_of_a_replaced_object_leaves_nothing(store: Store) -> None:
    store.put("source", pattern(LARGE, seed=1))
    target = store.sibling()
    with store.connector.open("source") as opened:
        assert opened is not None
        store.put("source", pattern(LARGE, seed=2), by=store.another())
        with pytest.raises(SourceChanged):
            target.put("copy", opened.content)
    target.assert_nothing_at("copy")


@case(15)
@sizes
@pytest.mark.parametrize("lost", [reset_after, reset_in_last_byte])
@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
def test_a_connection_lost_after_the_last_byte_leaves_the_whole_or_nothing(
    store: Store, size: int, lost: object, times: int | None, naps: list[float]
) -> None:
    data, wire = pattern(size), store.wire()
    wire.when(store.rig.commit if size > SINGLE else store.rig.single, lost, times=times)
    outcome = attempt(store, store.through(wire), data)
    # A repeated request may find its own first try there: "look again" is then as good an answer as a receipt.
    assert outcome in ((Written, Now) if times == 1 else (Written, Now, Later))
    if lost is reset_in_last_byte and times is None:
        assert store.connector.head("object") is None
        assert outcome is Later
    converges(store, data)


@case(16)
@pytest.mark.parametrize("lost", [reset_before, reset_in_last_byte, reset_after])
@both
def test_a_connection_lost_between_chunks_is_survived(
    store: Store, lost: object, ranged: bool, naps: list[float]
) -> None:
    data, wire = pattern(LARGE), store.wire()
    wire.when(store.rig.part, lost, skip=2)
    store.put("object", Bytes(data, ranged=ranged), by=store.through(wire))
    store.assert_still("object", data)


@case(16)
@both
def test_a_server_gone_between_chunks_leaves_nothing(store: Store, ranged: bool, naps: list[float]) -> None:
    wire = store.wire()
    wire.when(store.rig.part, reset_before, skip=2, times=None)
    with pytest.raises(StoreUnavailable):
        store.put("object", Bytes(pattern(LARGE), ranged=ranged), by=store.through(wire))
    with eventually() as until:
        until(lambda: store.rig.sessions(store.root) == 0)
    store.assert_nothing_at("object")


@case(17)
@both
@pytest.mark.parametrize("number", [0, 3, 6])
def test_a_part_that_keeps_failing_ends_the_session(store: Store, number: int, ranged: bool, naps: list[float]) -> None:
    """One part, the first, a middle or the last, fails each time it is sent; the others arrive."""
    wire, seen = store.wire(), []

    def chosen(request: object) -> bool:
        if not store.rig.part(request):
            return False
        key = request.target
        if key not in seen:
            seen.append(key)
        return len(seen) > number and key == seen[number]

    rule = wire.when(chosen, lambda request, forward: store.rig.error("broken"), times=None)
    content = Bytes(pattern(LARGE), ranged=ranged)
    with pytest.raises(StoreUnavailable):
        store.put("object", content, by=store.through(wire))
    assert 2 <= rule.hits <= 6, "a part is tried again, a few times"
    assert wire.count(store.rig.commit) == 0
    assert not content.closed
    store.assert_nothing_at("object")


@case(17)
def test_a_part_refused_for_good_ends_the_session(store: Store, naps: list[float]) -> None:
    wire = store.wire()
    wire.when(store.rig.part, lambda request, forward: store.rig.error("revoked"), skip=1, times=None)
    with pytest.raises(StoreError):
        store.put("object", pattern(LARGE), by=store.through(wire))
    store.assert_nothing_at("object")


class Register:
    """Counts the upload sessions that may be open."""

    def __init__(self) -> None:
        self.open = self.begun = 0

    def begin(self) -> None:
        self.open += 1
        self.begun += 1

    def end(self) -> None:
        self.open -= 1


@case(17)
@also_model
@sizes
def test_a_session_is_registered_and_forgotten_with_its_write(store: Store, size: int) -> None:
    register = Register()
    store.connector.write("object", Bytes(pattern(size)), precondition=Absent(), sessions=register)
    with pytest.raises(PreconditionFailed):
        store.connector.write("object", Bytes(pattern(size)), precondition=Absent(), sessions=register)
    assert register.open == store.rig.sessions(store.root) == 0
    assert register.begun == 0 or size == LARGE, "small objects cost nothing more"


@case(17)
def test_a_session_that_outlives_its_write_is_found_by_its_path_alone(store: Store, naps: list[float]) -> None:
    wire, register = store.wire(), Register()
    wire.when(store.rig.part, lambda request, forward: store.rig.error("broken"), times=None)
    wire.when(lambda request: request.method == "DELETE", answer(500), times=None)
    broken = store.through(wire)
    for path in ("object", "object/theirs"):
        with pytest.raises(StoreUnavailable):
            broken.write(path, Bytes(pattern(LARGE)), precondition=Absent(), sessions=register)
    left, now = store.rig.sessions(store.root), datetime.now(UTC)
    assert register.open == left in (0, 2)
    assert store.connector.abort_uploads("object", older_than=now - timedelta(hours=1)) == 0
    assert store.connector.abort_uploads("object", older_than=now + timedelta(hours=1)) == left // 2
    assert store.rig.sessions(store.root) == left // 2


@case(18)
@pytest.mark.parametrize("how", [twice, reset_after], ids=["duplicated", "repeated"])
def test_a_completion_that_arrives_twice_is_one(store: Store, how: object, naps: list[float]) -> None:
    data, wire = pattern(LARGE), store.wire()
    wire.when(store.rig.commit, how)
    outcome = attempt(store, store.through(wire), data)
    assert outcome in (Written, Now, Later)
    converges(store, data)


@case(18)
def test_a_completion_refused_leaves_nothing(store: Store, naps: list[float]) -> None:
    wire = store.wire()
    wire.when(store.rig.commit, answer(500), times=None)
    with pytest.raises(StoreUnavailable):
        store.put("object", pattern(LARGE), Absent(), by=store.through(wire))
    store.assert_nothing_at("object")


def attempt(store: Store, connector: TargetStore, data: bytes) -> type:
    """Creates ``object``: what came of it, a receipt or a retry verdict. What lies there then is whole, or nothing does."""
    try:
        written = store.put("object", data, Absent(), by=connector)
    except (StoreUnavailable, PreconditionFailed) as error:
        assert store.get("object") in (None, data)
        return type(error.retry)
    assert written.size == len(data)
    store.assert_still("object", data)
    return Written


def converges(store: Store, data: bytes) -> None:
    """A second attempt, which looks first as replication does, always ends right."""
    store.put("object", data, as_seen(store.connector.head("object")))
    store.assert_still("object", data)
