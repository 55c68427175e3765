"""Who may call a route: a dependency in its signature.

A tenant is looked up first, since its own record may name its owners and members; then belonging comes before role. So
another tenant's things answer exactly as things that do not exist.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from aws_lambda_powertools.event_handler import Request

from shared.api.services import Services
from shared.domain.audit import Actor
from shared.domain.errors import Forbidden, InvalidInput, NotFound, Unauthenticated
from shared.domain.ids import TenantId, identifier
from shared.domain.tenant import Tenant
from shared.ports.identity import Principal
from shared.ports.world import Deadline

SCHEME: Final = "bearer"
SIGNED_IN: Final[list[dict[str, list[str]]]] = [{SCHEME: []}]
"""``security`` of a route that asks for a token; a test holds it to the route's dependencies."""

_LONGEST = 8192  # characters of a token; API Gateway allows 10,240 bytes for all headers
_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)\Z")


@dataclass(frozen=True, slots=True)
class Administrator:
    """Whoever may define providers and tenants."""

    principal: Principal
    actor: Actor


@dataclass(frozen=True, slots=True)
class Owner:
    """A tenant's owner and the tenant."""

    principal: Principal
    actor: Actor
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

    def perhaps(self, request: Request) -> Principal | None:
        """Whoever bears a valid token, or nobody: for routes that have a proof of their own. Raises StateUnavailable."""
        if not request.resolved_event.headers.get("authorization"):
            return None
        try:
            return self.signed_in(request)
        except Unauthenticated:
            return None

    def administrator(self, request: Request) -> Administrator:
        """A super-administrator.

        Raises:
            Unauthenticated, StateUnavailable
            Forbidden: it is somebody else, whatever the path names.
            NotFound: nothing can have an id that the path names.
        """
        principal = self.signed_in(request)
        if self._services.superadmin_role not in principal.roles:
            raise Forbidden
        well_named(request)
        return Administrator(principal, Actor(principal.subject, origin(request)))

    def owner(self, request: Request) -> Owner:
        """An owner of the tenant that the path names: its record says so, or the token does, which names tenant and role.

        Raises:
            Unauthenticated, StateUnavailable
            NotFound: there is no such tenant for this principal.
            Forbidden: it belongs to the tenant, but does not own it.
        """
        principal = self.signed_in(request)
        well_named(request)
        changes = request.method != "GET"  # whoever lost a tenant a moment ago may read on for another, and no more
        tenant = self._services.tenants.get(TenantId(request.path_parameters["tenant_id"]), fresh=changes)
        if tenant is None:
            raise NotFound
        named = tenant.id in principal.tenants
        if principal.subject in tenant.owners or (named and self._services.owner_role in principal.roles):
            return Owner(principal, Actor(principal.subject, origin(request)), tenant)
        if named or principal.subject in tenant.members:
            raise Forbidden
        raise NotFound

    def deadline(self, request: Request) -> Deadline:
        """The time left to this request."""
        return self._services.deadline(request.context.get("lambda_context"))


def well_named(request: Request) -> None:
    """Whether the path names what could be there. Raises NotFound if not: nothing has such an id."""
    try:
        for value in request.path_parameters.values():
            identifier(value, "an id")
    except InvalidInput:
        raise NotFound from None


def origin(request: Request) -> str:
    """The network address that the gateway saw the request come from; empty if the host does not tell."""
    context: dict[str, Any] = request.resolved_event.get("requestContext") or {}
    told = (context.get("http") or {}).get("sourceIp") or (context.get("identity") or {}).get("sourceIp")
    return str(told or "")
