"""Secrets move to a new master key while the system runs, whatever happens meanwhile, and nothing is opened on the way.

In memory, where every position is tried: a crash before and after each call, a refresh at each call, a re-wrap at each call of a
refresh. ``test_rewrap_kms`` shows that the real parts do the same.
"""

from dataclasses import replace
from typing import Any

import pytest

from shared.crypto import envelope
from shared.domain.errors import Misconfigured, SealBroken, StateUnavailable, VersionMismatch
from shared.domain.integration import (
    refresh_context,
)
from shared.domain.seal import SealContext
from shared.usecases.rewrap import rewrap
from tests.counts import note
from tests.security.rewrap_house import OPERATOR, VALUES, House, Killed, die, everything


@pytest.fixture
def house() -> House:
    return House()


def test_all_is_moved_and_opens_without_the_old_key(house):
    done = house.rewrap()
    assert (done.seen, done.moved, done.broken) == (VALUES, VALUES, ())
    house.shut()
    assert house.opened(house.ring) == house.before


def test_nothing_is_opened_on_the_way(house):
    before = house.new.calls["unwrap"] + house.old.calls["unwrap"]
    house.gate.reset()
    house.rewrap()
    assert not [call for call in house.gate.calls if call.startswith("vault.")]
    assert house.ring.rewraps == VALUES, "one call to the key service a value, and no other"
    assert house.old.calls["data_key"] + house.new.calls["data_key"] == VALUES, "those of the first seals"
    assert before <= house.new.calls["unwrap"] + house.old.calls["unwrap"]


def test_only_the_wrapped_keys_differ(house):
    before = [envelope._parse(it.box) for it, _ in everything(house)]
    house.rewrap()
    after = [envelope._parse(it.box) for it, _ in everything(house)]
    for old, new in zip(before, after, strict=True):
        assert replace(old, wrapped=b"") == replace(new, wrapped=b"")
        assert old.wrapped != new.wrapped


def test_a_second_run_changes_nothing(house):
    house.rewrap()
    house.gate.reset()
    rows = (dict(house.integrations.items), dict(house.providers.items), dict(house.webhooks.items))
    done = house.rewrap()
    assert (done.seen, done.moved) == (VALUES, 0)
    assert (house.integrations.items, house.providers.items, house.webhooks.items) == rows
    assert not [call for call in house.gate.calls if call.endswith(".change")]


def test_a_dry_run_counts_and_changes_nothing(house):
    rows = dict(house.integrations.items)
    assert house.rewrap(dry_run=True).moved == VALUES
    assert house.integrations.items == rows
    assert not house.cursors.saved
    house.rewrap()
    assert house.rewrap(dry_run=True).moved == 0


def test_each_moved_record_is_in_the_trail_and_shows_no_secret(house):
    house.rewrap()
    assert house.audit.actions("*") == ["provider.rewrapped"]
    assert sorted(house.audit.actions("acme")) == ["integration.rewrapped"] * 2 + ["webhook.rewrapped"]
    told = {event.subject: event.after for event in house.audit.events("acme")}
    assert told["integration/int_oauth"] == {"rewrapped": ["accessToken", "refreshToken"]}
    assert told["webhook/whk_1"] == {"rewrapped": ["secret", "formerSecret"]}
    text = repr(house.audit.trails)
    assert not [secret for secret in house.before if secret in text]


def test_progress_is_told(house):
    told = []
    rewrap(OPERATOR, house.world, tell=told.append)
    assert [one.seen for one in told] == [1, 6, 11]


def test_a_value_that_is_not_ours_is_named_left_alone_and_does_not_stop_the_rest(house):
    one = house.integrations.items["acme", "int_key"]
    foreign = house.integrations.items["zeta", "int_key"].credentials
    house.integrations.elsewhere(replace(one, credentials=foreign))
    done = house.rewrap()
    assert done.broken == ("acme/integrations/int_key/credentials",)
    assert done.moved == VALUES - 1
    assert house.integrations.items["acme", "int_key"].credentials == foreign


@pytest.mark.parametrize("rubbish", [b"", b"\1\1", b"plain text", b"\2" + bytes(200)])
def test_what_is_no_seal_is_never_given_to_the_key_service(house, rubbish):
    with pytest.raises(SealBroken):
        envelope.rewrapped(rubbish, SealContext("t", "x", "r", "f", "p"), house.ring)
    assert house.ring.rewraps == 0


def test_a_value_of_another_sequence_is_refused(house):
    sealed, place = next(everything(house))
    with pytest.raises(SealBroken):
        house.world.keys.rewrap(sealed, replace(place, sequence=place.sequence + 1))


def test_with_the_old_key_switched_off_too_early_it_says_so_and_loses_nothing(house):
    house.old.on = False
    with pytest.raises(Misconfigured):
        house.rewrap()
    house.old.on = True
    house.rewrap()
    house.shut()
    assert house.opened(house.ring) == house.before


