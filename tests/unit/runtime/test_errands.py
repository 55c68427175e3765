"""The messages of connections: what is read is what was written, and nothing else is read at all."""

import json
from datetime import UTC, datetime

import pytest

from shared.domain.errors import MalformedEvent, StateUnavailable
from shared.domain.notice import Dispatch, Notice
from shared.runtime.errands import (
    SqsDeliveryQueue,
    SqsRefreshQueue,
    decode_dispatch,
    decode_due,
    encode_dispatch,
    encode_due,
)
from tests.unit.runtime.fake_sqs import FakeSqs, refusal

NOTICE = Notice("evt_acme_3", "integration.failed", "acme", datetime(2026, 11, 20, tzinfo=UTC), "int_1", "revoked")
DISPATCH = Dispatch("acme", "whk_1", NOTICE)


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


def test_what_is_due_comes_back_as_it_was():
    assert decode_due(encode_due("acme", "int_1")) == ("acme", "int_1")


def test_a_delivery_comes_back_as_it_was():
    assert decode_dispatch(encode_dispatch(DISPATCH)) == DISPATCH


def changed(text: str, **changes: object) -> str:
    return json.dumps({**json.loads(text), **changes})


BAD_IDS = (None, 1, "", "a/b", "x" * 65)
NO_MESSAGE = ["", "null", "[]", "{}", "canary", "[" * 10_000]


@pytest.mark.parametrize(
    "text",
    [
        *NO_MESSAGE,
        *(changed(encode_due("acme", "int_1"), tenant=value) for value in BAD_IDS),
        *(changed(encode_due("acme", "int_1"), integration=value) for value in BAD_IDS),
        changed(encode_due("acme", "int_1"), v=2),
    ],
)
def test_what_is_no_due_connection_is_refused_and_not_repeated(text):
    with pytest.raises(MalformedEvent) as refused:
        decode_due(text)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        *NO_MESSAGE,
        encode_due("acme", "int_1"),
        changed(encode_dispatch(DISPATCH), tenant="zeta"),
        changed(encode_dispatch(DISPATCH), webhook=None),
        changed(encode_dispatch(DISPATCH), notice="canary"),
        changed(encode_dispatch(DISPATCH), notice={}),
        changed(encode_dispatch(DISPATCH), v=0),
    ],
)
def test_what_is_no_delivery_or_is_another_tenants_notice_is_refused(text):
    with pytest.raises(MalformedEvent) as refused:
        decode_dispatch(text)
    assert "canary" not in str(refused.value)


def test_due_connections_are_queued_fairly_and_each_at_its_moment(sqs):
    given = []
    sqs.send_message_batch = lambda *, QueueUrl, Entries: given.extend(Entries) or {}  # noqa: N803 # boto3's names
    SqsRefreshQueue(lambda: sqs, "due").send([("acme", f"int_{n}", n * 100) for n in range(12)])
    assert [entry["DelaySeconds"] for entry in given] == [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 900, 900]
    assert {entry["MessageGroupId"] for entry in given} == {"acme"}
    assert decode_due(given[11]["MessageBody"]) == ("acme", "int_11")


def test_deliveries_are_queued_fairly(sqs):
    SqsDeliveryQueue(lambda: sqs, "deliveries").send([DISPATCH] * 11)
    assert [stored.group for stored in sqs.queues["deliveries"]] == ["acme"] * 11
    assert sqs.calls == ["send_message_batch"] * 2


@pytest.mark.parametrize("queue", [SqsRefreshQueue, SqsDeliveryQueue])
def test_a_queue_that_does_not_take_all_says_so(sqs, queue):
    one = DISPATCH if queue is SqsDeliveryQueue else ("acme", "int_1", 0)
    body = encode_dispatch(DISPATCH) if queue is SqsDeliveryQueue else encode_due("acme", "int_1")
    sqs.leave_out = [body]
    queue(lambda: sqs, "q").send([one])
    assert sqs.bodies("q") == [body]
    sqs.leave_out = [body, body]
    with pytest.raises(StateUnavailable):
        queue(lambda: sqs, "q").send([one])
    sqs.fail = [refusal("ServiceUnavailable")]
    with pytest.raises(StateUnavailable):
        queue(lambda: sqs, "q").send([one])
