"""A town with a tenant, a house that asks for consent, and an integration that waits to be connected."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from shared.domain.audit import Actor
from shared.domain.integration import Integration
from shared.domain.provider import Provider
from shared.domain.secret import Secret
from shared.domain.tenant import Source
from shared.usecases.connect import Answer, Connecting, Finished, Started, StartRequest, finish, start
from shared.usecases.integrations import Managing, NewIntegration, add_integration
from shared.usecases.providers import Administration, ProviderChanges, add_provider
from shared.usecases.tenancy import NewTenant, add_tenant
from tests.unit.usecases.authorization import House
from tests.unit.usecases.fakes import Town

ROOT = Actor("root")
ANN = Actor("ann", "192.0.2.1")
PUBLIC = "https://farshore.example"
HOME = "https://app.acme.example/connections"
LOOPBACK = "http://127.0.0.1:51234/done"
CLIENT_SECRET = "canary-client-secret"


@dataclass
class Stage:
    """``provider`` and ``integration`` are those that most tests are about."""

    town: Town
    provider: Provider
    integration: Integration

    @property
    def house(self) -> House:
        return self.town.servers.house(self.provider.id)

    @property
    def connecting(self) -> Connecting:
        town = self.town
        return Connecting(
            tenants=town.tenants,
            providers=town.providers,
            integrations=town.integrations,
            flows=town.flows,
            vault=town.vault,
            servers=town.servers,
            audit=town.audit,
            clock=town.clock,
            randomness=town.randomness,
            metrics=town.metrics,
            public_url=PUBLIC,
            return_urls=frozenset({HOME}),
        )

    def now(self) -> Integration:
        """As it is stored."""
        return self.town.integrations.items[self.integration.tenant_id, self.integration.id]

    def start(self, it: Integration | None = None, actor: Actor = ANN, **request: Any) -> Started:
        it = it or self.integration
        return start(it.tenant_id, it.id, StartRequest(**request), actor, self.connecting)

    def answer(self, started: Started, brought: dict[str, str], **changes: Any) -> Answer:
        """What an honest browser brings to the provider's callback."""
        parts = {name: brought.get(name) for name in ("state", "code", "iss", "error")}
        cookies = {started.cookie_name: started.browser.reveal(), "__Host-farshore-other": "x"}
        path = f"/api/v1/oauth/{self.provider.slug}/callback"
        return replace(Answer(**parts, cookies=cookies, principal=None, redirect_path=path), **changes)

    def finish(self, answer: Answer):
        return finish(answer, self.connecting)

    def connect(
        self, account: str = "acc-1", it: Integration | None = None, scopes=None, **request: Any
    ) -> Integration:
        """From start to end."""
        started = self.start(it, **request)
        end = self.finish(self.answer(started, self.house.approve(started.url, account, scopes)))
        assert isinstance(end, Finished)
        return end.integration

    def later(self, **time: float) -> None:
        self.town.clock.time += timedelta(**time)

    def add(self, name: str = "Another", tenant: str = "acme", slug: str | None = None) -> Integration:
        """One more integration that waits to be connected."""
        new = NewIntegration(name, "oauth2", provider_slug=slug or self.provider.slug)
        return add_integration(tenant, new, None, ANN, managing(self.town))

    def offer(self, **changes: Any) -> Provider:
        """One more provider."""
        return add_provider(ProviderChanges(**changes), Secret(CLIENT_SECRET), ROOT, administration(self.town), None)


def administration(town: Town) -> Administration:
    return Administration(town.providers, town.vault, town.clock, town.randomness, lambda url: None)


def managing(town: Town) -> Managing:
    rooms = (town.tenants, town.providers, town.integrations, town.rules, town.vault, town.clock, town.randomness)
    return Managing(*rooms, lambda url: None)


HOUSE = {
    "name": "House",
    "slug": "house",
    "connector": "dropbox",
    "auth_types": ("oauth2",),
    "auth_url": "https://house.example/authorize",
    "token_url": "https://house.example/token",
    "revoke_url": "https://house.example/revoke",
    "user_info_url": "https://house.example/me",
    "client_id": "client-1",
    "scopes": ("openid", "files.read", "files.write"),
}


def stage(**changes: Any) -> Stage:
    """``changes`` are the provider's."""
    town = Town()
    for tenant in ("acme", "zeta"):
        add_tenant(NewTenant(tenant.title(), Source("s3", "primary", f"{tenant}/"), tenant), ROOT, town)
    provider = add_provider(
        ProviderChanges(**{**HOUSE, **changes}), Secret(CLIENT_SECRET), ROOT, administration(town), None
    )
    town.servers.house(provider.id).secret = CLIENT_SECRET
    new = NewIntegration("Ann's", "oauth2", provider_slug=provider.slug)
    made = add_integration("acme", new, None, ANN, managing(town))
    return Stage(town, town.providers.items[provider.id], made)
