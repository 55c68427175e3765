"""``audit-events``: a tenant's trail for its owners, and the deployment's own for super-administrators."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Depends, Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SIGNED_IN, Access, Administrator, Owner
from shared.api.answers import GUARDED, answers
from shared.api.lists import LIMIT, Cursor, Limit, page
from shared.api.schemas.audit import AuditEvent, AuditEventList, Verification
from shared.api.services import Services
from shared.api.things import TenantPath
from shared.domain.audit import GENESIS
from shared.domain.provider import SYSTEM
from shared.usecases import trail

NDJSON = "application/x-ndjson"
_OWN = "/tenants/<tenant_id>/audit-events"
_ALL = "/audit-events"
_TAGS = ["Audit"]

After = Annotated[int, Query(ge=0, le=10**15, description="Entries after this sequence.")]
Head = Annotated[str, Query(pattern=r"^[0-9a-f]{64}$", description="Hash of the entry `after`, known to be sound.")]
Lines = Annotated[int, Query(ge=1, le=1000, description="At most so many lines; go on after the last one's sequence.")]


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37
    _of_tenant(routes, services, access)
    _of_deployment(routes, services, access)
    return routes


def _of_tenant(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        _OWN,
        operation_id="listAuditEvents",
        summary="What was done",
        description="A tenant's audit trail, newest first.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The entries.", AuditEventList, *GUARDED),
    )
    def list_events(
        tenant_id: TenantPath,
        owner: Annotated[Owner, Depends(access.owner)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> AuditEventList:
        return _page(services, owner.tenant.id, limit, cursor)

    @routes.get(
        f"{_OWN}/verify",
        operation_id="verifyAuditEvents",
        summary="Whether the trail is whole",
        description="Follows the chain of hashes, 10,000 entries at a time.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("What was found.", Verification, *GUARDED),
    )
    def verify_events(
        tenant_id: TenantPath,
        owner: Annotated[Owner, Depends(access.owner)],
        after: After = 0,
        head: Head = GENESIS,
    ) -> Verification:
        return Verification.of(trail.verify(owner.tenant.id, services.audit, after=after, previous=head))

    @routes.get(
        f"{_OWN}/export",
        operation_id="exportAuditEvents",
        summary="The trail as text",
        description="Entries in order, a line of JSON each, for `farshore audit verify`.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The lines; none at the end.", None, *GUARDED, text=NDJSON),
    )
    def export_events(
        tenant_id: TenantPath,
        owner: Annotated[Owner, Depends(access.owner)],
        after: After = 0,
        limit: Lines = 1000,
    ) -> Response[str]:
        return _lines(services, owner.tenant.id, after, limit)


def _of_deployment(routes: APIGatewayHttpRouter, services: Services, access: Access) -> None:
    @routes.get(
        _ALL,
        operation_id="listSystemAuditEvents",
        summary="What was done to the deployment",
        description="The trail of providers and of what belongs to no tenant, newest first.",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The entries.", AuditEventList, *GUARDED),
    )
    def list_system_events(
        administrator: Annotated[Administrator, Depends(access.administrator)],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> AuditEventList:
        return _page(services, SYSTEM, limit, cursor)

    @routes.get(
        f"{_ALL}/verify",
        operation_id="verifySystemAuditEvents",
        summary="Whether the deployment's trail is whole",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("What was found.", Verification, *GUARDED),
    )
    def verify_system_events(
        administrator: Annotated[Administrator, Depends(access.administrator)],
        after: After = 0,
        head: Head = GENESIS,
    ) -> Verification:
        return Verification.of(trail.verify(SYSTEM, services.audit, after=after, previous=head))

    @routes.get(
        f"{_ALL}/export",
        operation_id="exportSystemAuditEvents",
        summary="The deployment's trail as text",
        tags=_TAGS,
        security=SIGNED_IN,
        responses=answers("The lines; none at the end.", None, *GUARDED, text=NDJSON),
    )
    def export_system_events(
        administrator: Annotated[Administrator, Depends(access.administrator)],
        after: After = 0,
        limit: Lines = 1000,
    ) -> Response[str]:
        return _lines(services, SYSTEM, after, limit)


def _page(services: Services, tenant_id: str, limit: int, cursor: str | None) -> AuditEventList:
    items, following = page(
        services.cursors,
        ("audit-events", tenant_id),
        cursor,
        lambda before: services.audit.page(tenant_id, after=int(before or 0), limit=limit + 1, newest_first=True),
        limit,
        lambda entry: str(entry.sequence),
    )
    return AuditEventList(items=[AuditEvent.of(entry) for entry in items], next_cursor=following)


def _lines(services: Services, tenant_id: str, after: int, limit: int) -> Response[str]:
    return Response(200, NDJSON, "".join(trail.export(tenant_id, services.audit, after=after, limit=limit)))
