"""What is done to one connection beside changing its record: begin a consent, refresh, test, look after, disconnect."""

from typing import Annotated, Final

from aws_lambda_powertools.event_handler import Depends, Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from aws_lambda_powertools.shared.cookies import Cookie, SameSite

from shared.api.access import SIGNED_IN, Access, Owner
from shared.api.answers import BODY, CHANGES, ETAG, GUARDED, answers
from shared.api.etags import IfMatch, expected
from shared.api.integrations import ONE, fresh
from shared.api.rates import spend_action
from shared.api.schemas.connections import ConnectionHealth, ConsentStart, Started, Tested
from shared.api.schemas.integrations import Integration
from shared.api.services import Services
from shared.api.things import IntegrationPath, TenantPath, shown
from shared.domain.ids import IntegrationId
from shared.ports.world import Deadline
from shared.usecases import check, connect, disconnect
from shared.usecases.refresh_asked import Asked, refresh_now

_TAGS = ["Connections"]
_COOKIE_SECONDS: Final = 600
_BARE: Final = ConsentStart.model_validate({})
_COOKIE = {"Set-Cookie": {"description": "Binds the browser.", "schema": {"type": "string"}}}


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    _consent(routes, services, access)
    _care(routes, services, access)
    _end(routes, services, access)
    return routes


def binding(name: str, value: str, seconds: int) -> Cookie:
    """The cookie that binds a browser to a consent; without seconds it is taken back. ``__Host-``: this host's alone."""
    return Cookie(name, value, path="/", secure=True, http_only=True, max_age=seconds, same_site=SameSite.LAX_MODE)


def _consent(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        f"{ONE}/oauth/start",
        operation_id="startConsent",
        summary="Begin a consent",
        description="Send the browser that got this answer to `authorizationUrl`, within ten minutes.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("Where to send the browser.", Started, *GUARDED, *BODY, 409, 412, 429, 502, headers=_COOKIE),
    )
    def start_consent(
        tenant_id: TenantPath,
        integration_id: IntegrationPath,
        owner: Annotated[Owner, Depends(access.owner)],
        body: Annotated[ConsentStart, Body()] = _BARE,
    ) -> Response[Started]:
        it = fresh(services, owner.tenant.id, integration_id)
        spend_action("start", it.tenant_id, it.id, services)
        begun = connect.start(it.tenant_id, it.id, body.told(), owner.actor, services.worlds.connecting)
        cookie = binding(begun.cookie_name, begun.browser.reveal(), _COOKIE_SECONDS)
        return Response(200, "application/json", Started.of(begun), cookies=[cookie])


def _care(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        f"{ONE}/refresh",
        operation_id="refreshIntegration",
        summary="Refresh the tokens now",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The integration as it is now.", Integration, *GUARDED, 409, 429, 502, headers=ETAG),
    )
    def refresh_integration(
        tenant_id: TenantPath,
        integration_id: IntegrationPath,
        owner: Annotated[Owner, Depends(access.owner)],
        deadline: Annotated[Deadline, Depends(access.deadline)],
    ) -> Response[Integration]:
        it = fresh(services, owner.tenant.id, integration_id)
        spend_action("refresh", it.tenant_id, it.id, services)
        world = Asked(services.worlds.refreshing, services.audit)
        now = refresh_now(it.tenant_id, it.id, owner.actor, world, deadline)
        return shown(Integration.of(now), now.version)

    @routes.post(
        f"{ONE}/test",
        operation_id="testIntegration",
        summary="Whether the connection works",
        description="Asks the provider (or the store) now, and changes nothing there but its tokens. A role that lets this "
        "service in without `externalId` is told as `role_without_external_id`.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("What was found.", Tested, *GUARDED, 409, 429, 502),
    )
    def test_integration(
        tenant_id: TenantPath,
        integration_id: IntegrationPath,
        owner: Annotated[Owner, Depends(access.owner)],
        deadline: Annotated[Deadline, Depends(access.deadline)],
    ) -> Tested:
        it = fresh(services, owner.tenant.id, integration_id)
        spend_action("test", it.tenant_id, it.id, services)
        return Tested.of(check.test(it.tenant_id, it.id, owner.actor, services.worlds.checking, deadline))

    @routes.get(
        f"{ONE}/health",
        operation_id="getConnectionHealth",
        summary="How the connection is",
        description="What is known, without asking the provider.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("How it is.", ConnectionHealth, *GUARDED),
    )
    def get_health(
        tenant_id: TenantPath, integration_id: IntegrationPath, owner: Annotated[Owner, Depends(access.owner)]
    ) -> ConnectionHealth:
        return ConnectionHealth.of(check.health(owner.tenant.id, IntegrationId(integration_id), services))


def _end(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        f"{ONE}/disconnect",
        operation_id="disconnectIntegration",
        summary="Disconnect, and keep the record",
        description="The grant is revoked at the provider where it can be; here every secret is erased, come what may.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The integration as it is now.", Integration, *CHANGES, headers=ETAG),
    )
    def disconnect_integration(
        tenant_id: TenantPath,
        integration_id: IntegrationPath,
        owner: Annotated[Owner, Depends(access.owner)],
        if_match: IfMatch = None,
    ) -> Response[Integration]:
        it = fresh(services, owner.tenant.id, integration_id)
        version = expected(if_match, lambda: it.version)
        now = disconnect.disconnect(it.tenant_id, it.id, version, owner.actor, services.worlds.disconnecting)
        return shown(Integration.of(now), now.version)
