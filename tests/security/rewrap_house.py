"""A deployment in the middle of a change of keys: what is sealed in it, in memory, and a gate for doing things at any call."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.crypto import envelope
from shared.crypto.rewrapper import EnvelopeRewrapper
from shared.domain.audit import Actor
from shared.domain.integration import (
    Account,
    Integration,
    Tokens,
    access_context,
    credentials_context,
    refresh_context,
)
from shared.domain.notice import Webhook, webhook_context
from shared.domain.provider import Endpoints, Provider, secret_context
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret
from shared.domain.tenant import Source, Tenant
from shared.usecases.refresh import Refreshing, refresh_one
from shared.usecases.rewrap import Progress, Rewrapping, rewrap
from tests.model.bucket import Gate, Until
from tests.model.memory import Cursors
from tests.security.key_rings import Master, Ring
from tests.unit.usecases.authorization import Agreement
from tests.unit.usecases.fakes import Room, Town, gated

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPERATOR = Actor("operator")
TENANTS = ("acme", "zeta")
VALUES = 1 + len(TENANTS) * (1 + 2 + 2)


class Killed(BaseException):
    """The process is gone."""


class Nth(Gate):
    """Does something at one call, or nothing; counts them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self, at: int = 0, what: Callable[[], None] = lambda: None, *, after: bool = False) -> None:
        self.calls: list[str] = []
        self.at, self.what, self.after, self.busy = at, what, after, False

    def around(self, call: str, action: Callable[[], Any]) -> Any:
        if self.busy:
            return action()
        self.calls.append(call)
        mine = len(self.calls) == self.at
        if mine and not self.after:
            self._do()
        answer = action()
        if mine and self.after:
            self._do()
        return answer

    def _do(self) -> None:
        self.busy = True
        try:
            self.what()
        finally:
            self.busy = False


def die() -> None:
    raise Killed


# ---- what is sealed, wherever it is kept ---------------------------------------------------------------------------
def provider(seal: Callable[[str, SealContext], Sealed], rotation: str = "strict") -> Provider:
    return Provider(
        id="prv_1",
        name="Box",
        slug="box",
        connector="box",
        auth_types=("oauth2",),
        created_by="root",
        created_at=AT,
        updated_at=AT,
        endpoints=Endpoints("https://box.example/authorize", "https://box.example/token"),
        client_id="client",
        secret=seal("client-secret", secret_context("prv_1", 3)),
        rotation=rotation,
    )


def by_key(tenant: str, seal: Callable[[str, SealContext], Sealed]) -> Integration:
    made = Integration("int_key", tenant, "keys", "s3", "access_key", "bucket", AT, AT)
    return replace(made, credentials=seal(f"credentials of {tenant}", credentials_context(tenant, "int_key", 2)))


def by_consent(tenant: str, seal: Callable[[str, SealContext], Sealed], tokens: tuple[str, str]) -> Integration:
    access, refresh = tokens
    made = Integration("int_oauth", tenant, "consent", "box", "oauth2", "", AT, AT, provider_id="prv_1", generation=5)
    held = Tokens(
        5,
        seal(access, access_context(tenant, "int_oauth", 5)),
        seal(refresh, refresh_context(tenant, "int_oauth", 5)),
        AT,
    )
    return replace(made, tokens=held, account=Account("acc-1"), refresh_due_at=AT, connected_at=AT)


def webhook(tenant: str, seal: Callable[[str, SealContext], Sealed]) -> Webhook:
    secret, former = (seal(f"key {n} of {tenant}", webhook_context(tenant, "whk_1", n)) for n in (2, 1))
    return Webhook("whk_1", tenant, "https://hooks.example", (), secret, "anna", AT, AT, former=former, former_until=AT)


def everything(world: Any) -> Iterator[tuple[Sealed, SealContext]]:
    """Every sealed value that is stored, and its place."""
    for one in world.providers.page():
        yield one.secret, secret_context(one.id, one.secret.sequence)
    for tenant in TENANTS:
        for it in world.integrations.of(tenant):
            place = tenant, it.id
            if it.credentials:
                yield it.credentials, credentials_context(*place, it.credentials.sequence)
            if it.tokens:
                yield it.tokens.access, access_context(*place, it.tokens.access.sequence)
                yield it.tokens.refresh, refresh_context(*place, it.tokens.refresh.sequence)
        for hook in world.webhooks.of(tenant):
            for sealed in (hook.secret, hook.former):
                yield sealed, webhook_context(tenant, hook.id, sealed.sequence)


# ---- where it is kept ----------------------------------------------------------------------------------------------
class Rewrapper(Room):
    """The real one, through the gate."""

    def __init__(self, keys: Ring, *wiring: Any) -> None:
        super().__init__(*wiring)
        self.real = EnvelopeRewrapper(lambda: keys)

    @gated
    def rewrap(self, sealed: Sealed, context: SealContext) -> Sealed:
        return self.real.rewrap(sealed, context)


class House(Town):
    """A town whose secrets are sealed by one master key, while another one is already the present key."""

    def __init__(self, rotation: str = "strict") -> None:
        self.gate = Nth()
        super().__init__(self.gate)
        self.old, self.new = Master(1), Master(2)
        self.ring = Ring(self.new, self.old)
        self.vault.keys = Ring(self.old)
        self.cursors = Cursors(self.gate)
        self._fill(rotation)
        self.before = self.opened(self.vault.keys)
        self.vault.keys = self.ring
        self.world = Rewrapping(
            self.tenants,
            self.providers,
            self.integrations,
            self.webhooks,
            Rewrapper(self.ring, self.gate, self.lock),
            self.cursors,
            self.clock,
            "new",
        )
        self.gate.reset()

    def _fill(self, rotation: str) -> None:
        house = self.servers.house("prv_1")
        self.providers.elsewhere(provider(self.seal, rotation))
        for tenant in TENANTS:
            source = Source("s3", "main", f"{tenant}/")
            self.tenants.elsewhere(Tenant(tenant, tenant, source, AT))
            agreement = Agreement(Account("acc-1"), frozenset())
            grant = house.issue(agreement, house.new_refresh(agreement))
            tokens = grant.access.reveal(), grant.refresh.reveal()
            self.integrations.elsewhere(by_key(tenant, self.seal))
            self.integrations.elsewhere(by_consent(tenant, self.seal, tokens))
            self.webhooks.elsewhere(webhook(tenant, self.seal))

    def seal(self, text: str, place: SealContext) -> Sealed:
        return self.vault.seal(Secret(text), place)

    def opened(self, keys: Any) -> list[str]:
        return [envelope.unseal(it.box, place, keys).reveal().decode() for it, place in everything(self)]

    def rewrap(self, **how: Any) -> Progress:
        return rewrap(OPERATOR, self.world, **how)

    def refresh(self, tenant: str = "acme") -> Integration:
        parts = (self.integrations, self.providers, self.leases, self.vault, self.servers)
        world = Refreshing(*parts, self.clock, self.randomness, self.metrics)
        return refresh_one(tenant, "int_oauth", world, Until(), force=True)

    def shut(self) -> None:
        self.old.on = False
        self.ring.masters = (self.new,)
