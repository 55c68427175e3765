"""Webhooks and their deliveries over the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from shared.api.schemas.closed import OPTIONAL, Closed, Told
from shared.domain import notice
from shared.usecases.webhooks import Made

Kind = Literal[
    "integration.connected", "integration.failed", "integration.recovered", "integration.disconnected", "webhook.test"
]
Wanted = Literal["integration.connected", "integration.failed", "integration.recovered", "integration.disconnected"]

WEBHOOK: JsonDict = {
    "id": "whk_9f2c41d07a6e3b58",
    "tenantId": "acme",
    "url": "https://hooks.acme.example/farshore",
    "kinds": ["integration.failed"],
    "enabled": True,
    "createdBy": "auth0|def456",
    "createdAt": "2026-11-20T12:00:00Z",
    "updatedAt": "2026-11-20T12:00:00Z",
    "version": 1,
}
DELIVERY: JsonDict = {
    "noticeId": "evt_acme_42",
    "kind": "integration.failed",
    "attempt": 1,
    "at": "2026-11-20T12:00:02Z",
    "status": "delivered",
    "answer": 204,
    "error": None,
    "milliseconds": 84,
}

Url = Annotated[str, Field(description="https, and not on a private network.", min_length=1, max_length=2048)]
Kinds = Annotated[list[Wanted], Field(description="Only these; empty means all.", max_length=4)]
Enabled = Annotated[bool, Field(description="Whether anything is sent to it.")]


class NewWebhook(Told):
    """Where to be told, and of what."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"url": "https://hooks.acme.example/farshore", "kinds": ["integration.failed"]}]
        }
    )

    url: Url
    kinds: Annotated[Kinds, Field(default_factory=list)]
    enabled: Enabled = True


class WebhookPatch(Told):
    """What is to be different (JSON Merge Patch)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"enabled": False}]})

    url: Annotated[Url, OPTIONAL]
    kinds: Annotated[Kinds, OPTIONAL]
    enabled: Annotated[Enabled, OPTIONAL]


class Webhook(Closed):
    """A place where a tenant is told of its connections."""

    model_config = ConfigDict(json_schema_extra={"examples": [WEBHOOK]})

    id: str
    tenant_id: str
    url: Url
    kinds: list[Kind]
    enabled: Enabled
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, hook: notice.Webhook, **more: Any) -> Self:
        """From the domain's."""
        return cls(
            id=hook.id,
            tenant_id=hook.tenant_id,
            url=hook.url,
            kinds=list(hook.kinds),
            enabled=hook.enabled,
            created_by=hook.created_by,
            created_at=hook.created_at,
            updated_at=hook.updated_at,
            version=hook.version,
            **more,
        )


class MadeWebhook(Webhook):
    """A webhook with its new key, which is shown this once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**WEBHOOK, "secret": "whsec_" + "A" * 43 + "="}]}  # no key of anybody's
    )

    secret: Annotated[str, Field(description="Signs what is sent (Standard Webhooks). Keep it: it is not shown again.")]

    @classmethod
    def made(cls, made: Made) -> Self:
        """From what the use case made."""
        return cls.of(made.webhook, secret=made.secret.reveal())


class WebhookList(Closed):
    """A tenant's webhooks, ascending by id."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [WEBHOOK], "nextCursor": None}]})

    items: list[Webhook]
    next_cursor: str | None


class Delivery(Closed):
    """One attempt to tell a webhook."""

    model_config = ConfigDict(json_schema_extra={"examples": [DELIVERY]})

    notice_id: Annotated[str, Field(description="The same for each attempt: ``webhook-id`` of the message.")]
    kind: Kind
    attempt: Annotated[int, Field(description="Counted from 1.")]
    at: datetime
    status: Annotated[
        Literal["delivered", "retrying", "failed"], Field(description="retrying: it failed and will be tried again.")
    ]
    answer: Annotated[int | None, Field(description="HTTP status of the receiver; null if it did not answer.")]
    error: Annotated[str | None, Field(description="A stable code.")]
    milliseconds: int

    @classmethod
    def of(cls, row: notice.Delivery) -> Self:
        """From a row of the log."""
        return cls(
            notice_id=row.notice.id,
            kind=row.notice.kind,
            attempt=row.attempt,
            at=row.at,
            status=row.status,
            answer=row.answer,
            error=row.error,
            milliseconds=row.milliseconds,
        )


class DeliveryList(Closed):
    """Part of a webhook's delivery log of 30 days, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [DELIVERY], "nextCursor": None}]})

    items: list[Delivery]
    next_cursor: str | None
