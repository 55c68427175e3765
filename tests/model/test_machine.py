"""A state machine of users, deliveries and failures, in any order Hypothesis can think of: at rest, everything is right."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared.domain.errors import FarshoreError, StateUnavailable, StoreUnavailable
from shared.usecases.sweep import Swept
from tests.model.bucket import Gate
from tests.model.world import World

KEYS = st.sampled_from(["in/a", "in/a b", "in/a/b", "in/ü"])
BODIES = st.binary(max_size=9)
LONG = bool(os.environ.get("FARSHORE_LONG"))


class Crash(BaseException):
    """The process ends here."""


class OneFault(Gate):
    """Fails the n-th call from now, before or after its effect; then lets all pass."""

    def __init__(self) -> None:
        self.left, self.after, self.error = -1, False, Crash

    def around(self, call, action):
        self.left -= 1
        if self.left != 0:
            return action()
        if self.after:
            action()
        raise (
            StateUnavailable if "." not in call or call.split(".")[0] not in ("primary", "copy", "kept") else self.error
        )


class Replication(RuleBasedStateMachine):
    """Events may be lost, doubled and reordered; jobs may fail at any call, before or after its effect."""

    @initialize(tags=st.sampled_from(["unique", "content"]), versioned=st.booleans())
    def build(self, tags, versioned):
        self.gate = OneFault()
        self.world = World(self.gate)
        self.world.tenant(prefix="in/", versioned=versioned)
        self.world.rule("copy", on_delete="delete", path="{relative}")
        self.world.rule("kept", nature={"tags": tags}, path="{key}.kept")
        self.events, self.seen = [], set()

    @rule(key=KEYS, body=BODIES)
    def put(self, key, body):
        self.seen.add((key, body))
        self.events.append(self.world.put(key, body))

    @rule(key=KEYS)
    def remove(self, key):
        self.events.append(self.world.remove(key))

    @precondition(lambda self: self.events)
    @rule(data=st.data(), again=st.booleans(), lost=st.booleans())
    def deliver_event(self, data, again, lost):
        event = data.draw(st.sampled_from(self.events))
        if not lost:
            self.world.plan(event)
        if lost or not again:
            self.events.remove(event)

    @precondition(lambda self: self.world.queue.waiting)
    @rule(data=st.data())
    def work(self, data):
        self.world.work(data.draw(st.sampled_from(self.world.queue.waiting)))

    @precondition(lambda self: self.world.queue.waiting)
    @rule(
        data=st.data(), calls=st.integers(1, 14), after=st.booleans(), error=st.sampled_from([Crash, StoreUnavailable])
    )
    def work_and_fail(self, data, calls, after, error):
        job = data.draw(st.sampled_from(self.world.queue.waiting))
        self.gate.left, self.gate.after, self.gate.error = calls, after, error
        try:
            self.world.work(job)
        except (Crash, FarshoreError):
            pass
        finally:
            self.gate.left = -1

    @rule(name=st.sampled_from(["copy", "kept"]), paused=st.booleans())
    def pause_or_resume(self, name, paused):
        self.world.change("rules", name, paused=paused)

    @rule(data=st.data(), name=st.sampled_from(["copy", "kept"]))
    def harm_a_copy(self, data, name):
        store = self.world.stores.buckets[name]
        if store.things:
            store.remove(data.draw(st.sampled_from(sorted(store.things))))

    @rule(hours=st.integers(1, 30), limit=st.sampled_from([1, 3, 100]))
    def sweep(self, hours, limit):
        self.world.clock.sleep(hours * 3600)
        self.world.sweep(limit)

    @invariant()
    def nothing_partial_or_foreign_is_visible(self):
        for name, strip in (("copy", lambda path: f"in/{path}"), ("kept", lambda path: path.removesuffix(".kept"))):
            for path, body in self.world.bytes_at(name).items():
                assert (strip(path), body) in self.seen

    def teardown(self):
        if not hasattr(self, "world"):
            return
        for name in ("copy", "kept"):
            self.world.change("rules", name, paused=False)
        self.world.redrive()
        for _ in range(2):
            self.world.drain()
            self.world.clock.sleep(25 * 3600)
            while not self.world.sweep().finished:
                pass
        self.world.drain()
        source = self.world.bytes_at("primary")
        assert self.world.bytes_at("copy") == {key.removeprefix("in/"): body for key, body in source.items()}
        kept = self.world.bytes_at("kept")
        assert {key: kept.get(f"{key}.kept") for key in source} == source
        waiting = [row for row in self.world.ledger.rows.values() if row.status not in ("replicated", "deleted")]
        assert waiting == []


TestReplication = Replication.TestCase
TestReplication.settings = settings(
    max_examples=2000 if LONG else 150,
    stateful_step_count=50 if LONG else 30,
    deadline=None,
    derandomize=not LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def test_the_machine_notices_a_world_that_nobody_sweeps(monkeypatch):
    monkeypatch.setattr(World, "sweep", lambda self, limit=0: Swept(0, 0, True))
    brief = settings(TestReplication.settings, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Replication, settings=brief)
