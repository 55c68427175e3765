"""Messages that failed: they wait, are buried with their cause, or go round again; none is lost on the way."""

import pytest
from botocore.exceptions import EndpointConnectionError

from shared.domain.errors import FarshoreError, StateUnavailable, StoreUnavailable
from shared.runtime.letters import Letters
from tests.unit.runtime.fake_sqs import FakeSqs, refusal


@pytest.fixture
def sqs() -> FakeSqs:
    return FakeSqs()


@pytest.fixture
def letters(sqs: FakeSqs) -> Letters:
    return Letters(lambda: sqs, "live", "dead")


def test_a_postponed_message_is_hidden_that_long(letters, sqs):
    sqs.send_message(QueueUrl="live", MessageBody="b")
    letters.postpone("r1", 33)
    assert sqs.queues["live"][0].hidden_until == 33


def test_many_are_hidden_ten_to_a_call(letters, sqs):
    for n in range(12):
        sqs.send_message(QueueUrl="live", MessageBody=str(n))
    sqs.calls.clear()
    letters.hide([f"r{n}" for n in range(1, 13)], 60)
    assert sqs.calls == ["change_message_visibility_batch"] * 2
    assert {stored.hidden_until for stored in sqs.queues["live"]} == {60}


def test_a_burial_keeps_body_group_and_cause(letters, sqs):
    letters.bury("body", StoreUnavailable("x" * 2000), group="acme", attempts=4)
    (dead,) = sqs.queues["dead"]
    told = {name: value["StringValue"] for name, value in dead.attributes.items()}
    assert (dead.body, dead.group) == ("body", "acme")
    assert told == {"cause": "store_unavailable", "reason": "x" * 512, "attempts": "4"}


def test_a_cause_without_words_still_has_a_reason(letters, sqs):
    letters.bury("body", FarshoreError(""))
    assert sqs.queues["dead"][0].attributes["reason"]["StringValue"]
    assert sqs.queues["dead"][0].group is None


def test_the_dead_go_round_again_in_their_groups_without_their_causes(letters, sqs):
    for n in range(23):
        letters.bury(f"b{n}", StoreUnavailable())
    assert letters.redrive(lambda body: f"of-{body}") == 23
    assert sqs.bodies("dead") == []
    assert sorted(sqs.bodies("live")) == sorted(f"b{n}" for n in range(23))
    assert all(stored.group == f"of-{stored.body}" and not stored.attributes for stored in sqs.queues["live"])


def test_a_limit_is_kept(letters, sqs):
    for n in range(5):
        letters.bury(str(n), StoreUnavailable())
    assert letters.redrive(lambda body: None, limit=2) == 2
    assert len(sqs.bodies("live")) == 2
    assert len(sqs.bodies("dead")) == 3


def test_what_is_buried_again_meanwhile_does_not_go_round_for_ever(letters, sqs):
    letters.bury("a", StoreUnavailable())
    letters.bury("b", StoreUnavailable())
    real = sqs.delete_message

    def delete(**request):
        real(**request)
        letters.bury(sqs.queues["live"][-1].body, StoreUnavailable())  # a worker is quick to fail it again

    sqs.delete_message = delete
    assert letters.redrive(lambda body: None) == 2
    assert sqs.bodies("dead") == ["a", "b"]


def test_a_message_is_never_deleted_before_it_is_queued(letters, sqs):
    letters.bury("b", StoreUnavailable())
    sqs.fail = []
    real, sqs.send_message = sqs.send_message, lambda **_: (_ for _ in ()).throw(refusal("ServiceUnavailable"))
    with pytest.raises(StateUnavailable):
        letters.redrive(lambda body: None)
    assert sqs.bodies("dead") == ["b"]
    sqs.send_message, sqs.now = real, 1000
    assert letters.redrive(lambda body: None) == 1


@pytest.mark.parametrize("trouble", [refusal("InternalError"), EndpointConnectionError(endpoint_url="http://canary")])
def test_a_silent_queue_is_an_error_that_may_pass(letters, sqs, trouble):
    sqs.fail = [trouble]
    with pytest.raises(StateUnavailable) as refused:
        letters.postpone("r", 1)
    assert "canary" not in str(refused.value)
