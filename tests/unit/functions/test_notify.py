"""The notifier's host: what the stream says happened is told in order, or the stream gives it out again."""

import copy
from types import SimpleNamespace

import pytest

from functions.aws import notify
from shared.domain.errors import StateUnavailable
from shared.runtime.bus import EventBridgeBus
from shared.runtime.errands import SqsDeliveryQueue, decode_dispatch
from shared.usecases.notices import Announcing
from tests.unit.functions.stand import Context, Stand, sample
from tests.unit.runtime.fake_sqs import refusal
from tests.unit.runtime.test_bus import Events

HOOK = SimpleNamespace(id="whk_5c1d", wants=lambda kind: kind == "integration.failed")


@pytest.fixture
def events(stand: Stand) -> Events:
    made = Events()
    webhooks = SimpleNamespace(of=lambda tenant: [HOOK] if tenant == "acme" else [])
    deliveries = SqsDeliveryQueue(lambda: stand.sqs, "deliveries")
    stand.host.__dict__["announcing"] = Announcing(EventBridgeBus(lambda: made, "bus"), webhooks, deliveries)
    return made


def again(event) -> list[str]:
    return [failure["itemIdentifier"] for failure in notify.handler(event, Context())["batchItemFailures"]]


def kinds(events: Events) -> list[str]:
    return [entry["DetailType"] for entry in events.taken]


def test_the_sample_batch_is_told_to_the_bus_and_to_the_webhook_that_wants_it(stand, events):
    assert again(sample("audit-stream.json")) == []
    assert kinds(events) == ["integration.connected", "integration.failed"]
    (sent,) = [decode_dispatch(body) for body in stand.sqs.bodies("deliveries")]
    assert (sent.webhook_id, sent.notice.kind, sent.notice.id) == ("whk_5c1d", "integration.failed", "evt_acme_3")
    assert sent.notice.reason == "grant_revoked"


def test_the_bus_carries_what_the_sample_event_shows(stand, events):
    notify.handler(sample("audit-stream.json"), Context())
    shown, told = sample("eventbridge-notice.json"), events.taken[-1]
    assert (told["Source"], told["DetailType"]) == (shown["source"], shown["detail-type"])
    assert decode_dispatch(stand.sqs.bodies("deliveries")[0]).notice.id == shown["detail"]["id"]


def test_the_heads_of_trails_are_passed_over(stand, events):
    event = sample("audit-stream.json")
    for record in event["Records"]:
        record["dynamodb"]["NewImage"]["id"] = {"S": "head"}
    assert again(event) == []
    assert events.calls == 0


def test_a_bus_that_is_away_makes_the_stream_give_all_of_it_again(stand, events, capsys):
    events.error = "InternalException"
    with pytest.raises(notify.NoticesStopped) as stopped:
        notify.handler(sample("audit-stream.json"), Context())
    assert stopped.value.__cause__ is None
    assert stopped.value.__suppress_context__
    assert "canary" not in capsys.readouterr().out
    events.error = None
    assert again(sample("audit-stream.json")) == []
    assert kinds(events) == ["integration.connected", "integration.failed"]


def test_a_queue_that_is_away_makes_the_stream_give_all_of_it_again(stand, events):
    stand.sqs.fail = [refusal("ServiceUnavailable")]
    with pytest.raises(notify.NoticesStopped):
        notify.handler(sample("audit-stream.json"), Context())


def test_an_entry_of_a_newer_release_waits_for_it_and_those_before_it_are_told(stand, events):
    event = sample("audit-stream.json")
    event["Records"][1]["dynamodb"]["NewImage"]["v"] = {"N": "99"}
    assert again(event) == [event["Records"][1]["dynamodb"]["SequenceNumber"]]
    assert kinds(events) == ["integration.connected"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda image: image.clear(),
        lambda image: image.update(action={"S": "integration.disconnected"}),
        lambda image: image.pop("at"),
        lambda image: image.update(at={"S": "canary"}),
        lambda image: image.update(after={"S": "canary{"}),
        lambda image: image.update(id={"N": "1"}),
        lambda image: image.update(sequence={"S": "canary"}),
    ],
)
def test_a_row_that_is_no_entry_is_buried_and_stops_nobody(stand, events, spoil, capsys):
    event = copy.deepcopy(sample("audit-stream.json"))
    spoil(event["Records"][0]["dynamodb"]["NewImage"])
    assert again(event) == []
    assert kinds(events) == ["integration.failed"]
    assert stand.buried("dead-deliveries") == ["malformed_event"]
    assert "canary" not in capsys.readouterr().out + stand.sqs.bodies("dead-deliveries")[0]


def test_a_row_that_cannot_even_be_buried_is_given_again(stand, events):
    event = sample("audit-stream.json")
    event["Records"][0]["dynamodb"]["NewImage"].pop("at")
    stand.sqs.fail = [refusal("ServiceUnavailable")]
    assert again(event) == [event["Records"][0]["dynamodb"]["SequenceNumber"]]
    assert kinds(events) == []


def test_webhooks_that_cannot_be_read_stop_the_batch(stand, events):
    def away(tenant):
        raise StateUnavailable

    stand.host.announcing.webhooks.of = away
    with pytest.raises(notify.NoticesStopped):
        notify.handler(sample("audit-stream.json"), Context())
