"""What Farshore tells the outside of its connections: events on a bus and in webhooks. Made from the audit trail, which is
written together with each change, so that none is lost.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shared.domain.ids import IntegrationId, TenantId, WebhookId
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
        version: grows by one with each change; compare-and-swap.
    """

    id: WebhookId
    tenant_id: TenantId
    url: str
    kinds: tuple[NoticeKind, ...]
    secret: Sealed
    created_by: str
    created_at: datetime
    updated_at: datetime
    enabled: bool = True
    version: int = 1


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
