"""A tenant's connections, their credentials sealed."""

import time
from collections.abc import Callable
from types import MappingProxyType
from typing import cast

from shared.domain.errors import Conflict
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.integration import AuthType, Integration, Status
from shared.state.answers import ConditionLost, asked, found
from shared.state.cache import Cache
from shared.state.models import IntegrationItem
from shared.state.tables import Tables, bound


class DynamoIntegrations:
    """ports.state.Integrations."""

    def __init__(self, tables: Tables, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._row = bound(IntegrationItem, tables)
        self._cache: Cache[tuple[TenantId, IntegrationId], Integration] = Cache(clock=clock)

    def get(self, tenant_id: TenantId, integration_id: IntegrationId) -> Integration | None:
        key = tenant_id, integration_id
        if known := self._cache.get(key):
            return known
        item = found(self._row, *key)
        return self._cache.put(key, _integration(item)) if item else None

    def add(self, integration: Integration) -> None:
        item = _item(self._row, integration)
        try:
            asked(lambda: item.save(condition=self._row.id.does_not_exist()))
        except ConditionLost:
            raise Conflict("an integration of this id exists") from None


def _item(model: type[IntegrationItem], it: Integration) -> IntegrationItem:
    return model(
        it.tenant_id,
        it.id,
        name=it.name,
        connector=it.connector,
        auth_type=it.auth_type,
        container=it.container,
        settings=dict(it.settings),
        sealed=it.sealed,
        status=it.status,
        is_active=it.is_active,
        version=it.version,
        created_at=it.created_at,
        updated_at=it.updated_at,
    )


def _integration(item: IntegrationItem) -> Integration:
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
        sealed=item.sealed,
        status=cast(Status, item.status),
        is_active=item.is_active,
        version=int(item.version),
    )
