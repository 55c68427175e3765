"""What Farshore tells the outside of its connections: events on a bus and in webhooks. Made from the audit trail, which is
written together with each change, so that none is lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

from shared.domain.errors import InvalidInput, MalformedEvent
from shared.domain.ids import IntegrationId, TenantId, WebhookId, identifier
from shared.domain.seal import SealContext, Sealed

type NoticeKind = Literal[
    "integration.connected",
    "integration.failed",
    "integration.recovered",
    "integration.disconnected",
    "webhook.test",
]
"""``failed``: it was active and is not, or its refresh keeps failing. ``recovered``: it is active again by itself."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One event as the outside sees it.

    Attributes:
        id: the same however often it is told: ``evt_<tenant>_<sequence in the audit trail>``.
        status, previous_status, reason: of the integration, where it is about one.
    """

    id: str
    kind: NoticeKind
    tenant_id: TenantId
    at: datetime
    integration_id: IntegrationId | None = None
    status: str | None = None
    previous_status: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a tenant wants to be told.

    Attributes:
        url: https, not on a private network.
        kinds: only these; empty means all.
        secret: Standard Webhooks signing key (``whsec_`` + base64 of 32 bytes), sealed in ``webhook_context``.
        former: the key before the last rotation, which signs beside the new one until ``former_until``.
        version: grows by one with each change; compare-and-swap.
    """

    id: WebhookId
    tenant_id: TenantId
    url: str
    kinds: tuple[NoticeKind, ...]
    secret: Sealed = field(repr=False)
    created_by: str
    created_at: datetime
    updated_at: datetime
    enabled: bool = True
    version: int = 1
    former: Sealed | None = field(default=None, repr=False)
    former_until: datetime | None = None

    def wants(self, kind: NoticeKind) -> bool:
        """Whether it is to be told of such a thing now."""
        return self.enabled and (not self.kinds or kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One notice on its way to one webhook: a message of the deliveries queue."""

    tenant_id: TenantId
    webhook_id: WebhookId
    notice: Notice


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt, or the next one due, to tell one webhook of one notice.

    Attributes:
        attempt: counted from 1.
        status: ``delivered``, ``retrying`` (it failed and will be tried again), ``failed`` (given up).
        answer: HTTP status, or None if there was no answer.
        milliseconds: until the answer or its absence was known.
    """

    webhook_id: WebhookId
    tenant_id: TenantId
    notice: Notice
    attempt: int
    at: datetime
    status: Literal["delivered", "retrying", "failed"]
    answer: int | None = None
    error: str | None = None
    milliseconds: int = 0


def webhook_context(tenant_id: TenantId, webhook_id: WebhookId, sequence: int) -> SealContext:
    """The place of a webhook's signing key."""
    return SealContext(tenant_id, "webhooks", webhook_id, "secret", "sign", sequence)


def document(notice: Notice) -> dict[str, Any]:
    """A notice as the bus, the deliveries queue and webhooks carry it: plain JSON values, nothing secret."""
    return {
        "id": notice.id,
        "type": notice.kind,
        "timestamp": notice.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": {
            "tenantId": notice.tenant_id,
            "integrationId": notice.integration_id,
            "status": notice.status,
            "previousStatus": notice.previous_status,
            "reason": notice.reason,
        },
    }


def notice_from(told: Mapping[str, Any]) -> Notice:
    """Reads ``document``'s answer.

    Raises:
        MalformedEvent: it is anything else; nothing of it is echoed.
    """
    try:
        return _notice(told, told["data"])
    except (ValueError, TypeError, KeyError, AttributeError, InvalidInput):
        raise MalformedEvent("this is not a notice") from None


def _notice(told: Mapping[str, Any], data: Mapping[str, Any]) -> Notice:
    at, known = datetime.fromisoformat(told["timestamp"]), get_args(NoticeKind.__value__)
    integration = data["integrationId"]
    if told["type"] not in known or at.tzinfo is None or not isinstance(told["id"], str):
        raise MalformedEvent
    return Notice(
        id=told["id"],
        kind=cast(NoticeKind, told["type"]),
        tenant_id=TenantId(identifier(data["tenantId"], "tenant")),
        at=at,
        integration_id=IntegrationId(identifier(integration, "integration")) if integration is not None else None,
        status=_text(data["status"]),
        previous_status=_text(data["previousStatus"]),
        reason=_text(data["reason"]),
    )


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise MalformedEvent
    return value
