"""Cases 29 to 38: every name arrives, maps to one name of the store, and comes back as it was."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidName
from shared.domain.precondition import Any as Anyhow
from tests.conformance.cases import case
from tests.conformance.store import Store

REFUSED = [
    chr(code)
    for code in (*range(0x20), 0x7F, 0x80, 0x85, 0x9F, 0xA0, 0xAD, 0x200B, 0x2028, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF)
]
PUNCTUATION = list("!\"#$%&'()*+,-.:;<=>?@[\\]^_`{|}~")


def keeps(store: Store, *names: str) -> None:
    """Each name is an object of its own: written, found, read, listed and deleted under exactly this name."""
    for number, name in enumerate(names):
        store.put(name, b"%d" % number)
    assert sorted(store.paths()) == sorted(set(names))
    for number, name in enumerate(names):
        head = store.connector.head(name)
        assert head is not None, name
        assert head.path == name
        assert store.get(name) == b"%d" % number
    assert len(store.rig.names(store.root)) == len(names)
    for name in names:
        assert name in store.paths(name), "listed by its own prefix"
        store.connector.delete(name, precondition=Anyhow())
    assert store.rows() == []


def keeps_or_refuses(store: Store, name: str) -> None:
    """Kept exactly, or refused by name before anything is written."""
    try:
        store.put(name, b"data")
    except InvalidName:
        assert store.rig.names(store.root) == []
        for call in (store.connector.head, store.get, lambda path: store.connector.delete(path, precondition=Anyhow())):
            with pytest.raises(InvalidName):
                call(name)
        return
    assert store.paths() == [name]
    assert store.get(name) == b"data"
    store.connector.delete(name, precondition=Anyhow())
    assert store.rig.names(store.root) == []


@case(29)
@pytest.mark.parametrize("form", ["a{}b", "{}", "folder/{}end", "end{}/x"])
def test_every_refused_character_is_kept(store: Store, form: str) -> None:
    names = [form.format(character) for character in REFUSED + PUNCTUATION]
    for number, name in enumerate(names):
        store.put(name, b"%d" % number)
    assert sorted(store.paths()) == sorted(names)
    for number, name in enumerate(names):
        assert store.get(name) == b"%d" % number, name


@case(29)
@settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
    | st.text("~%=./\\ 0af2e", min_size=1, max_size=24)
)
def test_any_name_comes_back(store: Store, name: str) -> None:
    keeps_or_refuses(store, name)


@case(29)
def test_a_name_that_looks_escaped_is_another_name(store: Store) -> None:
    """What a connector makes of a refused name could be somebody's own name: the two must not meet."""
    store.put("a\x01b\\c./d ", b"refused")
    (stored,) = store.rig.names(store.root)
    store.put(stored, b"lookalike")
    assert len(store.rig.names(store.root)) == (1 if stored == "a\x01b\\c./d " else 2)
    assert store.get(stored) == b"lookalike"
    assert set(store.paths()) == {stored, "a\x01b\\c./d "}


@case(30)
def test_composed_and_decomposed_twins_are_two(store: Store) -> None:
    composed = "caf\u00e9/\u1e9b\u0323/\uac00"
    keeps(store, *{unicodedata.normalize(form, composed) for form in ("NFC", "NFD")})


@case(31)
def test_names_that_differ_in_case_are_two(store: Store) -> None:
    assert store.capabilities.case_sensitive
    keeps(store, "Report.TXT", "report.txt", "REPORT.txt", "stra\u00dfe", "STRASSE", "strasse", "\u0131", "i", "I")


@case(32)
def test_spaces_and_dots_at_either_end_are_kept(store: Store) -> None:
    keeps(
        store,
        " a",
        "a ",
        " ",
        "a",
        ".a",
        "a.",
        "a..",
        " /b",
        "b /c",
        ".hidden/x",
        "x./y",
        "...",
        "d. ",
        "a\t",
        "\u00a0a",
    )


