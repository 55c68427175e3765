"""Whatever goes wrong, the world comes to rest and is right: the production use cases in seeded stories.

``FARSHORE_LONG=1`` runs forty times as many seeds.
"""

import os
import time
from collections import Counter

import pytest

from tests.model import mutants
from tests.model.faults import KINDS
from tests.model.simulator import Simulation, Violated

SEEDS = 10_000 if os.environ.get("FARSHORE_LONG") else 250


def test_every_story_ends_right_and_every_kind_of_fault_was_exercised():
    began, exercised, excused = time.process_time(), Counter(), Counter()
    for seed in range(SEEDS):
        simulation = Simulation(seed).run()
        exercised += simulation.gate.exercised
        excused += simulation.gate.excused
    print(f"\n{SEEDS} seeds, {sum(exercised.values())} faults, excused {dict(excused)}, ", end="")
    print(f"{time.process_time() - began:.1f} s\n{dict(exercised.most_common())}")
    assert set(exercised) == KINDS


def test_a_seed_tells_the_same_story_again():
    first, second = Simulation(7).run(), Simulation(7).run()
    assert first.gate.story == second.gate.story
    assert len(first.gate.story) > 50
    assert Simulation(8).run().gate.story != first.gate.story


def caught(protocol=None, mutate=None, seeds: int = 400) -> str:
    changes = {"protocol": protocol} if protocol else {"mutate": mutate}
    for seed in range(seeds):
        try:
            Simulation(seed, **changes).run()
        except Violated as violated:
            print(violated)
            return violated.invariant.split(":")[0]
    pytest.fail(f"{seeds} seeds noticed nothing")


def test_believing_a_stamp_whatever_lies_beside_it_is_caught():
    assert caught(mutate=mutants.believe_any_stamp) == "I1"


def test_ignoring_the_precondition_is_caught():
    assert caught(mutants.ignore_the_precondition()) in ("I1", "I2", "I3")


def test_swapping_the_reads_is_caught():
    assert caught(mutants.swap_the_reads()) in ("I1", "I3")


def test_an_upload_session_that_is_not_registered_is_caught():
    assert caught(mutants.register_nothing()) == "I10"


def test_ending_everybodys_upload_sessions_is_caught():
    assert caught(mutate=mutants.end_everybodys_uploads) == "I10"


def test_acknowledging_before_the_ledger_is_caught():
    assert caught(mutate=mutants.acknowledge_before_the_ledger) == "I8"
