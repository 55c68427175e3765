"""Every interleaving of refreshers, faults and people ends right, on the production code, for each way of rotating tokens; and
each broken way of refreshing is seen to be broken.

``FARSHORE_LONG=1`` crosses all faults with all that people do, and all pairs of refreshers.
"""

import os
import time
from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from tests.counts import note
from tests.model import refresh_mutants as mutants
from tests.model.explorer import Broken
from tests.model.refresh_explorer import FAULTS, Explorer, Report, Scenario

LONG = bool(os.environ.get("FARSHORE_LONG"))
ROTATIONS = ("static", "sliding", "strict")
TROUBLES = [
    {},
    {"crashes": 2},
    {"crashes": 1, "whiles": 1},
    {"crashes": 1, "moments": 1},
    {"crashes": 1, "lost": 1},
    {"lost": 1, "whiles": 1},
    {"crashes": 1, "late": 1},
    {"late": 1, "whiles": 1},
    {"unreached": 1, "down": 1},
    {"down": 2, "whiles": 1},
    {"unknown": 1, "down": 1},
    {"unknown": 1, "crashes": 1},
    {"keyless": 1, "crashes": 1},
    {"skew": 290, "moments": 1},
]
ALONE = [
    ("withdraw",),
    ("reconnect",),
    ("disconnect",),
    ("remove",),
    ("withdraw", "reconnect"),
    ("disconnect", "reconnect"),
]
PAIRS = [("timer", "demand"), ("timer", "timer"), ("refused", "asked")]


def scenarios(rotation):
    """All troubles alone and with a change of another field; a crash or a lost answer with all that people do; and each pair
    of refreshers. All with all, if there is time.
    """
    if LONG:
        for workers, trouble, acts in product(PAIRS, TROUBLES, [(), ("patch",), *ALONE]):
            yield Scenario(rotation, workers, acts, due=workers[0] == "timer", **trouble)
        return
    for trouble, acts in product(TROUBLES, [(), ("patch",)]):
        yield Scenario(rotation, PAIRS[0], acts, **trouble)
    for trouble, acts in product([{}, {"crashes": 1}, {"lost": 1}, {"unknown": 1, "down": 1}], ALONE):
        yield Scenario(rotation, PAIRS[0], acts, **trouble)
    for acts in [(), ("patch",), *ALONE]:
        yield Scenario(rotation, PAIRS[2], acts, crashes=1, whiles=1, due=False)
    for acts in [(), ("reconnect",), ("disconnect",)]:
        yield Scenario(rotation, ("timer", "demand", "refused"), acts, crashes=1)


def explored(some) -> tuple[Report, Counter]:
    total, spent = Report(), Counter()
    for scenario in some:
        explorer = Explorer(scenario)
        report = explorer.explore()
        total.states += report.states
        total.runs += report.runs
        total.ends += report.ends
        spent += explorer.spent
    return total, spent


@pytest.mark.parametrize("rotation", ROTATIONS)
def test_every_interleaving_keeps_the_connection_alive_where_the_provider_allows_it(rotation):
    began = time.process_time()
    report, spent = explored(scenarios(rotation))
    print(f"\n{rotation}: {report} {dict(spent)} in {time.process_time() - began:.1f} s")
    note(f"refresh explorer, {rotation}", f"{report.states:,} states, {report.runs:,} interleavings")
    assert set(spent) == set(FAULTS)
    assert report.states > 30_000
    given_up = {end for end in report.ends if end not in ("gone", ("active", None), ("revoked", "grant_revoked"))}
    assert given_up == ({("expired", "refresh_interrupted")} if rotation == "strict" else set())


def test_without_faults_three_at_once_make_one_call_whatever_their_order():
    report = Explorer(Scenario("strict", ("timer", "demand", "refused"))).explore()
    assert report.runs > 10**6
    assert set(report.ends) == {("active", None)}


def caught(*some: Scenario, protocol=None, mutate=None) -> set[str]:
    """What each scenario finds broken."""
    changes = {"protocol": protocol} if protocol else {"mutate": mutate}
    broken = set()
    for scenario in some:
        with pytest.raises(Broken) as story:
            Explorer(scenario, **changes).explore()
        print(story.value)
        broken.add(story.value.invariant)
    return broken


