"""A tenant's webhooks: where it wants to be told, and the key that proves that it was us.

A key is shown once, by whatever made it. Nothing here can open one: adding and rotating only seal.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol, get_args

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import Conflict, InvalidInput
from shared.domain.ids import TenantId, WebhookId
from shared.domain.notice import Delivery, Notice, NoticeKind, Webhook, webhook_context
from shared.domain.secret import Secret
from shared.ports.connections import Audit, Webhooks
from shared.ports.world import Clock, Randomness, Vault
from shared.usecases.deliver import Delivering, attempted
from shared.usecases.rounds import found, rounds
from shared.usecases.shown import difference

MOST = 10
"""Webhooks a tenant may have."""

OVERLAP = timedelta(hours=24)
"""How long the key before a rotation still signs, beside the new one."""

KINDS: tuple[NoticeKind, ...] = tuple(kind for kind in get_args(NoticeKind.__value__) if kind != "webhook.test")
"""What a webhook may ask for. A test is sent to it whatever it asks for."""

_KEY_BYTES = 32  # Standard Webhooks, "Signature scheme": 24 to 64 bytes


@dataclass(frozen=True, slots=True)
class Hooks:
    """What keeping webhooks asks of the world.

    Attributes:
        check_url: raises InvalidInput unless a URL is https and leads to no private network.
    """

    webhooks: Webhooks
    vault: Vault
    clock: Clock
    randomness: Randomness
    check_url: Callable[[str], None]


class Removing(Protocol):
    """What of it removing needs."""

    @property
    def webhooks(self) -> Webhooks: ...

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """What is to be different; None stays as it is. No ``kinds`` means all."""

    url: str | None = None
    kinds: Sequence[NoticeKind] | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A webhook and its new key, which is shown this once."""

    webhook: Webhook
    secret: Secret[str]


def add_webhook(tenant_id: TenantId, changes: WebhookChanges, actor: Actor, world: Hooks) -> Made:
    """Adds a webhook with a key of its own.

    Raises:
        InvalidInput: its URL or kinds.
        Conflict: the tenant has ``MOST`` already. Two added at the same moment may make it one more.
        StateUnavailable, Misconfigured
    """
    if changes.url is None:
        raise InvalidInput("a webhook needs a url")
    _check(changes, world)
    if len(world.webhooks.of(tenant_id)) >= MOST:
        raise Conflict(f"a tenant has at most {MOST} webhooks")
    now, name = world.clock.now(), WebhookId(f"whk_{world.randomness.token(12)}")
    key = _key(world.randomness)
    webhook = Webhook(
        id=name,
        tenant_id=tenant_id,
        url=changes.url,
        kinds=tuple(changes.kinds or ()),
        secret=world.vault.seal(key, webhook_context(tenant_id, name, 1)),
        created_by=actor.subject,
        created_at=now,
        updated_at=now,
        enabled=changes.enabled is not False,
    )
    world.webhooks.add(webhook, _event(webhook, "webhook.added", actor, world, after=_shown(webhook)))
    return Made(webhook, key)


def change_webhook(
    tenant_id: TenantId,
    webhook_id: WebhookId,
    changes: WebhookChanges,
    expected: int | None,
    actor: Actor,
    world: Hooks,
) -> Webhook:
    """Changes what a person may change of it.

    Args:
        expected: the version the caller saw; None: any.

    Raises:
        NotFound, InvalidInput, StateUnavailable
        VersionMismatch: it has another version.
    """
    _check(changes, world)

    def change(old: Webhook) -> tuple[Webhook, AuditEvent]:
        changed = _changed(old, changes, world)
        return changed, _event(old, "webhook.changed", actor, world, **difference(_shown(old), _shown(changed)))

    return _written(tenant_id, webhook_id, expected, change, world)


