"""``tenants/{tenant_id}/replicas``: where an object's copies are."""

from dataclasses import dataclass
from typing import Annotated

from aws_lambda_powertools.event_handler import Depends
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from shared.api.access import SIGNED_IN, Access, Owner
from shared.api.answers import answers
from shared.api.cursor import Scope
from shared.api.schemas.replicas import ReplicaList, Status
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


@dataclass(frozen=True, slots=True)
class Filters:
    """Which of a tenant's replicas are asked for."""

    tenant_id: TenantId
    status: Status | None
    target: TargetName | None
    prefix: str

    @property
    def scope(self) -> Scope:
        """What a cursor of this list is good for."""
        return ("replicas", self.tenant_id, self.status or "", self.target or "", self.prefix)


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
        only = Filters(owner.tenant.id, status, TargetName(target) if target else None, _fitting(key_prefix))
        if key is None:
            return _page(services, only, limit, cursor)
        if key_prefix or cursor:
            raise InvalidInput("key goes with neither keyPrefix nor cursor")
        return _copies(services, only, _fitting(key))

    return routes


def _page(services: Services, only: Filters, limit: int, cursor: str | None) -> ReplicaList:
    after = services.cursors.open(only.scope, cursor) if cursor else None
    page = services.ledger.page(
        only.tenant_id, status=only.status, target=only.target, key_prefix=only.prefix, limit=limit, after=after
    )
    return ReplicaList.of(page, services.cursors.seal(only.scope, page.after) if page.after else None)


def _copies(services: Services, only: Filters, key: str) -> ReplicaList:
    rows = [
        row
        for row in services.ledger.copies(only.tenant_id, key)
        if only.status in (None, row.status) and only.target in (None, row.target)
    ]
    return ReplicaList.of(ReplicaPage(rows, None), None)


def _fitting(text: str) -> str:
    """A key or its beginning, as a store can hold it."""
    if len(text.encode()) > _KEY_BYTES:
        raise InvalidInput(f"a key is at most {_KEY_BYTES} bytes of UTF-8")
    return text
