"""Cursors: only ours, only for their list, only for a day."""

import base64
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.api.cursor import LIFE_SECONDS, CursorCodec
from shared.domain.errors import InvalidCursor

KEY, OLD, OTHER = b"k" * 32, b"o" * 32, b"x" * 32
SCOPE = ("replicas", "acme", "pending", "azure", "a/")
POSITION = '["acme/ünï", "azure"]'


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def codec(clock):
    return CursorCodec(lambda: [KEY], now=clock)


def raw(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def text(cursor: bytes) -> str:
    return base64.urlsafe_b64encode(cursor).rstrip(b"=").decode()


def refused(codec: CursorCodec, cursor: str, scope=SCOPE) -> bool:
    told = ""
    try:
        codec.open(scope, cursor)
    except InvalidCursor as error:
        told = str(error)
    return told == "The cursor is not one that was given out for this list."


@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=200))
@settings(max_examples=50, deadline=None)
def test_a_cursor_opens_to_its_position_in_its_scope(scope, position):
    codec = CursorCodec(lambda: [KEY])
    assert codec.open(scope, codec.seal(scope, position)) == position


def test_no_bit_of_a_cursor_may_change(codec):
    genuine = raw(codec.seal(SCOPE, POSITION))
    for place, bit in itertools.product(range(len(genuine)), range(8)):
        altered = bytearray(genuine)
        altered[place] ^= 1 << bit
        assert refused(codec, text(bytes(altered)))


def test_no_cursor_may_be_shorter_or_longer(codec):
    genuine = raw(codec.seal(SCOPE, POSITION))
    assert all(refused(codec, text(genuine[:length])) for length in range(len(genuine)))
    assert refused(codec, text(genuine + b"\0"))


def test_a_cursor_has_one_spelling(codec):
    for position in ("a", "ab", "abc"):
        cursor = codec.seal(SCOPE, position)
        last = cursor[-1]
        others = [
            f"{cursor}=",
            f"{cursor}==",
            f"{cursor}\n",
            f" {cursor}",
            cursor + "A",
            cursor.replace("_", "/") + "~",
        ]
        others += [cursor[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0123456789-_" if letter != last]
        assert all(refused(codec, other) for other in others)


SCOPES = [
    SCOPE,
    ("replicas", "beta", "pending", "azure", "a/"),
    ("audit", "acme", "pending", "azure", "a/"),
    ("replicas", "acme", "failed", "azure", "a/"),
    ("replicas", "acme", "pending", "s3", "a/"),
    ("replicas", "acme", "pending", "azure", "a/b"),
    ("replicas", "acme", "pendingazure", "", "a/"),
    ("replicas", "acm", "epending", "azure", "a/"),
    ("replicas", "acme", "pending", "azure", "a/", ""),
    ("replicas", "acme", "pending", "azure", "a/" + POSITION),
    (),
]


def test_no_cursor_serves_another_scope(codec):
    for made, used in itertools.permutations(SCOPES, 2):
        assert refused(codec, codec.seal(made, POSITION), used)


def test_a_cursor_expires(codec, clock):
    cursor = codec.seal(SCOPE, POSITION)
    clock.now += timedelta(seconds=LIFE_SECONDS - 1)
    assert codec.open(SCOPE, cursor) == POSITION
    clock.now += timedelta(seconds=1)
    assert refused(codec, cursor)


def test_another_deployments_key_opens_nothing_and_a_rotated_one_still_does(codec, clock):
    cursor = codec.seal(SCOPE, POSITION)
    assert refused(CursorCodec(lambda: [OTHER], now=clock), cursor)
    rotated = CursorCodec(lambda: [OTHER, KEY], now=clock)
    assert rotated.open(SCOPE, cursor) == POSITION
    assert refused(codec, rotated.seal(SCOPE, POSITION))


@pytest.mark.parametrize("nonsense", ["", "A", "====", "é", "a b", "😀", "\0", "A" * 5000, "AQ", "null", "../.."])
def test_nonsense_is_refused(codec, nonsense):
    assert refused(codec, nonsense)


def test_the_key_is_asked_for_when_first_needed():
    def nobody():
        raise AssertionError("asked")

    CursorCodec(nobody)
