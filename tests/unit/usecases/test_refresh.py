"""refresh: one call to the provider for any number of callers, and never a dead connection that could live."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.errors import (
    DeadlineExceeded,
    GrantRevoked,
    NotFound,
    NotSupported,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    RefreshInterrupted,
    ScopeMissing,
    StateUnavailable,
    TokenExpired,
)
from shared.domain.integration import access_context, refresh_context
from shared.domain.provider import Rotation, secret_context
from shared.domain.secret import Secret
from shared.usecases.refresh import Refreshing, access_token, refresh_one
from shared.usecases.refresh_due import Timing, queue_due
from tests.unit.usecases.stage import CLIENT_SECRET, Stage, stage

ROTATIONS: tuple[Rotation, ...] = ("static", "sliding", "strict")
CALL = "server.refresh"


class Killed(BaseException):
    """The process ends here."""


class Ending:
    """A deadline by the town's clock."""

    def __init__(self, st: Stage, seconds: float = 60) -> None:
        self.clock = st.town.clock
        self.end = self.clock.now() + timedelta(seconds=seconds)

    def remaining(self) -> float:
        return max(0.0, (self.end - self.clock.now()).total_seconds())


def world(st: Stage) -> Refreshing:
    town = st.town
    return Refreshing(
        town.integrations,
        town.providers,
        town.leases,
        town.vault,
        town.servers,
        town.clock,
        town.randomness,
        town.metrics,
    )


def refresh(st: Stage, seconds: float = 60, **how):
    it = st.integration
    return refresh_one(it.tenant_id, it.id, world(st), Ending(st, seconds), **how)


def token(st: Stage, **how):
    it = st.integration
    return access_token(it.tenant_id, it.id, world(st), Ending(st), **how)


def connected(rotation: Rotation = "strict", **changes) -> Stage:
    """Connected for 55 minutes: its tokens are due, and live."""
    st = stage(rotation=rotation, **changes)
    st.connect()
    st.later(minutes=55)
    st.town.script.calls.clear()
    return st


def opened(st: Stage) -> tuple[str, str]:
    """The access and refresh token that are stored."""
    it, vault = st.now(), st.town.vault
    place = (it.tenant_id, it.id)
    access = vault.open(it.tokens.access, access_context(*place, it.tokens.access.sequence))
    renew = vault.open(it.tokens.refresh, refresh_context(*place, it.tokens.refresh.sequence))
    return access.reveal(), renew.reveal()


def honoured(st: Stage) -> bool:
    """Whether the stored refresh token is one that the house takes."""
    agreement = st.house.refreshers[opened(st)[1]]
    return agreement.alive and (st.provider.rotation != "strict" or agreement.current == opened(st)[1])


def well(st: Stage) -> bool:
    return (st.now().status, st.now().reason) == ("active", None) and honoured(st)


def state(st: Stage) -> tuple[str, str | None]:
    return st.now().status, st.now().reason


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_both_tokens_are_stored_by_one_write_under_the_next_generation(rotation):
    st = connected(rotation)
    before = st.now()
    after = refresh(st)
    assert after == st.now()
    assert (after.generation, after.tokens.generation, after.tokens.access.sequence) == (2, 2, 2)
    assert after.version == before.version + 1
    assert after.tokens.expires_at == st.town.clock.now() + timedelta(hours=1)
    assert (after.tokens.refresh != before.tokens.refresh) == (rotation != "static")
    assert Counter(st.town.script.calls)["integrations.change"] == 1
    assert well(st)


def test_a_routine_refresh_writes_no_audit_event_and_leaves_no_lease():
    st = connected()
    told = len(st.town.audit.events("acme"))
    refresh(st)
    assert len(st.town.audit.events("acme")) == told
    assert st.town.leases.held == {}
    assert st.town.metrics.total("Refreshed") == 1


def test_what_is_not_due_costs_one_read():
    st = stage()
    st.connect()
    st.town.script.calls.clear()
    refresh(st)
    assert st.town.script.calls == ["integrations.get"]


def test_a_refresh_costs_two_reads_before_one_write_and_one_read_after_it():
    st = connected("static")
    refresh(st)
    assert [call for call in st.town.script.calls if not call.startswith("vault.")] == [
        "integrations.get", "leases.take", "integrations.get", "providers.get", CALL, "integrations.change",
        "leases.free", "integrations.get",
    ]  # fmt: skip


def test_a_forced_refresh_is_made_once_for_all_who_ask_within_ten_seconds():
    st = stage()
    st.connect()
    st.later(seconds=11)
    first = refresh(st, force=True)
    assert first.generation == 2
    assert refresh(st, force=True) == first
    st.later(seconds=11)
    assert refresh(st, force=True).generation == 3


