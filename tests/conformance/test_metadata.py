"""Cases 39 to 43: what a writer says of an object arrives with it, or is refused aloud."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import UnsupportedAttribute
from shared.domain.objects import Attributes
from shared.domain.precondition import Any as Anyhow
from shared.domain.stamp import Stamp, origin_of
from tests.conformance.cases import also_model, case
from tests.conformance.contents import Bytes, pattern
from tests.conformance.rigs import PART
from tests.conformance.store import Store, crc_of

SMALL, LARGE = 100, 3 * PART + 1
sizes = pytest.mark.parametrize("size", [0, SMALL, LARGE], ids=["empty", "small", "large"])


def attributes_of(store: Store, path: str = "object") -> Attributes:
    """As the head tells them; opening tells the same."""
    head = store.connector.head(path)
    assert head is not None
    with store.connector.open(path) as opened:
        assert opened is not None
        assert opened.head.attributes == opened.content.attributes == head.attributes
    return head.attributes


@case(39)
@sizes
def test_the_content_type_and_its_relatives_arrive(store: Store, size: int) -> None:
    said = Attributes(
        content_type="text/html; charset=utf-8",
        content_encoding="br",
        content_language="de-CH",
        content_disposition='attachment; filename="r\'sum.html"',
        cache_control="max-age=60, private",
        metadata={"owner": "ops"},
    )
    store.put("object", Bytes(pattern(size), attributes=said))
    assert attributes_of(store) == said


@case(39)
@sizes
def test_what_was_not_said_is_not_made_up(store: Store, size: int) -> None:
    """A store may name the type of what has none; nothing else appears."""
    store.put("object.html", Bytes(pattern(size)))
    found = attributes_of(store, "object.html")
    assert found.content_type in (None, "application/octet-stream", "binary/octet-stream")
    assert found == Attributes(content_type=found.content_type)


@also_model
@case(39)
def test_an_overwrite_keeps_nothing_of_before(store: Store) -> None:
    store.put("object", Bytes(b"1", attributes=Attributes("text/plain", cache_control="no-store", metadata={"a": "1"})))
    store.put("object", Bytes(b"2", attributes=Attributes("text/css", metadata={"b": "2"})))
    assert attributes_of(store) == Attributes("text/css", metadata={"b": "2"})


@case(39)
@pytest.mark.parametrize(
    "metadata",
    [
        {"plain": "value", "with-dash": "1", "with_underscore": "2", "with.dot": "3", "0digit": "4"},
        {"empty": "", "inner": "two  spaces", "equals": "a=b;c=d, e", "percent": "100%25", "quotes": "\"'\\"},
        {"umlaut": "Zürich", "cjk": "日本", "emoji": "📦", "long": "é" * 120},
        {"looks-encoded": "=?UTF-8?B?w7w=?=", "word": "=?utf-8?q?x?="},
        {"class": "keyword", "__": "x", "farshore": "not ours", "x-amz-meta-y": "z"},
    ],
    ids=["names", "values", "not ascii", "lookalikes", "words"],
)
def test_metadata_comes_back_exactly(store: Store, metadata: dict[str, str]) -> None:
    said = Attributes("text/plain", metadata=metadata)
    for size in (SMALL, LARGE):
        store.put("object", Bytes(pattern(size), attributes=said))
        assert attributes_of(store) == said


STAMP = Stamp(origin_of("s3:test", "bucket", "key"), "v1.~/+=", SMALL, crc_of(pattern(SMALL)))


@case(40)
@sizes
def test_the_stamp_comes_back(store: Store, size: int) -> None:
    stamp = Stamp(origin_of("s3", "bucket", "key"), "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", size, crc_of(pattern(size)))
    store.put("object", Bytes(pattern(size), attributes=Attributes(metadata={"a": "b"})), stamp=stamp)
    head = store.connector.head("object")
    assert head is not None
    assert head.stamp == stamp
    assert head.attributes.metadata == {"a": "b"}
    with store.connector.open("object") as opened:
        assert opened is not None
        assert opened.head.stamp == stamp


@case(40)
def test_the_longest_stamp_comes_back(store: Store) -> None:
    stamp = Stamp("f" * 32, "v" * 1024, 1, "0" * 16)
    stamp = Stamp(stamp.origin, stamp.version, 1, crc_of(b"x"))
    store.put("object", b"x", stamp=stamp)
    head = store.connector.head("object")
    assert head is not None
    assert head.stamp == stamp


@also_model
@case(40)
def test_an_overwrite_without_a_stamp_has_none(store: Store) -> None:
    store.put("object", pattern(SMALL), stamp=STAMP)
    store.put("object", pattern(SMALL))
    head = store.connector.head("object")
    assert head is not None
    assert head.stamp is None


@case(40)
@pytest.mark.parametrize("data", [b"edited", pattern(SMALL + 1)])
def test_a_stamp_vouches_only_for_its_bytes(store: Store, data: bytes) -> None:
    """Somebody edits the replica by other means and keeps its metadata."""
    store.put("object", pattern(SMALL), stamp=STAMP)
    store.rig.put(store.root, "object", data, store.rig.metadata(store.root, "object"))
    head = store.connector.head("object")
    assert head is not None
    assert head.stamp is None


@case(40)
@pytest.mark.parametrize("text", ["", "1", "nonsense", "2;" + STAMP.text()[2:], STAMP.text().replace(";", ",")])
def test_what_is_no_stamp_is_none(store: Store, text: str) -> None:
    store.put("object", pattern(SMALL), stamp=STAMP)
    (name,) = store.rig.metadata(store.root, "object")
    store.rig.put(store.root, "object", pattern(SMALL), {name: text or " "})
    head = store.connector.head("object")
    assert head is not None
    assert head.stamp is None


@case(41)
def test_times_are_as_precise_as_declared(store: Store) -> None:
    precision = timedelta(seconds=store.capabilities.modified_precision_seconds)
    before = datetime.now(UTC)
    store.put("object", b"data")
    after = datetime.now(UTC)
    head = store.connector.head("object")
    assert head is not None
    assert head.modified.utcoffset() == timedelta(0)
    assert before - precision <= head.modified <= after + precision
    (row,) = store.rows()
    assert abs(row.modified - head.modified) <= precision
    with store.connector.open("object") as opened:
        assert opened is not None
        assert opened.head == head


@case(42)
@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_too_much_metadata_is_an_error(store: Store, size: int) -> None:
    much = {f"name{number}": "v" * 1000 for number in range(store.capabilities.metadata_max // 1000 + 1)}
    with pytest.raises(UnsupportedAttribute):
        store.put("object", Bytes(pattern(size), attributes=Attributes(metadata=much)))
    store.assert_nothing_at("object")


@case(42)
@pytest.mark.parametrize(
    "said",
    [
        Attributes(metadata={"line": "a\r\nx-injected: 1"}),
        Attributes(metadata={"nul": "a\0b"}),
        Attributes(metadata={"": "no name"}),
        Attributes(metadata={"a b": "space in a name"}),
        Attributes(metadata={"na\nme": "break in a name"}),
        Attributes(metadata={"größe": "name beyond ascii"}),
        Attributes(metadata={"edges": "  spaces  "}),
        Attributes(metadata={"lone": "a\ud800"}),
        Attributes(content_type="text/plain\r\nx-injected: 1"),
        Attributes(content_disposition="attachment; filename=日本"),
        Attributes(content_language="de\0"),
    ],
    ids=lambda said: ascii(next(iter(said.metadata), said))[:24],
)
def test_an_odd_attribute_is_kept_exactly_or_refused(store: Store, said: Attributes) -> None:
    try:
        store.put("object", Bytes(b"data", attributes=said))
    except UnsupportedAttribute:
        store.assert_nothing_at("object")
    else:
        found = attributes_of(store)
        assert found.metadata == said.metadata
        for name in ("content_disposition", "content_language"):
            assert getattr(found, name) == getattr(said, name)
        assert said.content_type in (None, found.content_type)


@case(43)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sheet.csv", "text/csv"),
        ("letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("page.html", "text/html"),
        ("old.doc", "application/msword"),
        ("doc.gdoc", "application/vnd.google-apps.document"),
    ],
)
def test_a_document_stays_the_file_it_is(store: Store, name: str, kind: str) -> None:
    data = b"a,b\r\n1,2\r\n" + pattern(SMALL)
    store.put(name, Bytes(data, attributes=Attributes(kind)))
    assert store.get(name) == data
    assert attributes_of(store, name).content_type == kind
    assert store.paths() == [name]
    store.connector.delete(name, precondition=Anyhow())
