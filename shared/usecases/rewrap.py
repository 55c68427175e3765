"""Brings every sealed secret under the current key, while the system runs. Afterwards a former key may be disabled.

Nothing is opened: the key service wraps each secret's data key anew. Each record is written by compare-and-swap on its version,
so whoever changes it meanwhile wins, and it is looked at again. A crash at any point leaves every secret openable, under one key
or the other; the next run goes on after the last tenant that was done. A value that is under the current key already is left
alone, so doing it twice is harmless.

Not walked: the secrets of consents under way, which are over by themselves within ten minutes. A consent that is under way while
its provider is re-wrapped has to be begun again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import SealBroken, VersionMismatch
from shared.domain.ids import TenantId
from shared.domain.integration import Integration, access_context, credentials_context, refresh_context
from shared.domain.notice import Webhook, webhook_context
from shared.domain.provider import SYSTEM, Provider, secret_context
from shared.domain.seal import SealContext, Sealed
from shared.ports.connections import Providers, Webhooks
from shared.ports.state import Cursors, Integrations, Tenants
from shared.ports.world import Clock, Rewrapper

_PAGE = 100
_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Rewrapping:
    """What re-wrapping asks of the world.

    Attributes:
        current: names the current key, so that a run is never taken for the rest of one that had another.
    """

    tenants: Tenants
    providers: Providers
    integrations: Integrations
    webhooks: Webhooks
    keys: Rewrapper
    cursors: Cursors
    clock: Clock
    current: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has done so far.

    Attributes:
        seen: sealed values looked at.
        moved: of these, the ones brought under the current key; in a dry run, the ones that are not under it.
        broken: places of those that no key of ours wrapped so; they are left as they are.
        begun_after: the tenant after which this run took up an earlier one; None: it began at the beginning.
    """

    seen: int = 0
    moved: int = 0
    broken: tuple[str, ...] = ()
    begun_after: TenantId | None = None


def rewrap(
    actor: Actor, world: Rewrapping, *, dry_run: bool = False, tell: Callable[[Progress], None] = lambda _: None
) -> Progress:
    """Walks every provider, then every tenant's integrations and webhooks.

    Args:
        dry_run: changes nothing and starts at the beginning; nothing to move and nothing broken means that no former key is
            needed any more.
        tell: is told after each page of providers and each tenant.

    Raises:
        StateUnavailable, Misconfigured: run it again; it goes on from there.
        VersionMismatch: a record changed in each of many rounds; run it again.
    """
    name = f"rewrap:{world.current}"
    begun = None if dry_run else world.cursors.load(name)
    after = TenantId(begun) if begun else None
    walk = _Walk(actor, world, dry_run, Progress(begun_after=after))
    if after is None:
        for providers in _pages(lambda last: world.providers.page(after=last, limit=_PAGE)):
            walk.providers(providers)
            tell(walk.progress)
    for tenants in _pages(lambda last: world.tenants.page(after=last, limit=_PAGE), after):
        for tenant in tenants:
            walk.tenant(tenant.id)
            if not dry_run:
                world.cursors.save(name, tenant.id)
            tell(walk.progress)
    if not dry_run:
        world.cursors.save(name, None)
    return walk.progress


