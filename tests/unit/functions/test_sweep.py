"""The sweep's host: it runs whatever the timer says, and a failure is seen without being spelled out."""

from dataclasses import replace

import pytest

from functions.aws import sweep
from shared.runtime.queues import decode
from tests.unit.functions.stand import Context, sample


def test_the_timer_makes_it_walk_and_queue_what_differs(stand):
    stand.world.rule("backup")
    stand.world.put("acme/forgotten", bucket="primary-example")
    stand.host.__dict__["sweeping"] = replace(stand.world.sweeping(), queue=stand.host.jobs)
    sweep.handler(sample("schedule.json"), Context(60_000))
    assert [decode(body).key for body in stand.sqs.bodies("jobs")] == ["acme/forgotten"]


def test_a_run_that_fails_is_seen_and_says_nothing_of_a_librarys(stand, capsys, monkeypatch):
    def broken(world, deadline):
        raise RuntimeError("canary-secret")

    monkeypatch.setattr(sweep, "sweep", broken)
    with pytest.raises(sweep.SweepStopped) as stopped:
        sweep.handler({}, Context())
    told = capsys.readouterr().out
    assert "RuntimeError" in told
    assert "canary-secret" not in told + str(stopped.value)
    assert stopped.value.__cause__ is None
    assert stopped.value.__suppress_context__
