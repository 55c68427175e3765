"""The refresh's host: the timer queues what is due, each message refreshes one, and nothing is lost on the way."""

import json
from types import SimpleNamespace

import pytest

from functions.aws import refresh
from shared.domain.errors import DeadlineExceeded, Misconfigured, NotFound, NotSupported, StateUnavailable
from shared.runtime.errands import SqsRefreshQueue, decode_due, encode_due
from shared.usecases.refresh_due import Timing
from tests.unit.functions.stand import Context, Stand, records, sample
from tests.unit.runtime.fake_sqs import refusal

BODY = encode_due("acme", "int_7f3a")


@pytest.fixture
def asked(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Who was refreshed, and what a refresh of whom shall raise."""
    told = SimpleNamespace(who=[], errors={})
    stand.host.__dict__["refreshing"] = object()

    def refresh_one(tenant, integration, world, deadline, *, wait):
        assert not wait
        assert world is stand.host.refreshing
        assert deadline.remaining() > 100
        told.who.append((tenant, integration))
        if integration in told.errors:
            raise told.errors[integration]

    monkeypatch.setattr(refresh, "refresh_one", refresh_one)
    return told


def handled(event) -> list[str]:
    return [failure["itemIdentifier"] for failure in refresh.handler(event, Context())["batchItemFailures"]]


def timing(stand: Stand, due) -> None:
    found = SimpleNamespace(due=due)
    queue = SqsRefreshQueue(lambda: stand.sqs, "refreshes")
    host = stand.host
    host.__dict__["timing"] = Timing(found, queue, host.clock, host.randomness, host.metrics)


def test_the_timer_queues_what_is_due(stand):
    timing(stand, lambda now, limit: [("acme", "int_1"), ("zeta", "int_2")])
    assert refresh.handler(sample("refresh-schedule.json"), Context()) is None
    assert [decode_due(body) for body in stand.sqs.bodies("refreshes")] == [("acme", "int_1"), ("zeta", "int_2")]
    assert [stored.group for stored in stand.sqs.queues["refreshes"]] == ["acme", "zeta"]


def test_a_timers_run_that_fails_is_seen_and_says_nothing_of_a_librarys(stand, capsys):
    def broken(now, limit):
        raise RuntimeError("canary-secret")

    timing(stand, broken)
    with pytest.raises(refresh.RefreshStopped) as stopped:
        refresh.handler(sample("refresh-schedule.json"), Context())
    told = capsys.readouterr().out
    assert "RuntimeError" in told
    assert "canary-secret" not in told + str(stopped.value)
    assert stopped.value.__cause__ is None
    assert stopped.value.__suppress_context__


def test_the_sample_batch_refreshes_the_one_and_buries_what_is_none(stand, asked):
    assert handled(sample("sqs-refreshes.json")) == []
    assert asked.who == [("acme", "int_7f3a")]
    assert stand.buried("dead-refreshes") == ["malformed_event"]


@pytest.mark.parametrize("over", [NotFound(), NotSupported("refresh", "s3")])
def test_what_needs_no_refresh_any_more_is_acknowledged(stand, asked, over):
    asked.errors["int_7f3a"] = over
    assert handled(records(BODY)) == []
    assert "dead-refreshes" not in stand.sqs.queues


@pytest.mark.parametrize("passing", [StateUnavailable(), DeadlineExceeded(), RuntimeError("canary")])
def test_what_could_not_be_recorded_comes_back_after_a_growing_while(stand, asked, passing, capsys):
    asked.errors["int_7f3a"] = passing
    stand.sqs._store("refreshes", BODY, "acme", {})  # r1
    assert handled(records(BODY, receives=2)) == ["m1"]
    assert stand.sqs.queues["refreshes"][0].hidden_until == 10
    assert "canary" not in capsys.readouterr().out


@pytest.mark.parametrize(("error", "receives"), [(Misconfigured("set it"), 1), (StateUnavailable(), 5)])
def test_what_nobody_can_do_or_was_tried_enough_is_buried_with_its_cause(stand, asked, error, receives):
    asked.errors["int_7f3a"] = error
    assert handled(records(BODY, receives=receives, group="acme")) == []
    assert stand.buried("dead-refreshes") == [error.code]
    assert stand.sqs.bodies("dead-refreshes") == [BODY]
    assert stand.sqs.queues["dead-refreshes"][0].group == "acme"


def test_each_message_of_a_batch_ends_by_itself(stand, asked):
    bodies = [encode_due("acme", f"int_{n}") for n in range(9)]
    asked.errors["int_4"] = StateUnavailable()
    assert handled(records(*bodies, "poison")) == ["m5"]
    assert len(asked.who) == 9
    assert stand.buried("dead-refreshes") == ["malformed_event"]


def test_a_message_whose_burial_fails_comes_back(stand, asked):
    stand.sqs.fail = [refusal("ServiceUnavailable")]
    assert handled(records("poison")) == ["m1"]


def test_the_log_names_the_message_and_the_cause(stand, asked, capsys):
    asked.errors["int_7f3a"] = StateUnavailable()
    handled(records(BODY))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = next(line for line in lines if line.get("message") == "refresh failed")
    assert (failed["message_id"], failed["code"], failed["final"]) == ("m1", "state_unavailable", False)
