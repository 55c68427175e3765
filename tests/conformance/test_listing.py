"""Cases 44 to 52: heads, listings and deletes tell what is there."""

import threading

import pytest

from shared.domain.errors import ContainerMissing, InvalidName
from shared.domain.precondition import Absent, Match
from shared.domain.precondition import Any as Anyhow
from tests.conformance.cases import also_model, case
from tests.conformance.contents import Bytes, pattern
from tests.conformance.rigs import PART
from tests.conformance.store import Store, crc_of

N = 46


@also_model
@case(44)
def test_what_is_absent_has_no_head(store: Store) -> None:
    store.put("object/below", b"data")
    for path in ("object", "object/", "object/below/", "Object/below", "nothing"):
        assert store.connector.head(path) is None, path
        assert store.get(path) is None, path


@case(44)
def test_an_absent_root_is_an_error_for_its_user(store: Store) -> None:
    """Never taken for an empty one: a sweep of it would find everything gone."""
    nowhere = store.rig.connect("no-such-root")
    try:
        for call in (
            lambda: nowhere.write("object", Bytes(b"x"), precondition=Absent()),
            lambda: nowhere.write("object", Bytes(pattern(3 * PART)), precondition=Absent()),
            nowhere.list,
            lambda: nowhere.open("object").__enter__(),
        ):
            with pytest.raises(ContainerMissing):
                call()
    finally:
        nowhere.close()


@case(45)
@pytest.mark.parametrize("size", [0, 100, 3 * PART + 1])
def test_the_head_after_a_write_is_of_what_was_written(store: Store, size: int) -> None:
    for seed in range(2):
        data = pattern(size, seed)
        written = store.put("object", data)
        head = store.another().head("object")
        assert head is not None
        assert (head.path, head.size, head.tag) == ("object", size, written.tag)
        assert head.version
        assert head.version.isprintable()
        assert head.version.isascii()
        assert " " not in head.version
        reported = head.checksums.values
        assert reported.get("crc64nvme", crc_of(data)) == crc_of(data)
        assert set(reported) <= set(store.capabilities.reports)
        assert '"' not in head.tag.value


@also_model
@case(45)
def test_equal_versions_mean_the_same_object(store: Store) -> None:
    store.put("object", b"one")
    first, again = store.connector.head("object"), store.connector.head("object")
    store.put("object", b"two")
    second = store.connector.head("object")
    assert first is not None
    assert second is not None
    assert first == again
    assert first.version != second.version


@also_model
@case(46)
@pytest.mark.parametrize("limit", [1, 11, 23, N - 1, N, N + 1, N + 1123])
def test_pages_of_any_size_give_the_same_list(store_of_n: Store, limit: int) -> None:
    rows = store_of_n.rows(limit=limit)
    assert [row.path for row in rows] == [f"n/{number:04}" for number in range(N)]
    assert [row.size for row in rows] == list(range(N))
    assert rows == store_of_n.rows()


@case(46)
def test_a_page_costs_one_request_and_none_is_asked_for_in_vain(store_of_n: Store) -> None:
    wire = store_of_n.wire()
    connector = store_of_n.through(wire)
    page = connector.list("n/", limit=N)
    assert wire.count(store_of_n.rig.listing) == 1
    assert len(page.items) == N
    assert page.after is None or connector.list("n/", after=page.after, limit=N).items == []


@case(46)
def test_another_connector_continues_a_page(store_of_n: Store) -> None:
    first = store_of_n.connector.list(limit=20)
    rest = store_of_n.another().list(after=first.after, limit=1000)
    assert [row.path for row in (*first.items, *rest.items)] == [f"n/{number:04}" for number in range(N)]


@also_model
@case(46)
def test_a_line_of_the_list_tells_what_the_head_tells(store: Store) -> None:
    store.put("small", b"data")
    store.put("large", pattern(3 * PART))
    rows = store.rows()
    assert [row.path for row in rows] == ["large", "small"]
    for row in rows:
        head = store.connector.head(row.path)
        assert head is not None
        assert (row.size, row.tag) == (head.size, head.tag)


