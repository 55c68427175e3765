"""Whether a connection works, found out now; and how it is, as far as is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Protocol

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import (
    CredentialsRefused,
    DeadlineExceeded,
    FarshoreError,
    GrantError,
    Misconfigured,
    NotSupported,
    PolicyBlocked,
    ProviderUnavailable,
    RoleWithoutExternalId,
    ScopeMissing,
    SealBroken,
    StateUnavailable,
    StoreError,
    StoreUnavailable,
    Throttled,
    TokenExpired,
)
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.integration import Integration, Status
from shared.ports.connections import Audit, Providers
from shared.ports.oauth import AuthorizationServer, AuthorizationServers, Probes
from shared.ports.state import Integrations
from shared.ports.world import Clock, Deadline, Vault
from shared.usecases.advice import what_to_do
from shared.usecases.disconnect import DISCONNECTED, UNREVOKED
from shared.usecases.forms import external_id_of
from shared.usecases.grants import server_of
from shared.usecases.refresh import Refreshing, access_token, refresh_one
from shared.usecases.refresh_outcome import lacking
from shared.usecases.rounds import found


class Looking(Protocol):
    """What health asks of the world."""

    @property
    def integrations(self) -> Integrations: ...


@dataclass(frozen=True, slots=True)
class Checking:
    """What a test asks of the world."""

    integrations: Integrations
    providers: Providers
    audit: Audit
    vault: Vault
    servers: AuthorizationServers
    probes: Probes
    refreshing: Refreshing
    clock: Clock


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test found.

    Attributes:
        token_valid: the provider, or the store, took our token or credentials.
        api_reachable: it answered; None if that cannot be found out, because the provider names no URL to ask about accounts.
            Then only its authorization server was asked, for new tokens.
        scopes_valid: it lets us do all that was asked for.
        code: what is wrong; None if nothing.
    """

    token_valid: bool
    api_reachable: bool | None
    scopes_valid: bool
    milliseconds: int = 0
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How a connection is, without asking anybody. ``next_refresh_at`` is None where there is none by itself."""

    status: Status
    reason: str | None
    token_expires_at: datetime | None
    next_refresh_at: datetime | None
    failures: int
    last_refreshed_at: datetime | None
    what_to_do: str | None


type _Found = tuple[bool, bool | None, bool]

_WELL: _Found = (True, True, True)
_FOUND: Mapping[type[FarshoreError], _Found] = MappingProxyType(
    {
        ScopeMissing: (True, True, False),
        PolicyBlocked: (True, True, False),
        TokenExpired: (False, True, False),
        ProviderUnavailable: (False, False, False),
        CredentialsRefused: (False, True, False),
        StoreUnavailable: (False, False, False),
        Throttled: (False, False, False),
        Misconfigured: (False, False, False),
        SealBroken: (False, False, False),
        NotSupported: (False, False, False),
    }
)


def test(
    tenant_id: TenantId, integration_id: IntegrationId, actor: Actor, world: Checking, deadline: Deadline
) -> Tested:
    """Asks the provider for the account, or looks into the store's container. A token that is over is refreshed first. Changes
    nothing on the other side, but for new tokens. A role has to refuse us without the tenant's external id, too.

    Raises:
        NotFound: there is no such integration.
        StateUnavailable, DeadlineExceeded
    """
    it = found(world.integrations.get(tenant_id, integration_id, fresh=True), "integration")
    begun, code = world.clock.now(), None
    try:
        seen = _seen(it, world, deadline)
    except (StateUnavailable, DeadlineExceeded):
        raise
    except FarshoreError as error:
        seen, code = _meaning(error), error.code
    if code is None and not seen[2]:
        code = ScopeMissing.code
    took = round((world.clock.now() - begun).total_seconds() * 1000)
    tested = Tested(*seen, max(0, took), code)
    world.audit.append(_event(it, tested, actor, world))
    return tested


def health(tenant_id: TenantId, integration_id: IntegrationId, world: Looking) -> Health:
    """What is on record, and what a person should do about it.

    Raises:
        NotFound, StateUnavailable
    """
    it = found(world.integrations.get(tenant_id, integration_id, fresh=True), "integration")
    return Health(
        it.status,
        it.reason,
        it.tokens.expires_at if it.tokens else None,
        it.refresh_due_at,
        it.failures,
        it.last_refreshed_at,
        what_to_do(it),
    )


def _seen(it: Integration, world: Checking, deadline: Deadline) -> _Found:
    if it.reason in (DISCONNECTED, UNREVOKED):
        raise TokenExpired
    if it.auth_type != "oauth2":
        world.probes.reach(it)
        if external_id_of(it) is not None and not world.probes.guarded(it):
            raise RoleWithoutExternalId
        return _WELL
    provider = found(world.providers.get(it.provider_id) if it.provider_id else None, "provider")
    server = server_of(provider, world.vault, world.servers)
    asks = provider.endpoints is not None and provider.endpoints.user_info is not None
    (_ask if asks else _renew)(it, server, world, deadline)
    now = found(world.integrations.get(it.tenant_id, it.id, fresh=True), "integration")
    return (True, True if asks else None, not lacking(now.scopes_requested, now.scopes_granted))


def _ask(it: Integration, server: AuthorizationServer, world: Checking, deadline: Deadline) -> None:
    """Whose account it is; with another token, as any caller would after a 401."""
    token = access_token(it.tenant_id, it.id, world.refreshing, deadline)
    try:
        server.account(token)
    except TokenExpired:
        server.account(access_token(it.tenant_id, it.id, world.refreshing, deadline, refused=token))


def _renew(it: Integration, server: AuthorizationServer, world: Checking, deadline: Deadline) -> None:
    """New tokens: all that such a provider can be asked for. Without a refresh token, that ours is not over has to do."""
    if it.tokens and it.tokens.refresh:
        refresh_one(it.tenant_id, it.id, world.refreshing, deadline, force=True)
    access_token(it.tenant_id, it.id, world.refreshing, deadline)


def _meaning(error: FarshoreError) -> _Found:
    """What an error shows of the three. A grant that is refused was refused by somebody who answered; so was a bucket that is
    not there.
    """
    known = _FOUND.get(type(error))
    if known is not None:
        return known
    if isinstance(error, GrantError):
        return (False, True, False)
    return (True, True, True) if isinstance(error, StoreError) else (False, False, False)


def _event(it: Integration, tested: Tested, actor: Actor, world: Checking) -> AuditEvent:
    after = {
        "tokenValid": tested.token_valid,
        "apiReachable": tested.api_reachable,
        "scopesValid": tested.scopes_valid,
    }
    subject, outcome = f"integration/{it.id}", tested.code or "success"
    return AuditEvent(it.tenant_id, world.clock.now(), actor, "integration.tested", subject, outcome, after=after)