EACH = [Scenario(rotation) for rotation in ROTATIONS]
ROTATING = EACH[1:]


def test_a_lease_shorter_than_its_holders_time_is_caught():
    found = caught(Scenario(moments=1), protocol=mutants.lease_shorter_than_the_holders_time())
    assert found == {"I11: a lease is taken from a living holder"}


def test_a_lease_that_forgets_skewed_clocks_is_caught():
    found = caught(Scenario(skew=290), protocol=mutants.lease_that_forgets_skewed_clocks())
    assert found == {"I11: a lease is taken from a living holder"}


def test_refreshing_without_a_second_look_is_caught_without_any_fault():
    assert caught(*EACH, protocol=mutants.no_second_look()) == {"I11: 2 calls with 0 faults"}


def test_storing_the_access_token_before_the_rotated_refresh_token_is_caught():
    found = caught(*ROTATING, protocol=mutants.access_token_first())
    assert found == {"I11: an access token without its refresh token is stored"}


def test_freeing_the_lease_before_the_write_is_caught_without_any_fault():
    assert caught(*EACH, protocol=mutants.lease_freed_before_the_write()) == {"I11: 2 calls with 0 faults"}


def test_dropping_the_compare_and_swap_is_caught():
    some = [Scenario(acts=(act,)) for act in ("patch", "reconnect", "disconnect")]
    assert caught(*some, mutate=mutants.no_compare_and_swap) == {
        "a person's change is lost",
        "I11: an older refresh token is stored",
        "something is stored after a disconnect",
    }


def test_a_verdict_written_on_tokens_that_it_is_not_about_is_caught():
    mutant = mutants.verdict_on_whatever_tokens_are_there()
    found = caught(Scenario("static", acts=("withdraw", "reconnect")), protocol=mutant)
    assert found == {"a connection ends as ('revoked', 'grant_revoked')"}
    assert caught(Scenario(acts=("reconnect",)), protocol=mutant) == {"I11: an older refresh token is stored"}


def test_storing_tokens_after_a_disconnect_is_caught():
    found = caught(Scenario(acts=("disconnect",)), protocol=mutants.verdict_without_tokens())
    assert found == {"something is stored after a disconnect"}


def test_forgetting_the_doubt_is_caught():
    plainly = {"a connection ends as ('revoked', 'grant_revoked')"}
    assert caught(Scenario(crashes=1), protocol=mutants.no_doubt_after_a_crash()) == plainly
    assert caught(Scenario(lost=1), protocol=mutants.no_doubt_after_a_lost_answer()) == plainly
    unresolved = Scenario(lost=1, unreached=1)
    assert caught(unresolved, protocol=mutants.doubt_forgotten_by_who_does_nothing()) == plainly


def test_doubting_always_is_caught():
    found = caught(Scenario(acts=("withdraw",)), protocol=mutants.always_doubt())
    assert found == {"a withdrawn consent ends as ('expired', 'refresh_interrupted')"}


def test_giving_up_at_the_first_write_that_fails_is_caught():
    found = caught(Scenario(down=1), protocol=mutants.give_up_at_the_first_failed_write())
    assert found == {"a connection is given up that was not lost"}


def test_leaving_unstored_tokens_alive_after_a_disconnect_is_caught():
    found = caught(Scenario(acts=("disconnect",)), protocol=mutants.overwritten_tokens_are_left_alive())
    assert found == {"a grant is left behind that nobody knows"}


def test_taking_ones_own_write_for_anothers_is_caught():
    found = caught(Scenario(unknown=1), protocol=mutants.own_write_taken_for_anothers())
    assert found == {"a connection ends as ('revoked', 'grant_revoked')"}


def test_trying_dead_tokens_for_ever_is_caught():
    found = caught(Scenario(acts=("withdraw",)), protocol=mutants.dead_tokens_are_tried_for_ever())
    assert found == {"a dead token is tried again"}


def test_a_status_that_outlives_its_token_is_caught():
    found = caught(Scenario(unreached=1, whiles=1), protocol=mutants.status_left_as_it_was())
    assert found == {"active with a token that is over"}


def test_every_mutant_is_put_to_the_test():
    mine = Path(__file__).read_text()
    assert [name for name in mutants.names() if f"mutants.{name}" not in mine] == []
