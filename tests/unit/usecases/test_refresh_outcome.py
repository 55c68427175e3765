"""refresh_outcome: what each outcome makes of status, reason and the next attempt, and of what people hear."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import errors
from shared.domain.errors import (
    GrantExpired,
    GrantRevoked,
    Misconfigured,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    RefreshInterrupted,
    ScopeMissing,
    SealBroken,
    StateUnavailable,
    TokenExpired,
)
from shared.domain.grant import Grant
from shared.domain.secret import Secret
from shared.usecases.refresh_outcome import due_at, failed, lacking, meant, refreshed
from tests.model.bucket import EPOCH
from tests.model.refresh_world import Providers, connected, sealed, tokens

NOW = EPOCH
LIVING = connected(expires_in=600, due=True)
OVER = connected(expires_in=0, due=True)
HOUR = timedelta(hours=1)


def state(of) -> tuple[str, str | None]:
    return of.status, of.reason


@pytest.mark.parametrize("it", [LIVING, OVER], ids=["living", "over"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (GrantRevoked(), "revoked"),
        (GrantExpired(), "expired"),
        (RefreshInterrupted(), "expired"),
        (TokenExpired(), "expired"),
        (PolicyBlocked(), "error"),
        (ScopeMissing(), "error"),
    ],
)
def test_what_only_a_person_can_mend_leaves_the_due_index(it, error, status):
    new, event = failed(it, error, NOW, 0.5)
    assert state(new) == (status, error.code)
    assert new.refresh_due_at is None
    assert (event.outcome, event.after) == (error.code, {"status": status, "reason": error.code})


@pytest.mark.parametrize("error", [ProviderMisconfigured(), Misconfigured(), SealBroken()])
def test_what_an_operator_has_to_mend_changes_no_status_while_the_token_lives_and_is_tried_hourly(error):
    longer = replace(LIVING, tokens=tokens(0, 1, NOW + 5 * HOUR))
    new, event = failed(longer, error, NOW, 0.0)
    assert (state(new), new.refresh_due_at) == (("active", error.code), NOW + HOUR)
    assert event.after == {"status": "active", "reason": error.code}
    again, silence = failed(new, error, NOW + HOUR, 0.0)
    assert (state(again), silence) == (("active", error.code), None)
    over, told = failed(OVER, error, NOW, 0.0)
    assert (state(over), over.refresh_due_at) == (("error", error.code), NOW + HOUR)
    assert told.before == {"status": "active", "reason": None}


@pytest.mark.parametrize("error", [ProviderUnavailable(), StateUnavailable()])
def test_what_passes_by_itself_is_not_told_until_the_token_is_over(error):
    new, event = failed(LIVING, error, NOW, 0.0)
    assert (state(new), event, new.failures) == (("active", None), None, 1)
    over, told = failed(OVER, error, NOW, 0.0)
    assert state(over) == ("expired", error.code)
    assert told.after == {"status": "expired", "reason": error.code}
    assert over.refresh_due_at == NOW + timedelta(minutes=1)


def test_delays_grow_from_a_minute_to_an_hour_with_jitter():
    it, delays = OVER, []
    for _ in range(12):
        it, _ = failed(it, ProviderUnavailable(), NOW, 0.0)
        delays.append((it.refresh_due_at - NOW).total_seconds())
    assert delays[:4] == [60, 120, 240, 480]
    assert delays[-1] == delays[-2] == 2400
    jittered, _ = failed(it, ProviderUnavailable(), NOW, 0.999)
    assert 3590 < (jittered.refresh_due_at - NOW).total_seconds() <= 3600


def test_a_provider_that_asks_for_a_longer_pause_gets_it_up_to_an_hour():
    for asked, given in ((10, 60), (900, 900), (10**6, 3600)):
        new, _ = failed(OVER, ProviderUnavailable(after=asked), NOW, 0.0)
        assert (new.refresh_due_at - NOW).total_seconds() == given


def test_the_next_attempt_is_never_later_than_the_end_of_the_access_token_while_that_lives():
    soon = replace(LIVING, tokens=tokens(0, 1, NOW + timedelta(seconds=20)))
    for error in (ProviderUnavailable(), ProviderMisconfigured()):
        assert failed(soon, error, NOW, 0.5)[0].refresh_due_at == NOW + timedelta(seconds=20)


def test_what_waits_for_a_person_goes_on_waiting_when_a_try_finds_nobody():
    blocked, _ = failed(LIVING, PolicyBlocked(), NOW, 0.0)
    tried, event = failed(blocked, ProviderUnavailable(), NOW, 0.0)
    assert (state(tried), tried.refresh_due_at, event) == (("error", "policy_blocked"), None, None)


def new_tokens(it=LIVING, *, scopes=None, refresh: str | None = "r0.1", idle=None):
    made = replace(tokens(0, it.generation + 1, NOW + HOUR), refresh=sealed(refresh, "f", 2) if refresh else None)
    grant = Grant(Secret("a0.1"), Secret(refresh) if refresh else None, NOW + HOUR, scopes)
    provider = replace(Providers("sliding").provider, idle_days=idle)
    return refreshed(it, grant, made, provider, NOW, 0.0)


def test_a_refresh_as_always_is_not_told_and_forgets_what_failed_before():
    new, event = new_tokens(replace(LIVING, failures=3))
    assert event is None
    assert (new.failures, new.generation, new.tokens.generation, new.version) == (0, 2, 2, 2)
    assert new.last_refreshed_at == NOW
    assert new.refresh_due_at == NOW + HOUR - timedelta(minutes=6)


def test_a_recovery_is_told():
    new, event = new_tokens(replace(OVER, status="expired", reason="provider_unavailable"))
    assert state(new) == ("active", None)
    assert event.action == "integration.status_changed"
    assert event.subject == "integration/int_1"
    assert (event.outcome, event.before["reason"], event.after["status"]) == (
        "success",
        "provider_unavailable",
        "active",
    )


def test_a_provider_that_keeps_the_refresh_token_leaves_the_one_that_is_there_now():
    rewrapped = replace(LIVING, tokens=replace(LIVING.tokens, refresh=sealed("r0.0", "under another key", 1)))
    new, _ = new_tokens(rewrapped, refresh=None)
    assert new.tokens.refresh == rewrapped.tokens.refresh


def test_scopes_that_went_missing_are_told_and_the_tokens_kept_alive():
    it = replace(LIVING, scopes_requested=("openid", "read", "write"), scopes_granted=("read", "write"))
    new, event = new_tokens(it, scopes=frozenset({"read"}))
    assert (state(new), new.scopes_granted) == (("error", "scope_missing"), ("read",))
    assert new.refresh_due_at is not None
    assert event.outcome == "scope_missing"
    still, silence = new_tokens(new)
    assert (state(still), silence) == (("error", "scope_missing"), None)
    back, told = new_tokens(still, scopes=frozenset({"read", "write", "more"}))
    assert (state(back), told.outcome) == (("active", None), "success")


@pytest.mark.parametrize("silent", [None, frozenset()])
def test_an_answer_that_names_no_scope_changes_none(silent):
    it = replace(LIVING, scopes_requested=("read",), scopes_granted=("read",))
    new = new_tokens(it, scopes=silent)[0]
    assert (state(new), new.scopes_granted) == (("active", None), ("read",))


def test_scopes_that_were_never_told_are_not_missed():
    it = replace(LIVING, scopes_requested=("Files.Read",), scopes_granted=("https://graph.example/Files.Read",))
    assert state(new_tokens(it, scopes=frozenset({"https://graph.example/Files.Read"}))[0]) == ("active", None)


def test_scopes_that_ask_for_tokens_rather_than_access_do_not_count():
    assert lacking(("openid", "offline_access", "profile", "email", "read"), ()) == {"read"}
    assert lacking(("read",), ("read", "more")) == frozenset()


@pytest.mark.parametrize("error", [GrantRevoked(), GrantExpired()])
def test_a_refusal_in_doubt_is_our_fault_with_a_strict_provider_only(error):
    for rotation in ("static", "sliding", "strict"):
        provider = Providers(rotation).provider
        assert meant(error, provider, doubtful=False) is error
        ours = isinstance(meant(error, provider, doubtful=True), RefreshInterrupted)
        assert ours == (rotation == "strict")


def test_other_errors_mean_what_they_say_in_doubt_too():
    strict = Providers("strict").provider
    for error in (PolicyBlocked(), ScopeMissing(), ProviderMisconfigured(), ProviderUnavailable()):
        assert meant(error, strict, doubtful=True) is error


def test_every_error_of_an_authorization_server_has_an_outcome():
    for kind in errors.GrantError.__subclasses__():
        new, _ = failed(OVER, kind(), NOW, 0.0)
        assert new.status != "active"
        assert new.reason == kind.code


@pytest.mark.parametrize(
    ("life", "fraction", "early"),
    [
        (HOUR, 0.0, timedelta(minutes=6)),
        (HOUR, 1.0, timedelta(minutes=12)),
        (4 * HOUR, 0.0, timedelta(minutes=24)),
        (timedelta(minutes=20), 0.0, timedelta(minutes=5)),
        (timedelta(minutes=4), 0.0, timedelta(minutes=2)),
    ],
)
def test_tokens_are_due_before_they_are_over_by_a_share_of_their_life(life, fraction, early):
    assert due_at(NOW + life, None, NOW, fraction, renewable=True) == NOW + life - early


@pytest.mark.parametrize("life", [timedelta(), timedelta(seconds=-5), timedelta(seconds=10)])
def test_tokens_that_hardly_live_are_not_refreshed_in_a_rage(life):
    assert due_at(NOW + life, None, NOW, 0.0, renewable=True) == NOW + timedelta(minutes=1)


def test_a_token_that_dies_when_idle_is_used_at_half_of_that_at_the_latest():
    long = NOW + timedelta(days=365)
    assert due_at(long, 60, NOW, 0.0, renewable=True) == NOW + timedelta(days=30)
    assert due_at(None, 60, NOW, 1.0, renewable=True) == NOW + timedelta(days=1)
    assert NOW + timedelta(days=26) < due_at(long, 60, NOW, 0.999, renewable=True) < NOW + timedelta(days=28)


def test_without_a_refresh_token_only_the_end_is_due():
    assert due_at(NOW + HOUR, 60, NOW, 0.5, renewable=False) == NOW + HOUR
    assert due_at(None, 60, NOW, 0.5, renewable=False) is None
