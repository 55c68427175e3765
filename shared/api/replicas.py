"""``tenants/{tenant_id}/replicas``: where an object's copies are."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SIGNED_IN, Access, Owner
from shared.api.answers import answers
from shared.api.schemas import ReplicaList, Status
from shared.api.services import Services
from shared.domain.errors import InvalidInput
from shared.domain.ids import TargetName, TenantId
from shared.ports.state import ReplicaPage

_KEY_BYTES = 1024

Tenant = Annotated[str, Path(description="The tenant's id.", examples=["acme"])]
Target = Annotated[str | None, Query(description="Only this target.", pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many; a page may hold fewer and still go on.")]
Key = Annotated[str | None, Query(description="Exactly this key: all copies of one object.", max_length=_KEY_BYTES)]
Prefix = Annotated[str, Query(alias="keyPrefix", description="Only keys that begin so.", max_length=_KEY_BYTES)]
Cursor = Annotated[str | None, Query(description="``nextCursor`` of the page before.", max_length=4096)]


def router(services: Services, access: Access) -> APIGatewayHttpRouter:
    """The resource's routes."""
    routes = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]  # so in Powertools 3.37

    @routes.get(
        "/tenants/<tenant_id>/replicas",
        operation_id="listReplicas",
        summary="Where copies are",
        description="A tenant's replicas, ascending by key, then target; with `key`, the copies of that object.",
        tags=["Replicas"],
        security=SIGNED_IN,
        responses=answers("The replicas.", ReplicaList, 401, 403, 404, 422, 503),
    )
    def list_replicas(
        tenant_id: Tenant,  # the owner's, which the dependency has checked
        owner: Annotated[Owner, Depends(access.owner)],
        status: Annotated[Status | None, Query(description="Only replicas of this status.")] = None,
        target: Target = None,
        key_prefix: Prefix = "",
        limit: Limit = 100,
        cursor: Cursor = None,
        key: Key = None,
    ) -> ReplicaList:
        if key is not None:
            if key_prefix or cursor:
                raise InvalidInput("key goes with neither keyPrefix nor cursor")
            return ReplicaList.of(_copies(services, owner.tenant.id, key, status, target), None)
        scope = ("replicas", owner.tenant.id, status or "", target or "", _fitting(key_prefix))
        page = services.ledger.page(
            owner.tenant.id,
            status=status,
            target=TargetName(target) if target else None,
            key_prefix=key_prefix,
            limit=limit,
            after=services.cursors.open(scope, cursor) if cursor else None,
        )
        return ReplicaList.of(page, services.cursors.seal(scope, page.after) if page.after else None)

    return routes


def _copies(services: Services, tenant_id: TenantId, key: str, *only: Any) -> ReplicaPage:
    status, target = only
    rows = [
        row
        for row in services.ledger.copies(tenant_id, _fitting(key))
        if status in (None, row.status) and target in (None, row.target)
    ]
    return ReplicaPage(rows, None)


def _fitting(text: str) -> str:
    """A key or its beginning, as a store can hold it."""
    if len(text.encode()) > _KEY_BYTES:
        raise InvalidInput(f"a key is at most {_KEY_BYTES} bytes of UTF-8")
    return text