@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("kept", ["before", "after"], ids=["before the effect", "after the effect"])
def test_a_worker_killed_in_any_position_loses_only_what_no_client_can_keep(rotation, kept):
    given_up = []
    for position in range(1, 100):
        st = connected(rotation)
        calls = killed_at(st, position, kept)
        if calls is None:
            break
        st.later(hours=1)
        for _ in range(2):
            refresh(st)
            st.later(hours=1)
        if well(st):
            continue
        assert state(st) == ("expired", "refresh_interrupted")
        given_up.append(calls[-1])
    else:
        pytest.fail("it never ended")
    assert position > 10
    after_the_answer = {
        "before": ["vault.seal", "vault.seal", "integrations.change"],
        "after": [CALL, "vault.seal", "vault.seal"],
    }
    assert given_up == (after_the_answer[kept] if rotation == "strict" else [])


def killed_at(st: Stage, position: int, kept: str) -> list[str] | None:
    """The calls of a worker that dies in one, before or after its effect; None if it makes fewer."""
    script, around, made = st.town.script, type(st.town.script).around, []

    def kill(call, action):
        made.append(call)
        if len(made) == position and kept == "before":
            raise Killed
        result = around(script, call, action)
        if len(made) == position:
            raise Killed
        return result

    script.around = kill
    try:
        refresh(st)
    except Killed:
        return made
    finally:
        del script.around
    return None


def test_keys_that_are_away_when_the_answer_is_here_are_asked_until_they_answer():
    st = connected()
    for _ in range(20):
        st.town.down("vault.seal")
    refresh(st)
    assert well(st)
    assert st.town.script.count(CALL) == 1


@pytest.mark.parametrize("call", ["vault.seal", "integrations.change"])
def test_state_that_stays_away_until_the_deadline_leaves_doubt(call):
    st = connected()
    st.town.script.before[call] = [StateUnavailable() for _ in range(1000)]
    with pytest.raises(StateUnavailable):
        refresh(st)
    st.town.script.before[call].clear()
    assert well_but_unknown(st)
    st.later(hours=1)
    refresh(st)
    assert state(st) == ("expired", "refresh_interrupted")


def well_but_unknown(st: Stage) -> bool:
    return state(st) == ("active", None) and not honoured(st)


@pytest.mark.parametrize("rotation", ["static", "sliding"])
def test_state_that_stays_away_costs_other_providers_connections_nothing(rotation):
    st = connected(rotation)
    st.town.script.before["integrations.change"] = [StateUnavailable() for _ in range(1000)]
    with pytest.raises(StateUnavailable):
        refresh(st)
    st.town.script.before["integrations.change"].clear()
    st.later(hours=1)
    refresh(st)
    assert well(st)


def test_a_write_that_was_done_and_not_told_is_recognised():
    st = connected()
    st.town.script.after["integrations.change"].append(StateUnavailable())
    refresh(st)
    assert well(st)
    assert st.town.script.count("server.revoke") == 0
    assert st.now().generation == 2


def test_keys_that_are_away_before_the_call_cost_no_token():
    st = connected()
    st.town.down("vault.open")
    refresh(st)
    assert st.town.script.count(CALL) == 0
    assert (state(st), st.now().failures) == (("active", None), 1)
    st.later(minutes=5)
    refresh(st)
    assert well(st)


@pytest.mark.attack(33)
def test_an_answer_that_got_lost_is_doubted_where_tokens_are_strict():
    for rotation in ROTATIONS:
        st = connected(rotation)
        st.town.script.after[CALL].append(ProviderUnavailable())
        refresh(st)
        assert state(st) == ("active", None)
        st.later(minutes=2)
        refresh(st)
        assert well(st) == (rotation != "strict")
    assert state(st) == ("expired", "refresh_interrupted")


def test_a_provider_that_was_not_reached_leaves_no_doubt():
    st = connected()
    st.town.script.before[CALL].append(ProviderUnavailable(reached=False))
    refresh(st)
    st.house.withdraw()
    st.later(minutes=2)
    refresh(st)
    assert state(st) == ("revoked", "grant_revoked")


@pytest.mark.attack(33)
def test_a_dead_token_is_tried_once_however_often_anybody_asks():
    st = connected()
    st.house.withdraw()
    stale = token(st)
    for _ in range(5):
        refresh(st)
        with pytest.raises(GrantRevoked):
            token(st, refused=stale)
        refresh(st, force=True)
        st.later(minutes=10)
    assert st.town.script.count(CALL) == 1
    assert state(st) == ("revoked", "grant_revoked")
    assert st.now().refresh_due_at is None
    assert st.town.audit.events("acme")[-1].outcome == "grant_revoked"


