"""The deliveries' host: a webhook that does not answer is told again for about a day, and holds back no other."""

from types import SimpleNamespace

import pytest

from functions.aws import deliver
from shared.domain.audit import Actor
from shared.domain.errors import SealBroken, StateUnavailable
from shared.domain.notice import Delivery, Dispatch
from shared.runtime.errands import decode_dispatch, encode_dispatch
from shared.usecases.deliver import ATTEMPTS, Delivering, wait
from shared.usecases.webhooks import Hooks, WebhookChanges, add_webhook
from tests.unit.functions.stand import Context, Stand, records, sample
from tests.unit.runtime.fake_sqs import refusal
from tests.unit.usecases.fakes import Town


class Receiver:
    """The other side; answers by what it was told to."""

    def __init__(self, clock) -> None:
        self.clock, self.answer, self.attempts = clock, 204, []

    def deliver(self, notice, webhook, secrets, attempt):
        self.attempts.append(attempt)
        if isinstance(self.answer, Exception):
            raise self.answer
        status = "delivered" if self.answer == 204 else "retrying"
        return Delivery(webhook.id, webhook.tenant_id, notice, attempt, self.clock.now(), status, self.answer)


@pytest.fixture
def town(stand: Stand) -> SimpleNamespace:
    town = Town()
    receiver = Receiver(town.clock)
    hooks = Hooks(town.webhooks, town.vault, town.clock, town.randomness, lambda url: None)
    made = add_webhook("acme", WebhookChanges(url="https://hooks.example"), Actor("anna"), hooks)
    stand.host.__dict__["delivering"] = Delivering(town.webhooks, town.vault, receiver, town.clock, stand.host.metrics)
    notice = decode_dispatch(sample("sqs-deliveries.json")["Records"][0]["body"]).notice
    body = encode_dispatch(Dispatch("acme", made.webhook.id, notice))
    stand.sqs._store("deliveries", body, "acme", {})  # r1
    return SimpleNamespace(town=town, receiver=receiver, webhook=made.webhook, body=body)


def handled(event) -> list[str]:
    return [failure["itemIdentifier"] for failure in deliver.handler(event, Context())["batchItemFailures"]]


def log_of(town) -> list[str]:
    return [each.status for each in town.town.webhooks.deliveries("acme", town.webhook.id)[0]]


def test_what_is_delivered_is_acknowledged(stand, town):
    assert handled(records(town.body)) == []
    assert town.receiver.attempts == [1]
    assert log_of(town) == ["delivered"]


@pytest.mark.parametrize("receives", [1, 2, 5, ATTEMPTS - 1])
def test_a_receiver_that_refuses_is_told_again_after_a_growing_while(stand, town, receives):
    town.receiver.answer = 500
    assert handled(records(town.body, receives=receives)) == ["m1"]
    assert stand.sqs.queues["deliveries"][0].hidden_until == wait(receives, 0.0)
    assert town.receiver.attempts == [receives]


def test_after_its_last_attempt_it_is_given_up_and_the_log_says_so(stand, town):
    town.receiver.answer = 500
    assert handled(records(town.body, receives=ATTEMPTS)) == []
    assert log_of(town) == ["failed"]
    assert "dead-deliveries" not in stand.sqs.queues


def test_a_webhook_that_is_gone_is_over(stand, town):
    assert handled(sample("sqs-deliveries.json")) == []
    assert town.receiver.attempts == []
    assert stand.buried("dead-deliveries") == ["malformed_event"]


def test_our_own_trouble_comes_back_and_is_buried_in_the_end(stand, town):
    town.receiver.answer = StateUnavailable()
    assert handled(records(town.body, receives=2)) == ["m1"]
    assert handled(records(town.body, receives=ATTEMPTS)) == []
    assert stand.buried("dead-deliveries") == ["state_unavailable"]


def test_a_key_that_cannot_be_opened_is_an_operators_affair(stand, town):
    town.receiver.answer = SealBroken()
    assert handled(records(town.body)) == []
    assert stand.buried("dead-deliveries") == ["seal_broken"]


def test_a_delay_that_cannot_be_set_is_no_reason_to_acknowledge(stand, town):
    town.receiver.answer = 500
    stand.sqs.fail = [refusal("ServiceUnavailable")]
    assert handled(records(town.body)) == ["m1"]


def test_webhooks_do_not_wait_for_each_other():
    one, other = (sample("sqs-deliveries.json")["Records"][0]["body"].replace("whk_5c1d", name) for name in ("a", "b"))
    assert deliver._webhook(one) != deliver._webhook(other)
    assert deliver._webhook(one) == deliver._webhook(one)
    assert deliver._webhook("poison") is None