def rotate_webhook(
    tenant_id: TenantId, webhook_id: WebhookId, expected: int | None, actor: Actor, world: Hooks
) -> Made:
    """Gives it a new key. For ``OVERLAP`` the one before signs too, so that no receiver has to change at the same moment; a
    second rotation within that time ends an even older one at once.

    Raises:
        NotFound, VersionMismatch, StateUnavailable, Misconfigured
    """
    key = _key(world.randomness)

    def change(old: Webhook) -> tuple[Webhook, AuditEvent]:
        now, sequence = world.clock.now(), old.secret.sequence + 1
        sealed = world.vault.seal(key, webhook_context(tenant_id, webhook_id, sequence))
        rotated = replace(old, secret=sealed, former=old.secret, former_until=now + OVERLAP)
        after = {"secret": "(set)", "formerUntil": (now + OVERLAP).isoformat()}
        return _next(rotated, world), _event(old, "webhook.rotated", actor, world, after=after)

    return Made(_written(tenant_id, webhook_id, expected, change, world), key)


def remove_webhook(
    tenant_id: TenantId, webhook_id: WebhookId, expected: int | None, actor: Actor, world: Removing
) -> None:
    """Removes it, keys and all. What is still queued for it is dropped when its turn comes.

    Raises:
        NotFound, VersionMismatch, StateUnavailable
    """

    def attempt() -> None:
        webhook = found(world.webhooks.get(tenant_id, webhook_id), "webhook", expected)
        world.webhooks.remove(webhook, _event(webhook, "webhook.removed", actor, world, before=_shown(webhook)))

    rounds(expected, attempt)


def send_test(tenant_id: TenantId, webhook_id: WebhookId, actor: Actor, world: Delivering, audit: Audit) -> Delivery:
    """Sends a notice of kind ``webhook.test`` now, once, whether or not the webhook is enabled; tells how it went, and puts on
    record who asked.

    Raises:
        NotFound, SealBroken, StateUnavailable, Misconfigured
    """
    webhook = found(world.webhooks.get(tenant_id, webhook_id), "webhook")
    now = world.clock.now()
    notice = Notice(f"evt_{tenant_id}_test_{now:%Y%m%dT%H%M%S%f}", "webhook.test", tenant_id, now)
    made = attempted(notice, webhook, 1, world, last=True)
    after = {"answer": made.answer}
    outcome = "success" if made.status == "delivered" else made.error or made.status
    audit.append(_event(webhook, "webhook.tested", actor, world, outcome=outcome, after=after))
    return made


type _Change = Callable[[Webhook], tuple[Webhook, AuditEvent]]


def _written(
    tenant_id: TenantId, webhook_id: WebhookId, expected: int | None, change: _Change, world: Hooks
) -> Webhook:
    def attempt() -> Webhook:
        changed, event = change(found(world.webhooks.get(tenant_id, webhook_id), "webhook", expected))
        world.webhooks.change(changed, event)
        return changed

    return rounds(expected, attempt)


def _changed(old: Webhook, changes: WebhookChanges, world: Hooks) -> Webhook:
    return _next(
        replace(
            old,
            url=old.url if changes.url is None else changes.url,
            kinds=old.kinds if changes.kinds is None else tuple(changes.kinds),
            enabled=old.enabled if changes.enabled is None else changes.enabled,
        ),
        world,
    )


def _next(webhook: Webhook, world: Hooks) -> Webhook:
    """As it will be written; without a key whose time is over."""
    now = world.clock.now()
    over = webhook.former_until is not None and webhook.former_until <= now
    kept = replace(webhook, former=None, former_until=None) if over else webhook
    return replace(kept, version=webhook.version + 1, updated_at=now)


def _check(changes: WebhookChanges, world: Hooks) -> None:
    kinds = changes.kinds or ()
    if not set(kinds) <= set(KINDS) or len(set(kinds)) != len(kinds):
        raise InvalidInput("kinds are some of " + ", ".join(KINDS) + ", each once")
    if changes.url is not None:
        world.check_url(changes.url)


def _key(randomness: Randomness) -> Secret[str]:
    """A key as Standard Webhooks writes it."""
    raw = base64.urlsafe_b64decode(randomness.token(_KEY_BYTES) + "==")
    return Secret("whsec_" + base64.b64encode(raw).decode())


def _shown(webhook: Webhook) -> dict[str, Any]:
    return {"url": webhook.url, "kinds": list(webhook.kinds), "enabled": webhook.enabled}


def _event(webhook: Webhook, action: str, actor: Actor, world: Removing, **parts: Any) -> AuditEvent:
    return AuditEvent(webhook.tenant_id, world.clock.now(), actor, action, f"webhook/{webhook.id}", **parts)
