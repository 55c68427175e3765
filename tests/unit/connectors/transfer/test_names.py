"""Names and metadata values survive any store, both ways."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.connectors.transfer.names import Naming
from shared.connectors.transfer.values import from_header, to_header
from shared.domain.errors import InvalidName

REFUSED = re.compile(r"[\\\x00-\x1f\ud800-\udfff]|\.(?=/|\Z)|\A |日")
NAMING = Naming(REFUSED, longest=10_000)
AWKWARD = st.text(st.sampled_from("~.a4f2/\\ \x01日é") | st.characters(), min_size=1, max_size=40)


@given(AWKWARD)
@example("~2e")
@example("~~2e~7e2e.")
@example("a./b.")
@example("~e6~97~a5日")
def test_every_name_comes_back(name):
    stored = NAMING.to_store(name)
    assert NAMING.from_store(stored) == name
    assert not REFUSED.search(stored)


@given(AWKWARD, AWKWARD)
def test_different_names_stay_different(one, other):
    assert (NAMING.to_store(one) == NAMING.to_store(other)) == (one == other)


@pytest.mark.parametrize("name", ["a", "a~b", "a~", "ü/日bc".replace("日", ""), "a b", "~zz", "x//y"])
def test_what_the_store_takes_stays_as_it_is(name):
    assert NAMING.to_store(name) == name


@pytest.mark.parametrize("foreign", ["~ff", "~c3", "a~e6~97"])
def test_a_name_nobody_mapped_is_read_as_it_is(foreign):
    assert NAMING.from_store(foreign) == foreign


def test_an_empty_or_too_long_name_is_refused():
    short = Naming(REFUSED, longest=4)
    assert short.to_store("é" * 2) == "éé"
    for name in ("", "é" * 2 + "a", "\\\\"):
        with pytest.raises(InvalidName):
            short.to_store(name)


def test_a_store_that_takes_everything_is_left_alone():
    assert Naming().to_store("~2e\\") == "~2e\\" == Naming().from_store("~2e\\")


@given(st.text(st.characters(codec="utf-8"), max_size=60))
@example(" edge ")
@example("=?UTF-8?B?w7w=?=")
@example("a\r\nb: c")
@example("")
def test_every_metadata_value_comes_back_through_a_header(value):
    header = to_header(value)
    assert from_header(header) == value
    assert header.isascii()
    assert header == header.strip()
    assert not re.search(r"[\x00-\x1f]", header)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("=?UTF-8?Q?=C3=BCber_alles?=", "über alles"),
        ("=?utf-8?b?w7w=?= =?utf-8?b?w7w=?=", "üü"),
        ("plain", "plain"),
        ("=?UTF-8?B?not base64?=", "=?UTF-8?B?not base64?="),
        ("=?UTF-8?B?/w==?=", "=?UTF-8?B?/w==?="),
    ],
)
def test_encoded_words_of_others_are_read(sent, read):
    assert from_header(sent) == read
