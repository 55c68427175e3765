"""What planning promises."""

import pytest

from shared.domain.errors import ForeignEvent, StateUnavailable
from tests.model.world import Gate, World


@pytest.fixture
def world() -> World:
    world = World()
    world.tenant(prefix="in/")
    return world


def targets(world: World) -> list[str]:
    return [job.target for job in world.queue.waiting]


def test_one_job_for_each_target(world):
    world.rule("a"), world.rule("b")
    jobs = world.plan(world.put("in/x"))
    assert targets(world) == ["a", "b"]
    assert list(jobs) == world.queue.waiting
    assert {(job.tenant_id, job.key, job.since) for job in jobs} == {("acme", "in/x", world.clock.now())}
    assert len({job.sequencer for job in jobs}) == 1


def test_prefix_and_suffix_choose(world):
    world.rule("logs", prefix="in/logs/"), world.rule("zips", suffix=".zip")
    world.plan(world.put("in/logs/a.zip")), world.plan(world.put("in/logs/a")), world.plan(world.put("in/other"))
    assert targets(world) == ["logs", "zips", "logs"]


def test_paused_rules_queue_nothing_and_cost_no_ledger_call(world):
    world.rule("a", paused=True)
    assert world.plan(world.put("in/x")) == ()
    assert world.ledger.calls == []


def test_of_two_rules_for_a_target_the_greater_priority_speaks(world):
    world.rule("low", target="t", priority=1), world.rule("high", target="t", priority=2)
    assert [job.rule_id for job in world.plan(world.put("in/x"))] == ["high"]
    world.change("rules", "high", paused=True)
    assert [job.rule_id for job in world.plan(world.put("in/x"))] == ["low"]


def test_of_equal_priorities_the_smaller_id_speaks_whatever_their_order(world):
    world.rule("z", target="t"), world.rule("y", target="t")
    assert [job.rule_id for job in world.plan(world.put("in/x"))] == ["y"]


def test_a_foreign_event_is_refused_and_not_echoed(world):
    world.rule("a")
    for bucket, key in (("primary", "out/secret"), ("elsewhere", "in/secret"), ("primary", "in")):
        world.bucket(bucket)
        with pytest.raises(ForeignEvent) as refusal:
            world.plan(world.put(key, bucket=bucket))
        assert "secret" not in str(refusal.value)
    assert world.queue.waiting == []


def test_an_owner_that_does_not_hold_the_key_is_no_owner(world):
    world.rule("a")
    world.tenants.owner_of = lambda *_: world.tenants.items[("acme",)]
    with pytest.raises(ForeignEvent):
        world.plan(world.put("other/x"))


def test_the_ledger_knows_of_a_job_before_the_queue_does_with_one_call(world):
    class QueueDown(Gate):
        def around(self, call, action):
            if call == "queue.send":
                raise StateUnavailable
            return action()

    world.rule("a"), world.rule("b")
    world.queue.gate = QueueDown()
    with pytest.raises(StateUnavailable):
        world.plan(world.put("in/x"))
    assert [row.status for row in world.ledger.rows.values()] == ["pending", "pending"]
    assert world.ledger.calls == ["expect"]


def test_planning_twice_ends_the_same(world):
    world.rule("a")
    event = world.put("in/x")
    world.plan(event), world.plan(event)
    world.drain()
    assert world.bytes_at("a") == {"in/x": b"body"}
    assert world.metrics.total("Planned") == 2
    assert world.metrics.total("Replicated") == 1
