"""Who may call a route: a dependency in its signature.

Membership comes before role, and both before anything is looked up beneath the tenant, so that another tenant's things
answer exactly as things that do not exist.
"""

import re
from dataclasses import dataclass
from typing import Final

from aws_lambda_powertools.event_handler import Request

from shared.api.services import Services
from shared.domain.errors import Forbidden, NotFound, Unauthenticated
from shared.domain.ids import TenantId
from shared.domain.tenant import Tenant
from shared.ports.identity import Principal

SCHEME: Final = "bearer"
SIGNED_IN: Final[list[dict[str, list[str]]]] = [{SCHEME: []}]
"""``security`` of a route that asks for a token; a test holds it to the route's dependencies."""

_LONGEST = 8192  # characters of a token; API Gateway allows 10,240 bytes for all headers
_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)\Z")


@dataclass(frozen=True, slots=True)
class Owner:
    """A tenant's owner and the tenant."""

    principal: Principal
    tenant: Tenant


class Access:
    """The dependencies."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def signed_in(self, request: Request) -> Principal:
        """Whoever bears a valid token.

        Raises:
            Unauthenticated, StateUnavailable
        """
        found = _BEARER.match(request.resolved_event.headers.get("authorization") or "")
        if not found or len(found.group(1)) > _LONGEST:
            raise Unauthenticated
        return self._services.verifier.verify(found.group(1))

    def owner(self, request: Request) -> Owner:
        """An owner of the tenant that the path names.

        Raises:
            Unauthenticated, StateUnavailable
            NotFound: there is no such tenant for this principal.
            Forbidden: it is a member, but no owner.
        """
        principal = self.signed_in(request)
        tenant_id = request.path_parameters["tenant_id"]
        if tenant_id not in principal.tenants:
            raise NotFound
        if self._services.owner_role not in principal.roles:
            raise Forbidden
        tenant = self._services.tenants.get(TenantId(tenant_id))
        if tenant is None:
            raise NotFound
        return Owner(principal, tenant)
