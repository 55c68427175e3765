"""The worker's host: what becomes of a job that succeeds, fails for now, or fails for good."""

import json

import pytest

from functions.aws import replicate
from shared.domain.errors import (
    CredentialsRefused,
    IntegrityUnproven,
    PreconditionFailed,
    StateUnavailable,
    StoreUnavailable,
    Throttled,
)
from shared.domain.event import Job
from shared.domain.sequencer import sequencer
from shared.runtime.queues import encode
from tests.model.bucket import EPOCH
from tests.unit.functions.stand import Context, Stand, records, sample
from tests.unit.runtime.fake_sqs import refusal


def job(key: str = "acme/x", target: str = "backup") -> Job:
    return Job("acme", target, target, key, EPOCH, sequencer("01"))


def put(stand: Stand, key: str = "acme/x") -> None:
    stand.world.put(key, bucket="primary-example")


def handled(stand: Stand, *jobs: Job | str, receives: int = 1, milliseconds: int = 120_000) -> list[str]:
    bodies = [each if isinstance(each, str) else encode(each) for each in jobs]
    for body in bodies:
        stand.sqs._store("jobs", body, "acme", {})
    answer = replicate.handler(records(*bodies, receives=receives, group="acme"), Context(milliseconds))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def row(stand: Stand, target: str = "backup"):
    return next(it for it in stand.world.ledger.copies("acme", "acme/x") if it.target == target)


def failing(stand: Stand, error: Exception):
    def broken(*_, **__):
        raise error

    stand.world.stores.target = broken


@pytest.fixture
def ready(stand: Stand) -> Stand:
    stand.world.rule("backup")
    put(stand)
    return stand


def test_a_job_done_is_acknowledged_and_in_the_ledger(ready):
    assert handled(ready, job()) == []
    assert row(ready).status == "replicated"
    assert ready.world.bytes_at("backup") == {"acme/x": b"body"}


def test_the_sample_batch_is_understood(ready):
    event = sample("sqs-jobs.json")
    ready.world.rule("everything", target="azure-backup")
    ready.world.put("acme/a+b c%2Bd ünïcode/日本.txt", bucket="primary-example")
    assert replicate.handler(event, Context())["batchItemFailures"] == []
    assert list(ready.world.bytes_at("everything")) == ["acme/a+b c%2Bd ünïcode/日本.txt"]
    assert ready.buried("dead-jobs") == ["malformed_event"]


def test_one_target_down_holds_nobody_back(ready):
    ready.world.rule("down")
    whole = ready.world.stores.target

    def target(integration, container=None):
        if integration.id == "i-down":
            raise StoreUnavailable
        return whole(integration, container)

    ready.world.stores.target = target
    assert handled(ready, job(target="down"), job()) == ["m1"]
    assert row(ready).status == "replicated"
    assert (row(ready, "down").status, row(ready, "down").failure.code) == ("pending", "store_unavailable")


@pytest.mark.parametrize(("receives", "delay"), [(1, 5), (2, 10), (3, 20), (4, 40)])
def test_what_may_pass_comes_back_after_a_growing_while(ready, receives, delay):
    failing(ready, StoreUnavailable())
    assert handled(ready, job(), receives=receives) == ["m1"]
    assert ready.sqs.queues["jobs"][0].hidden_until == delay
    assert (row(ready).status, row(ready).attempts) == ("pending", receives)


