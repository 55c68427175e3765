"""A test that cannot fail is a defect: stores that break one promise each, and the case that catches each of them.

The stores are the reference model with one method done wrong.
"""

from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.errors import FarshoreError
from shared.domain.objects import Attributes
from shared.domain.precondition import Any as Anyhow
from shared.ports.stores import Page
from tests.conformance import test_listing as listing
from tests.conformance import test_metadata as metadata
from tests.conformance import test_preconditions as preconditions
from tests.conformance import test_sources as sources
from tests.conformance.model_rig import ModelRig
from tests.conformance.rigs import PART
from tests.conformance.store import Store
from tests.model import bucket

LARGE = sources.LARGE


def ignores_preconditions(model: Any) -> None:
    model._require = lambda path, precondition: None


def forgets_to_abort(model: Any) -> None:
    write = model.write

    def careless(path: str, content: Any, **how: Any) -> Any:
        try:
            return write(path, content, **how)
        except Exception:
            model.sessions[0] = model.clock.time
            raise

    model.write = careless


def shows_partial_objects(model: Any) -> None:
    write = model.write

    def careless(path: str, content: Any, **how: Any) -> Any:
        try:
            return write(path, content, **how)
        except FarshoreError:
            model.put(path, b"half")
            raise

    model.write = careless


def deletes_nothing(model: Any) -> None:
    model.remove = lambda path: None


def loses_a_line(model: Any) -> None:
    listed = model.list
    model.list = lambda prefix="", after=None, limit=1000: Page(
        listed(prefix, after=after, limit=limit).items[1:], None
    )


def ignores_prefixes(model: Any) -> None:
    listed = model.list
    model.list = lambda prefix="", after=None, limit=1000: listed(after=after, limit=limit)


def reads_the_newest(model: Any) -> None:
    """Whatever version was opened."""
    opened = model._open

    def careless(path: str) -> Any:
        found = opened(path)
        if found:
            found.content._read = lambda thing, offset, length: model.things[path].body[offset : offset + length]
        return found

    model._open = careless


def keeps_old_attributes(model: Any) -> None:
    put = model.put

    def careless(path: str, body: bytes, attributes: Attributes = Attributes(), stamp: Any = None) -> Any:
        before = model.things.get(path)
        return put(path, body, before.attributes if before else attributes, stamp)

    model.put = careless


def gives_tags_of_nothing(model: Any) -> None:
    """Every object has the same tag, and claims to have its own."""
    put = model.put

    def careless(path: str, *rest: Any) -> Any:
        thing = put(path, *rest)
        model.things[path] = bucket.Thing(*rest[:2], thing.version, bucket.Tag("t"), None, thing.modified)
        return model.things[path]

    model.put = careless


def sees_ghosts(model: Any) -> None:
    """Takes a folder for an object."""
    found = model._head
    model._head = lambda path: found(path) or (found(f"{path}/below") if f"{path}/below" in model.things else None)


CAUGHT: list[tuple[Callable[[Any], None], Callable[[Store], None]]] = [
    (ignores_preconditions, lambda store: preconditions.test_it_never_creates_over_something(store, 1)),
    (ignores_preconditions, lambda store: preconditions.test_it_never_updates_what_it_did_not_see(store, 1)),
    (ignores_preconditions, preconditions.test_it_deletes_what_it_saw_only),
    (ignores_preconditions, preconditions.test_it_deletes_nothing_that_should_be_absent),
    (forgets_to_abort, lambda store: sources.test_a_source_that_says_it_changed_leaves_nothing(store, LARGE, True)),
    (shows_partial_objects, lambda store: sources.test_a_source_that_raises_midway_leaves_nothing(store, LARGE, True)),
    (shows_partial_objects, lambda store: preconditions.test_it_never_updates_what_is_gone(store, 1)),
    (deletes_nothing, listing.test_what_is_deleted_is_gone),
    (deletes_nothing, listing.test_what_is_deleted_is_listed_no_more),
    (loses_a_line, listing.test_a_line_of_the_list_tells_what_the_head_tells),
    (ignores_prefixes, listing.test_a_prefix_ends_where_it_ends),
    (reads_the_newest, sources.test_a_replaced_object_is_never_read_as_two),
    (keeps_old_attributes, metadata.test_an_overwrite_keeps_nothing_of_before),
    (
        gives_tags_of_nothing,
        lambda store: preconditions.test_the_tag_of_the_same_bytes_is_as_strong_as_declared(store, 1),
    ),
    (sees_ghosts, listing.test_what_is_absent_has_no_head),
]


@pytest.mark.parametrize(
    ("break_it", "test"), CAUGHT, ids=[f"{number}-{row[0].__name__}" for number, row in enumerate(CAUGHT)]
)
def test_a_broken_promise_is_caught(
    break_it: Callable[[Any], None], test: Callable[[Store], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "PART", PART)
    assert fails(test, lambda model: None) is None, "it holds while nothing is broken"
    assert fails(test, break_it) is not None


def fails(test: Callable[[Store], None], break_it: Callable[[Any], None]) -> BaseException | None:
    rig = ModelRig()
    root = rig.root()
    model: Any = rig.connect(root)
    break_it(model)
    try:
        test(Store(rig, root, model))
    except (AssertionError, pytest.fail.Exception, FarshoreError) as caught:
        return caught
    return None


def test_the_model_writes_what_it_is_given() -> None:
    """So that the stores above differ from a right one in one thing only."""
    rig = ModelRig()
    store = Store(rig, root := rig.root(), rig.connect(root))
    store.put("object", b"data", Anyhow())
    store.assert_still("object", b"data")
