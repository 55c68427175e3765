"""How a webhook is told, how often, and what its owner can see of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.audit import Actor
from shared.domain.errors import NotFound, SealBroken, StateUnavailable
from shared.domain.notice import Delivery, Dispatch, Notice
from shared.usecases.deliver import ATTEMPTS, Delivering, deliver, wait
from shared.usecases.webhooks import (
    OVERLAP,
    Hooks,
    WebhookChanges,
    add_webhook,
    change_webhook,
    rotate_webhook,
    send_test,
)
from tests.unit.usecases.fakes import Room, Town, gated

ANNA = Actor("anna")
NOTICE = Notice("evt_acme_7", "integration.failed", "acme", datetime(2026, 11, 20, tzinfo=UTC), "int_1", "error")


class Receiver(Room):
    """The other side: answers with its status, remembers what it was told and with which keys."""

    def __init__(self, clock, *wiring):
        super().__init__(*wiring)
        self.clock, self.answer, self.told = clock, 204, []

    @gated
    def deliver(self, notice, webhook, secrets, attempt):
        self.told.append((notice, webhook.url, [secret.reveal() for secret in secrets]))
        well = self.answer is not None and 200 <= self.answer < 300
        status = "delivered" if well else "retrying"
        now = self.clock.now()
        return Delivery(webhook.id, webhook.tenant_id, notice, attempt, now, status, self.answer, None, 12)


@pytest.fixture
def town() -> Town:
    town = Town()
    town.receiver = Receiver(town.clock, town.script)
    town.hooks = Hooks(town.webhooks, town.vault, town.clock, town.randomness, lambda url: None)
    return town


@pytest.fixture
def world(town) -> Delivering:
    return Delivering(town.webhooks, town.vault, town.receiver, town.clock, town.metrics)


@pytest.fixture
def made(town):
    return add_webhook("acme", WebhookChanges(url="https://hooks.example"), ANNA, town.hooks)


@pytest.fixture
def dispatch(made) -> Dispatch:
    return Dispatch("acme", made.webhook.id, NOTICE)


def log(town, made) -> list[Delivery]:
    return town.webhooks.deliveries("acme", made.webhook.id)[0]


def test_a_delivery_is_signed_with_the_webhooks_key_and_logged(town, world, made, dispatch):
    done = deliver(dispatch, 1, world)
    assert town.receiver.told == [(NOTICE, "https://hooks.example", [made.secret.reveal()])]
    assert (done.status, done.answer, done.attempt, done.notice) == ("delivered", 204, 1, NOTICE)
    assert log(town, made) == [done]
    assert (town.metrics.total("WebhookDelivered"), town.metrics.total("WebhookFailed")) == (1, 0)


@pytest.mark.parametrize("answer", [None, 301, 400, 401, 404, 429, 500, 503])
def test_whatever_is_no_2xx_is_tried_again(town, world, made, dispatch, answer):
    town.receiver.answer = answer
    done = deliver(dispatch, 1, world)
    assert (done.status, done.answer) == ("retrying", answer)
    assert town.metrics.told == []
    town.receiver.answer = 200
    assert deliver(dispatch, 2, world).status == "delivered"
    assert [row.status for row in log(town, made)] == ["delivered", "retrying"]


def test_after_ten_attempts_it_is_given_up_and_an_alarm_can_ring(town, world, made, dispatch):
    town.receiver.answer = 500
    states = [deliver(dispatch, attempt, world).status for attempt in range(1, ATTEMPTS + 1)]
    assert states == ["retrying"] * 9 + ["failed"]
    assert town.metrics.total("WebhookFailed") == 1
    assert len(log(town, made)) == ATTEMPTS == 10


def test_the_last_attempt_may_still_succeed(town, world, dispatch):
    assert deliver(dispatch, ATTEMPTS, world).status == "delivered"
    assert town.metrics.total("WebhookFailed") == 0


def test_one_that_says_gone_is_not_asked_again(town, world, dispatch):
    town.receiver.answer = 410
    assert deliver(dispatch, 1, world).status == "failed"


def test_attempts_span_a_day_and_no_wait_is_longer_than_a_queue_can_hide_a_message():
    for fraction in (0.0, 0.999):
        waits = [wait(attempt, fraction) for attempt in range(1, ATTEMPTS)]
        assert waits == sorted(waits)
        assert max(waits) < 43_200 - 900
        assert 22 * 3600 < sum(waits) < 28 * 3600
    assert wait(1, 0) == 5
    assert wait(99, 0) == wait(ATTEMPTS - 1, 0)


@pytest.mark.parametrize("why", ["gone", "switched off", "kinds", "another tenant's"])
def test_a_webhook_that_no_longer_wants_it_is_not_told(town, world, made, dispatch, why):
    name = made.webhook.id
    match why:
        case "gone":
            town.webhooks.items.clear()
        case "switched off":
            change_webhook("acme", name, WebhookChanges(enabled=False), None, ANNA, town.hooks)
        case "kinds":
            change_webhook("acme", name, WebhookChanges(kinds=["integration.connected"]), None, ANNA, town.hooks)
        case _:
            dispatch = replace(dispatch, tenant_id="zeta")
    assert deliver(dispatch, 1, world) is None
    assert town.receiver.told == []
    assert town.metrics.told == []


def test_for_a_day_after_a_rotation_both_keys_sign_and_then_only_the_new_one(town, world, made, dispatch):
    again = rotate_webhook("acme", made.webhook.id, None, ANNA, town.hooks)
    both = [again.secret.reveal(), made.secret.reveal()]
    town.clock.sleep(OVERLAP.total_seconds() - 1)
    deliver(dispatch, 1, world)
    town.clock.sleep(1)
    deliver(dispatch, 2, world)
    assert [keys for _, _, keys in town.receiver.told] == [both, both[:1]]


def test_a_key_moved_here_from_another_webhook_signs_nothing(town, world, made, dispatch):
    other = add_webhook("zeta", WebhookChanges(url="https://evil.example"), ANNA, town.hooks)
    town.webhooks.elsewhere(replace(made.webhook, secret=other.webhook.secret))
    with pytest.raises(SealBroken):
        deliver(dispatch, 1, world)
    assert town.receiver.told == []


@pytest.mark.parametrize("call", ["webhooks.get", "vault.open", "webhooks.record"])
def test_what_could_not_be_done_comes_back_and_is_told_under_the_same_id(town, world, made, dispatch, call):
    town.down(call)
    with pytest.raises(StateUnavailable):
        deliver(dispatch, 1, world)
    assert deliver(dispatch, 2, world).status == "delivered"
    assert {notice.id for notice, _, _ in town.receiver.told} == {"evt_acme_7"}


# ---- the test notice -----------------------------------------------------------------------------------------------
def test_a_test_is_sent_now_even_to_one_that_is_switched_off(town, world, made):
    change_webhook("acme", made.webhook.id, WebhookChanges(enabled=False), None, ANNA, town.hooks)
    done = send_test("acme", made.webhook.id, ANNA, world, town.audit)
    assert (done.status, done.notice.kind, done.notice.tenant_id) == ("delivered", "webhook.test", "acme")
    assert done.notice.integration_id is None
    assert log(town, made) == [done]
    asked = town.audit.events("acme")[-1]
    assert (asked.action, asked.actor, asked.outcome) == ("webhook.tested", ANNA, "success")


def test_each_test_has_an_id_of_its_own_and_is_not_tried_again(town, world, made):
    town.receiver.answer = 500
    one = send_test("acme", made.webhook.id, ANNA, world, town.audit)
    town.clock.sleep(1)
    two = send_test("acme", made.webhook.id, ANNA, world, town.audit)
    assert one.notice.id != two.notice.id
    assert (one.status, two.status) == ("failed", "failed")
    asked = town.audit.events("acme")[-1]
    assert (asked.action, asked.actor, asked.outcome) == ("webhook.tested", ANNA, "failed")


def test_another_tenants_webhook_cannot_be_tested(town, world, made):
    with pytest.raises(NotFound):
        send_test("zeta", made.webhook.id, ANNA, world, town.audit)
    assert town.receiver.told == []
