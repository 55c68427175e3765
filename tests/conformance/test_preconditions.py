"""Cases 19 to 28: nothing is written over what was not seen."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.domain.errors import PreconditionFailed, StoreError, StoreUnavailable
from shared.domain.objects import Tag
from shared.domain.precondition import Absent, Match, Precondition, as_seen
from shared.domain.precondition import Any as Anyhow
from shared.domain.retry import Now
from shared.ports.stores import TargetStore
from tests.conformance.cases import also_model, case
from tests.conformance.contents import Bytes, pattern
from tests.conformance.rigs import PART
from tests.conformance.store import Store

SMALL, LARGE = 100, 4 * PART + 5
sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
STALE = Match(Tag("0123456789abcdef0123456789abcdef"))


def refused(store: Store, data: bytes, precondition: Precondition) -> None:
    with pytest.raises(PreconditionFailed) as failure:
        store.put("object", data, precondition)
    assert failure.value.retry == Now()


@also_model
@case(19)
@sizes
def test_it_creates_where_nothing_is(store: Store, size: int) -> None:
    store.put("object", pattern(size), Absent())
    store.assert_still("object", pattern(size))


@also_model
@case(20)
@sizes
def test_it_never_creates_over_something(store: Store, size: int) -> None:
    store.put("object", b"first")
    refused(store, pattern(size), Absent())
    store.assert_still("object", b"first")


@also_model
@case(20)
def test_an_empty_object_is_something(store: Store) -> None:
    store.put("object", b"")
    refused(store, b"second", Absent())
    store.assert_still("object", b"")


@also_model
@case(21)
@sizes
def test_it_updates_what_it_saw(store: Store, size: int) -> None:
    tag = store.put("object", b"first").tag
    second = store.put("object", pattern(size), Match(tag)).tag
    store.assert_still("object", pattern(size))
    store.put("object", b"third", Match(second))
    store.assert_still("object", b"third")


@also_model
@case(22)
@sizes
def test_it_never_updates_what_it_did_not_see(store: Store, size: int) -> None:
    stale = store.put("object", b"first").tag
    store.put("object", b"second")
    refused(store, pattern(size), Match(stale))
    refused(store, pattern(size), STALE)
    store.assert_still("object", b"second")


@also_model
@case(23)
@sizes
def test_it_never_updates_what_is_gone(store: Store, size: int) -> None:
    refused(store, pattern(size), STALE)
    tag = store.put("object", b"first").tag
    store.connector.delete("object", precondition=Anyhow())
    refused(store, pattern(size), Match(tag))
    store.assert_nothing_at("object")


@also_model
@case(24)
def test_it_deletes_what_it_saw_only(store: Store) -> None:
    stale = store.put("object", b"first").tag
    tag = store.put("object", b"second").tag
    with pytest.raises(PreconditionFailed):
        store.connector.delete("object", precondition=Match(stale))
    store.assert_still("object", b"second")
    store.connector.delete("object", precondition=Match(tag))
    store.assert_nothing_at("object")


@also_model
@case(24)
def test_it_deletes_nothing_that_should_be_absent(store: Store) -> None:
    store.put("object", b"first")
    with pytest.raises(PreconditionFailed):
        store.connector.delete("object", precondition=Absent())
    store.assert_still("object", b"first")


def add_one(connector: TargetStore, store: Store) -> None:
    while True:
        try:
            with connector.open("counter") as opened:
                value = int(opened.content.read(0, opened.head.size)) if opened else 0
                seen = as_seen(opened.head if opened else None)
            connector.write("counter", Bytes(b"%d" % (value + 1)), precondition=seen)
        except StoreError as error:
            if error.retry != Now():
                raise
        else:
            return


@case(25)
def test_five_times_ten_contended_updates_make_fifty(store: Store) -> None:
    workers = [store.another() for _ in range(5)]
    start = threading.Barrier(5)

    def count(connector: TargetStore) -> None:
        start.wait(10)
        for _ in range(10):
            add_one(connector, store)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(count, workers))
    assert store.get("counter") == b"50"


def interleaved(store: Store, precondition: Precondition) -> tuple[object, object]:
    """A begins, B begins and ends, A ends: what came of (A, B)."""
    halfway, go_on = threading.Event(), threading.Event()

    def before(offset: int, length: int) -> None:
        if offset >= 2 * PART:
            halfway.set()
            assert go_on.wait(20)

    def slow() -> object:
        return outcome(store, Bytes(pattern(LARGE, seed=1), ranged=False, before=before), precondition)

    with ThreadPoolExecutor(1) as pool:
        a = pool.submit(slow)
        assert halfway.wait(5), a.exception(5)
        b = outcome(store, Bytes(pattern(LARGE, seed=2)), precondition)
        go_on.set()
        return a.result(20), b


def outcome(store: Store, content: Bytes, precondition: Precondition) -> object:
    try:
        return store.another().write("object", content, precondition=precondition)
    except PreconditionFailed:
        return PreconditionFailed


@case(26)
@pytest.mark.parametrize("there", [False, True], ids=["create", "update"])
def test_of_two_conditional_uploads_the_first_to_complete_wins(store: Store, there: bool) -> None:
    precondition = Match(store.put("object", b"first").tag) if there else Absent()
    a, b = interleaved(store, precondition)
    assert a is PreconditionFailed
    assert b is not PreconditionFailed
    store.assert_still("object", pattern(LARGE, seed=2))


@case(26)
def test_of_two_unconditional_uploads_the_last_to_complete_wins(store: Store) -> None:
    """Or the last to try is told to look again, where a completion takes the other's parts with it."""
    a, _ = interleaved(store, Anyhow())
    store.assert_still("object", pattern(LARGE, seed=2 if a is PreconditionFailed else 1))


@also_model
@case(27)
@sizes
def test_the_tag_of_the_same_bytes_is_as_strong_as_declared(store: Store, size: int) -> None:
    first = store.put("object", pattern(size)).tag
    second = store.put("object", pattern(size)).tag
    if store.capabilities.tag_strength == "unique":
        assert first != second
    else:
        assert store.capabilities.tag_strength == "content", "a store without tags needs a case of its own"
    assert store.put("object", pattern(size, seed=1)).tag not in (first, second)


@case(28)
@pytest.mark.parametrize("there", [False, True], ids=["create", "update"])
@sizes
def test_a_late_write_is_rejected(store: Store, there: bool, size: int, naps: list[float]) -> None:
    """Its worker heard nothing and gave up; another wrote since; now it lands, with the condition it was sent with."""
    precondition = Match(store.put("object", b"first").tag) if there else Absent()
    wire = store.wire()
    last = store.rig.commit if size == LARGE else store.rig.single
    wire.when(last, wire.late(), times=None)
    with pytest.raises(StoreUnavailable):
        store.put("object", pattern(size, seed=1), precondition, by=store.through(wire))
    newer = pattern(size, seed=2)
    store.put("object", newer, precondition)
    wire.release()
    assert store.get("object") == newer


@case(28)
def test_a_late_delete_is_rejected(store: Store, naps: list[float]) -> None:
    tag = store.put("object", b"first").tag
    wire = store.wire()
    wire.when(lambda request: request.method == "DELETE", wire.late(), times=None)
    with pytest.raises(StoreUnavailable):
        store.through(wire).delete("object", precondition=Match(tag))
    store.put("object", b"newer", Match(tag))
    wire.release()
    assert store.get("object") == b"newer"
