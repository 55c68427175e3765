"""``tenants/{tenant_id}/webhooks``: where a tenant is told of its connections."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SIGNED_IN, Access, Owner
from shared.api.answers import BODY, CHANGES, ETAG, GUARDED, PLACE, answers, links
from shared.api.etags import IfMatch, expected
from shared.api.lists import LIMIT, Cursor, Limit, page
from shared.api.rates import spend_action
from shared.api.schemas.webhooks import (
    Delivery,
    DeliveryList,
    MadeWebhook,
    NewWebhook,
    Webhook,
    WebhookList,
    WebhookPatch,
)
from shared.api.services import Services
from shared.api.things import TenantPath, WebhookPath, gone, known, made, shown
from shared.domain.ids import TenantId, WebhookId
from shared.usecases import webhooks

_ALL = "/tenants/<tenant_id>/webhooks"
_ONE = f"{_ALL}/<webhook_id>"
_TAGS = ["Webhooks"]
_LINKS = links(
    "webhook_id",
    "getWebhook",
    "changeWebhook",
    "removeWebhook",
    "rotateWebhook",
    "testWebhook",
    "listDeliveries",
    tenant=True,
)


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    _reading(routes, services, access)
    _changing(routes, services, access)
    _telling(routes, services, access)
    return routes


def _reading(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        _ALL,
        operation_id="listWebhooks",
        summary="A tenant's webhooks",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The webhooks.", WebhookList, *GUARDED),
    )
    def list_webhooks(
        tenant_id: TenantPath,
        owner: Annotated[Owner, Depends(access.owner)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> WebhookList:
        hooks = services.webhooks.of(owner.tenant.id)
        items, following = page(
            services.cursors,
            ("webhooks", owner.tenant.id),
            cursor,
            lambda after: [hook for hook in hooks if after is None or hook.id > after],
            limit,
            lambda hook: hook.id,
        )
        return WebhookList(items=[Webhook.of(hook) for hook in items], next_cursor=following)

    @routes.get(
        _ONE,
        operation_id="getWebhook",
        summary="A webhook",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The webhook.", Webhook, *GUARDED, headers=ETAG),
    )
    def get_webhook(
        tenant_id: TenantPath, webhook_id: WebhookPath, owner: Annotated[Owner, Depends(access.owner)]
    ) -> Response[Webhook]:
        hook = known(services.webhooks.get(owner.tenant.id, WebhookId(webhook_id)))
        return shown(Webhook.of(hook), hook.version)


def _changing(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        _ALL,
        operation_id="addWebhook",
        summary="Be told somewhere",
        description="The answer holds the signing key, which is not shown again.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers(
            "The webhook, with its key.",
            MadeWebhook,
            *GUARDED,
            *BODY,
            409,
            status=HTTPStatus.CREATED,
            headers=PLACE,
            links=_LINKS,
        ),
    )
    def add_webhook(
        tenant_id: TenantPath, body: NewWebhook, owner: Annotated[Owner, Depends(access.owner)]
    ) -> Response[MadeWebhook]:
        changes = webhooks.WebhookChanges(body.url, body.kinds, body.enabled)
        new = webhooks.add_webhook(owner.tenant.id, changes, owner.actor, services.worlds.hooks)
        hook = new.webhook
        return made(MadeWebhook.made(new), hook.version, "tenants", hook.tenant_id, "webhooks", hook.id)

    @routes.patch(
        _ONE,
        operation_id="changeWebhook",
        summary="Change a webhook",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The webhook as it is now.", Webhook, *CHANGES, *BODY, headers=ETAG),
    )
    def change_webhook(
        tenant_id: TenantPath,
        webhook_id: WebhookPath,
        body: WebhookPatch,
        owner: Annotated[Owner, Depends(access.owner)],
        if_match: IfMatch = None,
    ) -> Response[Webhook]:
        hook = webhooks.change_webhook(
            owner.tenant.id,
            WebhookId(webhook_id),
            webhooks.WebhookChanges(**body.sent()),
            expected(if_match, lambda: _version(services, owner.tenant.id, webhook_id)),
            owner.actor,
            services.worlds.hooks,
        )
        return shown(Webhook.of(hook), hook.version)

    @routes.delete(
        _ONE,
        operation_id="removeWebhook",
        summary="Be told there no more",
        tags=_TAGS,
        security=SIGNED_IN,
        status_code=HTTPStatus.NO_CONTENT,
        responses=answers("It is gone.", None, *CHANGES, status=HTTPStatus.NO_CONTENT),
    )
    def remove_webhook(
        tenant_id: TenantPath,
        webhook_id: WebhookPath,
        owner: Annotated[Owner, Depends(access.owner)],
        if_match: IfMatch = None,
    ) -> Response[None]:
        version = expected(if_match, lambda: _version(services, owner.tenant.id, webhook_id))
        webhooks.remove_webhook(owner.tenant.id, WebhookId(webhook_id), version, owner.actor, services.worlds.hooks)
        return gone()


def _telling(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        f"{_ONE}/rotate",
        operation_id="rotateWebhook",
        summary="Give a webhook a new key",
        description="The answer holds the key, which is not shown again. For a day the key before it signs too.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The webhook, with its new key.", MadeWebhook, *CHANGES, headers=ETAG),
    )
    def rotate_webhook(
        tenant_id: TenantPath,
        webhook_id: WebhookPath,
        owner: Annotated[Owner, Depends(access.owner)],
        if_match: IfMatch = None,
    ) -> Response[MadeWebhook]:
        version = expected(if_match, lambda: _version(services, owner.tenant.id, webhook_id))
        new = webhooks.rotate_webhook(
            owner.tenant.id, WebhookId(webhook_id), version, owner.actor, services.worlds.hooks
        )
        return shown(MadeWebhook.made(new), new.webhook.version)

    @routes.post(
        f"{_ONE}/test",
        operation_id="testWebhook",
        summary="Send a webhook a test",
        description="Sends `webhook.test` once, now, and tells how it went.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("How it went.", Delivery, *GUARDED, 429),
    )
    def test_webhook(
        tenant_id: TenantPath, webhook_id: WebhookPath, owner: Annotated[Owner, Depends(access.owner)]
    ) -> Delivery:
        hook = known(services.webhooks.get(owner.tenant.id, WebhookId(webhook_id)))
        spend_action("webhook", hook.tenant_id, hook.id, services)
        world = services.worlds.delivering
        return Delivery.of(webhooks.send_test(hook.tenant_id, hook.id, owner.actor, world, services.audit))

    @routes.get(
        f"{_ONE}/deliveries",
        operation_id="listDeliveries",
        summary="What a webhook was told",
        description="The delivery log of the last 30 days, newest first; one row an attempt.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The attempts.", DeliveryList, *GUARDED),
    )
    def list_deliveries(
        tenant_id: TenantPath,
        webhook_id: WebhookPath,
        owner: Annotated[Owner, Depends(access.owner)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> DeliveryList:
        hook = known(services.webhooks.get(owner.tenant.id, WebhookId(webhook_id)))
        scope = ("deliveries", hook.tenant_id, hook.id)
        after = services.cursors.open(scope, cursor) if cursor else None
        rows, following = services.webhooks.deliveries(hook.tenant_id, hook.id, after=after, limit=limit)
        return DeliveryList(
            items=[Delivery.of(row) for row in rows],
            next_cursor=services.cursors.seal(scope, following) if following else None,
        )


def _version(services: Services, tenant_id: TenantId, webhook_id: str) -> int:
    return known(services.webhooks.get(tenant_id, WebhookId(webhook_id))).version
