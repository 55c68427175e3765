"""``tenants/{tenant_id}/cloud-integrations``: a tenant's connections, as their owner keeps them."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends, Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SIGNED_IN, Access, Owner
from shared.api.answers import BODY, CHANGES, ETAG, GUARDED, PLACE, answers, links
from shared.api.etags import IfMatch, expected
from shared.api.lists import LIMIT, Cursor, Limit, page
from shared.api.schemas.integrations import (
    Integration,
    IntegrationList,
    IntegrationPatch,
    NewIntegration,
    told_credentials,
)
from shared.api.services import Services
from shared.api.things import IntegrationPath, TenantPath, gone, known, made, shown
from shared.domain import integration
from shared.domain.ids import IntegrationId, TenantId
from shared.usecases import disconnect, integrations

ALL = "/tenants/<tenant_id>/cloud-integrations"
ONE = f"{ALL}/<integration_id>"
TAGS = ["Integrations"]
_LINKS = links(
    "integration_id",
    "getIntegration",
    "changeIntegration",
    "removeIntegration",
    "startConsent",
    "refreshIntegration",
    "testIntegration",
    "getConnectionHealth",
    "disconnectIntegration",
    tenant=True,
)

Force = Annotated[bool, Query(description="Also if rules use it: they are paused.")]


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    _reading(routes, services, access)
    _changing(routes, services, access)
    return routes


def fresh(services: Services, tenant_id: TenantId, integration_id: str) -> integration.Integration:
    """The integration as it is now. Raises NotFound."""
    return known(services.integrations.get(tenant_id, IntegrationId(integration_id), fresh=True))


def _reading(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        ALL,
        operation_id="listIntegrations",
        summary="A tenant's integrations",
        tags=TAGS,
        security=SIGNED_IN,
        responses=answers("The integrations.", IntegrationList, *GUARDED),
    )
    def list_integrations(
        tenant_id: TenantPath,
        owner: Annotated[Owner, Depends(access.owner)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> IntegrationList:
        mine = owner.tenant.id
        items, following = page(
            services.cursors,
            ("integrations", mine),
            cursor,
            lambda after: services.integrations.of(
                mine, after=IntegrationId(after) if after else None, limit=limit + 1
            ),
            limit,
            lambda it: it.id,
        )
        return IntegrationList(items=[Integration.of(it) for it in items], next_cursor=following)

    @routes.get(
        ONE,
        operation_id="getIntegration",
        summary="An integration",
        tags=TAGS,
        security=SIGNED_IN,
        responses=answers("The integration.", Integration, *GUARDED, headers=ETAG),
    )
    def get_integration(
        tenant_id: TenantPath, integration_id: IntegrationPath, owner: Annotated[Owner, Depends(access.owner)]
    ) -> Response[Integration]:
        it = fresh(services, owner.tenant.id, integration_id)
        return shown(Integration.of(it), it.version)


def _changing(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        ALL,
        operation_id="addIntegration",
        summary="Add a connection",
        description="By credentials it is active at once, and not tried out; by `oauth2` it is pending until consent.",
        tags=TAGS,
        security=SIGNED_IN,
        responses=answers(
            "The integration.",
            Integration,
            *GUARDED,
            *BODY,
            409,
            status=HTTPStatus.CREATED,
            headers=PLACE,
            links=_LINKS,
        ),
    )
    def add_integration(
        tenant_id: TenantPath, body: NewIntegration, owner: Annotated[Owner, Depends(access.owner)]
    ) -> Response[Integration]:
        it = integrations.add_integration(
            owner.tenant.id, body.told(), told_credentials(body), owner.actor, services.worlds.managing
        )
        return made(Integration.of(it), it.version, "tenants", it.tenant_id, "cloud-integrations", it.id)

    @routes.patch(
        ONE,
        operation_id="changeIntegration",
        summary="Change a connection",
        description="New credentials make it active again (`{}`, where nothing secret is told). Settings that are sealed with "
        "credentials change with them only.",
        tags=TAGS,
        security=SIGNED_IN,
        responses=answers("The integration as it is now.", Integration, *CHANGES, *BODY, headers=ETAG),
    )
    def change_integration(
        tenant_id: TenantPath,
        integration_id: IntegrationPath,
        body: IntegrationPatch,
        owner: Annotated[Owner, Depends(access.owner)],
        if_match: IfMatch = None,
    ) -> Response[Integration]:
        it = integrations.change_integration(
            owner.tenant.id,
            IntegrationId(integration_id),
            body.changes(),
            told_credentials(body),
            expected(if_match, lambda: fresh(services, owner.tenant.id, integration_id).version),
            owner.actor,
            services.worlds.managing,
        )
        return shown(Integration.of(it), it.version)

    @routes.delete(
        ONE,
        operation_id="removeIntegration",
        summary="Disconnect and remove",
        description="The grant is revoked at the provider where it can be; here every secret is erased, come what may.",
        tags=TAGS,
        security=SIGNED_IN,
        status_code=HTTPStatus.NO_CONTENT,
        responses=answers("It is gone.", None, *CHANGES, status=HTTPStatus.NO_CONTENT),
    )
    def remove_integration(
        tenant_id: TenantPath,
        integration_id: IntegrationPath,
        owner: Annotated[Owner, Depends(access.owner)],
        force: Force = False,
        if_match: IfMatch = None,
    ) -> Response[None]:
        version = expected(if_match, lambda: fresh(services, owner.tenant.id, integration_id).version)
        disconnect.remove_integration(
            owner.tenant.id,
            IntegrationId(integration_id),
            force,
            version,
            owner.actor,
            services.worlds.disconnecting,
        )
        return gone()
