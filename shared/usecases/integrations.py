"""Integrations as their tenant's owner keeps them: by credentials here, or only begun here and connected by consent
(``connect``). Nothing here can open a secret.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.ids import IntegrationId, ProviderId, TenantId
from shared.domain.integration import AuthType, Integration
from shared.domain.provider import Provider
from shared.ports.connections import Providers
from shared.ports.state import Integrations, Rules, Tenants
from shared.ports.world import Clock, Randomness, Vault
from shared.usecases import shown
from shared.usecases.credentials import sealed_with_settings
from shared.usecases.forms import completed, endpoints, fits, form_of
from shared.usecases.rounds import found, rounds
from shared.usecases.unset import UNSET, Unset, named_in
from shared.usecases.wellformed import named, place


@dataclass(frozen=True, slots=True)
class Managing:
    """What keeping integrations asks of the world.

    Attributes:
        check_url: raises InvalidInput unless a URL is https and leads to no private network.
    """

    tenants: Tenants
    providers: Providers
    integrations: Integrations
    rules: Rules
    vault: Vault
    clock: Clock
    randomness: Randomness
    check_url: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NewIntegration:
    """What an owner says of a new one. The provider is named by id or by slug."""

    name: str
    auth_type: AuthType
    provider_id: ProviderId | None = None
    provider_slug: str | None = None
    container: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class IntegrationChanges:
    """What is to be different. Settings are merged one by one; None removes one (RFC 7396)."""

    name: str | Unset = UNSET
    container: str | Unset = UNSET
    settings: Mapping[str, str | None] | Unset = UNSET
    is_active: bool | Unset = UNSET


def add_integration(
    tenant_id: TenantId, new: NewIntegration, credentials: Mapping[str, str] | None, actor: Actor, world: Managing
) -> Integration:
    """Adds an integration: ``active`` by credentials, ``pending`` if consent must follow. Credentials are not tried out.

    Raises:
        NotFound: there is no such tenant or provider, or the provider is not enabled.
        InvalidInput: it is not what its way of signing in wants, or leads to a private network, or is an operator's to tell;
            no value is echoed.
        StateUnavailable, Misconfigured
    """
    found(world.tenants.get(tenant_id, fresh=True), "tenant")
    provider = _provider(new, world)
    now = world.clock.now()
    bare = Integration(
        id=IntegrationId(f"int_{world.randomness.token(12)}"),
        tenant_id=tenant_id,
        name=new.name,
        connector=provider.connector,
        auth_type=new.auth_type,
        container=new.container,
        created_at=now,
        updated_at=now,
        settings=dict(new.settings),
        status="pending" if new.auth_type == "oauth2" else "active",
        is_active=new.is_active,
        provider_id=provider.id,
        created_by=actor.subject,
    )
    _check(bare)
    made = replace(bare, credentials=sealed_with_settings(bare, _checked(bare, credentials or {}, world), world.vault))
    world.integrations.add(made, _event(made, "integration.added", actor, world, after=shown.integration(made)))
    return made


def change_integration(
    tenant_id: TenantId,
    integration_id: IntegrationId,
    changes: IntegrationChanges,
    credentials: Mapping[str, str] | None,
    expected: int | None,
    actor: Actor,
    world: Managing,
) -> Integration:
    """Changes what its owner may change of it. New credentials make it ``active`` again.

    Args:
        credentials: replace all there were; None keeps them.
        expected: the version the caller saw; None: any.

    Raises:
        NotFound, VersionMismatch
        InvalidInput: what comes of it is not well formed or leads to a private network; or settings change without the
            credentials that are sealed with them; or an operator said how it signs in, and no owner may.
        StateUnavailable, Misconfigured
    """

    def attempt() -> Integration:
        old = found(world.integrations.get(tenant_id, integration_id, fresh=True), "integration", expected)
        new = replace(_changed(old, changes), version=old.version + 1, updated_at=world.clock.now())
        _check(new)
        if credentials is not None or new.settings != old.settings:
            new = _signed_in(old, new, credentials, world)
        world.integrations.change(new, _event(new, "integration.changed", actor, world, **shown.standing(old, new)))
        return new

    return rounds(expected, attempt)


def _provider(new: NewIntegration, world: Managing) -> Provider:
    if (new.provider_id is None) == (new.provider_slug is None):
        raise InvalidInput("name the provider by providerId or by providerSlug")
    if new.provider_id is not None:
        provider = world.providers.get(new.provider_id, fresh=True)
    else:
        provider = world.providers.by_slug(new.provider_slug or "")
    if provider is None or not provider.enabled:
        raise NotFound("there is no such provider")
    if new.auth_type not in provider.auth_types:
        raise InvalidInput(f"this provider is signed in to by {', '.join(provider.auth_types)}")
    return provider


def _changed(old: Integration, changes: IntegrationChanges) -> Integration:
    told = named_in(changes)
    if "settings" in told:
        merged = {**old.settings, **told["settings"]}
        told["settings"] = {name: value for name, value in merged.items() if value is not None}
    return replace(old, **told)


def _signed_in(
    old: Integration, new: Integration, credentials: Mapping[str, str] | None, world: Managing
) -> Integration:
    """With new credentials, or new settings where no credentials are sealed with them."""
    form = form_of(new.connector, new.auth_type)
    if form.ours and new.provider_id is None:
        raise InvalidInput("an operator said how this integration signs in: ask them to change it")
    if credentials is None and old.credentials is not None and form.secrets != form.ours:
        raise InvalidInput("tell credentials again with new settings: they are sealed together")
    told = _checked(new, credentials or {}, world)
    if new.auth_type == "oauth2":
        return new
    sealed = sealed_with_settings(new, told, world.vault)
    return replace(new, credentials=sealed, status="active", reason=None, failures=0)


def _check(integration: Integration) -> None:
    named(integration.name, "an integration's name")
    place(integration)


def _checked(integration: Integration, credentials: Mapping[str, str], world: Managing) -> Mapping[str, str]:
    """The credentials to seal: what the owner told, if it fits, and what Farshore adds."""
    store, way = integration.connector, integration.auth_type
    told = completed(store, way, credentials, integration.tenant_id)
    fits(store, way, integration.settings, told)
    for url in endpoints(integration.settings, told):
        world.check_url(url)
    return told


def _event(it: Integration, action: str, actor: Actor, world: Managing, **parts: Any) -> AuditEvent:
    return AuditEvent(it.tenant_id, world.clock.now(), actor, action, f"integration/{it.id}", **parts)
