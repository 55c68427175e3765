"""Every interleaving ends right, on the production code; and each broken protocol is seen to be broken.

``FARSHORE_LONG=1`` adds duplicates, sources without versions, and three workers.
"""

import os
import time

import pytest

from tests.model import mutants
from tests.model.explorer import Broken, Explorer
from tests.model.replay import Scenario

OVERWRITE = Scenario((b"X", b"Y"))
AGAIN = Scenario((b"X", b"Y", b"X"))
DELETE = Scenario((b"X", b"Y", None))
REBIRTH = Scenario((b"X", None, b"Y"), crashes=0)
KEEP = Scenario((b"X", b"Y", None), on_delete="keep", crashes=0)
CONTENT = Scenario((b"X", b"Y", b"X"), tags="content", crashes=0)
UNPINNED = Scenario((b"X", b"Y"), versioned=False, duplicates=1)
LONG = [
    Scenario((b"X", None, b"Y")),
    Scenario((b"X", b"Y", None), on_delete="keep"),
    Scenario((b"X", b"Y", b"X"), tags="content"),
    Scenario((b"X", b"Y", None), versioned=False, late=0),
    Scenario((b"X", b"Y", None), duplicates=1, crashes=0),
    Scenario((b"X", b"Y"), workers=3, duplicates=1),
]


def explored(scenario: Scenario):
    began = time.process_time()
    report = Explorer(scenario).explore()
    print(f"\n{scenario}\n{report} in {time.process_time() - began:.1f} s")
    assert report.states > 1000
    return report


@pytest.mark.parametrize("scenario", [OVERWRITE, AGAIN, UNPINNED], ids=["overwrite", "again", "unpinned"])
def test_without_deletes_no_target_ever_moves_backwards_nor_needs_a_sweep(scenario):
    report = explored(scenario)
    assert report.excused == {}
    assert report.runs > 10**6


@pytest.mark.parametrize("scenario", [DELETE, REBIRTH, KEEP], ids=["delete", "rebirth", "keep"])
def test_with_deletes_every_interleaving_ends_right_after_at_most_one_sweep(scenario):
    assert explored(scenario).runs > 10**6


def test_with_deletes_and_no_late_write_no_sweep_is_needed():
    report = explored(Scenario(DELETE.changes, late=0))
    assert "healed by a sweep" not in report.excused
    assert "late" not in report.excused


def test_tags_made_of_content_let_late_writes_by_and_one_sweep_heals_them():
    report = explored(CONTENT)
    assert report.excused["late"] > 0
    assert report.excused["healed by a sweep"] > 0


class Unreduced(Explorer):
    def _alone(self, state, call):
        return False


@pytest.mark.parametrize("scenario", [OVERWRITE, Scenario(DELETE.changes, late=0)], ids=["overwrite", "delete"])
def test_leaving_out_orders_loses_no_end(scenario):
    ends, states = [], []
    for explorer in (Explorer(scenario), Unreduced(scenario)):
        states.append(explorer.explore().states)
        ends.append(
            {(repr(explorer.targets.things[target]), repr(explorer.rows.things[row])) for target, row in explorer.ends}
        )
    assert ends[0] == ends[1]
    assert len(ends[0]) >= 4
    assert states[1] > states[0]


@pytest.mark.long
@pytest.mark.skipif(not os.environ.get("FARSHORE_LONG"), reason="minutes; run with FARSHORE_LONG=1")
@pytest.mark.parametrize("scenario", LONG, ids=str)
def test_more_of_everything_ends_right(scenario):
    explored(scenario)


def caught(scenario: Scenario, protocol=None, mutate=None) -> str:
    with pytest.raises(Broken) as broken:
        Explorer(scenario, **{"protocol": protocol} if protocol else {"mutate": mutate}).explore()
    print(broken.value)
    return broken.value.invariant[:2]


NO_FAULTS = Scenario((b"X", b"Y", None), crashes=0, late=0)


def test_swapping_the_reads_is_caught_without_any_fault():
    assert caught(NO_FAULTS, mutants.swap_the_reads()) == "I3"


def test_dropping_the_recheck_is_caught_without_any_fault():
    assert caught(NO_FAULTS, mutants.drop_the_recheck()) == "I5"


def test_ignoring_the_precondition_is_caught_without_any_fault():
    assert caught(NO_FAULTS, mutants.ignore_the_precondition()) == "I3"


def test_acknowledging_before_the_ledger_is_caught():
    assert caught(NO_FAULTS, mutate=mutants.acknowledge_before_the_ledger) == "I8"


def test_the_story_of_a_broken_run_is_told_from_the_beginning():
    with pytest.raises(Broken) as broken:
        Explorer(NO_FAULTS, mutants.drop_the_recheck()).explore()
    assert broken.value.story[0] == "source change 1"
