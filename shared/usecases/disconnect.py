"""Ends a connection: here at once and for good, at the provider as far as it lets us.

```
erase      one write: secrets gone, status revoked, never due again      nobody here can use it from now on
revoke     what was erased, from memory                                  may fail; nothing comes back for that
tell       if it failed: on record, and for people to finish by hand
```

A refresh under way finds its tokens gone and ends what it got; a consent under way may connect the integration again, since its
owner gives it. A crash between erasing and revoking leaves a grant that nobody holds, with the provider alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import InUse
from shared.domain.ids import IntegrationId, RuleId, TenantId
from shared.domain.integration import Integration
from shared.domain.rule import Rule
from shared.ports.connections import Audit, Providers
from shared.ports.oauth import AuthorizationServers
from shared.ports.state import Integrations, Rules
from shared.ports.world import Clock, Vault
from shared.usecases import shown
from shared.usecases.grants import shares_account, why_not_revoked
from shared.usecases.rounds import found, rounds

DISCONNECTED = "disconnected"
"""Reason of an integration that its owner disconnected."""

UNREVOKED = "disconnected_not_revoked"
"""The same, where the provider could not be told: the account's owner has to end it there."""


@dataclass(frozen=True, slots=True)
class Disconnecting:
    """What disconnecting asks of the world."""

    integrations: Integrations
    providers: Providers
    rules: Rules
    vault: Vault
    servers: AuthorizationServers
    clock: Clock
    audit: Audit


def disconnect(
    tenant_id: TenantId, integration_id: IntegrationId, expected: int | None, actor: Actor, world: Disconnecting
) -> Integration:
    """Erases an integration's secrets, ends its grant at the provider, and keeps the record. One that has none left stays as
    it is. Rules that use it fail until it is connected again.

    Args:
        expected: the version the caller saw; None: any.

    Returns:
        Its status is ``revoked``; its reason tells whether the provider was told.

    Raises:
        NotFound, VersionMismatch, StateUnavailable
    """

    def attempt() -> tuple[Integration, Integration]:
        was = found(world.integrations.get(tenant_id, integration_id, fresh=True), "integration", expected)
        if was.reason in (DISCONNECTED, UNREVOKED):
            return was, was
        bare = _erased(was, world)
        world.integrations.change(bare, _event(was, "disconnected", actor, world, **shown.standing(was, bare)))
        return was, bare

    was, bare = rounds(expected, attempt)
    why = _revoked(was, world)
    return bare if why is None else rounds(None, lambda: _marked(bare, why, actor, world))


def remove_integration(
    tenant_id: TenantId,
    integration_id: IntegrationId,
    force: bool,
    expected: int | None,
    actor: Actor,
    world: Disconnecting,
) -> None:
    """Removes an integration with its secrets, and ends its grant at the provider.

    Args:
        force: also one that rules use; they are paused.
        expected: the version the caller saw; None: any.

    Raises:
        NotFound, VersionMismatch, StateUnavailable
        InUse: rules use it; names one.
    """

    def attempt() -> Integration:
        was = found(world.integrations.get(tenant_id, integration_id, fresh=True), "integration", expected)
        users = _users(was, world)
        if users and not force:
            raise InUse(f"the replication rule {users[0].id} uses it: remove or change the rule, or force")
        for rule in users:
            _pause(rule.tenant_id, rule.id, actor, world)
        world.integrations.remove(was, _event(was, "removed", actor, world, before=shown.integration(was)))
        return was

    was = rounds(expected, attempt)
    why = _revoked(was, world)
    if why is not None:
        world.audit.append(_event(was, "revocation_failed", actor, world, outcome=why))
    for rule in _users(was, world):  # added after we looked; one that is added from now on finds no integration
        _pause(rule.tenant_id, rule.id, actor, world)


def _erased(was: Integration, world: Disconnecting) -> Integration:
    return replace(
        was,
        credentials=None,
        tokens=None,
        status="revoked",
        reason=DISCONNECTED,
        refresh_due_at=None,
        failures=0,
        updated_at=world.clock.now(),
        version=was.version + 1,
    )


def _revoked(was: Integration, world: Disconnecting) -> str | None:
    """None if nothing is left to do at the provider; else why something may be."""
    if was.tokens is None or shares_account(was.tenant_id, was.provider_id, was.account, world.integrations):
        return None
    provider = world.providers.get(was.provider_id) if was.provider_id else None
    return why_not_revoked(was, provider, world.vault, world.servers)


def _marked(bare: Integration, why: str, actor: Actor, world: Disconnecting) -> Integration:
    """The record says that the provider was not told, unless it was connected again or removed since."""
    was = world.integrations.get(bare.tenant_id, bare.id, fresh=True)
    if was is None or was.reason != DISCONNECTED:
        world.audit.append(_event(bare, "revocation_failed", actor, world, outcome=why))
        return was or bare
    new = replace(was, reason=UNREVOKED, updated_at=world.clock.now(), version=was.version + 1)
    parts: Mapping[str, Any] = {"before": {"reason": was.reason}, "after": {"reason": new.reason}}
    world.integrations.change(new, _event(was, "revocation_failed", actor, world, outcome=why, **parts))
    return new


def _users(it: Integration, world: Disconnecting) -> list[Rule]:
    return [rule for rule in world.rules.of(it.tenant_id, fresh=True) if rule.target.integration_id == it.id]


def _pause(tenant_id: TenantId, rule_id: RuleId, actor: Actor, world: Disconnecting) -> None:
    def attempt() -> None:
        rules = world.rules.of(tenant_id, fresh=True)
        rule: Rule | None = next((it for it in rules if it.id == rule_id), None)
        if rule is None or rule.paused:
            return
        new = replace(rule, paused=True, version=rule.version + 1)
        parts: Mapping[str, Any] = shown.difference(shown.rule(rule), shown.rule(new))
        event = AuditEvent(tenant_id, world.clock.now(), actor, "rule.changed", f"rule/{rule_id}", **parts)
        world.rules.change(new, event)

    rounds(None, attempt)


def _event(it: Integration, what: str, actor: Actor, world: Disconnecting, **parts: Any) -> AuditEvent:
    return AuditEvent(it.tenant_id, world.clock.now(), actor, f"integration.{what}", f"integration/{it.id}", **parts)
