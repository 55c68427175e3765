"""Tells one webhook of one notice, once an attempt, and keeps a log that its owner can read.

At least once: a crash between the answer and its record sends the notice again, under the same id.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.notice import Delivery, Dispatch, Notice, Webhook, webhook_context
from shared.domain.secret import Secret
from shared.ports.connections import Webhooks
from shared.ports.oauth import Courier
from shared.ports.world import Clock, Metrics, Vault

_WAITS = (5, 60, 300, 1_800, 3_600, 7_200, 14_400, 21_600, 36_000)
"""Seconds after each failed attempt: about a day in all, and none longer than a queue can hide a message (SQS: 12 hours)."""

ATTEMPTS = len(_WAITS) + 1
"""After that many the notice is given up; the log of deliveries and a metric show it."""

_GONE = 410  # "the endpoint does not want to be told again" (Standard Webhooks, "Operational considerations")


@dataclass(frozen=True, slots=True)
class Delivering:
    """What delivering asks of the world."""

    webhooks: Webhooks
    vault: Vault
    courier: Courier
    clock: Clock
    metrics: Metrics


def deliver(dispatch: Dispatch, attempt: int, world: Delivering) -> Delivery | None:
    """Makes one attempt.

    Args:
        attempt: counted from 1.

    Returns:
        How it went. ``retrying``: come back after ``wait(attempt, ...)``; else it is over. None if the webhook is gone,
        switched off or does not want this kind any more: it is over, too.

    Raises:
        StateUnavailable: it is not over; whether the webhook was told is not known.
        SealBroken, Misconfigured: its key cannot be opened.
    """
    webhook = world.webhooks.get(dispatch.tenant_id, dispatch.webhook_id)
    if webhook is None or not webhook.wants(dispatch.notice.kind):
        return None
    return attempted(dispatch.notice, webhook, attempt, world, last=attempt >= ATTEMPTS)


def attempted(notice: Notice, webhook: Webhook, attempt: int, world: Delivering, *, last: bool) -> Delivery:
    """One attempt, signed, sent and logged; what fails at the ``last`` one has failed for good."""
    made = world.courier.deliver(notice, webhook, _secrets(webhook, world), attempt)
    if made.status == "retrying" and (last or made.answer == _GONE):
        made = replace(made, status="failed")
    world.webhooks.record(made)
    if made.status != "retrying":
        world.metrics.count("WebhookDelivered" if made.status == "delivered" else "WebhookFailed")
    return made


def wait(attempt: int, fraction: float) -> int:
    """Seconds until the attempt after this one; up to a tenth more, by ``fraction`` in [0, 1), so that crowds disperse."""
    seconds = _WAITS[min(max(attempt, 1), len(_WAITS)) - 1]
    return round(seconds * (1 + fraction / 10))


def _secrets(webhook: Webhook, world: Delivering) -> Sequence[Secret[str]]:
    """The keys that sign now: the current one, and for a while the one before."""
    keys = [webhook.secret]
    if webhook.former is not None and _still(webhook.former_until, world.clock.now()):
        keys.append(webhook.former)
    place = webhook.tenant_id, webhook.id
    return [world.vault.open(key, webhook_context(*place, key.sequence)) for key in keys]


def _still(until: datetime | None, now: datetime) -> bool:
    return until is not None and now < until
