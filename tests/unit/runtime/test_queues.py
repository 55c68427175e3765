"""Jobs on the queue: said exactly, fair by tenant, and all of them or an error."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import MalformedEvent, Misconfigured, StateUnavailable
from shared.domain.event import Job
from shared.domain.sequencer import Sequencer, sequencer
from shared.runtime.queues import SqsJobQueue, decode, encode
from tests.unit.runtime.fake_sqs import FakeSqs, refusal

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


def job(n: int = 0, **of) -> Job:
    return Job(**{"tenant_id": "acme", "rule_id": "r", "target": "t", "key": f"k{n}", "since": AT} | of)


@given(
    st.text(min_size=1, max_size=200).filter(lambda key: all(not 0xD800 <= ord(char) < 0xE000 for char in key)),
    st.sampled_from(["", "0055AED6DCD90281E5", "617f08299329d189"]),
)
def test_a_job_survives_the_queue(key, order):
    told = encode(job(key=key, sequencer=sequencer(order)))
    assert told.isascii()
    assert decode(told) == job(key=key, sequencer=sequencer(order))


def test_the_message_is_the_agreed_one():
    told = json.loads(encode(job(sequencer=sequencer("0A"))))
    assert told.pop("sequencer") == "0a".ljust(64, "0")
    assert told == {"v": 1, "tenant": "acme", "rule": "r", "target": "t", "key": "k0", "since": AT.isoformat()}


def without(name: str) -> str:
    told = json.loads(encode(job()))
    del told[name]
    return json.dumps(told)


def changed(**fields) -> str:
    return json.dumps(json.loads(encode(job())) | fields)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", "[" * 100_000, '"v"']
    + [without(name) for name in ("v", "tenant", "rule", "target", "key", "since", "sequencer")]
    + [changed(v=2), changed(tenant="a/b"), changed(tenant=7), changed(rule=""), changed(target="canary canary")]
    + [changed(key=""), changed(key="k" * 1025), changed(key=["canary"]), changed(since="2026-11-20T12:00:00")]
    + [changed(since=7), changed(key="\ud800")],
)
def test_what_is_no_job_is_refused_and_not_repeated(text):
    with pytest.raises(MalformedEvent) as refused:
        decode(text)
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_strange_sequencer_is_as_good_as_none():
    assert decode(changed(sequencer="zz")).sequencer == Sequencer()


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def queue(sqs: FakeSqs) -> SqsJobQueue:
    return SqsJobQueue(lambda: sqs, "jobs")


def test_ten_jobs_go_in_one_call_each_in_its_tenants_group(queue, sqs):
    queue.send([job(n, tenant_id=f"t{n % 3}") for n in range(25)])
    assert sqs.calls == ["send_message_batch"] * 3
    assert [decode(body).key for body in sqs.bodies("jobs")] == [f"k{n}" for n in range(25)]
    assert [stored.group for stored in sqs.queues["jobs"]] == [f"t{n % 3}" for n in range(25)]


def test_no_jobs_cost_no_call(queue, sqs):
    queue.send([])
    assert sqs.calls == []


def test_what_a_batch_left_out_is_sent_once_more(queue, sqs):
    sqs.leave_out = [encode(job(1))]
    queue.send([job(0), job(1), job(2)])
    assert sorted(decode(body).key for body in sqs.bodies("jobs")) == ["k0", "k1", "k2"]


def test_what_is_left_out_twice_is_an_error(queue, sqs):
    sqs.leave_out = [encode(job(1))] * 2
    with pytest.raises(StateUnavailable):
        queue.send([job(0), job(1)])


def test_a_queue_that_does_not_answer_is_an_error_that_may_pass(queue, sqs):
    sqs.fail = [refusal("ServiceUnavailable")]
    with pytest.raises(StateUnavailable) as refused:
        queue.send([job()])
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("code", ["AccessDenied", "OutboundWebIdentityFederationDisabledException"])
def test_what_is_not_allowed_or_switched_on_is_the_operators_to_mend(queue, sqs, code):
    sqs.fail = [refusal(code)]
    with pytest.raises(Misconfigured, match=code):
        queue.send([job()])


def test_no_client_is_made_before_it_is_needed():
    SqsJobQueue(lambda: pytest.fail("made"), "jobs").send([])
