"""Kinds of accounts that may be connected, few enough to be one partition."""

import time
from collections.abc import Callable, Sequence

from pynamodb.expressions.update import Action

from shared.domain.audit import AuditEvent
from shared.domain.errors import AlreadyExists, InUse, VersionMismatch
from shared.domain.ids import ProviderId
from shared.domain.provider import Provider
from shared.state.answers import ConditionLost, asked, found
from shared.state.cache import Cache
from shared.state.chain import Chain
from shared.state.connection_models import ProviderItem, SlugItem
from shared.state.provider_rows import ALL, item_of, provider_of
from shared.state.tables import Tables, bound
from shared.state.transactions import Delete, Save, Update, Write

_KEPT = frozenset({"pk", "sk", "uses"})  # what a change leaves alone
_SLUGS = "slugs"


class DynamoProviders:
    """ports.connections.Providers."""

    def __init__(self, tables: Tables, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._row = bound(ProviderItem, tables)
        self._slug = bound(SlugItem, tables)
        self._by_id: Cache[ProviderId, Provider] = Cache(clock=clock)
        self._by_slug: Cache[str, ProviderId] = Cache(clock=clock)
        self._chain = Chain(tables)

    def get(self, provider_id: ProviderId, *, fresh: bool = False) -> Provider | None:
        if not fresh and (known := self._by_id.get(provider_id)):
            return known
        item = found(self._row, ALL, provider_id)
        if item is None:
            self._by_id.forget(provider_id)
            return None
        return self._by_id.put(provider_id, provider_of(item))

    def by_slug(self, slug: str) -> Provider | None:
        known = self._by_slug.get(slug)
        if known and (provider := self.get(known)):
            return provider
        claim = found(self._slug, _SLUGS, slug)
        return self.get(self._by_slug.put(slug, ProviderId(claim.provider))) if claim else None

    def page(self, *, after: ProviderId | None = None, limit: int = 100) -> Sequence[Provider]:
        beyond = self._row.sk > after if after else None
        query = self._row.query(ALL, beyond, limit=limit, consistent_read=True)
        return [provider_of(item) for item in asked(lambda: list(query))]

    def add(self, provider: Provider, event: AuditEvent) -> None:
        row = Save(item_of(self._row, provider), self._row.pk.does_not_exist())
        try:
            self._chain.commit(event, [row, Save(self._claim(provider), self._slug.pk.does_not_exist())])
        except ConditionLost:
            raise AlreadyExists("the provider's id or slug is taken") from None

    def change(self, provider: Provider, event: AuditEvent) -> None:
        unmoved = (self._row.version == provider.version - 1) & (self._row.slug == provider.slug)
        key = self._row(ALL, provider.id)
        try:
            self._chain.commit(event, [Update(key, self._changes(provider), unmoved)])
        except ConditionLost:
            raise VersionMismatch from None
        finally:
            self._by_id.forget(provider.id)

    def remove(self, provider: Provider, event: AuditEvent) -> None:
        unused = (self._row.version == provider.version) & (self._row.uses == 0)
        key = self._row(ALL, provider.id)
        try:
            self._chain.commit(event, [Delete(key, unused), Delete(self._claim(provider))])
        except ConditionLost:
            raise self._obstacle(provider) from None
        finally:
            self._by_id.forget(provider.id)
            self._by_slug.forget(provider.slug)

    def _obstacle(self, provider: Provider) -> VersionMismatch | InUse:
        stored = self.get(provider.id, fresh=True)
        if stored and stored.version == provider.version and stored.uses:
            return InUse(
                f"{stored.uses} of the tenants' integrations use it: remove those first, or disable it (PATCH enabled)"
            )
        return VersionMismatch()

    def _claim(self, provider: Provider) -> SlugItem:
        return self._slug(_SLUGS, provider.slug, provider=provider.id)

    def _changes(self, provider: Provider) -> list[Action]:
        """Everything but the uses, which other transactions count."""
        item = item_of(self._row, provider)
        names = [name for name in self._row.get_attributes() if name not in _KEPT]
        values = {name: getattr(item, name) for name in names}
        return [
            getattr(self._row, name).remove() if value is None else getattr(self._row, name).set(value)
            for name, value in values.items()
        ]


def used(model: type[ProviderItem], provider_id: ProviderId, by: int) -> Write:
    """Counts uses of a provider: one more only if it is enabled, one less whatever it is, as long as it is there."""
    row = model(ALL, provider_id)
    condition = (model.enabled == True) if by > 0 else model.pk.exists()  # noqa: E712 # an expression
    return Update(row, [model.uses.add(by)], condition)