@also_model
@case(46)
def test_an_empty_root_lists_nothing(store: Store) -> None:
    page = store.connector.list()
    assert (list(page.items), page.after) == ([], None)


@also_model
@case(47)
def test_a_prefix_ends_where_it_ends(store: Store) -> None:
    names = ["a", "a/", "a/b", "a/bc", "a/b/c", "aa", "ab", "A/b", "a b", "a+b", "a%2Fb", "b", "\u00e4/b"]
    for name in names:
        store.put(name, b"")
    for prefix in ("", "a", "a/", "a/b", "a/b/", "aa", "A", "a ", "a+", "a%", "a%2", "a%2F", "\u00e4", "c", "/"):
        assert sorted(store.paths(prefix)) == sorted(name for name in names if name.startswith(prefix)), prefix


@case(47)
def test_a_prefix_may_end_within_what_a_store_refuses(store: Store) -> None:
    names = ["x//y", "x/y", "x./y", "x.", "x\\y", "x\x01y", "x ", "x", "../x", "..", "/x"]
    for name in list(names):
        try:
            store.put(name, b"")
        except InvalidName:
            names.remove(name)
    assert len(names) >= 9
    for prefix in ("x", "x/", "x//", "x.", "x./", "x\\", "x\x01", "x ", ".", "..", "../", "/", "//"):
        assert sorted(store.paths(prefix)) == sorted(name for name in names if name.startswith(prefix)), repr(prefix)


@also_model
@case(48)
def test_what_is_deleted_is_listed_no_more(store: Store) -> None:
    for name in ("a", "b", "c"):
        store.put(name, b"data")
    store.connector.delete("b", precondition=Anyhow())
    assert store.paths() == ["a", "c"]


@case(48)
def test_a_page_may_begin_after_what_was_deleted(store: Store) -> None:
    for name in "abcdef":
        store.put(name, b"data")
    page = store.connector.list(limit=3)
    for name in "abcd":
        store.connector.delete(name, precondition=Anyhow())
    assert page.after is not None
    rest = store.connector.list(after=page.after, limit=10)
    assert {"e", "f"} <= {row.path for row in rest.items} <= {"d", "e", "f"}


@case(49)
def test_a_list_during_writes_holds_each_lasting_object_once(store_of_n: Store) -> None:
    store, stop = store_of_n, threading.Event()

    def disturb() -> None:
        number, connector = 0, store.another()
        while not stop.is_set():
            number += 1
            path = f"n/{number % N:04}-passing"
            connector.write(path, Bytes(b"x"), precondition=Anyhow())
            connector.delete(path, precondition=Anyhow())

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(3):
            lasting = [row.path for row in store.rows(limit=7) if "passing" not in row.path]
            assert lasting == [f"n/{number:04}" for number in range(N)]
    finally:
        stop.set()
        thread.join(10)


@also_model
@case(50)
def test_what_is_deleted_is_gone(store: Store) -> None:
    store.put("object", b"data")
    store.put("object2", b"other")
    store.connector.delete("object", precondition=Anyhow())
    store.assert_nothing_at("object")
    store.assert_still("object2", b"other")


@also_model
@case(51)
def test_deleting_what_is_absent_succeeds(store: Store) -> None:
    store.connector.delete("object", precondition=Anyhow())
    store.connector.delete("object", precondition=Absent())
    tag = store.put("object", b"data").tag
    store.connector.delete("object", precondition=Match(tag))
    store.connector.delete("object", precondition=Anyhow())
    store.assert_nothing_at("object")


@also_model
@case(52)
@pytest.mark.parametrize("size", [100, 3 * PART + 1])
def test_what_was_deleted_can_be_created_again(store: Store, size: int) -> None:
    for seed in range(3):
        tag = store.put("object", pattern(size, seed), Absent()).tag
        store.assert_still("object", pattern(size, seed))
        store.connector.delete("object", precondition=Match(tag))
        store.assert_nothing_at("object")