@case(33)
def test_reserved_names_are_kept(store: Store) -> None:
    keeps(
        store,
        *("CON", "PRN", "AUX", "NUL", "COM1", "LPT9", "con.txt", "desktop.ini", "~$draft.docx", ".lock", "_vti_"),
        *("a#b", "#", "50%", "%", "%41", "%2F", "%%", "a?b=c&d", "forms/_vti_/x", "a:b", 'quo"te', "<tag>", "*", "|"),
    )


@case(34)
def test_slashes_and_dots_stay_inside_the_root(store: Store) -> None:
    neighbour = store.sibling()
    keeps(store, "x//y", "x/y", "/x", "x", "//x", "///", "/", "a//", ".", "a/../b", "a/./b", "b/..", "b/.", "...")
    for climbing in ("..", "../x", f"../{neighbour.root}/x", f"a/../../{neighbour.root}/x", "/../x", "//../.."):
        keeps_or_refuses(store, climbing)
        assert neighbour.rig.names(neighbour.root) == []


@case(34)
def test_a_backslash_is_no_slash(store: Store) -> None:
    keeps(store, "a\\b", "a/b", "\\", "..\\x", "\\\\server\\share")


@case(35)
def test_a_key_of_1024_bytes_is_kept(store: Store) -> None:
    keeps(store, "k" * 1024, "d/" * 100 + "k" * 824, "\u65e5" * 341 + "k", "\U0001f600" * 256, "a b" * 341 + "c")


@case(35)
@pytest.mark.parametrize("name", ["k" * 1025, "\u65e5" * 342, "k" * 5000], ids=["ascii", "three bytes", "much"])
def test_a_longer_key_is_kept_or_refused(store: Store, name: str) -> None:
    keeps_or_refuses(store, name)


@case(35)
@pytest.mark.parametrize("name", ["\x01" * 1024, "s/" * 512, ("x" * 200 + ".") * 5, "\\" * 500, "/" * 1024])
def test_a_long_key_of_refused_characters_is_kept_or_refused(store: Store, name: str) -> None:
    keeps_or_refuses(store, name)


@case(35)
def test_no_name_is_no_name(store: Store) -> None:
    with pytest.raises(InvalidName):
        store.put("", b"data")


@case(36)
def test_a_trailing_slash_is_part_of_the_name(store: Store) -> None:
    keeps(store, "folder/", "folder", "folder/file", "folder//", "other/")


@case(37)
def test_emoji_are_kept(store: Store) -> None:
    keeps(
        store,
        "\U0001f4e6.zip",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u65e5\u672c/\u00fcn\u00efcode",
        "\u202ertl",
        "\U0010ffff",
    )


@case(37)
@pytest.mark.parametrize("name", ["a\udcffb", "\ud800", "\udc00\ud800"], ids=["byte", "high", "swapped"])
def test_what_is_no_valid_text_is_kept_or_refused(store: Store, name: str) -> None:
    keeps_or_refuses(store, name)


KEYS = ("a b", "a+b", "a%2Bb", "a%20b", "a%252Bb", "a%2520b", "\u00fc+b c")


@case(38)
def test_keys_of_events_are_as_many_names(store: Store) -> None:
    keeps(store, *KEYS)


@case(38)
def test_the_store_and_the_connector_speak_of_the_same_name(store: Store) -> None:
    """Put by the store's own tools, found by the connector, and the other way round: nothing decodes or encodes twice."""
    for key in KEYS:
        store.rig.put(store.root, key, key.encode())
    assert sorted(store.paths()) == sorted(KEYS)
    for key in KEYS:
        assert store.get(key) == key.encode()
        store.put(key, b"again")
    assert sorted(store.rig.names(store.root)) == sorted(KEYS)


@case(38)
def test_names_are_told_apart_at_each_place(store: Store) -> None:
    """Neighbours in a listing's order, where a marker that was decoded once too often would skip or repeat one."""
    names = [f"p/{key}/{number}" for key in KEYS for number in range(3)]
    for name in names:
        store.put(name, b"")
    seen = [row.path for row in store.rows("p/", limit=1)]
    assert sorted(seen) == sorted(names)
    assert all(one != other for one, other in pairwise(seen))
    assert store.paths("p/a%2") == [name for name in seen if name.startswith("p/a%2")]
