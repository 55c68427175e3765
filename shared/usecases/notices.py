"""Tells the outside what became of connections, from the audit trail: whatever is in it was really done, and is told again
if a teller crashes. So each notice is told at least once, under an id that stays the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.audit import AuditEntry
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.notice import Dispatch, Notice, NoticeKind, Webhook
from shared.domain.provider import SYSTEM
from shared.ports.connections import DeliveryQueue, Webhooks
from shared.ports.oauth import Bus

_OVER = frozenset({"integration.disconnected", "integration.removed"})
_BY_CONSENT = frozenset({"integration.connected", "integration.reconnected"})


@dataclass(frozen=True, slots=True)
class Announcing:
    """What telling the outside asks of the world."""

    bus: Bus
    webhooks: Webhooks
    deliveries: DeliveryQueue


def announce(entries: Sequence[AuditEntry], world: Announcing) -> Sequence[Notice]:
    """Puts what the outside may know on the bus, then queues one delivery for each webhook that wants it.

    Returns:
        What was told.

    Raises:
        StateUnavailable: not all was told; announce the same entries again.
    """
    notices = [notice for entry in entries if (notice := notice_of(entry))]
    if not notices:
        return notices
    world.bus.announce(notices)
    hooks = {tenant: world.webhooks.of(tenant) for tenant in dict.fromkeys(notice.tenant_id for notice in notices)}
    dispatches = [one for notice in notices for one in _dispatches(notice, hooks[notice.tenant_id])]
    if dispatches:
        world.deliveries.send(dispatches)
    return notices


def _dispatches(notice: Notice, hooks: Sequence[Webhook]) -> list[Dispatch]:
    return [Dispatch(notice.tenant_id, hook.id, notice) for hook in hooks if hook.wants(notice.kind)]


def notice_of(entry: AuditEntry) -> Notice | None:
    """What an entry means to the outside; None if nothing. Holds no more than status, reason and ids: not who did it.

    An integration's status or reason that an entry shows as changed is told, whatever was done to it.
    """
    event = entry.event
    noun, _, name = event.subject.partition("/")
    before, after = event.before or {}, event.after or {}
    kind = _kind(event.action, before, after)
    if noun != "integration" or event.tenant_id == SYSTEM or kind is None:
        return None
    failed = event.outcome if event.outcome != "success" else None
    return Notice(
        id=f"evt_{event.tenant_id}_{entry.sequence}",
        kind=kind,
        tenant_id=TenantId(event.tenant_id),
        at=event.at,
        integration_id=IntegrationId(name),
        status=after.get("status"),
        previous_status=before.get("status"),
        reason=after.get("reason") or failed,
    )


def _kind(action: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> NoticeKind | None:
    if action in _OVER:
        return "integration.disconnected"
    if "status" not in after or action == "integration.added":
        return None
    was, now = _state(before), _state(after)
    if action in _BY_CONSENT and now[0] == "active":
        return "integration.connected"
    if now == was or now[0] == "pending":
        return None
    return "integration.recovered" if _well(now) else "integration.failed"


def _state(shown: Mapping[str, Any]) -> tuple[Any, Any]:
    return shown.get("status"), shown.get("reason")


def _well(state: tuple[Any, Any]) -> bool:
    return state == ("active", None)