class _Walk:
    """One run."""

    def __init__(self, actor: Actor, world: Rewrapping, dry_run: bool, progress: Progress) -> None:
        self.actor, self.world, self.dry_run, self.progress = actor, world, dry_run, progress

    def providers(self, providers: Sequence[Provider]) -> None:
        for provider in providers:
            self._settle(provider, self._provider, lambda it: self.world.providers.get(it.id, fresh=True))

    def tenant(self, tenant_id: TenantId) -> None:
        world = self.world
        for integrations in _pages(lambda last: world.integrations.of(tenant_id, after=last, limit=_PAGE)):
            for integration in integrations:
                self._settle(integration, self._integration, self._integration_again)
        for webhook in world.webhooks.of(tenant_id):
            self._settle(webhook, self._webhook, lambda it: world.webhooks.get(it.tenant_id, it.id))

    def _integration_again(self, found: Integration) -> Integration | None:
        return self.world.integrations.get(found.tenant_id, found.id, fresh=True)

    def _settle[R](self, record: R, move: "Callable[[R, _Round], None]", read: Callable[[R], R | None]) -> None:
        """Moves one record's secrets; looks again if it changed meanwhile. One that is gone needs nothing."""
        found: R | None = record
        for rest in reversed(range(_ROUNDS)):
            if found is None:
                return
            looked = _Round(self.world.keys)
            try:
                move(found, looked)
            except VersionMismatch:
                if not rest:
                    raise
                found = read(record)
            else:
                self.progress = looked.added(self.progress)
                return

    def _provider(self, found: Provider, looked: "_Round") -> None:
        moved = replace(found, secret=looked.move("clientSecret", found.secret, lambda n: secret_context(found.id, n)))
        if looked.moved and not self.dry_run:
            event = self._event(SYSTEM, f"provider/{found.id}", "provider.rewrapped", looked)
            self.world.providers.change(replace(moved, version=found.version + 1), event)

    def _integration(self, found: Integration, looked: "_Round") -> None:
        place, tokens = (found.tenant_id, found.id), found.tokens
        if tokens is not None:
            access = looked.kept("accessToken", tokens.access, lambda n: access_context(*place, n))
            refresh = looked.move("refreshToken", tokens.refresh, lambda n: refresh_context(*place, n))
            tokens = replace(tokens, access=access, refresh=refresh)
        credentials = looked.move("credentials", found.credentials, lambda n: credentials_context(*place, n))
        if looked.moved and not self.dry_run:
            event = self._event(found.tenant_id, f"integration/{found.id}", "integration.rewrapped", looked)
            moved = replace(found, tokens=tokens, credentials=credentials, version=found.version + 1)
            self.world.integrations.change(moved, event)

    def _webhook(self, found: Webhook, looked: "_Round") -> None:
        place = (found.tenant_id, found.id)
        secret = looked.kept("secret", found.secret, lambda n: webhook_context(*place, n))
        former = looked.move("formerSecret", found.former, lambda n: webhook_context(*place, n))
        if looked.moved and not self.dry_run:
            event = self._event(found.tenant_id, f"webhook/{found.id}", "webhook.rewrapped", looked)
            self.world.webhooks.change(replace(found, secret=secret, former=former, version=found.version + 1), event)

    def _event(self, tenant_id: str, subject: str, action: str, looked: "_Round") -> AuditEvent:
        after = {"rewrapped": list(looked.moved)}
        return AuditEvent(tenant_id, self.world.clock.now(), self.actor, action, subject, after=after)


class _Round:
    """One look at one record."""

    def __init__(self, keys: Rewrapper) -> None:
        self._keys = keys
        self._seen = 0
        self._broken: list[str] = []
        self.moved: list[str] = []

    def move(self, name: str, sealed: Sealed | None, context: Callable[[int], SealContext]) -> Sealed | None:
        """A part under the current key, if there is one."""
        return None if sealed is None else self.kept(name, sealed, context)

    def kept(self, name: str, sealed: Sealed, context: Callable[[int], SealContext]) -> Sealed:
        """A part under the current key, or as it was if it cannot be."""
        place = context(sealed.sequence)
        self._seen += 1
        try:
            moved = self._keys.rewrap(sealed, place)
        except SealBroken:
            self._broken.append(f"{place.tenant}/{place.table}/{place.record}/{name}")
            return sealed
        if moved.box != sealed.box:
            self.moved.append(name)
        return moved

    def added(self, progress: Progress) -> Progress:
        return replace(
            progress,
            seen=progress.seen + self._seen,
            moved=progress.moved + len(self.moved),
            broken=(*progress.broken, *self._broken),
        )


class _Named(Protocol):
    @property
    def id(self) -> str: ...


def _pages[R: _Named](page: Callable[[Any], Sequence[R]], after: str | None = None) -> Iterator[Sequence[R]]:
    """Pages of records ascending by id, each asked for after the last id of the one before."""
    while records := page(after):
        yield records
        after = records[-1].id
