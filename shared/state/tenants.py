"""Tenants and whose an object is."""

import time
from collections.abc import Callable, Sequence

from pynamodb.transactions import TransactWrite

from shared.domain.errors import Conflict, InvalidInput, StateUnavailable
from shared.domain.ids import TenantId
from shared.domain.tenant import Source, Tenant
from shared.state.answers import ConditionLost, asked, found
from shared.state.cache import Cache
from shared.state.models import PlaceItem, TenantItem
from shared.state.tables import Tables, bound

_ALL = "tenants"
_PREFIX_BYTES = 1023  # a sort key's 1,024 less the '=' before it
_ROUNDS = 5  # of adding to a bucket while others do


class DynamoTenants:
    """ports.state.Tenants."""

    def __init__(self, tables: Tables, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._row = bound(TenantItem, tables)
        self._place = bound(PlaceItem, tables)
        self._by_id: Cache[TenantId, Tenant] = Cache(clock=clock)
        self._by_source: Cache[tuple[str, str, str], Tenant] = Cache(clock=clock)

    def get(self, tenant_id: TenantId) -> Tenant | None:
        return self._by_id.get(tenant_id) or self._remembered(found(self._row, _ALL, tenant_id))

    def owner_of(self, connector: str, bucket: str, key: str) -> Tenant | None:
        for prefix in _prefixes(key):
            if known := self._by_source.get((connector, bucket, prefix)):
                return known
        tenant = self._remembered(self._nearest(connector, bucket, key))
        return tenant if tenant and tenant.source.holds(connector, bucket, key) else None

    def add(self, tenant: Tenant) -> None:
        if len(tenant.source.prefix.encode()) > _PREFIX_BYTES:
            raise InvalidInput(f"a source's prefix is at most {_PREFIX_BYTES} bytes long")
        for _ in range(_ROUNDS):
            place = found(self._place, _partition(tenant.source), "!")
            self._refuse(tenant)
            try:
                return self._claim(tenant, place)
            except ConditionLost:
                continue  # somebody added a tenant to this bucket meanwhile: look again
        raise StateUnavailable("other tenants are being added to this bucket")

    def page(self, *, after: TenantId | None = None, limit: int = 100) -> Sequence[Tenant]:
        beyond = self._row.sk > after if after else None
        query = self._row.query(_ALL, beyond, limit=limit, consistent_read=True)
        return [_tenant(item) for item in asked(lambda: list(query))]

    def _remembered(self, item: TenantItem | None) -> Tenant | None:
        if item is None:
            return None
        tenant = _tenant(item)
        source = tenant.source
        self._by_source.put((source.connector, source.bucket, source.prefix), tenant)
        return self._by_id.put(tenant.id, tenant)

    def _nearest(self, connector: str, bucket: str, key: str, *, before: bool = True) -> TenantItem | None:
        """The claim with the greatest prefix not after ``key``, or with the least not before it."""
        partition = _partition(Source(connector, bucket))
        edge = "=" + _cut(key)
        bounds = self._row.sk.between("=", edge) if before else self._row.sk >= edge
        query = self._row.query(partition, bounds, limit=1, scan_index_forward=not before, consistent_read=True)
        return next(iter(asked(lambda: list(query))), None)

    def _refuse(self, tenant: Tenant) -> None:
        if found(self._row, _ALL, tenant.id):
            raise Conflict("a tenant of this id exists")
        source = tenant.source
        for before in (True, False):
            near = self._nearest(source.connector, source.bucket, source.prefix, before=before)
            if near and _tenant(near).source.overlaps(source):
                raise Conflict("this source overlaps another tenant's")

    def _claim(self, tenant: Tenant, place: PlaceItem | None) -> None:
        partition, count = _partition(tenant.source), self._place.claims
        unmoved = count == place.claims if place else count.does_not_exist()
        counter = self._place(partition, "!", claims=(place.claims if place else 0) + 1)
        rows = [
            _item(self._row, _ALL, tenant.id, tenant),
            _item(self._row, partition, "=" + tenant.source.prefix, tenant),
        ]

        def commit() -> None:
            with TransactWrite(connection=self._row._get_connection().connection) as transaction:
                transaction.save(counter, condition=unmoved)
                for row in rows:
                    transaction.save(row, condition=self._row.pk.does_not_exist())

        asked(commit)


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
        created_at=tenant.created_at,
    )


def _tenant(item: TenantItem) -> Tenant:
    return Tenant(TenantId(item.id), item.name, Source(item.connector, item.bucket, item.prefix), item.created_at)
