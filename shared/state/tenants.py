"""Tenants and whose an object is."""

import time
from collections.abc import Callable, Sequence

from pynamodb.expressions.condition import Condition

from shared.domain.audit import AuditEvent
from shared.domain.errors import AlreadyExists, Conflict, InvalidInput, StateUnavailable, VersionMismatch
from shared.domain.ids import TenantId
from shared.domain.tenant import Source, Tenant
from shared.state.answers import ConditionLost, asked, found
from shared.state.cache import Cache
from shared.state.chain import Chain
from shared.state.models import PlaceItem, TenantItem
from shared.state.tables import Tables, bound
from shared.state.transactions import Delete, Save, Write

_ALL = "tenants"
_PREFIX_BYTES = 1023  # a sort key's 1,024 less the '=' before it
_ROUNDS = 5  # of claiming a place in a bucket while others do


class DynamoTenants:
    """ports.state.Tenants."""

    def __init__(self, tables: Tables, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._row = bound(TenantItem, tables)
        self._place = bound(PlaceItem, tables)
        self._by_id: Cache[TenantId, Tenant] = Cache(clock=clock)
        self._by_source: Cache[Source, Tenant] = Cache(clock=clock)
        self._chain = Chain(tables)

    def get(self, tenant_id: TenantId, *, fresh: bool = False) -> Tenant | None:
        known = None if fresh else self._by_id.get(tenant_id)
        return known or self._remembered(self._stored(tenant_id))

    def owner_of(self, connector: str, bucket: str, key: str) -> Tenant | None:
        for prefix in _prefixes(key):
            if known := self._by_source.get(Source(connector, bucket, prefix)):
                return known
        tenant = self._remembered(self._nearest(connector, bucket, key))
        return tenant if tenant and tenant.source.holds(connector, bucket, key) else None

    def add(self, tenant: Tenant, event: AuditEvent) -> None:
        for _ in range(_ROUNDS):
            if self._stored(tenant.id):
                raise AlreadyExists("a tenant of this id exists")
            row = Save(self._main(tenant), self._row.pk.does_not_exist())
            try:
                self._chain.commit(event, [row, *self._claim(tenant)])
            except ConditionLost:
                continue  # somebody added a tenant to this bucket meanwhile: look again
            return self._forget(tenant)
        raise StateUnavailable("other tenants are being added to this bucket")

    def change(self, tenant: Tenant, event: AuditEvent) -> None:
        for _ in range(_ROUNDS):
            stored = self._stored(tenant.id)
            if stored is None or int(stored.version) != tenant.version - 1:
                raise VersionMismatch
            row = Save(self._main(tenant), self._of_version(tenant.version - 1))
            try:
                self._chain.commit(event, [row, *self._moved(tenant, _tenant(stored))])
            except ConditionLost:
                continue
            return self._forget(tenant, _tenant(stored))
        raise StateUnavailable("other tenants are being added to this bucket")

    def remove(self, tenant: Tenant, event: AuditEvent) -> None:
        row, unclaimed = self._main(tenant), Delete(self._claimed(tenant))
        try:
            self._chain.commit(event, [Delete(row, self._of_version(tenant.version)), unclaimed])
        except ConditionLost:
            raise VersionMismatch from None
        finally:
            self._forget(tenant)

    def page(self, *, after: TenantId | None = None, limit: int = 100) -> Sequence[Tenant]:
        beyond = self._row.sk > after if after else None
        query = self._row.query(_ALL, beyond, limit=limit, consistent_read=True)
        return [_tenant(item) for item in asked(lambda: list(query))]

    def _stored(self, tenant_id: TenantId) -> TenantItem | None:
        return found(self._row, _ALL, tenant_id)

    def _remembered(self, item: TenantItem | None) -> Tenant | None:
        if item is None:
            return None
        tenant = _tenant(item)
        self._by_source.put(tenant.source, tenant)
        return self._by_id.put(tenant.id, tenant)

    def _forget(self, *tenants: Tenant) -> None:
        for tenant in tenants:
            self._by_id.forget(tenant.id)
            self._by_source.forget(tenant.source)

    def _nearest(
        self, connector: str, bucket: str, key: str, *, before: bool = True, but: str | None = None
    ) -> TenantItem | None:
        """The claim with the greatest prefix not after ``key``, or the least not before it; not ``but``'s."""
        partition = _partition(Source(connector, bucket))
        edge = "=" + _cut(key)
        bounds = self._row.sk.between("=", edge) if before else self._row.sk >= edge
        limit = 2 if but else 1
        query = self._row.query(partition, bounds, limit=limit, scan_index_forward=not before, consistent_read=True)
        return next((item for item in asked(lambda: list(query)) if item.id != but), None)

    def _claim(self, tenant: Tenant) -> list[Write]:
        """Raises InvalidInput, Conflict: another tenant has this place or a part of it."""
        source, row, place = tenant.source, self._row, self._place
        if len(source.prefix.encode()) > _PREFIX_BYTES:
            raise InvalidInput(f"a source's prefix is at most {_PREFIX_BYTES} bytes long")
        counted = found(place, _partition(source), "!")
        for before in (True, False):
            near = self._nearest(source.connector, source.bucket, source.prefix, before=before, but=tenant.id)
            if near and _tenant(near).source.overlaps(source):
                raise Conflict("this source overlaps another tenant's")
        unmoved = place.claims == counted.claims if counted else place.claims.does_not_exist()
        counter = place(_partition(source), "!", claims=(counted.claims if counted else 0) + 1)
        return [Save(counter, unmoved), Save(self._claimed(tenant), row.pk.does_not_exist())]

    def _moved(self, tenant: Tenant, before: Tenant) -> list[Write]:
        if tenant.source == before.source:
            return [Save(self._claimed(tenant), self._row.pk.exists())]
        return [Delete(self._claimed(before)), *self._claim(tenant)]

    def _main(self, tenant: Tenant) -> TenantItem:
        return _item(self._row, _ALL, tenant.id, tenant)

    def _claimed(self, tenant: Tenant) -> TenantItem:
        return _item(self._row, _partition(tenant.source), "=" + tenant.source.prefix, tenant)

    def _of_version(self, version: int) -> Condition:
        condition: Condition = self._row.version == version
        if version == 1:  # rows of format 1 have none
            condition = condition | (self._row.pk.exists() & self._row.version.does_not_exist())
        return condition


def _partition(source: Source) -> str:
    return f"source#{source.connector}#{source.bucket}"


def _prefixes(key: str) -> Sequence[str]:
    """Every prefix a source of this key can have: none, and up to each slash."""
    return ["", *(key[: at + 1] for at, letter in enumerate(key) if letter == "/")]


def _cut(key: str) -> str:
    """What of a key fits beside a prefix; a prefix of the key that fits is one of the cut key too."""
    return key.encode("utf-8", "surrogatepass")[:_PREFIX_BYTES].decode("utf-8", "ignore")


def _item(model: type[TenantItem], pk: str, sk: str, tenant: Tenant) -> TenantItem:
    source = tenant.source
    return model(
        pk,
        sk,
        id=tenant.id,
        name=tenant.name,
        connector=source.connector,
        bucket=source.bucket,
        prefix=source.prefix,
        owners=sorted(tenant.owners),
        members=sorted(tenant.members),
        version=tenant.version,
        created_at=tenant.created_at,
        updated_at=tenant.updated_at,
    )


def _tenant(item: TenantItem) -> Tenant:
    return Tenant(
        id=TenantId(item.id),
        name=item.name,
        source=Source(item.connector, item.bucket, item.prefix),
        created_at=item.created_at,
        owners=frozenset(item.owners),
        members=frozenset(item.members),
        updated_at=item.updated_at,
        version=int(item.version),
    )
