"""Finds whose tokens are due, and queues a refresh of each. Costs work for the due ones only, however many there are."""

from dataclasses import dataclass

from shared.ports.state import Integrations
from shared.ports.world import Clock, Deadline, Metrics, Randomness, RefreshQueue

SPREAD_SECONDS = 60
"""A message begins within so many seconds, at random: what is due together need not be refreshed together."""

MOST = 10_000
"""In one run; the rest is found by the next."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What the timer asks of the world."""

    integrations: Integrations
    queue: RefreshQueue
    clock: Clock
    randomness: Randomness
    metrics: Metrics


def queue_due(world: Timing, deadline: Deadline) -> int:
    """Queues a refresh of each integration that is due, and says of how many.

    One that is still due at the next run is queued again; whoever comes second finds nothing to do.

    Raises:
        StateUnavailable: perhaps not all are queued; the next run queues them.
    """
    due = world.integrations.due(world.clock.now(), limit=MOST)
    if due:
        world.queue.send([(*which, int(world.randomness.fraction() * SPREAD_SECONDS)) for which in due])
    world.metrics.count("RefreshesQueued", len(due))
    return len(due)
