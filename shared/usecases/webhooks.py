"""A tenant's webhooks: where it wants to be told, and the key that proves that it was us.

A key is shown once, by whatever made it. Nothing here can open one: adding and rotating only seal.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, get_args

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import Conflict, InvalidInput, NotFound, VersionMismatch
from shared.domain.ids import TenantId, WebhookId
from shared.domain.notice import Delivery, Notice, NoticeKind, Webhook, webhook_context
from shared.domain.secret import Secret
from shared.ports.connections import Webhooks
from shared.ports.world import Clock, Randomness, Vault
from shared.usecases.deliver import Delivering, attempted

MOST = 10
"""Webhooks a tenant may have."""

OVERLAP = timedelta(hours=24)
"""How long the key before a rotation still signs, beside the new one."""

KINDS: tuple[NoticeKind, ...] = tuple(kind for kind in get_args(NoticeKind.__value__) if kind != "webhook.test")
"""What a webhook may ask for. A test is sent to it whatever it asks for."""

_KEY_BYTES = 32  # Standard Webhooks, "Signature scheme": 24 to 64 bytes
_ROUNDS = 4


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

    def change(found: Webhook) -> tuple[Webhook, AuditEvent]:
        changed = _changed(found, changes, world)
        before, after = _difference(found, changed)
        return changed, _event(found, "webhook.changed", actor, world, before=before, after=after)

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

    def change(found: Webhook) -> tuple[Webhook, AuditEvent]:
        now, sequence = world.clock.now(), found.secret.sequence + 1
        sealed = world.vault.seal(key, webhook_context(tenant_id, webhook_id, sequence))
        rotated = replace(found, secret=sealed, former=found.secret, former_until=now + OVERLAP)
        after = {"secret": "(set)", "formerUntil": (now + OVERLAP).isoformat()}
        return _next(rotated, world), _event(found, "webhook.rotated", actor, world, after=after)

    return Made(_written(tenant_id, webhook_id, expected, change, world), key)


def remove_webhook(
    tenant_id: TenantId, webhook_id: WebhookId, expected: int | None, actor: Actor, world: Hooks
) -> None:
    """Removes it, keys and all. What is still queued for it is dropped when its turn comes.

    Raises:
        NotFound, VersionMismatch, StateUnavailable
    """
    for rest in reversed(range(_ROUNDS)):
        found = _found(tenant_id, webhook_id, expected, world)
        event = _event(found, "webhook.removed", actor, world, before=_shown(found))
        try:
            return world.webhooks.remove(found, event)
        except VersionMismatch:
            if expected is not None or not rest:
                raise
    return None


def send_test(tenant_id: TenantId, webhook_id: WebhookId, actor: Actor, world: Delivering) -> Delivery:
    """Sends a notice of kind ``webhook.test`` now, once, whether or not the webhook is enabled; tells how it went.

    Raises:
        NotFound, SealBroken, StateUnavailable, Misconfigured
    """
    webhook = world.webhooks.get(tenant_id, webhook_id)
    if webhook is None:
        raise NotFound("there is no such webhook")
    now = world.clock.now()
    notice = Notice(f"evt_{tenant_id}_test_{now:%Y%m%dT%H%M%S%f}", "webhook.test", tenant_id, now)
    return attempted(notice, webhook, 1, world, last=True)


type _Change = Callable[[Webhook], tuple[Webhook, AuditEvent]]


def _written(
    tenant_id: TenantId, webhook_id: WebhookId, expected: int | None, change: _Change, world: Hooks
) -> Webhook:
    """Reads, changes and writes; again if somebody else wrote meanwhile and the caller did not insist on a version."""
    for rest in reversed(range(_ROUNDS)):
        changed, event = change(_found(tenant_id, webhook_id, expected, world))
        try:
            world.webhooks.change(changed, event)
        except VersionMismatch:
            if expected is not None or not rest:
                raise
        else:
            return changed
    raise VersionMismatch


def _found(tenant_id: TenantId, webhook_id: WebhookId, expected: int | None, world: Hooks) -> Webhook:
    found = world.webhooks.get(tenant_id, webhook_id)
    if found is None:
        raise NotFound("there is no such webhook")
    if expected not in (None, found.version):
        raise VersionMismatch
    return found


def _changed(found: Webhook, changes: WebhookChanges, world: Hooks) -> Webhook:
    return _next(
        replace(
            found,
            url=found.url if changes.url is None else changes.url,
            kinds=found.kinds if changes.kinds is None else tuple(changes.kinds),
            enabled=found.enabled if changes.enabled is None else changes.enabled,
        ),
        world,
    )


def _next(webhook: Webhook, world: Hooks) -> Webhook:
    return replace(webhook, version=webhook.version + 1, updated_at=world.clock.now())


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


def _difference(before: Webhook, after: Webhook) -> tuple[dict[str, Any], dict[str, Any]]:
    old, new = _shown(before), _shown(after)
    names = [name for name in old if old[name] != new[name]]
    return {name: old[name] for name in names}, {name: new[name] for name in names}


def _event(webhook: Webhook, action: str, actor: Actor, world: Hooks, **parts: Any) -> AuditEvent:
    return AuditEvent(webhook.tenant_id, world.clock.now(), actor, action, f"webhook/{webhook.id}", **parts)
