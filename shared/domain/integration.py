"""One tenant's connection to one provider, with its status."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from shared.domain.ids import IntegrationId, ProviderId, TenantId
from shared.domain.seal import SealContext, Sealed

type AuthType = Literal[
    "oauth2",
    "connection_string",
    "account_key",
    "sas_token",
    "service_principal",
    "user_ms_identity",
    "iam_role",
    "access_key",
    "service_account",
    "workload_identity",
]
type Status = Literal["pending", "active", "expired", "revoked", "error"]
"""``pending``: consent was not given yet. ``expired``: the access token is over and there is no other yet. ``revoked``: the
provider no longer honours the connection. ``error``: something else keeps it from working; the reason says what."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose account at the provider it is.

    Attributes:
        id: the provider's own, stable identifier of it.
        name: what people call it (an e-mail address, a display name).
    """

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an authorization server gave, sealed: each token for its own purpose, so that a worker that may use access tokens
    cannot open refresh tokens.

    Attributes:
        generation: grows by one with each grant or refresh that was stored; a refresh builds on one generation.
        refresh: None if the provider gave none.
        expires_at: of the access token; None if the provider did not say.
    """

    generation: int
    access: Sealed
    refresh: Sealed | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Integration:
    """A connection, without its secrets: those are sealed at rest.

    Attributes:
        provider_id: None for one that an operator's command made without a provider.
        connector: the registry's name of the store (``s3``, ``azure_blob``).
        container: default bucket, container or folder; may be empty for an ``oauth2`` store.
        settings: what is not secret (``region``, ``endpoint``, ``account``, ``roleArn``), by connector.
        credentials: sealed with the settings they are for, or None where the auth type needs no secret.
        tokens: of ``oauth2``, once consent was given.
        generation: of the last tokens there were, kept when they are erased, so that no generation comes twice.
        reason: why it is not simply active: the stable code of an error (``grant_revoked``); None if all is well.
        scopes_requested, scopes_granted: at the last consent; what is granted comes from the provider.
        refresh_due_at: when the due-index hands it out next; None: never (no token, or a dead one).
        failures: refreshes that failed since the last that succeeded.
        version: grows by one with each change; compare-and-swap.
    """

    id: IntegrationId
    tenant_id: TenantId
    name: str
    connector: str
    auth_type: AuthType
    container: str
    created_at: datetime
    updated_at: datetime
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    credentials: Sealed | None = field(default=None, repr=False)
    status: Status = "active"
    is_active: bool = True
    version: int = 1
    provider_id: ProviderId | None = None
    tokens: Tokens | None = field(default=None, repr=False)
    generation: int = 0
    account: Account | None = None
    reason: str | None = None
    scopes_requested: tuple[str, ...] = ()
    scopes_granted: tuple[str, ...] = ()
    connected_at: datetime | None = None
    last_refreshed_at: datetime | None = None
    refresh_due_at: datetime | None = None
    failures: int = 0
    created_by: str = ""

    @property
    def usable(self) -> bool:
        """Whether replication may use it now."""
        return self.is_active and self.status == "active"

    @property
    def waiting(self) -> bool:
        """Whether it may become active again by itself: its tokens are over, and a refresh is ahead."""
        return self.status == "expired" and self.refresh_due_at is not None


def credentials_context(tenant_id: TenantId, integration_id: IntegrationId, sequence: int) -> SealContext:
    """The place of an integration's credentials."""
    return SealContext(tenant_id, "integrations", integration_id, "credentials", "connect", sequence)


def access_context(tenant_id: TenantId, integration_id: IntegrationId, sequence: int) -> SealContext:
    """The place of an integration's access token: whoever moves objects may open it."""
    return SealContext(tenant_id, "integrations", integration_id, "access_token", "use", sequence)


def refresh_context(tenant_id: TenantId, integration_id: IntegrationId, sequence: int) -> SealContext:
    """The place of an integration's refresh token: only whoever refreshes or disconnects may open it."""
    return SealContext(tenant_id, "integrations", integration_id, "refresh_token", "refresh", sequence)