# ---- crashes -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_it_loses_nothing_and_the_next_run_ends_it(after):
    house = House()
    house.rewrap()
    calls = len(house.gate.calls)
    for at in range(1, calls + 1):
        house = House()
        house.gate.reset(at, die, after=after)
        with pytest.raises(Killed):
            house.rewrap()
        house.gate.reset()
        assert house.opened(house.ring) == house.before, "under one key or the other"
        again = house.rewrap()
        assert not again.broken
        assert house.rewrap(dry_run=True).moved == 0
        house.shut()
        assert house.opened(house.ring) == house.before
    note(f"re-wrap, killed {'after' if after else 'before'} a call", f"{calls} positions, every secret opens")


def test_it_goes_on_after_the_last_tenant_that_was_done(house):
    house.gate.reset(1, lambda: None)
    saves = [n for n, call in enumerate(_calls_of_a_run(), 1) if call == "cursors.save"]
    house.gate.reset(saves[0], die, after=True)
    with pytest.raises(Killed):
        house.rewrap()
    house.gate.reset()
    done = house.rewrap()
    assert (done.begun_after, done.seen, done.moved) == ("acme", 5, 5)
    assert house.rewrap().begun_after is None, "once it is through, the next run begins at the beginning"


def test_a_run_with_yet_another_key_does_not_take_up_where_one_with_the_last_key_stopped(house):
    house.cursors.saved["rewrap:new"] = "zeta"
    world = replace(house.world, current="newer")
    assert rewrap(OPERATOR, world).seen == VALUES


def test_a_store_that_does_not_answer_ends_the_run_and_the_next_one_ends_it(house):
    def down() -> None:
        raise StateUnavailable

    for at in range(1, len(_calls_of_a_run()) + 1):
        house = House()
        house.gate.reset(at, down)
        with pytest.raises(StateUnavailable):
            house.rewrap()
        house.gate.reset()
        house.rewrap()
        house.shut()
        assert house.opened(house.ring) == house.before


def _calls_of_a_run() -> list[str]:
    house = House()
    house.rewrap()
    return house.gate.calls


# ---- while the system runs -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("rotation", ["static", "sliding", "strict"])
def test_a_refresh_beside_it_at_any_call_keeps_its_tokens(rotation):
    calls = len(_calls_of_a_run())
    for at in range(1, calls + 1):
        house = House(rotation)
        house.gate.reset(at, house.refresh)
        house.rewrap()
        house.gate.reset()
        _fresh(house, generation=6)
    note(f"re-wrap with a refresh at any call ({rotation})", f"{calls} positions")


@pytest.mark.parametrize("rotation", ["static", "sliding", "strict"])
def test_a_rewrap_at_any_call_of_a_refresh_keeps_its_tokens(rotation):
    house = House(rotation)
    house.refresh()
    calls = len(house.gate.calls)
    for at in range(1, calls + 1):
        house = House(rotation)
        house.gate.reset(at, house.rewrap)
        house.refresh()
        house.gate.reset()
        _fresh(house, generation=6)
    note(f"refresh with a re-wrap at any call ({rotation})", f"{calls} positions")


def _fresh(house: House, generation: int) -> None:
    """The tokens are the last ones that the provider gave, all is under the new key, and the connection goes on living."""
    found = house.integrations.items["acme", "int_oauth"]
    assert (found.generation, found.status, found.reason) == (generation, "active", None)
    assert house.rewrap(dry_run=True).moved == 0, "nothing went back to the old key"
    house.shut()
    token = found.tokens.refresh
    text = house.vault.open(token, refresh_context("acme", "int_oauth", token.sequence)).reveal()
    assert house.servers.house("prv_1").refreshers[text].current == text
    house.clock.sleep(7200)
    assert house.refresh().generation == generation + 1


def test_whoever_changes_a_record_meanwhile_wins_and_it_is_looked_at_again(house):
    def elsewhere() -> None:
        found = house.integrations.items["acme", "int_key"]
        house.integrations.elsewhere(replace(found, name="renamed", version=found.version + 1))

    at = _calls_of_a_run().index("integrations.change") + 1
    house.gate.reset(at, elsewhere)
    house.rewrap()
    found = house.integrations.items["acme", "int_key"]
    assert (found.name, found.version) == ("renamed", 3)
    assert house.rewrap(dry_run=True).moved == 0


def test_a_record_that_is_removed_meanwhile_needs_nothing(house):
    at = _calls_of_a_run().index("integrations.change") + 1
    house.gate.reset(at, lambda: house.integrations.items.pop(("acme", "int_key")))
    done = house.rewrap()
    assert done.seen == VALUES - 1
    assert ("acme", "int_key") not in house.integrations.items


def test_a_record_that_never_stands_still_ends_the_run_and_not_the_computer(house, monkeypatch):
    def restless(*_: Any) -> None:
        raise VersionMismatch

    monkeypatch.setattr(house.integrations, "change", restless)
    with pytest.raises(VersionMismatch):
        house.rewrap()
