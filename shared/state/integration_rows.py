"""Integrations as items, and back."""

import zlib
from types import MappingProxyType
from typing import cast

from shared.domain.ids import IntegrationId, ProviderId, TenantId
from shared.domain.integration import Account, AuthType, Integration, Status, Tokens
from shared.domain.seal import Sealed
from shared.state.connection_models import IntegrationItem
from shared.state.moments import moment_of, text_of

_SHARDS = 16
"""Of the due-index: each takes 1,000 writes a second, so all together more than any deployment refreshes."""

SHARDS = tuple(f"due#{number:02}" for number in range(_SHARDS))


def shard_of(tenant_id: str, integration_id: str) -> str:
    """Where the due-index keeps it; the same in every process and release."""
    return SHARDS[zlib.crc32(f"{tenant_id}#{integration_id}".encode()) % _SHARDS]


def item_of(model: type[IntegrationItem], it: Integration) -> IntegrationItem:
    """The whole row."""
    item = model(
        it.tenant_id,
        it.id,
        name=it.name,
        connector=it.connector,
        auth_type=it.auth_type,
        container=it.container,
        settings=dict(it.settings),
        status=it.status,
        reason=it.reason,
        is_active=it.is_active,
        version=it.version,
        provider=it.provider_id,
        generation=it.generation,
        scopes_requested=list(it.scopes_requested),
        scopes_granted=list(it.scopes_granted),
        connected_at=it.connected_at,
        last_refreshed_at=it.last_refreshed_at,
        failures=it.failures,
        created_by=it.created_by,
        created_at=it.created_at,
        updated_at=it.updated_at,
    )
    _fill(item, it)
    return item


def _fill(item: IntegrationItem, it: Integration) -> None:
    """What is there only together."""
    if it.credentials:
        item.credentials, item.credentials_sequence = it.credentials.box, it.credentials.sequence
    if it.account:
        item.account_id, item.account_name = it.account.id, it.account.name
    if it.refresh_due_at:
        item.due_shard, item.due_at = shard_of(it.tenant_id, it.id), text_of(it.refresh_due_at)
    if tokens := it.tokens:
        item.tokens_generation, item.tokens_expire_at = tokens.generation, tokens.expires_at
        item.access, item.access_sequence = tokens.access.box, tokens.access.sequence
        if tokens.refresh:
            item.renewal, item.renewal_sequence = tokens.refresh.box, tokens.refresh.sequence


def integration_of(item: IntegrationItem) -> Integration:
    """What the row says."""
    return Integration(
        id=IntegrationId(item.id),
        tenant_id=TenantId(item.tenant),
        name=item.name,
        connector=item.connector,
        auth_type=cast(AuthType, item.auth_type),
        container=item.container,
        created_at=item.created_at,
        updated_at=item.updated_at,
        settings=MappingProxyType(item.settings),
        credentials=sealed_of(item.credentials, item.credentials_sequence),
        status=cast(Status, item.status),
        is_active=item.is_active,
        version=int(item.version),
        provider_id=ProviderId(item.provider) if item.provider else None,
        tokens=_tokens(item),
        generation=int(item.generation),
        account=_account(item.account_id, item.account_name),
        reason=item.reason,
        scopes_requested=tuple(item.scopes_requested),
        scopes_granted=tuple(item.scopes_granted),
        connected_at=item.connected_at,
        last_refreshed_at=item.last_refreshed_at,
        refresh_due_at=moment_of(item.due_at) if item.due_at else None,
        failures=int(item.failures),
        created_by=item.created_by,
    )


def _account(id: str | None, name: str | None) -> Account | None:
    return Account(id, name) if id is not None else None


def _tokens(item: IntegrationItem) -> Tokens | None:
    access = sealed_of(item.access, item.access_sequence)
    if access is None:
        return None
    return Tokens(
        generation=int(item.tokens_generation),
        access=access,
        refresh=sealed_of(item.renewal, item.renewal_sequence),
        expires_at=item.tokens_expire_at,
    )


def sealed_of(box: bytes | None, sequence: float | None) -> Sealed | None:
    """A sealed value from its two attributes."""
    return Sealed(box, int(sequence)) if box is not None and sequence is not None else None
