"""Adds what replication needs to know: tenants, their integrations, their rules. Each addition leaves an audit event."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from shared.domain.errors import InvalidInput, NotFound
from shared.domain.ids import IntegrationId, TenantId, identifier
from shared.domain.integration import AuthType, Integration
from shared.domain.rule import Rule
from shared.domain.tenant import Tenant
from shared.ports.state import Audit, AuditEvent, Integrations, Rules, Tenants
from shared.ports.world import Clock

_NAME_MAX = 128
_VALUE_MAX = 8192
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,62}\Z")


@dataclass(frozen=True, slots=True)
class Form:
    """What one way of signing in to one store wants to be told.

    Attributes:
        settings: names that may be told openly; those in ``needs`` must be.
        secrets: names of credentials, sealed at rest; those in ``needs`` must be given.
    """

    settings: frozenset[str]
    secrets: frozenset[str]
    needs: frozenset[str]


def _form(settings: str, secrets: str, needs: str) -> Form:
    return Form(frozenset(settings.split()), frozenset(secrets.split()), frozenset(needs.split()))


FORMS: Mapping[tuple[str, AuthType], Form] = MappingProxyType(
    {
        ("s3", "iam_role"): _form("region endpoint encryption roleArn", "externalId", "roleArn"),
        ("s3", "access_key"): _form(
            "region endpoint encryption", "accessKeyId secretAccessKey sessionToken", "accessKeyId secretAccessKey"
        ),
        ("azure_blob", "connection_string"): _form("", "connectionString", "connectionString"),
        ("azure_blob", "account_key"): _form("accountUrl", "accountKey", "accountUrl accountKey"),
        ("azure_blob", "sas_token"): _form("accountUrl", "sasToken", "accountUrl sasToken"),
        ("azure_blob", "workload_identity"): _form(
            "accountUrl directoryId clientId", "", "accountUrl directoryId clientId"
        ),
    }
)
"""A store that can be signed in to in a new way is a row here."""


class Seals(Protocol):
    def credentials(self, tenant_id: TenantId, integration_id: IntegrationId, secret: Mapping[str, str]) -> bytes:
        """The sealed form of credentials and the settings they are for, bound to this integration.

        Raises:
            StateUnavailable, Misconfigured
        """
        ...


@dataclass(frozen=True, slots=True)
class Provisioning:
    """What provisioning asks of the world."""

    tenants: Tenants
    rules: Rules
    integrations: Integrations
    seals: Seals
    audit: Audit
    clock: Clock


def add_tenant(tenant: Tenant, actor: str, world: Provisioning) -> Tenant:
    """Adds a tenant with its source.

    Raises:
        InvalidInput: an identifier or name is not well formed.
        Conflict: the id exists, or its source overlaps another tenant's.
    """
    identifier(tenant.id, "a tenant's id")
    _named(tenant.name, "a tenant's name")
    _bucket(tenant.source.bucket)
    world.tenants.add(tenant)
    _audited("tenant.add", tenant.id, f"tenant/{tenant.id}", actor, world)
    return tenant


def add_integration(
    integration: Integration, credentials: Mapping[str, str], actor: str, world: Provisioning
) -> Integration:
    """Adds a tenant's connection to a store, its credentials sealed. They are not tried out.

    Returns:
        The integration as it was written.

    Raises:
        InvalidInput: its settings or credentials are not what its way of signing in wants; no value is echoed.
        NotFound: there is no such tenant.
        Conflict: the id exists.
    """
    identifier(integration.id, "an integration's id")
    _named(integration.name, "an integration's name")
    _bucket(integration.container)
    _fits(integration, credentials)
    _tenant(integration.tenant_id, world)
    # With the settings: whoever can alter the record must not be able to have its credentials sent elsewhere.
    secret = {**integration.settings, **credentials}
    sealed = world.seals.credentials(integration.tenant_id, integration.id, secret) if credentials else None
    written = replace(integration, sealed=sealed)
    world.integrations.add(written)
    _audited("integration.add", integration.tenant_id, f"integration/{integration.id}", actor, world)
    return written


def add_rule(rule: Rule, actor: str, world: Provisioning) -> Rule:
    """Adds a rule. Objects that are there already follow with the next sweep.

    Raises:
        InvalidInput: an identifier is not well formed, or the rule speaks of keys outside its tenant's source.
        NotFound: there is no such tenant, or it has no such integration.
        Conflict: the id or the target's name is taken.
    """
    identifier(rule.id, "a rule's id")
    identifier(rule.target.name, "a target's name")
    tenant = _tenant(rule.tenant_id, world)
    source = tenant.source.prefix
    if rule.prefix and not (rule.prefix.startswith(source) or source.startswith(rule.prefix)):
        raise InvalidInput("the rule's prefix lies outside its tenant's source")
    if rule.target.container:
        _bucket(rule.target.container)
    if world.integrations.get(rule.tenant_id, rule.target.integration_id) is None:
        raise NotFound("there is no such integration")
    world.rules.add(rule)
    _audited("rule.add", rule.tenant_id, f"rule/{rule.id}", actor, world)
    return rule


def _fits(integration: Integration, credentials: Mapping[str, str]) -> None:
    form = FORMS.get((integration.connector, integration.auth_type))
    if form is None:
        ways = ", ".join(sorted(f"{connector} by {way}" for connector, way in FORMS))
        raise InvalidInput(f"integrations sign in to {ways}")
    given = integration.settings.keys() | credentials.keys()
    if not form.needs <= given:
        raise InvalidInput(f"the integration needs {', '.join(sorted(form.needs - given))}")
    if not (integration.settings.keys() <= form.settings and credentials.keys() <= form.secrets):
        raise InvalidInput(
            f"it may have {', '.join(sorted(form.settings | form.secrets))}, secrets among credentials only"
        )
    values = [*integration.settings.values(), *credentials.values()]
    if not all(0 < len(value) <= _VALUE_MAX for value in values):
        raise InvalidInput(f"settings and credentials are texts of 1 to {_VALUE_MAX} characters")


def _tenant(tenant_id: TenantId, world: Provisioning) -> Tenant:
    tenant = world.tenants.get(tenant_id)
    if tenant is None:
        raise NotFound("there is no such tenant")
    return tenant


def _named(name: str, what: str) -> None:
    if not 0 < len(name) <= _NAME_MAX or not name.isprintable():
        raise InvalidInput(f"{what} is 1 to {_NAME_MAX} printable characters")


def _bucket(name: str) -> None:
    if not _BUCKET.match(name):
        raise InvalidInput("a bucket's or container's name is 3 to 63 letters, digits, '.', '_' and '-'")


def _audited(action: str, tenant_id: TenantId, subject: str, actor: str, world: Provisioning) -> None:
    world.audit.append(AuditEvent(tenant_id, world.clock.now(), actor, action, subject))