def test_what_a_policy_forbids_may_be_tried_by_a_person():
    st = connected()
    st.town.script.before[CALL].append(PolicyBlocked())
    assert refresh(st).status == "error"
    st.later(minutes=1)
    assert refresh(st).reason == "policy_blocked"
    refresh(st, force=True)
    assert well(st)


def test_our_clients_fault_alarms_the_operator_and_breaks_no_connection_that_lives():
    st = connected()
    st.house.secret = "another"
    assert (refresh(st).status, st.now().reason) == ("active", "provider_misconfigured")
    assert st.town.metrics.total("ProviderMisconfigured") == 1
    st.later(minutes=6)
    assert refresh(st).status == "error"
    st.house.secret = CLIENT_SECRET
    st.later(minutes=70)
    refresh(st)
    assert well(st)


def test_a_provider_that_is_away_is_tried_again_with_a_growing_pause_and_the_status_follows_the_token():
    st = connected()
    st.town.script.before[CALL] = [ProviderUnavailable() for _ in range(4)]
    seen = []
    for _ in range(5):
        refresh(st)
        seen.append(state(st)[0])
        st.town.clock.time = st.now().refresh_due_at
    assert seen == ["active", "active", "active", "expired", "active"]
    assert well(st)
    assert [event.after["status"] for event in st.town.audit.events("acme")[-2:]] == ["expired", "active"]


def test_forcing_says_what_is_in_the_way():
    st = stage()
    with pytest.raises(TokenExpired):
        refresh(st, force=True)
    st.connect()
    st.town.script.before[CALL].append(ProviderUnavailable())
    st.later(minutes=1)
    with pytest.raises(ProviderUnavailable):
        refresh(st, force=True)
    with pytest.raises(NotFound):
        refresh_one("zeta", st.integration.id, world(st), Ending(st))
    st.town.integrations.elsewhere(replaced(st, auth_type="access_key"))
    with pytest.raises(NotSupported):
        refresh(st, force=True)


def replaced(st: Stage, **changes):
    return replace(st.now(), **changes)


def test_nobody_begins_without_the_time_to_keep_the_answer():
    st = connected()
    with pytest.raises(DeadlineExceeded):
        refresh(st, 14)
    assert st.town.script.calls == ["integrations.get"]


def test_who_finds_the_lease_taken_waits_or_leaves_it_to_the_holder():
    st = connected()
    name = f"refresh/acme/{st.integration.id}/1"
    now = st.town.clock.now()
    held = st.town.leases.take(name, "other", until=now + timedelta(minutes=6), now=now)
    assert refresh(st, wait=False).generation == 1
    with pytest.raises(DeadlineExceeded):
        refresh(st)
    assert st.town.script.count(CALL) == 0
    st.town.leases.free(held)
    refresh(st)
    assert well(st)


def test_a_lease_outlives_its_holder_by_more_than_clocks_may_differ():
    st = connected()
    leases = []
    st.town.script.meanwhile[CALL] = lambda: leases.extend(st.town.leases.held.values())
    now = st.town.clock.now()
    refresh(st, 45)
    assert leases[0].until == now + timedelta(seconds=45, minutes=5)


def test_a_persons_change_in_the_meantime_is_kept():
    st = connected()
    st.town.script.meanwhile["integrations.change"] = lambda: st.town.integrations.elsewhere(
        replaced(st, name="New", version=st.now().version + 1)
    )
    refresh(st)
    assert st.now().name == "New"
    assert well(st)


def test_a_disconnect_in_the_meantime_stands_and_the_new_tokens_are_revoked():
    st = connected()
    gone = {"tokens": None, "status": "revoked", "reason": "disconnected", "refresh_due_at": None}
    st.town.script.meanwhile["integrations.change"] = lambda: st.town.integrations.elsewhere(
        replaced(st, version=st.now().version + 1, **gone)
    )
    after = refresh(st)
    assert (after.tokens, after.status, after.reason) == (None, "revoked", "disconnected")
    assert st.house.living() == []


def test_a_removal_in_the_meantime_stands_and_the_new_tokens_are_revoked():
    st = connected()
    st.town.script.meanwhile["integrations.change"] = lambda: st.town.integrations.items.pop(
        (st.integration.tenant_id, st.integration.id)
    )
    with pytest.raises(NotFound):
        refresh(st)
    assert st.house.living() == []


def test_a_reconnect_in_the_meantime_stands():
    st = connected()
    st.town.script.meanwhile["integrations.change"] = st.connect
    refresh(st)
    assert well(st)
    assert st.now().generation == 2


def test_what_came_too_late_is_not_revoked_beside_the_reconnect_that_it_might_end():
    st = connected()
    st.town.script.meanwhile["integrations.change"] = st.connect
    refresh(st)
    assert st.town.script.count("server.revoke") == 0


