"""Token answers: what is taken from a sound one, and what is refused although its status is 200 (attack 30)."""

from datetime import timedelta

import pytest

from shared.domain.errors import ProviderUnavailable
from shared.domain.secret import Secret
from shared.oauth.answers import ABSURD_SECONDS
from shared.oauth.scopes import Spelling
from tests.unit.oauth.house import NOW, REQUEST, TOKENS, house

pytestmark = pytest.mark.attack(30)


def refreshed(answer, **changes):
    with house("generic", (200, answer), **changes) as there:
        return there.server.refresh(Secret("old"), ("a", "b"))


@pytest.mark.parametrize("kind", ["bearer", "Bearer", "BEARER"])
def test_a_bearers_token_is_taken_however_it_is_spelled(kind):
    assert refreshed(TOKENS | {"token_type": kind}).access == Secret("access-1")


@pytest.mark.parametrize("kind", ["mac", "DPoP", "", None, 7, ["bearer"], "bearer mac"])
def test_a_token_of_another_type_is_refused(kind):
    with pytest.raises(ProviderUnavailable):
        refreshed(TOKENS | {"token_type": kind})


@pytest.mark.parametrize("token", [None, "", 7, True, ["a"], {"a": 1}, "a\nb", "a\x00", "\u00e4", "a" * 8193, "a\x7f"])
def test_an_access_token_that_cannot_be_one_is_refused(token):
    with pytest.raises(ProviderUnavailable):
        refreshed(TOKENS | {"access_token": token})


@pytest.mark.parametrize("scope", ["a" * 40_000, ["a" * 300] * 120, "a " * 40_000])
def test_more_scopes_than_a_record_should_hold_are_refused(scope):
    with pytest.raises(ProviderUnavailable):
        refreshed(TOKENS | {"scope": scope})


@pytest.mark.parametrize("token", [7, ["a"], "a\r\nX: y", "a" * 8193])
def test_a_refresh_token_that_cannot_be_one_is_refused(token):
    with pytest.raises(ProviderUnavailable):
        refreshed(TOKENS | {"refresh_token": token})


@pytest.mark.parametrize("answer", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_an_answer_without_a_refresh_token_says_so(answer):
    plain = {name: value for name, value in TOKENS.items() if name != "refresh_token"}
    assert refreshed(plain | answer).refresh is None


@pytest.mark.parametrize(
    ("told", "seconds"), [(3600, 3600), (3599.5, 3599.5), ("14400", 14400), (1, 1), (315360000, 315360000)]
)
def test_the_tokens_life_counts_from_when_it_was_asked_for(told, seconds):
    assert refreshed(TOKENS | {"expires_in": told}).expires_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("told", [0, -1, 10**12, "soon", "", True, [3600], {}, "NaN", "Infinity", 1e308, "1" * 400])
def test_an_absurd_life_counts_as_an_hour(told):
    assert refreshed(TOKENS | {"expires_in": told}).expires_at == NOW + timedelta(seconds=ABSURD_SECONDS)


def test_a_life_that_is_not_told_stays_unknown():
    assert refreshed({name: value for name, value in TOKENS.items() if name != "expires_in"}).expires_at is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"access_token=a&token_type=bearer",
        b"[]",
        b'"text"',
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"access_token":"a"',
    ],
)
def test_an_answer_that_is_no_object_is_refused(body):
    with pytest.raises(ProviderUnavailable):
        refreshed(body)


@pytest.mark.parametrize("status", [100, 201, 204, 301, 302, 303, 307, 308])
def test_tokens_with_another_status_than_200_are_refused(status):
    with house("generic", (status, TOKENS, "Location: http://127.0.0.1/")) as there, pytest.raises(ProviderUnavailable):
        there.server.exchange(Secret("code"), REQUEST)


@pytest.mark.parametrize(
    ("told", "granted"),
    [
        ("a b", {"a", "b"}),
        ("a,b", {"a", "b"}),
        (" a  b ", {"a", "b"}),
        (["a", "b", 7], {"a", "b"}),
        ("a", {"a"}),
        ("a b c", {"a", "b", "c"}),
        ("", set()),
        (None, None),
        (7, None),
    ],
)
@pytest.mark.attack(31)
def test_what_was_granted_is_what_the_answer_says(told, granted):
    assert refreshed(TOKENS | {"scope": told}).scopes == (None if granted is None else frozenset(granted))


def test_scopes_are_told_in_the_spelling_they_were_asked_in():
    spelling = Spelling(
        aliases={"long/email": "email"},
        prefix="https://graph.example/",
        any_case=True,
        silent=frozenset({"openid", "offline_access"}),
    )
    asked = ("openid", "email", "Files.ReadWrite", "https://graph.example/Sites.Selected")
    told = ("long/email", "https://GRAPH.example/files.readwrite", "Sites.Selected", "User.Read")
    assert spelling.granted(told, asked) == frozenset({*asked, "User.Read"})


def test_a_scope_that_is_silently_granted_but_was_not_asked_for_is_not_told():
    assert Spelling(silent=frozenset({"openid"})).granted((), ("files",)) == frozenset()


def test_an_answers_tokens_show_nowhere():
    grant = refreshed(TOKENS)
    assert "access-1" not in repr(grant)
    assert "refresh-1" not in repr(grant)
