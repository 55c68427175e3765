"""Tenants: who owns them, and which bucket and prefix is theirs. An administrator's work."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import AlreadyExists, InUse, InvalidInput, NotFound
from shared.domain.ids import TenantId, identifier
from shared.domain.provider import SYSTEM
from shared.domain.tenant import Source, Tenant
from shared.ports.connections import Audit, Webhooks
from shared.ports.state import Integrations, Rules, Tenants
from shared.ports.world import Clock, Randomness
from shared.usecases import shown
from shared.usecases.rounds import found, rounds
from shared.usecases.unset import UNSET, Unset, named_in
from shared.usecases.webhooks import remove_webhook
from shared.usecases.wellformed import bucket, named

_PEOPLE_MAX = 100  # a change shows all of them twice in one row of the audit trail (DynamoDB: 400 KB)
_SUBJECT_MAX = 256
_PREFIX_MAX = 900  # S3 keys have at most 1,024 bytes; the rest is the tenant's


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What keeping tenants asks of the world."""

    tenants: Tenants
    rules: Rules
    integrations: Integrations
    webhooks: Webhooks
    audit: Audit
    clock: Clock
    randomness: Randomness


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What an administrator says of a new one; without an id it gets one."""

    name: str
    source: Source
    id: TenantId | None = None
    owners: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TenantChanges:
    """What is to be different."""

    name: str | Unset = UNSET
    owners: frozenset[str] | Unset = UNSET
    members: frozenset[str] | Unset = UNSET
    source: Source | Unset = UNSET


def add_tenant(new: NewTenant, actor: Actor, world: Tenancy) -> Tenant:
    """Adds a tenant with its source. Audited in the deployment's trail.

    Raises:
        InvalidInput: an identifier or name is not well formed.
        AlreadyExists: the id exists, or did.
        Conflict: its source overlaps another tenant's.
        StateUnavailable
    """
    name = new.id or TenantId(f"ten_{world.randomness.token(12)}")
    now = world.clock.now()
    tenant = Tenant(name, new.name, new.source, now, new.owners, new.members, now)
    _check(tenant)
    unused(name, world.audit)
    world.tenants.add(tenant, _event(SYSTEM, tenant, "tenant.added", actor, world, after=shown.tenant(tenant)))
    return tenant


def change_tenant(
    tenant_id: TenantId, changes: TenantChanges, expected: int | None, actor: Actor, world: Tenancy
) -> Tenant:
    """Changes a tenant. Audited in its own trail, where its owners see it.

    Args:
        expected: the version the caller saw; None: any.

    Raises:
        NotFound, VersionMismatch, InvalidInput, StateUnavailable
        Conflict: its new source overlaps another's.
        InUse: a rule speaks of keys outside its new source.
    """
    told = named_in(changes)

    def attempt() -> Tenant:
        old = found(world.tenants.get(tenant_id, fresh=True), "tenant", expected)
        new = replace(old, **told, version=old.version + 1, updated_at=world.clock.now())
        _check(new)
        if new.source != old.source:
            _rules_stay_inside(new, world)
        parts = shown.difference(shown.tenant(old), shown.tenant(new))
        world.tenants.change(new, _event(tenant_id, new, "tenant.changed", actor, world, **parts))
        return new

    return rounds(expected, attempt)


def move_source(tenant_id: TenantId, source: Source, expected: int | None, actor: Actor, world: Tenancy) -> Tenant:
    """Gives a tenant another source. Objects under the old one are no longer its own; replicas stay where they are.

    Raises:
        as ``change_tenant``.
    """
    return change_tenant(tenant_id, TenantChanges(source=source), expected, actor, world)


def remove_tenant(tenant_id: TenantId, expected: int | None, actor: Actor, world: Tenancy) -> None:
    """Removes a tenant that has nothing left but webhooks, which go with it. Audited in the deployment's trail; its own stays.

    Raises:
        NotFound, VersionMismatch, StateUnavailable
        InUse: it has integrations or rules.
    """

    def attempt() -> None:
        old = found(world.tenants.get(tenant_id, fresh=True), "tenant", expected)
        if world.integrations.of(tenant_id, limit=1):
            raise InUse("the tenant has integrations: remove them first")
        if world.rules.of(tenant_id, fresh=True):
            raise InUse("the tenant has replication rules: remove them first")
        for webhook in world.webhooks.of(tenant_id):
            with suppress(NotFound):  # its owner was quicker
                remove_webhook(tenant_id, webhook.id, None, actor, world)
        world.tenants.remove(old, _event(SYSTEM, old, "tenant.removed", actor, world, before=shown.tenant(old)))

    rounds(expected, attempt)


def unused(tenant_id: TenantId, audit: Audit) -> None:
    """Returns if nothing was ever done in a tenant of this id. Its trail stays when a tenant goes, and so may what is known of
    replicas: another customer must not come by them.

    Raises:
        AlreadyExists, StateUnavailable
    """
    if audit.head(tenant_id)[0]:
        raise AlreadyExists("there is, or was, a tenant of this id; ids are not given out again")


def _check(tenant: Tenant) -> None:
    identifier(tenant.id, "a tenant's id")
    named(tenant.name, "a tenant's name")
    bucket(tenant.source.bucket)
    if len(tenant.source.prefix) > _PREFIX_MAX:
        raise InvalidInput(f"a source's prefix has at most {_PREFIX_MAX} characters")
    _people(tenant.owners)
    _people(tenant.members)


def _people(subjects: Iterable[str]) -> None:
    listed = list(subjects)
    well = all(it.isprintable() and 0 < len(it.encode()) <= _SUBJECT_MAX for it in listed)
    if len(listed) > _PEOPLE_MAX or not well:
        raise InvalidInput(f"owners and members are at most {_PEOPLE_MAX} subjects of 1 to {_SUBJECT_MAX} bytes")


def _rules_stay_inside(tenant: Tenant, world: Tenancy) -> None:
    source = tenant.source.prefix
    for rule in world.rules.of(tenant.id, fresh=True):
        if rule.prefix and not (rule.prefix.startswith(source) or source.startswith(rule.prefix)):
            raise InUse(f"the rule {rule.id} speaks of keys outside the new source")


def _event(trail: str, tenant: Tenant, action: str, actor: Actor, world: Tenancy, **parts: Any) -> AuditEvent:
    return AuditEvent(trail, world.clock.now(), actor, action, f"tenant/{tenant.id}", **parts)
