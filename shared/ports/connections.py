"""Memory of what connects tenants to providers. Every method raises ``StateUnavailable`` when the store of state does not
answer. Writes that take an audit event are one transaction with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.audit import AuditEntry, AuditEvent
from shared.domain.grant import Flow
from shared.domain.ids import ProviderId, TenantId, WebhookId
from shared.domain.notice import Delivery, Dispatch, Webhook
from shared.domain.provider import Provider


class Providers(Protocol):
    def get(self, provider_id: ProviderId, *, fresh: bool = False) -> Provider | None:
        """May be up to 30 seconds old unless ``fresh``; None is never from memory."""
        ...

    def by_slug(self, slug: str) -> Provider | None:
        """One that has this slug; may be up to 30 seconds old, None is never from memory."""
        ...

    def page(self, *, after: ProviderId | None = None, limit: int = 100) -> Sequence[Provider]:
        """Ascending by id. One query."""
        ...

    def add(self, provider: Provider, event: AuditEvent) -> None:
        """Raises AlreadyExists if the id or slug is taken."""
        ...

    def change(self, provider: Provider, event: AuditEvent) -> None:
        """Writes one of the same slug whose stored version is ``provider.version - 1``. Raises VersionMismatch."""
        ...

    def remove(self, provider: Provider, event: AuditEvent) -> None:
        """Removes this very version.

        Raises:
            InUse: integrations name it.
            VersionMismatch
        """
        ...


class Flows(Protocol):
    def add(self, flow: Flow) -> None:
        """Keeps it until it is taken or over. One call."""
        ...

    def look(self, state_hash: str, now: datetime) -> Flow | None:
        """It, if it is there and not over; it stays."""
        ...

    def take(self, state_hash: str, now: datetime) -> Flow | None:
        """It, once: of any number of callers, exactly one gets it. None if it was taken, is over, or never was. One call."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to be the only one at something until then.

    Attributes:
        doubtful: the one before ended without a word, or said that it does not know what it left behind.
    """

    name: str
    holder: str
    until: datetime
    doubtful: bool = False


class Leases(Protocol):
    def take(self, name: str, holder: str, *, until: datetime, now: datetime) -> Lease | None:
        """The lease, or None while another holder's is not over. One call. Doubt is on record from here until ``free``."""
        ...

    def free(self, lease: Lease, *, doubtful: bool = False) -> None:
        """Lets others in; with ``doubtful`` they are told. Does nothing if somebody else holds it by now. One call."""
        ...


class Limits(Protocol):
    def spend(self, name: str, *, most: int, seconds: int, now: datetime) -> None:
        """Counts one use of ``name``, of which ``most`` are allowed in any fixed window of ``seconds``. One call.

        Raises:
            TooManyRequests: they are used up; says when the window ends.
        """
        ...


class Audit(Protocol):
    """Trails of hashes, one a tenant, and the deployment's own (``SYSTEM``)."""

    def append(self, event: AuditEvent) -> AuditEntry:
        """Adds the next entry of its trail. For attempts that change nothing; changes carry their event with them."""
        ...

    def page(
        self, tenant_id: str, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> Sequence[AuditEntry]:
        """Entries after (newest first: before; 0 means from the end) this sequence. One query."""
        ...

    def head(self, tenant_id: str) -> tuple[int, str]:
        """Sequence and hash of the last entry; (0, ``GENESIS``) for an empty trail."""
        ...


class Webhooks(Protocol):
    def get(self, tenant_id: TenantId, webhook_id: WebhookId) -> Webhook | None: ...

    def of(self, tenant_id: TenantId) -> Sequence[Webhook]:
        """All of a tenant's (few: callers hold to ``MOST``), ascending by id. One query."""
        ...

    def add(self, webhook: Webhook, event: AuditEvent) -> None:
        """Raises AlreadyExists."""
        ...

    def change(self, webhook: Webhook, event: AuditEvent) -> None:
        """Writes one whose stored version is ``webhook.version - 1``. Raises VersionMismatch."""
        ...

    def remove(self, webhook: Webhook, event: AuditEvent) -> None:
        """Raises VersionMismatch."""
        ...

    def record(self, delivery: Delivery) -> None:
        """Adds to the delivery log, which keeps 30 days; one row an attempt. One call. Idempotent."""
        ...

    def deliveries(
        self, tenant_id: TenantId, webhook_id: WebhookId, *, after: str | None = None, limit: int = 100
    ) -> tuple[Sequence[Delivery], str | None]:
        """Newest first, and where to go on (opaque, not yet authenticated), None at the end. One query."""
        ...


class DeliveryQueue(Protocol):
    def send(self, dispatches: Sequence[Dispatch]) -> None:
        """Queues all, fair between tenants. Raises ``StateUnavailable`` unless every one is durably queued."""
        ...