@pytest.mark.parametrize(("receives", "told"), [(3, False), (4, True)])
def test_what_fails_again_and_again_is_measured_for_the_alarm(ready, capsys, receives, told):
    failing(ready, StoreUnavailable())
    handled(ready, job(), receives=receives)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    measured = [line for line in lines if "StillFailing" in line]
    assert bool(measured) is told
    assert all(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service"]] for line in measured)


def test_a_wait_that_was_asked_for_is_kept(ready):
    failing(ready, Throttled(after=77))
    handled(ready, job())
    assert ready.sqs.queues["jobs"][0].hidden_until == 77


def test_a_target_that_moved_is_tried_again_at_once(ready):
    failing(ready, PreconditionFailed())
    handled(ready, job())
    assert ready.sqs.queues["jobs"][0].hidden_until == 0


@pytest.mark.parametrize("error", [IntegrityUnproven(), CredentialsRefused()])
def test_what_waiting_cannot_mend_is_failed_and_buried_at_once(ready, error):
    failing(ready, error)
    assert handled(ready, job()) == []
    assert (row(ready).status, row(ready).failure.code) == ("failed", error.code)
    assert ready.buried("dead-jobs") == [error.code]
    assert ready.sqs.queues["dead-jobs"][0].group == "acme"


def test_the_last_attempt_fails_the_replica_and_buries_the_job(ready):
    failing(ready, StoreUnavailable())
    assert handled(ready, job(), receives=5) == []
    assert (row(ready).status, row(ready).attempts) == ("failed", 5)
    dead = ready.sqs.queues["dead-jobs"][0]
    assert dead.body == encode(job())
    assert {name: it["StringValue"] for name, it in dead.attributes.items()} == {
        "cause": "store_unavailable",
        "reason": str(StoreUnavailable()),
        "attempts": "5",
    }


def test_a_job_that_stops_its_worker_each_time_ends_visibly_without_being_tried(ready):
    failing(ready, AssertionError("it was tried"))
    assert handled(ready, job(), receives=6) == []
    assert (row(ready).status, row(ready).failure.code) == ("failed", "deadline_exceeded")
    assert ready.buried("dead-jobs") == ["deadline_exceeded"]


def test_an_unexpected_error_is_retried_then_buried_and_its_text_stays_inside(ready, capsys):
    failing(ready, RuntimeError("canary-secret"))
    assert handled(ready, job()) == ["m1"]
    assert handled(ready, job(), receives=5) == []
    assert row(ready).failure.code == "internal"
    assert ready.buried("dead-jobs") == ["internal"]
    told = capsys.readouterr().out + repr(ready.sqs.queues) + repr(row(ready))
    assert "canary-secret" not in told
    assert "RuntimeError" in told


def test_a_failure_that_the_ledger_cannot_hear_is_not_acknowledged(ready):
    failing(ready, IntegrityUnproven())

    def away(*_, **__):
        raise StateUnavailable

    ready.world.ledger.fail = away
    assert handled(ready, job()) == ["m1"]
    assert ready.buried("dead-jobs") == []


def test_a_job_whose_burial_fails_comes_back(ready):
    failing(ready, IntegrityUnproven())
    ready.sqs.send_message = lambda **_: (_ for _ in ()).throw(refusal("ServiceUnavailable"))
    assert handled(ready, job()) == ["m1"]


def test_a_message_that_is_no_job_is_buried_and_the_rest_is_done(ready):
    assert handled(ready, "poison", job()) == []
    assert ready.buried("dead-jobs") == ["malformed_event"]
    assert row(ready).status == "replicated"


def test_a_worker_short_of_time_leaves_the_job_for_later(ready):
    assert handled(ready, job(), milliseconds=3_000) == ["m1"]
    assert (row(ready).status, row(ready).failure.code) == ("pending", "deadline_exceeded")
    assert ready.world.bytes_at("backup") == {}


def test_jobs_of_a_batch_are_hidden_while_their_worker_lives_and_not_for_long(ready):
    handled(ready, job(), job("acme/y"))
    assert ready.sqs.calls[0] == "change_message_visibility_batch"
    assert {stored.hidden_until for stored in ready.sqs.queues["jobs"]} == {120}


def test_a_failed_job_logs_who_what_and_why(ready, capsys):
    failing(ready, StoreUnavailable())
    handled(ready, job())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = next(line for line in lines if line.get("message") == "job failed")
    assert (told["tenant"], told["target"], told["code"], told["final"]) == (
        "acme",
        "backup",
        "store_unavailable",
        False,
    )
    assert told["where"]


def test_connectors_that_fell_out_of_the_cache_are_closed_after_the_batch(ready):
    tidied = []
    ready.world.stores.tidy = lambda: tidied.append(row(ready).status)
    handled(ready, job())
    assert tidied == ["replicated"]


def test_one_thread_does_as_well(ready):
    object.__setattr__(ready.host.settings, "threads", 1)
    try:
        assert handled(ready, job(), job()) == []
    finally:
        object.__setattr__(ready.host.settings, "threads", 3)
