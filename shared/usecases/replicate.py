"""Makes one object right on one target. Level-triggered: what the source holds now counts, not what the event said.

```
there = target.head(path)                 1  the target first, always
here  = source.open(key)                  2  the source's current state
same version      -> nothing to do
here is absent    -> the rule's delete policy, if_match=there
otherwise         -> target.write(content, precondition=there, stamp=here)
source.head(key) == here ?                3  else go round again (bounded)
ledger.record(...)                        4  then the host acknowledges
```

Whatever a worker learns of the source, it learns after it saw the target's tag. So a write that another worker overtook
carries a stale tag and is refused, however late it lands; tests/model shows it for every interleaving. Absence has no tag: a
write that expects it may land after a create and a delete. The re-check undoes that at once, and the sweep does if its
worker no longer waited for the answer. The ledger is a memory: where a rule keeps replicas, a copy finished just after its
source was deleted may be missing from its row until the sweep.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from shared.domain.errors import Conflict, FarshoreError, StoreError, Unsettled
from shared.domain.event import Job
from shared.domain.objects import Checksums, ObjectHead, Written
from shared.domain.precondition import as_seen
from shared.domain.replica import Failure, Replica
from shared.domain.retry import Now
from shared.ports.state import Integrations, Ledger, Rules, Tenants, Transfers
from shared.ports.stores import Opened, Stores
from shared.ports.world import Clock, Deadline, Metrics
from shared.usecases.pace import Punctual, check, meter
from shared.usecases.pair import Pair, pair_of, rule_of
from shared.usecases.register import Registered

ROUNDS = 4
"""Looks at a pair in one attempt. More than one is rare; four in a row mean that somebody writes faster than we can."""

TAKEN = "another target keeps its replica of another object under this name: give each a path or container of its own"

PAUSED = Failure("rule_paused", "the rule is paused; a sweep takes the object up after it is resumed")

type Action = Literal["Replicated", "Deleted", "Skipped"]


@dataclass(frozen=True, slots=True)
class Replicating:
    """What replication asks of the world."""

    tenants: Tenants
    rules: Rules
    integrations: Integrations
    stores: Stores
    ledger: Ledger
    transfers: Transfers
    clock: Clock
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Seen:
    """One settled round: both ends as found, and what was done about it. ``there`` is what remains on the target."""

    here: ObjectHead | None
    there: ObjectHead | None
    action: Action = "Skipped"
    written: Written | None = None


def replicate(job: Job, world: Replicating, deadline: Deadline) -> Replica | None:
    """Brings the job's target to the source's current state, proves it, and returns once the ledger knows.

    Doing a job twice, late, or beside another of the same pair is harmless: a target that is right costs two store calls. A
    small copy costs five: target head, source open and read, write, source head.

    Returns:
        The row given to the ledger. Its status is ``replicated`` if the target holds a copy that Farshore made (of the
        current source, or under ``keep`` of the last one: ``source_tag`` is None once the source is gone), ``deleted`` if it
        holds none. None if the rule is paused: the row stays ``pending`` with that as its reason.

    Raises:
        NotFound, ForeignEvent: the job is nobody's any more (``rule_of``).
        CredentialsRefused: the integration is gone or not active.
        Conflict: the name on the target holds a replica of another object, made for another target (``Pair.taken``).
        Unsettled: either end changed under us in every round.
        DeadlineExceeded: the attempt's time is nearly over.
        StateUnavailable, StoreError: as the ports say; nothing partial is visible, the job may be done again.
    """
    tenant, rule = rule_of(job, world.tenants, world.rules)
    if rule.paused:
        world.ledger.fail(job, PAUSED, attempts=0, final=False, at=world.clock.now())
        return None
    pair = pair_of(job.key, tenant, rule, world.integrations, world.stores)
    seen = _settle(job, pair, world, deadline)
    row = _row(job, pair, seen, world)
    world.ledger.record(row)
    _count(job, seen, row, world.metrics)
    return row


def failed(job: Job, error: Exception, attempts: int, final: bool, world: Replicating) -> Failure:
    """Tells the ledger that an attempt failed; the host calls it before it retries or buries the job.

    Args:
        attempts: made so far, this one included.
        final: no retry follows: the row becomes ``failed``, else it stays ``pending`` with its reason.
        error: one of ours is shown with its code and message; of any other only that it happened, since its text may hold
            anything.

    Raises:
        StateUnavailable: the ledger does not know; do not acknowledge the job.
    """
    failure = Failure("internal", "an unexpected error; the logs name it")
    if isinstance(error, FarshoreError):
        failure = Failure(error.code, str(error))
    world.ledger.fail(job, failure, attempts=attempts, final=final, at=world.clock.now())
    world.metrics.count("Failed", target=job.target)
    return failure


def _settle(job: Job, pair: Pair, world: Replicating, deadline: Deadline) -> Seen:
    """Goes round until a look finds both ends in agreement."""
    last = "the source kept changing"
    for _ in range(ROUNDS):
        check(deadline)
        try:
            seen = _round(job, pair, world, deadline)
        except StoreError as error:
            if not isinstance(error.retry, Now):
                raise
            last = error.code
            continue
        if seen is not None:
            return seen
    raise Unsettled(f"not settled after {ROUNDS} rounds: {last}")


def _round(job: Job, pair: Pair, world: Replicating, deadline: Deadline) -> Seen | None:
    """One look at both ends and one conditional change; None if the source had moved on after it."""
    there = pair.target.head(pair.path)
    with pair.source.open(pair.key) as opened:
        here = opened.head if opened else None
        if pair.right(here, there):
            return Seen(here, there)
        if pair.taken(here, there):
            raise Conflict(TAKEN)
        if opened is None:
            pair.target.delete(pair.path, precondition=as_seen(there))
            seen = Seen(None, None, "Deleted")
        else:
            seen = Seen(here, there, "Replicated", _write(job, pair, opened, there, world, deadline))
    return seen if _same(here, pair.source.head(pair.key)) else None


def _write(
    job: Job, pair: Pair, opened: Opened, there: ObjectHead | None, world: Replicating, deadline: Deadline
) -> Written:
    return pair.target.write(
        pair.path,
        Punctual(opened.content, deadline),
        precondition=as_seen(there),
        stamp=pair.name(opened.head),
        progress=meter(job, opened.head.size, world.ledger, world.clock),
        sessions=Registered(job, pair.path, world.transfers, world.clock),
    )


def _same(here: ObjectHead | None, now: ObjectHead | None) -> bool:
    """Whether the source is still the version that was read; two absences are the same."""
    return (here and here.version) == (now and now.version)


def _row(job: Job, pair: Pair, seen: Seen, world: Replicating) -> Replica:
    """What the ledger shall know of a settled pair."""
    now = world.clock.now()
    bare = Replica(job.tenant_id, job.key, job.target, job.rule_id, "deleted", now, job.sequencer)
    if seen.written is not None and seen.here is not None:
        return _copied(bare, job, seen.here, seen.written)
    if seen.action == "Deleted":
        return bare
    if seen.here is None and pair.taken(None, seen.there):
        return replace(bare, target_tag=seen.there.tag if seen.there else None)
    return _kept(bare, job, seen, _earlier(job, world.ledger))


def _copied(bare: Replica, job: Job, here: ObjectHead, written: Written) -> Replica:
    return replace(
        bare,
        status="replicated",
        source_version=here.version,
        source_tag=here.tag,
        target_tag=written.tag,
        size=written.size,
        checksums=Checksums({**here.checksums.values, **written.checksums.values}),
        route=written.route,
        lag_seconds=_lag(job, bare.updated_at),
        replicated_at=bare.updated_at,
    )


def _kept(bare: Replica, job: Job, seen: Seen, earlier: Replica | None) -> Replica:
    """The row of a pair that was right already: what is seen of it now, and of the past what only an earlier row knows."""
    here, there = seen.here, seen.there
    tags = replace(bare, source_tag=here.tag if here else None, target_tag=there.tag if there else None)
    kept = here or (there and there.stamp)
    if there is None or kept is None:
        return tags
    version = kept.version
    past = earlier or bare
    known = past.source_version == version and past.replicated_at is not None
    return replace(
        tags,
        status="replicated",
        source_version=version,
        size=there.size,
        checksums=Checksums({**(here.checksums.values if here else {}), **there.checksums.values}),
        route=past.route,
        lag_seconds=past.lag_seconds if known else _lag(job, bare.updated_at),
        replicated_at=past.replicated_at if known else bare.updated_at,
    )


def _earlier(job: Job, ledger: Ledger) -> Replica | None:
    rows = ledger.copies(job.tenant_id, job.key)
    return next((row for row in rows if row.target == job.target), None)


def _lag(job: Job, now: datetime) -> float:
    """Seconds since the source changed; clocks may disagree, so never below zero."""
    return max(0.0, (now - job.since).total_seconds())


def _count(job: Job, seen: Seen, row: Replica, metrics: Metrics) -> None:
    metrics.count(seen.action, target=job.target)
    if seen.written is not None:
        metrics.count("Bytes", seen.written.size, "Bytes", target=job.target)
        metrics.count("Lag", row.lag_seconds or 0.0, "Seconds", target=job.target)
