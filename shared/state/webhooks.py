"""Where tenants want to be told, and what they were told."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal, cast

from shared.domain.audit import AuditEvent
from shared.domain.errors import AlreadyExists, VersionMismatch
from shared.domain.ids import TenantId, WebhookId
from shared.domain.notice import Delivery, NoticeKind, Webhook, document, notice_from
from shared.domain.seal import Sealed
from shared.state.answers import ConditionLost, asked, found
from shared.state.chain import Chain
from shared.state.connection_models import DeliveryItem, WebhookItem
from shared.state.integration_rows import sealed_of
from shared.state.moments import text_of
from shared.state.rows import whole
from shared.state.tables import Tables, bound
from shared.state.transactions import Delete, Save

_KEPT = timedelta(days=30)


class DynamoWebhooks:
    """ports.connections.Webhooks."""

    def __init__(self, tables: Tables) -> None:
        self._row = bound(WebhookItem, tables)
        self._delivery = bound(DeliveryItem, tables)
        self._chain = Chain(tables)

    def get(self, tenant_id: TenantId, webhook_id: WebhookId) -> Webhook | None:
        item = found(self._row, tenant_id, webhook_id)
        return _webhook(item) if item else None

    def of(self, tenant_id: TenantId) -> Sequence[Webhook]:
        query = self._row.query(tenant_id, consistent_read=True)
        return [_webhook(item) for item in asked(lambda: list(query))]

    def add(self, webhook: Webhook, event: AuditEvent) -> None:
        try:
            self._chain.commit(event, [Save(_item(self._row, webhook), self._row.id.does_not_exist())])
        except ConditionLost:
            raise AlreadyExists("a webhook of this id exists") from None

    def change(self, webhook: Webhook, event: AuditEvent) -> None:
        unmoved = self._row.version == webhook.version - 1
        try:
            self._chain.commit(event, [Save(_item(self._row, webhook), unmoved)])
        except ConditionLost:
            raise VersionMismatch from None

    def remove(self, webhook: Webhook, event: AuditEvent) -> None:
        key = self._row(webhook.tenant_id, webhook.id)
        try:
            self._chain.commit(event, [Delete(key, self._row.version == webhook.version)])
        except ConditionLost:
            raise VersionMismatch from None

    def record(self, delivery: Delivery) -> None:
        asked(_delivery_item(self._delivery, delivery).save)

    def deliveries(
        self, tenant_id: TenantId, webhook_id: WebhookId, *, after: str | None = None, limit: int = 100
    ) -> tuple[Sequence[Delivery], str | None]:
        before = self._delivery.id < after if after else None
        place = _place(tenant_id, webhook_id)
        query = self._delivery.query(place, before, limit=limit + 1, scan_index_forward=False, consistent_read=True)
        items = asked(lambda: list(query))
        more = len(items) > limit
        return [_delivery(item) for item in items[:limit]], items[limit - 1].id if more else None


def _place(tenant_id: str, webhook_id: str) -> str:
    return f"{tenant_id}#{webhook_id}"


def _item(model: type[WebhookItem], it: Webhook) -> WebhookItem:
    return model(
        it.tenant_id,
        it.id,
        url=it.url,
        kinds=list(it.kinds),
        secret=it.secret.box,
        secret_sequence=it.secret.sequence,
        former=it.former.box if it.former else None,
        former_sequence=it.former.sequence if it.former else None,
        former_until=it.former_until,
        enabled=it.enabled,
        version=it.version,
        created_by=it.created_by,
        created_at=it.created_at,
        updated_at=it.updated_at,
    )


def _webhook(item: WebhookItem) -> Webhook:
    return Webhook(
        id=WebhookId(item.id),
        tenant_id=TenantId(item.place),
        url=item.url,
        kinds=tuple(cast(NoticeKind, kind) for kind in item.kinds),
        secret=Sealed(item.secret, int(item.secret_sequence)),
        created_by=item.created_by,
        created_at=item.created_at,
        updated_at=item.updated_at,
        enabled=item.enabled,
        version=int(item.version),
        former=sealed_of(item.former, item.former_sequence),
        former_until=item.former_until,
    )


def _delivery_item(model: type[DeliveryItem], it: Delivery) -> DeliveryItem:
    return model(
        _place(it.tenant_id, it.webhook_id),
        f"{text_of(it.at)}#{it.notice.id}#{it.attempt:04}",
        tenant=it.tenant_id,
        webhook=it.webhook_id,
        notice=document(it.notice),
        attempt=it.attempt,
        at=it.at,
        status=it.status,
        answer=it.answer,
        error=it.error,
        milliseconds=it.milliseconds,
        expires=it.at + _KEPT,
    )


def _delivery(item: DeliveryItem) -> Delivery:
    return Delivery(
        webhook_id=WebhookId(item.webhook),
        tenant_id=TenantId(item.tenant),
        notice=notice_from(item.notice),
        attempt=int(item.attempt),
        at=item.at,
        status=cast(Literal["delivered", "retrying", "failed"], item.status),
        answer=whole(item.answer),
        error=item.error,
        milliseconds=int(item.milliseconds),
    )
