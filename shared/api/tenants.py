"""``tenants`` and ``tenants/{tenant_id}/source``: an administrator's."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends, Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SIGNED_IN, Access, Administrator
from shared.api.answers import BODY, CHANGES, ETAG, GUARDED, PLACE, answers, links
from shared.api.etags import IfMatch, expected
from shared.api.lists import LIMIT, Cursor, Limit, page
from shared.api.schemas.tenants import NewTenant, Source, Tenant, TenantList, TenantPatch
from shared.api.services import Services
from shared.api.things import TenantPath, gone, known, made, shown
from shared.domain import tenant
from shared.domain.ids import TenantId
from shared.usecases import tenancy
from shared.usecases.rounds import rounds

_ALL = "/tenants"
_ONE = f"{_ALL}/<tenant_id>"
_TAGS = ["Tenants"]
_LINKS = links("tenant_id", "getTenant", "changeTenant", "removeTenant", "getSource", "moveSource")


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    _reading(routes, services, access)
    _changing(routes, services, access)
    _source(routes, services, access)
    return routes


def _reading(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        _ALL,
        operation_id="listTenants",
        summary="All tenants",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The tenants.", TenantList, *GUARDED),
    )
    def list_tenants(
        administrator: Annotated[Administrator, Depends(access.administrator)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> TenantList:
        items, following = page(
            services.cursors,
            ("tenants",),
            cursor,
            lambda after: services.tenants.page(after=TenantId(after) if after else None, limit=limit + 1),
            limit,
            lambda it: it.id,
        )
        return TenantList(items=[Tenant.of(it) for it in items], next_cursor=following)

    @routes.get(
        _ONE,
        operation_id="getTenant",
        summary="A tenant",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The tenant.", Tenant, *GUARDED, headers=ETAG),
    )
    def get_tenant(
        tenant_id: TenantPath, administrator: Annotated[Administrator, Depends(access.administrator)]
    ) -> Response[Tenant]:
        it = _fresh(services, tenant_id)
        return shown(Tenant.of(it), it.version)


def _changing(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.post(
        _ALL,
        operation_id="addTenant",
        summary="Take in a tenant",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers(
            "The tenant.", Tenant, *GUARDED, *BODY, 409, status=HTTPStatus.CREATED, headers=PLACE, links=_LINKS
        ),
    )
    def add_tenant(
        body: NewTenant, administrator: Annotated[Administrator, Depends(access.administrator)]
    ) -> Response[Tenant]:
        it = tenancy.add_tenant(body.told(), administrator.actor, services.worlds.tenancy)
        return made(Tenant.of(it), it.version, "tenants", it.id)

    @routes.patch(
        _ONE,
        operation_id="changeTenant",
        summary="Change a tenant",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The tenant as it is now.", Tenant, *CHANGES, *BODY, headers=ETAG),
    )
    def change_tenant(
        tenant_id: TenantPath,
        body: TenantPatch,
        administrator: Annotated[Administrator, Depends(access.administrator)],
        if_match: IfMatch = None,
    ) -> Response[Tenant]:
        version = expected(if_match, lambda: _fresh(services, tenant_id).version)
        it = _changed(services, TenantId(tenant_id), body, version, administrator)
        return shown(Tenant.of(it), it.version)

    @routes.delete(
        _ONE,
        operation_id="removeTenant",
        summary="Let a tenant go",
        description="One that has integrations or rules stays: `in_use`. Its audit trail is kept.",
        tags=_TAGS,
        security=SIGNED_IN,
        status_code=HTTPStatus.NO_CONTENT,
        responses=answers("It is gone.", None, *CHANGES, status=HTTPStatus.NO_CONTENT),
    )
    def remove_tenant(
        tenant_id: TenantPath,
        administrator: Annotated[Administrator, Depends(access.administrator)],
        if_match: IfMatch = None,
    ) -> Response[None]:
        version = expected(if_match, lambda: _fresh(services, tenant_id).version)
        tenancy.remove_tenant(TenantId(tenant_id), version, administrator.actor, services.worlds.tenancy)
        return gone()


def _source(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        f"{_ONE}/source",
        operation_id="getSource",
        summary="Where a tenant's objects are",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The source; the ETag is the tenant's.", Source, *GUARDED, headers=ETAG),
    )
    def get_source(
        tenant_id: TenantPath, administrator: Annotated[Administrator, Depends(access.administrator)]
    ) -> Response[Source]:
        it = _fresh(services, tenant_id)
        return shown(Source.of(it.source), it.version)

    @routes.put(
        f"{_ONE}/source",
        operation_id="moveSource",
        summary="Give a tenant another source",
        description="Objects under the old one are the tenant's no more; replicas stay where they are.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The source as it is now.", Source, *CHANGES, *BODY, headers=ETAG),
    )
    def move_source(
        tenant_id: TenantPath,
        body: Source,
        administrator: Annotated[Administrator, Depends(access.administrator)],
        if_match: IfMatch = None,
    ) -> Response[Source]:
        version = expected(if_match, lambda: _fresh(services, tenant_id).version)
        world = services.worlds.tenancy
        it = tenancy.move_source(TenantId(tenant_id), body.told(), version, administrator.actor, world)
        return shown(Source.of(it.source), it.version)


def _changed(
    services: Services, tenant_id: TenantId, body: TenantPatch, version: int | None, by: Administrator
) -> tenant.Tenant:
    """Merges the patch into the tenant as it is; again if it was changed meanwhile and the caller did not insist."""

    def attempt() -> tenant.Tenant:
        there = _fresh(services, tenant_id)
        seen = there.version if version is None and "source" in body.model_fields_set else version
        world = services.worlds.tenancy
        return tenancy.change_tenant(tenant_id, body.changes(there.source), seen, by.actor, world)

    return rounds(version, attempt)


def _fresh(services: Services, tenant_id: str) -> tenant.Tenant:
    return known(services.tenants.get(TenantId(tenant_id), fresh=True))