def test_a_client_secret_that_was_replaced_a_moment_ago_elsewhere_counts():
    st = connected()
    old = st.town.providers.get(st.provider.id)  # remembered
    st.house.secret = "replaced"
    sealed = st.town.vault.seal(Secret("replaced"), secret_context(old.id, old.secret.sequence + 1))
    st.town.providers.elsewhere(replace(old, secret=sealed, version=old.version + 1))
    assert (refresh(st).status, st.now().reason) == ("active", None)
    assert well(st)


def test_a_provider_that_is_gone_is_on_record_and_looked_for_hourly():
    st = connected()
    st.town.providers.items.clear()
    refresh(st)
    assert state(st) == ("active", "misconfigured")
    assert st.now().refresh_due_at > st.town.clock.now()
    st.later(minutes=6)
    refresh(st)
    assert state(st) == ("error", "misconfigured")


def test_without_a_refresh_token_the_end_is_told_without_a_call():
    st = stage()
    st.house.gives_refresh = False
    st.connect()
    assert state(st) == ("active", "refresh_token_missing")
    st.later(minutes=61)
    assert refresh(st).status == "expired"
    assert state(st) == ("expired", "token_expired")
    assert st.town.script.count(CALL) == 0
    with pytest.raises(TokenExpired):
        token(st)


def test_an_access_token_that_lives_is_handed_out_for_one_read():
    st = stage()
    st.connect()
    st.town.script.calls.clear()
    assert token(st).reveal() == opened(st)[0]
    assert st.town.script.calls[:2] == ["integrations.get", "vault.open"]
    assert st.town.script.count(CALL) == 0


def test_an_access_token_that_is_over_is_replaced_first():
    st = connected()
    st.later(minutes=4, seconds=30)
    fresh = token(st)
    assert fresh.reveal() == opened(st)[0]
    assert st.now().generation == 2


def test_a_refused_access_token_is_replaced_once_for_all_who_were_refused():
    st = stage()
    st.connect()
    st.later(minutes=1)
    stale = token(st)
    new = [token(st, refused=stale) for _ in range(3)]
    assert all(it != stale for it in new)
    assert new[0] == new[1] == new[2]
    assert st.town.script.count(CALL) == 1


def test_the_old_access_token_serves_while_it_lives_if_no_new_one_can_be_had():
    st = connected()
    st.later(minutes=4, seconds=30)
    st.town.script.before[CALL].append(ProviderUnavailable())
    old = opened(st)[0]
    assert token(st).reveal() == old
    st.later(minutes=1)
    st.town.script.before[CALL].append(ProviderUnavailable())
    with pytest.raises(ProviderUnavailable) as away:
        token(st)
    assert away.value.after > 0


@pytest.mark.parametrize("error", [GrantRevoked, PolicyBlocked, ScopeMissing, ProviderMisconfigured])
def test_who_gets_no_access_token_is_told_why(error):
    st = connected()
    st.later(minutes=10)
    st.town.script.before[CALL].append(error())
    with pytest.raises(error):
        token(st)


def test_who_gets_none_for_a_refresh_that_broke_off_is_told_that():
    st = connected()
    st.town.script.after[CALL].append(ProviderUnavailable())
    refresh(st)
    st.later(minutes=10)
    with pytest.raises(RefreshInterrupted):
        token(st)


def test_no_token_is_in_what_a_refresh_returns_raises_or_counts():
    st = connected()
    after = refresh(st)
    told = repr(after) + repr(st.town.metrics.told) + repr(st.town.audit.events("acme"))
    assert "canary" not in told


class Queue:
    def __init__(self) -> None:
        self.sent: list = []

    def send(self, items) -> None:
        self.sent += items


def timing(st: Stage, queue: Queue) -> Timing:
    return Timing(st.town.integrations, queue, st.town.clock, st.town.randomness, st.town.metrics)


def test_the_timer_queues_what_is_due_within_a_minute_and_nothing_else():
    st, queue = connected(), Queue()
    st.add("Waits for consent")
    assert queue_due(timing(st, queue), Ending(st)) == 1
    assert queue.sent == [("acme", st.integration.id, 30)]
    refresh(st)
    assert queue_due(timing(st, queue), Ending(st)) == 0
    assert st.town.script.count("integrations.due") == 2


def test_an_idle_connection_is_refreshed_long_before_its_refresh_token_dies():
    st = stage(rotation="strict", idle_days=60)
    st.house.life = timedelta(days=400)
    st.connect()
    first = st.now().refresh_due_at
    assert timedelta(days=25) < first - st.town.clock.now() <= timedelta(days=30)
    queue = Queue()
    st.town.clock.time = first
    assert queue_due(timing(st, queue), Ending(st)) == 1
    refresh(st)
    assert well(st)
    assert st.now().refresh_due_at > first
