"""The planner: every message ends planned, buried with its cause, or coming back after a growing while."""

import json

import pytest

from functions.aws import plan
from shared.domain.errors import StateUnavailable
from shared.runtime.queues import decode
from tests.unit.functions.stand import Context, records, sample
from tests.unit.runtime.fake_sqs import refusal

KEY = "acme/a+b c%2Bd ünïcode/日本.txt"


def handled(event) -> list[str]:
    return [failure["itemIdentifier"] for failure in plan.handler(event, Context())["batchItemFailures"]]


def created(key: str = "acme/x") -> str:
    event = sample("s3-eventbridge-created.json")
    event["detail"]["object"]["key"] = key
    return json.dumps(event)


def test_the_sample_batch_plans_what_is_ours_and_buries_the_forged_and_the_broken(stand):
    stand.world.rule("backup")
    assert handled(sample("sqs-events.json")) == []
    jobs = [decode(body) for body in stand.sqs.bodies("jobs")]
    assert sorted(job.key for job in jobs) == sorted([KEY, KEY, KEY, "acme/old.txt"])
    assert {(job.tenant_id, job.rule_id, job.target) for job in jobs} == {("acme", "backup", "backup")}
    assert sorted(stand.buried("dead-events")) == ["foreign_event", "malformed_event"]


def test_jobs_are_queued_fairly_by_tenant(stand):
    stand.world.rule("a"), stand.world.rule("b")
    handled(records(created()))
    assert {stored.group for stored in stand.sqs.queues["jobs"]} == {"acme"}
    assert len(stand.sqs.queues["jobs"]) == 2


def test_a_message_of_which_a_part_is_refused_is_planned_and_kept(stand):
    stand.world.rule("backup")
    told = sample("s3-notification.json")
    told["Records"][0]["s3"]["bucket"]["name"] = "not-ours"
    assert handled(records(json.dumps(told))) == []
    assert [decode(body).key for body in stand.sqs.bodies("jobs")] == ["acme/old.txt"]
    assert stand.buried("dead-events") == ["foreign_event"]
    assert json.loads(stand.sqs.bodies("dead-events")[0]) == told


def test_a_poison_message_in_ten_leaves_nine_planned(stand):
    stand.world.rule("backup")
    assert handled(records(*[created(f"acme/{n}") for n in range(9)], "poison")) == []
    assert len(stand.sqs.bodies("jobs")) == 9
    assert stand.buried("dead-events") == ["malformed_event"]


@pytest.mark.parametrize(("receives", "delay"), [(1, 5), (2, 10), (3, 20), (9, 50)])
def test_what_cannot_be_planned_now_comes_back_after_a_growing_while(stand, receives, delay):
    stand.world.rule("backup")
    event = records(created(), receives=receives)
    stand.sqs._store("events", created(), None, {})  # r1
    stand.sqs.fail = [refusal("ServiceUnavailable")]
    assert handled(event) == ["m1"]
    assert stand.sqs.queues["events"][0].hidden_until == delay


def test_a_message_whose_burial_fails_comes_back(stand):
    stand.sqs.fail = [refusal("ServiceUnavailable")]
    assert handled(records("poison")) == ["m1"]


def test_a_delay_that_cannot_be_set_is_no_reason_to_acknowledge(stand):
    stand.world.rule("backup")
    stand.sqs.fail = [refusal("ServiceUnavailable"), refusal("ServiceUnavailable")]
    assert handled(records(created())) == ["m1"]


def test_an_unexpected_error_comes_back_and_its_text_is_not_logged(stand, capsys):
    stand.world.rule("backup")

    def broken(jobs, at):
        raise RuntimeError("canary-secret")

    stand.world.ledger.expect = broken
    assert handled(records(created())) == ["m1"]
    told = capsys.readouterr().out
    assert "RuntimeError" in told
    assert "canary-secret" not in told


def test_the_log_names_the_message_and_the_cause_and_nothing_of_the_event(stand, capsys):
    handled(records(json.dumps({"source": "aws.s3", "canary": "canary-5d3e"})))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    refused = next(line for line in lines if line.get("message") == "event refused")
    assert (refused["message_id"], refused["code"], refused["request"]) == ("m1", "malformed_event", "request-1")
    assert "canary-5d3e" not in json.dumps(lines)


def test_metrics_tell_what_was_planned_and_refused(stand, capsys):
    stand.world.rule("backup")
    handled(records(created(), "poison"))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert {name for line in told for name in line if name in ("Planned", "Refused")} == {"Planned", "Refused"}
    assert next(line for line in told if "Refused" in line)["cause"] == "malformed_event"


def test_the_ledger_away_means_later(stand):
    stand.world.rule("backup")

    def away(jobs, at):
        raise StateUnavailable

    stand.world.ledger.expect = away
    assert handled(records(created())) == ["m1"]
    assert stand.sqs.bodies("jobs") == []
