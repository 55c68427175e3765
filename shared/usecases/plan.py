"""From an event to the jobs that make its object right, one for each target."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.errors import ForeignEvent
from shared.domain.event import Job, ObjectChanged
from shared.ports.state import Ledger, Rules, Tenants
from shared.ports.world import Clock, JobQueue, Metrics
from shared.usecases.matching import chosen


@dataclass(frozen=True, slots=True)
class Planning:
    """What planning asks of the world."""

    tenants: Tenants
    rules: Rules
    ledger: Ledger
    queue: JobQueue
    clock: Clock
    metrics: Metrics


def plan(event: ObjectChanged, world: Planning) -> Sequence[Job]:
    """Queues one job for each target whose rule speaks of the object, so that a slow target never holds back a fast one.

    The ledger hears of the jobs before the queue does: a replica is visible as ``pending`` from the moment its job can
    exist. Planning an event again is harmless: jobs say which pair to look at, never what to do with it.

    Returns:
        The jobs queued; none if no rule that is not paused matches.

    Raises:
        ForeignEvent: the object is in no tenant's source. Nothing was done, and nothing of the event is repeated.
        StateUnavailable: some jobs may be queued; plan the event again.
    """
    tenant = world.tenants.owner_of(event.connector, event.bucket, event.key)
    if tenant is None or not tenant.source.holds(event.connector, event.bucket, event.key):
        raise ForeignEvent
    jobs = tuple(
        Job(tenant.id, rule.id, rule.target.name, event.key, event.at, event.sequencer)
        for rule in chosen(world.rules.of(tenant.id), event.key)
    )
    if jobs:
        world.ledger.expect(jobs, world.clock.now())
        world.queue.send(jobs)
        world.metrics.count("Planned", len(jobs))
    return jobs
