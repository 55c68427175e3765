"""A refresh that a person asked for: by the same code as all others, and on record with who asked."""

from dataclasses import dataclass

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import FarshoreError, StateUnavailable
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.integration import Integration
from shared.ports.connections import Audit
from shared.ports.world import Deadline
from shared.usecases.refresh import Refreshing, refresh_one
from shared.usecases.rounds import found


@dataclass(frozen=True, slots=True)
class Asked:
    """What it asks of the world."""

    refreshing: Refreshing
    audit: Audit


def refresh_now(
    tenant_id: TenantId, integration_id: IntegrationId, actor: Actor, world: Asked, deadline: Deadline
) -> Integration:
    """Refreshes an integration's tokens though they are not due.

    Raises:
        as ``refresh_one`` with ``force``.
    """
    was = found(world.refreshing.integrations.get(tenant_id, integration_id, fresh=True), "integration")
    try:
        now = refresh_one(tenant_id, integration_id, world.refreshing, deadline, force=True)
    except StateUnavailable:
        raise  # there would be nowhere to write it
    except FarshoreError as error:
        _record(was, error.code, actor, world)
        raise
    _record(now, "success" if now.generation > was.generation else now.reason or "success", actor, world)
    return now


def _record(it: Integration, outcome: str, actor: Actor, world: Asked) -> None:
    at, subject = world.refreshing.clock.now(), f"integration/{it.id}"
    world.audit.append(AuditEvent(it.tenant_id, at, actor, "integration.refresh_asked", subject, outcome))
