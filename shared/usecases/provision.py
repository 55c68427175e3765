"""What an operator adds by command: tenants, their integrations, their rules. Each addition is audited with its write: a tenant
in the deployment's trail, all else in its tenant's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.ids import TenantId, identifier
from shared.domain.integration import Integration
from shared.domain.provider import SYSTEM
from shared.domain.rule import Rule
from shared.domain.tenant import Tenant
from shared.ports.connections import Audit
from shared.ports.state import Integrations, Rules, Tenants
from shared.ports.world import Clock, Vault
from shared.usecases import shown
from shared.usecases.credentials import sealed_with_settings
from shared.usecases.forms import fits
from shared.usecases.rounds import found
from shared.usecases.tenancy import unused
from shared.usecases.wellformed import bucket, named, place


@dataclass(frozen=True, slots=True)
class Provisioning:
    """What provisioning asks of the world."""

    tenants: Tenants
    rules: Rules
    integrations: Integrations
    audit: Audit
    vault: Vault
    clock: Clock


def add_tenant(tenant: Tenant, actor: Actor, world: Provisioning) -> Tenant:
    """Adds a tenant with its source.

    Raises:
        InvalidInput: an identifier or name is not well formed.
        AlreadyExists: the id exists, or did.
        Conflict: its source overlaps another tenant's.
    """
    identifier(tenant.id, "a tenant's id")
    named(tenant.name, "a tenant's name")
    bucket(tenant.source.bucket)
    unused(tenant.id, world.audit)
    world.tenants.add(tenant, _added(SYSTEM, "tenant", tenant.id, shown.tenant(tenant), actor, world))
    return tenant


def add_integration(
    integration: Integration, credentials: Mapping[str, str], actor: Actor, world: Provisioning
) -> Integration:
    """Adds a tenant's connection to a store, its credentials sealed. They are not tried out, and where its settings lead is the
    operator's own business.

    Returns:
        The integration as it was written.

    Raises:
        InvalidInput: its settings or credentials are not what its way of signing in wants; no value is echoed.
        NotFound: there is no such tenant, or its provider is gone or not enabled.
        AlreadyExists: the id exists.
    """
    identifier(integration.id, "an integration's id")
    named(integration.name, "an integration's name")
    place(integration)
    fits(integration.connector, integration.auth_type, integration.settings, credentials)
    found(world.tenants.get(integration.tenant_id), "tenant")
    written = replace(integration, credentials=sealed_with_settings(integration, credentials, world.vault))
    event = _added(integration.tenant_id, "integration", integration.id, shown.integration(written), actor, world)
    world.integrations.add(written, event)
    return written


def add_rule(rule: Rule, actor: Actor, world: Provisioning) -> Rule:
    """Adds a rule. Objects that are there already follow with the next sweep.

    Raises:
        InvalidInput: an identifier is not well formed, or the rule speaks of keys outside its tenant's source.
        NotFound: there is no such tenant, or it has no such integration; one that was removed at this very moment leaves the
            rule behind, paused.
        AlreadyExists: the id or the target's name is taken.
    """
    identifier(rule.id, "a rule's id")
    identifier(rule.target.name, "a target's name")
    tenant = found(world.tenants.get(rule.tenant_id), "tenant")
    source = tenant.source.prefix
    if rule.prefix and not (rule.prefix.startswith(source) or source.startswith(rule.prefix)):
        raise InvalidInput("the rule's prefix lies outside its tenant's source")
    if rule.target.container:
        bucket(rule.target.container)
    target = rule.tenant_id, rule.target.integration_id
    found(world.integrations.get(*target, fresh=True), "integration")
    world.rules.add(rule, _added(rule.tenant_id, "rule", rule.id, shown.rule(rule), actor, world))
    if world.integrations.get(*target, fresh=True) is None:  # whoever removed it may not have seen the rule
        paused = replace(rule, paused=True, version=rule.version + 1)
        parts: Mapping[str, Any] = shown.difference(shown.rule(rule), shown.rule(paused))
        subject = f"rule/{rule.id}"
        world.rules.change(
            paused, AuditEvent(rule.tenant_id, world.clock.now(), actor, "rule.changed", subject, **parts)
        )
        raise NotFound("the integration was removed meanwhile; the rule is paused")
    return rule


def _added(
    tenant_id: TenantId | str, kind: str, record: str, after: Mapping[str, Any], actor: Actor, world: Provisioning
) -> AuditEvent:
    return AuditEvent(tenant_id, world.clock.now(), actor, f"{kind}.added", f"{kind}/{record}", after=after)
