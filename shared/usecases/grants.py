"""Ends grants at their provider. Best effort: what is erased here stays erased, whatever a provider answers."""

from collections.abc import Iterator

from shared.domain.errors import FarshoreError
from shared.domain.grant import Grant
from shared.domain.ids import ProviderId, TenantId
from shared.domain.integration import Account, Integration, access_context, refresh_context
from shared.domain.provider import Provider, secret_context
from shared.ports.oauth import AuthorizationServer, AuthorizationServers
from shared.ports.state import Integrations
from shared.ports.world import Vault

NOT_OFFERED = "revocation_not_offered"
"""Why a grant is not revoked at a provider that has no way to (Microsoft)."""

_PAGE = 100


def server_of(provider: Provider, vault: Vault, servers: AuthorizationServers) -> AuthorizationServer:
    """The provider's, with our client's secret.

    Raises:
        SealBroken, StateUnavailable, Misconfigured
    """
    sealed = provider.secret
    secret = vault.open(sealed, secret_context(provider.id, sealed.sequence)) if sealed else None
    return servers.of(provider, secret)


def opened(integration: Integration, vault: Vault) -> Grant | None:
    """What is left of its grant; None if nothing is.

    Raises:
        SealBroken, StateUnavailable, Misconfigured
    """
    tokens = integration.tokens
    if tokens is None:
        return None
    place = (integration.tenant_id, integration.id)
    access = vault.open(tokens.access, access_context(*place, tokens.access.sequence))
    kept = tokens.refresh
    refresh = vault.open(kept, refresh_context(*place, kept.sequence)) if kept else None
    return Grant(access, refresh, tokens.expires_at)


def why_not_revoked(
    was: Integration, provider: Provider | None, vault: Vault, servers: AuthorizationServers
) -> str | None:
    """Revokes what an erased integration was connected by.

    Returns:
        None if nothing of it is left at the provider; else the code of the reason why something may be.
    """
    try:
        grant = opened(was, vault)
        if grant is None:
            return None
        if provider is None:
            return NOT_OFFERED
        ended = server_of(provider, vault, servers).revoke(grant.access, grant.refresh)
    except FarshoreError as error:
        return error.code
    return None if ended else NOT_OFFERED


def shares_account(
    tenant_id: TenantId, provider_id: ProviderId | None, account: Account | None, integrations: Integrations
) -> bool:
    """Whether an integration of the tenant is connected to this account at this provider. One whose tokens are refused there
    is not: a dead grant would keep this one alive for ever, with nobody to end it.

    To revoke one grant may end all that the account gave our client (Google), so a grant beside another is only forgotten
    here.
    """
    alive = connected(tenant_id, provider_id, integrations) if account else ()
    return any(it.account is not None and account is not None and it.account.id == account.id for it in alive)


def connected(tenant_id: TenantId, provider_id: ProviderId | None, integrations: Integrations) -> Iterator[Integration]:
    """The tenant's integrations that have a grant of this provider, as far as is known a living one."""
    page = integrations.of(tenant_id, limit=_PAGE)
    while page:
        yield from (it for it in page if it.tokens and it.provider_id == provider_id and not _dead(it))
        page = integrations.of(tenant_id, after=page[-1].id, limit=_PAGE) if len(page) == _PAGE else ()


def _dead(integration: Integration) -> bool:
    return integration.refresh_due_at is None and integration.status in ("revoked", "expired")
