"""Providers: what kinds of cloud accounts tenants may connect. An administrator's work; the rules of form are in ``offers``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import InvalidInput
from shared.domain.ids import ProviderId
from shared.domain.integration import AuthType
from shared.domain.presets import PRESETS
from shared.domain.provider import SYSTEM, Dialect, Endpoints, Provider, Rotation, TokenMethod, secret_context
from shared.domain.secret import Secret
from shared.ports.connections import Providers
from shared.ports.world import Clock, Randomness, Vault
from shared.usecases import shown
from shared.usecases.offers import check_offer, check_secret
from shared.usecases.rounds import found, rounds
from shared.usecases.unset import UNSET, Unset, named_in

_ENDPOINTS = {"auth_url": "authorize", "token_url": "token", "revoke_url": "revoke", "user_info_url": "user_info"}
_METADATA = ("icon", "color", "description", "hipaa_baa", "regions")
_FIXED = ("slug", "connector")


@dataclass(frozen=True, slots=True)
class Administration:
    """What keeping providers asks of the world.

    Attributes:
        check_url: raises InvalidInput unless a URL is https and leads to no private network.
    """

    providers: Providers
    vault: Vault
    clock: Clock
    randomness: Randomness
    check_url: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ProviderChanges:
    """What is to be different. The four URLs are ``Endpoints``'s, the last five fields ``Metadata``'s; others are named as
    ``Provider``'s. None empties a field that may be empty.
    """

    name: str | Unset = UNSET
    slug: str | Unset = UNSET
    connector: str | Unset = UNSET
    auth_types: tuple[AuthType, ...] | Unset = UNSET
    auth_url: str | Unset | None = UNSET
    token_url: str | Unset | None = UNSET
    revoke_url: str | Unset | None = UNSET
    user_info_url: str | Unset | None = UNSET
    client_id: str | Unset = UNSET
    scopes: tuple[str, ...] | Unset = UNSET
    token_method: TokenMethod | Unset = UNSET
    authorize_parameters: Mapping[str, str] | Unset = UNSET
    issuer: str | Unset | None = UNSET
    issuer_required: bool | Unset = UNSET
    dialect: Dialect | Unset = UNSET
    rotation: Rotation | Unset = UNSET
    idle_days: int | Unset | None = UNSET
    enabled: bool | Unset = UNSET
    icon: str | Unset = UNSET
    color: str | Unset = UNSET
    description: str | Unset = UNSET
    hipaa_baa: str | Unset = UNSET
    regions: tuple[str, ...] | Unset = UNSET


def add_provider(
    changes: ProviderChanges, client_secret: Secret[str] | None, actor: Actor, world: Administration, preset: str | None
) -> Provider:
    """Adds a provider: a preset's, if one is named, with ``changes`` on top.

    Raises:
        InvalidInput: there is no such preset, or what comes of it is not well formed (``offers``).
        AlreadyExists: the slug is taken.
        StateUnavailable, Misconfigured
    """
    now, name = world.clock.now(), ProviderId(f"prv_{world.randomness.token(12)}")
    bare = Provider(name, "", "", "", (), actor.subject, now, now)
    offer = _changed(_preset(bare, preset), changes)
    _check(offer, client_secret, world)
    if client_secret is not None:
        offer = replace(offer, secret=world.vault.seal(client_secret, secret_context(name, 1)))
    world.providers.add(offer, _event(offer, "provider.added", actor, world, after=shown.provider(offer)))
    return offer


def change_provider(
    provider_id: ProviderId,
    changes: ProviderChanges,
    client_secret: Secret[str] | None,
    expected: int | None,
    actor: Actor,
    world: Administration,
) -> Provider:
    """Changes a provider. Consents under way have to be begun again; connections stay.

    Args:
        client_secret: a new one; None keeps the one there is.
        expected: the version the caller saw; None: any.

    Raises:
        NotFound, VersionMismatch
        InvalidInput: what comes of it is not well formed; slug or connector differ; or the client secret would be sent to
            another place than it was told for.
        StateUnavailable, Misconfigured
    """

    def attempt() -> Provider:
        old = found(world.providers.get(provider_id, fresh=True), "provider", expected)
        new = _changed(old, changes)
        if any(getattr(old, name) != getattr(new, name) for name in _FIXED):
            raise InvalidInput("a provider's slug and connector do not change: they are part of what was registered")
        if old.secret is not None and client_secret is None and _receivers(old) != _receivers(new):
            raise InvalidInput("tell clientSecret again with the new tokenUrl or revokeUrl: it is sent there")
        _check(new, client_secret, world)
        if client_secret is not None:
            sequence = old.secret.sequence + 1 if old.secret else 1
            new = replace(new, secret=world.vault.seal(client_secret, secret_context(provider_id, sequence)))
        new = replace(new, version=old.version + 1, updated_at=world.clock.now())
        parts = shown.difference(shown.provider(old), shown.provider(new))
        world.providers.change(new, _event(new, "provider.changed", actor, world, **parts))
        return new

    return rounds(expected, attempt)


def remove_provider(provider_id: ProviderId, expected: int | None, actor: Actor, world: Administration) -> None:
    """Removes a provider and its client secret.

    Raises:
        NotFound, VersionMismatch, StateUnavailable
        InUse: integrations name it.
    """

    def attempt() -> None:
        old = found(world.providers.get(provider_id, fresh=True), "provider", expected)
        event = _event(old, "provider.removed", actor, world, before=shown.provider(old))
        world.providers.remove(old, event)

    rounds(expected, attempt)


def _preset(bare: Provider, name: str | None) -> Provider:
    if name is None:
        return bare
    preset = PRESETS.get(name)
    if preset is None:
        raise InvalidInput(f"presets are {', '.join(sorted(PRESETS))}")
    return replace(bare, **{it.name: getattr(preset, it.name) for it in fields(preset)})


def _changed(old: Provider, changes: ProviderChanges) -> Provider:
    told = named_in(changes)
    urls = {mine: told.pop(name) for name, mine in _ENDPOINTS.items() if name in told}
    looks = {name: told.pop(name) for name in _METADATA if name in told}
    return replace(old, **told, endpoints=_endpoints(old, urls), metadata=replace(old.metadata, **looks))


def _endpoints(old: Provider, urls: Mapping[str, str | None]) -> Endpoints | None:
    points = {name: getattr(old.endpoints, name, None) for name in _ENDPOINTS.values()} | dict(urls)
    if not any(points.values()):
        return None
    return Endpoints(points["authorize"] or "", points["token"] or "", points["revoke"], points["user_info"])


def _receivers(provider: Provider) -> tuple[str | None, str | None]:
    points = provider.endpoints
    return (points.token, points.revoke) if points else (None, None)


def _check(offer: Provider, client_secret: Secret[str] | None, world: Administration) -> None:
    check_offer(offer, world.check_url)
    if client_secret is not None:
        check_secret(client_secret)


def _event(provider: Provider, action: str, actor: Actor, world: Administration, **parts: Any) -> AuditEvent:
    return AuditEvent(SYSTEM, world.clock.now(), actor, action, f"provider/{provider.id}", **parts)
