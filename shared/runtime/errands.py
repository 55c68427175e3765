"""The small messages of connections: whose tokens are due, and which webhook to tell of what. Codecs, and SQS as their queues."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from shared.domain.errors import InvalidInput, MalformedEvent
from shared.domain.ids import IntegrationId, TenantId, WebhookId, identifier
from shared.domain.notice import Dispatch, document, notice_from
from shared.runtime.queues import Outbox, SqsClient

_VERSION = 1
_DELAY_MAX = 900  # seconds (SQS API reference, SendMessageBatch: DelaySeconds)

type Due = tuple[TenantId, IntegrationId]


def encode_due(tenant_id: TenantId, integration_id: IntegrationId) -> str:
    """One due connection as JSON. Read by ``decode_due``."""
    return _text({"v": _VERSION, "tenant": tenant_id, "integration": integration_id})


def decode_due(text: str) -> Due:
    """Reads ``encode_due``'s answer.

    Raises:
        MalformedEvent: it is anything else; nothing of it is echoed.
    """
    said = _said(text)
    return TenantId(_id(said, "tenant")), IntegrationId(_id(said, "integration"))


def encode_dispatch(dispatch: Dispatch) -> str:
    """One notice for one webhook as JSON. Read by ``decode_dispatch``."""
    told = {"tenant": dispatch.tenant_id, "webhook": dispatch.webhook_id, "notice": document(dispatch.notice)}
    return _text({"v": _VERSION, **told})


def decode_dispatch(text: str) -> Dispatch:
    """Reads ``encode_dispatch``'s answer.

    Raises:
        MalformedEvent: it is anything else, or the notice is another tenant's; nothing of it is echoed.
    """
    said = _said(text)
    tenant, notice = TenantId(_id(said, "tenant")), said.get("notice")
    if not isinstance(notice, dict):
        raise MalformedEvent("the message is not a delivery")
    read = notice_from(notice)
    if read.tenant_id != tenant:
        raise MalformedEvent("the message is not a delivery")
    return Dispatch(tenant, WebhookId(_id(said, "webhook")), read)


class SqsRefreshQueue:
    """ports.world.RefreshQueue."""

    def __init__(self, client_factory: Callable[[], SqsClient], url: str) -> None:
        self._outbox = Outbox(client_factory, url, "the refresh queue")

    def send(self, items: Sequence[tuple[TenantId, IntegrationId, int]]) -> None:
        """Queues all, or raises ``StateUnavailable``."""
        self._outbox.send(
            [
                {
                    "MessageBody": encode_due(tenant, integration),
                    "MessageGroupId": tenant,
                    "DelaySeconds": min(max(0, delay), _DELAY_MAX),
                }
                for tenant, integration, delay in items
            ]
        )


class SqsDeliveryQueue:
    """ports.connections.DeliveryQueue."""

    def __init__(self, client_factory: Callable[[], SqsClient], url: str) -> None:
        self._outbox = Outbox(client_factory, url, "the deliveries queue")

    def send(self, dispatches: Sequence[Dispatch]) -> None:
        """Queues all, or raises ``StateUnavailable``."""
        self._outbox.send(
            [{"MessageBody": encode_dispatch(each), "MessageGroupId": each.tenant_id} for each in dispatches]
        )


def _text(told: dict[str, Any]) -> str:
    return json.dumps(told, separators=(",", ":"))


def _said(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedEvent("the message is not JSON") from None
    if not isinstance(said, dict) or said.get("v") != _VERSION:
        raise MalformedEvent("the message is of no version that we know")
    return said


def _id(said: dict[str, Any], name: str) -> str:
    try:
        return identifier(said[name], name)
    except (KeyError, TypeError, InvalidInput):
        raise MalformedEvent(f"the message names no {name}") from None
