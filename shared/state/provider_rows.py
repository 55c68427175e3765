"""Providers as items, and back."""

from dataclasses import asdict
from types import MappingProxyType
from typing import Any, cast

from shared.domain.ids import ProviderId
from shared.domain.integration import AuthType
from shared.domain.provider import Dialect, Endpoints, Metadata, Provider, Rotation, TokenMethod
from shared.state.connection_models import ProviderItem
from shared.state.integration_rows import sealed_of
from shared.state.rows import whole

ALL = "providers"


def item_of(model: type[ProviderItem], it: Provider) -> ProviderItem:
    """The whole row."""
    ends = it.endpoints
    return model(
        ALL,
        it.id,
        name=it.name,
        slug=it.slug,
        connector=it.connector,
        auth_types=list(it.auth_types),
        authorize_url=ends.authorize if ends else None,
        token_url=ends.token if ends else None,
        revoke_url=ends.revoke if ends else None,
        user_info_url=ends.user_info if ends else None,
        client_id=it.client_id,
        secret=it.secret.box if it.secret else None,
        secret_sequence=it.secret.sequence if it.secret else None,
        scopes=list(it.scopes),
        grant_type=it.grant_type,
        token_method=it.token_method,
        pkce=it.pkce,
        authorize_parameters=dict(it.authorize_parameters),
        issuer=it.issuer,
        issuer_required=it.issuer_required,
        dialect=it.dialect,
        rotation=it.rotation,
        idle_days=it.idle_days,
        metadata=asdict(it.metadata),
        enabled=it.enabled,
        version=it.version,
        uses=it.uses,
        created_by=it.created_by,
        created_at=it.created_at,
        updated_at=it.updated_at,
    )


def provider_of(item: ProviderItem) -> Provider:
    """What the row says."""
    return Provider(
        id=ProviderId(item.sk),
        name=item.name,
        slug=item.slug,
        connector=item.connector,
        auth_types=tuple(cast(AuthType, each) for each in item.auth_types),
        created_by=item.created_by,
        created_at=item.created_at,
        updated_at=item.updated_at,
        endpoints=_endpoints(item, item.authorize_url, item.token_url),
        client_id=item.client_id,
        secret=sealed_of(item.secret, item.secret_sequence),
        scopes=tuple(item.scopes),
        grant_type="authorization_code",
        token_method=cast(TokenMethod, item.token_method),
        pkce="S256",
        authorize_parameters=MappingProxyType(item.authorize_parameters),
        issuer=item.issuer,
        issuer_required=item.issuer_required,
        dialect=cast(Dialect, item.dialect),
        rotation=cast(Rotation, item.rotation),
        idle_days=whole(item.idle_days),
        metadata=_metadata(item.metadata),
        enabled=item.enabled,
        version=int(item.version),
        uses=int(item.uses),
    )


def _endpoints(item: ProviderItem, authorize: str | None, token: str | None) -> Endpoints | None:
    if authorize is None or token is None:
        return None
    return Endpoints(authorize, token, item.revoke_url, item.user_info_url)


def _metadata(told: dict[str, Any]) -> Metadata:
    return Metadata(**{**told, "regions": tuple(told.get("regions", ()))})
