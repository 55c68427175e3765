"""A tenant's connections, their secrets sealed."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from shared.domain.audit import AuditEvent
from shared.domain.errors import AlreadyExists, NotFound, VersionMismatch
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.integration import Integration
from shared.state.answers import ConditionLost, asked, found
from shared.state.cache import Cache
from shared.state.chain import Chain
from shared.state.connection_models import IntegrationItem, ProviderItem
from shared.state.integration_rows import SHARDS, integration_of, item_of
from shared.state.moments import text_of
from shared.state.providers import used
from shared.state.tables import Tables, bound
from shared.state.transactions import Delete, Save, Write


class DynamoIntegrations:
    """ports.state.Integrations.

    Calls to DynamoDB: ``due`` one a shard, all others one; two where there is an audit event.
    """

    def __init__(self, tables: Tables, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._row = bound(IntegrationItem, tables)
        self._provider = bound(ProviderItem, tables)
        self._cache: Cache[tuple[TenantId, IntegrationId], Integration] = Cache(clock=clock)
        self._chain = Chain(tables)

    def get(self, tenant_id: TenantId, integration_id: IntegrationId, *, fresh: bool = False) -> Integration | None:
        key = tenant_id, integration_id
        if not fresh and (known := self._cache.get(key)):
            return known
        item = found(self._row, *key)
        if item is None:
            self._cache.forget(key)
            return None
        return self._cache.put(key, integration_of(item))

    def of(self, tenant_id: TenantId, *, after: IntegrationId | None = None, limit: int = 100) -> Sequence[Integration]:
        beyond = self._row.id > after if after else None
        query = self._row.query(tenant_id, beyond, limit=limit, consistent_read=True)
        return [integration_of(item) for item in asked(lambda: list(query))]

    def add(self, integration: Integration, event: AuditEvent) -> None:
        row = Save(item_of(self._row, integration), self._row.id.does_not_exist())
        try:
            self._chain.commit(event, [row, *self._used(integration, +1)])
        except ConditionLost as error:
            if 0 in error.lost:
                raise AlreadyExists("an integration of this id exists") from None
            raise NotFound("there is no such provider") from None
        finally:
            self._forget(integration)

    def change(self, integration: Integration, event: AuditEvent | None = None) -> None:
        item, unmoved = item_of(self._row, integration), self._row.version == integration.version - 1
        try:
            if event is None:
                asked(lambda: item.save(condition=unmoved))
            else:
                self._chain.commit(event, [Save(item, unmoved)])
        except ConditionLost:
            # Where an answer was lost on its way, the same call was made again; transactions know themselves, puts do not.
            if event or self.get(integration.tenant_id, integration.id, fresh=True) != integration:
                raise VersionMismatch from None
        finally:
            self._forget(integration)

    def remove(self, integration: Integration, event: AuditEvent) -> None:
        key = self._row(integration.tenant_id, integration.id)
        row = Delete(key, self._row.version == integration.version)
        try:
            self._removed(event, row, self._used(integration, -1))
        except ConditionLost:
            raise VersionMismatch from None
        finally:
            self._forget(integration)

    def due(self, before: datetime, *, limit: int = 1000) -> Sequence[tuple[TenantId, IntegrationId]]:
        late = [each for shard in SHARDS for each in self._late(shard, before, limit)]
        return [(tenant, integration) for _, tenant, integration in sorted(late)[:limit]]

    def _late(self, shard: str, before: datetime, limit: int) -> list[tuple[str, TenantId, IntegrationId]]:
        # Any of the longest due may be here, so each shard is asked for all that may be told; keys are small, and no format.
        query = self._row.by_due.query(shard, self._row.due_at <= text_of(before), limit=limit)
        keys = asked(lambda: next(query.page_iter))["Items"]
        return [(it["due_at"]["S"], TenantId(it["tenant"]["S"]), IntegrationId(it["id"]["S"])) for it in keys]

    def _removed(self, event: AuditEvent, row: Write, uses: Sequence[Write]) -> None:
        try:
            self._chain.commit(event, [row, *uses])
        except ConditionLost as error:
            if 0 in error.lost:
                raise
            self._chain.commit(event, [row])  # its provider is lost: that must not keep a secret here

    def _used(self, integration: Integration, by: int) -> list[Write]:
        return [used(self._provider, integration.provider_id, by)] if integration.provider_id else []

    def _forget(self, integration: Integration) -> None:
        self._cache.forget((integration.tenant_id, integration.id))
