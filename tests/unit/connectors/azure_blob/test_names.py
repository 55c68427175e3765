"""Names and metadata names: what Azure refuses is escaped, and comes back exactly."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.connectors.azure_blob.names import from_blob, from_metadata, to_blob, to_metadata, to_prefix
from shared.domain.errors import InvalidName

ODD = st.text(st.sampled_from("a.~/\\2f eE\x00\x7f\ud800\uffff日_-"), min_size=1, max_size=40)
ANY = st.text(st.characters(codec=None), min_size=1, max_size=40)
HEADERS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40)


@given(ODD | ANY)
def test_a_name_comes_back(path: str) -> None:
    assert from_blob(to_blob(path)) == path


@given(ODD | ANY)
def test_nothing_that_azure_refuses_is_sent(path: str) -> None:
    name = to_blob(path)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\\]", name)
    assert not any(segment.endswith(".") for segment in name.split("/"))
    name.encode()


@given(ODD | ANY, ODD | ANY)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert (to_blob(one) == to_blob(other)) is (one == other)


@given(ODD | ANY, st.integers(0, 40))
def test_a_prefix_holds_every_name_that_begins_with_it(path: str, cut: int) -> None:
    assert to_blob(path).startswith(to_prefix(path[:cut]))


@pytest.mark.parametrize("name", ["a", "a b", "a+b", "a%2Bb", "x//y", "/a", "a/", "日本", "a~b", "a.b"])
def test_what_azure_takes_is_left_alone(name: str) -> None:
    assert to_blob(name) == name


def test_too_many_segments_are_folded_into_the_last() -> None:
    name = to_blob("/".join("x" * 300))
    assert len(name.split("/")) == 254
    assert from_blob(name) == "/".join("x" * 300)


@pytest.mark.parametrize("name", ["", "x" * 1025, "\\" * 342])
def test_what_cannot_be_held_is_said(name: str) -> None:
    with pytest.raises(InvalidName):
        to_blob(name)


def test_a_key_of_1024_bytes_fits_whatever_its_script() -> None:
    for letter in ("x", "é", "日", "😀"):
        path = (letter * 1024).encode()[: 1024 // len(letter.encode()) * len(letter.encode())].decode()
        assert to_blob(path) == path


@given(HEADERS)
def test_a_metadata_name_comes_back_and_is_an_identifier(name: str) -> None:
    stored = to_metadata(name)
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", stored)
    assert from_metadata(stored) == from_metadata(stored.upper()) == name


def test_no_users_name_is_the_stamps() -> None:
    assert to_metadata("farshore_stamp") != "farshore_stamp"


@pytest.mark.parametrize("foreign", ["plain", "foo_bar", "snake_case"])
def test_names_that_others_wrote_are_left_alone(foreign: str) -> None:
    assert from_metadata(foreign) == foreign
