"""Looks at everything once in a while, and queues a job for whatever differs. It never copies or deletes by itself.

The sweep heals what events cannot: a lost event, a lost job, a target changed behind our back, a late write that landed
where absence or a tag made of content let it, a rule that is new or was paused.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared.domain.errors import FarshoreError, StateUnavailable, StoreError
from shared.domain.event import Job
from shared.domain.ids import TenantId
from shared.domain.objects import ObjectSummary
from shared.domain.replica import Replica
from shared.domain.rule import Rule
from shared.domain.sequencer import Sequencer
from shared.domain.tenant import Source, Tenant
from shared.ports.state import Cursors, Integrations, Ledger, Rules, Tenants, Transfers
from shared.ports.stores import Stores
from shared.ports.world import Clock, Deadline, JobQueue, Metrics
from shared.usecases.matching import chosen
from shared.usecases.pace import MARGIN_SECONDS
from shared.usecases.pair import Pair, pair_of
from shared.usecases.register import tidy
from shared.usecases.walk import Fetch, Lines, Mark, Walk

CURSOR = "sweep"
PAGE = 500
BATCH = 10
AWAITED = timedelta(hours=1)
"""A pending row touched more recently has a job under way; each attempt touches it."""

BURIED = timedelta(hours=24)
"""A failed row is left to its dead-letter queue that long, then tried anew once a day."""


@dataclass(frozen=True, slots=True)
class Sweeping:
    """What sweeping asks of the world.

    Attributes:
        limit: keys looked at in one run, at most.
    """

    tenants: Tenants
    rules: Rules
    integrations: Integrations
    stores: Stores
    ledger: Ledger
    transfers: Transfers
    queue: JobQueue
    cursors: Cursors
    clock: Clock
    metrics: Metrics
    limit: int = 20_000


@dataclass(frozen=True, slots=True)
class Swept:
    """What a run did. ``finished``: it reached the end of all tenants, so that the next begins anew."""

    looked: int
    queued: int
    finished: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the sweep stands: in which rule's walk, or (no mark) at its end."""

    tenant: str = ""
    rule: str = ""
    mark: Mark | None = None

    def text(self) -> str:
        return json.dumps([self.tenant, self.rule, self.mark and _said(self.mark)])


def sweep(world: Sweeping, deadline: Deadline) -> Swept:
    """Walks on from where the last run stopped, until the limit, the deadline or the end.

    A rule whose stores fail is counted as ``Failed`` for its target, and the walk goes on with the next rule; the next
    round of the sweep goes on with it from where it failed, so that a walk of days reaches its end although some store is
    away for a minute of them. Paused rules and integrations that are not active are left alone.

    Raises:
        StateUnavailable: nothing is lost; the next run goes on from the last place saved.
    """
    run = _Run(world, deadline)
    place = _load(world.cursors)
    for tenant, rule in _legs(world, place):
        mark = place.mark if (tenant.id, rule.id) == (place.tenant, place.rule) else None
        rest = _leg(run, tenant, rule, mark)
        world.cursors.save(CURSOR, _Place(tenant.id, rule.id, rest).text())
        if rest is not None:
            return Swept(run.looked, run.queued, False)
    world.cursors.save(CURSOR, None)
    return Swept(run.looked, run.queued, True)


class _Run:
    """One run's budget, and the jobs it gathers."""

    def __init__(self, world: Sweeping, deadline: Deadline) -> None:
        self.world, self.deadline = world, deadline
        self.looked = self.queued = 0
        self._jobs: list[Job] = []

    @property
    def over(self) -> bool:
        return self.looked >= self.world.limit or self.deadline.remaining() <= MARGIN_SECONDS

    def add(self, job: Job) -> None:
        self._jobs.append(job)
        if len(self._jobs) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Expects and queues what was gathered; a walk's place is saved only after that."""
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            self.world.ledger.expect([job], self.world.clock.now())
        if jobs:
            self.world.queue.send(jobs)
            self.world.metrics.count("Swept", len(jobs), target=jobs[0].target)
        self.queued += len(jobs)


def _load(cursors: Cursors) -> _Place:
    tenant, rule, mark = json.loads(cursors.load(CURSOR) or '["", "", null]')
    return _Place(tenant, rule, _mark(mark))


def _said(mark: Mark) -> list[Any]:
    return [mark.past, list(mark.tokens)]


def _mark(said: list[Any] | None) -> Mark | None:
    return Mark(said[0], tuple(said[1])) if said else None


def _legs(world: Sweeping, place: _Place) -> Iterator[tuple[Tenant, Rule]]:
    """Every rule to walk, by tenant and id, from the place on; rules of no use now are left out."""
    for tenant in _tenants(world.tenants, place.tenant):
        for rule in sorted(world.rules.of(tenant.id), key=lambda rule: rule.id):
            here = (tenant.id, rule.id)
            done = here < (place.tenant, place.rule) or (here == (place.tenant, place.rule) and place.mark is None)
            if not done and not rule.paused and _prefix(tenant.source, rule) is not None:
                yield tenant, rule


def _tenants(tenants: Tenants, begin: str) -> Iterator[Tenant]:
    after = TenantId(begin) if begin else None
    first = tenants.get(after) if after else None
    if first:
        yield first
    while page := tenants.page(after=after):
        yield from page
        after = page[-1].id


def _prefix(source: Source, rule: Rule) -> str | None:
    """What all keys of a rule begin with; None if the rule speaks of nothing in the source."""
    longer = max(source.prefix, rule.prefix, key=len)
    return longer if longer.startswith(source.prefix) and longer.startswith(rule.prefix) else None


def _leg(run: _Run, tenant: Tenant, rule: Rule, mark: Mark | None) -> Mark | None:
    """Walks one rule; where to go on if the run's budget ended first, None if the leg is over."""
    world = run.world
    integration = world.integrations.get(tenant.id, rule.target.integration_id)
    if integration is None or not integration.usable:
        return None
    name = f"{CURSOR}#{tenant.id}#{rule.id}"
    left = None if mark else _mark(json.loads(world.cursors.load(name) or "null"))
    begin, rest, walk = mark or left or Mark(), None, None
    try:
        pair = pair_of("", tenant, rule, world.integrations, world.stores)
        if mark is None:
            _tidy(run, tenant, pair)
        walk = Walk(_listings(world, tenant, pair), begin)
        rest = _walk(run, tenant, pair, walk)
        failed = None
    except StateUnavailable:
        raise
    except FarshoreError:
        world.metrics.count("Failed", target=rule.target.name)
        failed = walk and walk.mark()
    run.flush()
    # One that failed where it began is begun anew the next time: that may be the place's fault.
    keep = failed if failed and failed.past > begin.past else None
    if keep or left:
        world.cursors.save(name, json.dumps(_said(keep)) if keep else None)
    return rest


def _tidy(run: _Run, tenant: Tenant, pair: Pair) -> None:
    """Ends upload sessions that dead workers of ours left open. A store that refuses has its objects compared all the same."""
    world, name = run.world, pair.rule.target.name
    try:
        for _ in tidy(pair.target, name, tenant.id, world.transfers, world.clock.now()):
            if run.over:
                return
    except StoreError:
        world.metrics.count("Failed", target=name)


def _walk(run: _Run, tenant: Tenant, pair: Pair, walk: Walk) -> Mark | None:
    world, rule = run.world, pair.rule
    rules = world.rules.of(tenant.id)
    for key, (source, row, target) in walk:
        if run.over:
            return walk.mark()
        run.looked += 1
        if rule not in chosen(rules, key):
            continue
        path = rule.target.path_of(key, tenant.source.prefix, tenant.id)
        if _differs(world, replace(pair, key=key, path=path), tenant.id, source, row, target):
            run.add(_job(tenant.id, rule, key, source, row, world.clock.now()))
    return None


def _listings(world: Sweeping, tenant: Tenant, pair: Pair) -> list[Fetch]:
    """The source, the ledger and, where its order tells keys, the target."""
    prefix = _prefix(tenant.source, pair.rule) or ""
    target, rule = pair.rule.target, pair.rule

    def source(after: str | None) -> tuple[Lines, str | None]:
        page = pair.source.list(prefix, after=after)
        return [(item.path, item) for item in page.items], page.after

    def rows(after: str | None) -> tuple[Lines, str | None]:
        found = world.ledger.page(tenant.id, target=rule.target.name, key_prefix=prefix, limit=PAGE, after=after)
        return [(row.source_key, row) for row in found.items], found.after

    def copies(after: str | None) -> tuple[Lines, str | None]:
        if not target.in_order:
            return [], None
        page = pair.target.list(target.path_of(prefix, tenant.source.prefix, tenant.id), after=after)
        named = ((target.key_of(item.path, tenant.source.prefix, tenant.id), item) for item in page.items)
        return [(key, item) for key, item in named if key], page.after

    return [source, rows, copies]


def _differs(
    world: Sweeping,
    pair: Pair,
    tenant: TenantId,
    source: ObjectSummary | None,
    row: Replica | None,
    target: ObjectSummary | None,
) -> bool:
    """Whether a pair needs a job: its ledger row does not say what source and target show, or waits for too long."""
    if row is None:
        return source is not None or _strayed(world, pair, tenant, target)
    if row.status not in ("replicated", "deleted"):
        return world.clock.now() - row.updated_at > (BURIED if row.status == "failed" else AWAITED)
    if (source and source.tag) != row.source_tag:
        return True
    if source and source.modified > row.updated_at:
        return True  # the same bytes once more, with other attributes perhaps: a tag made of content does not tell
    unlisted = row.target_tag is not None or not pair.rule.target.in_order
    there = target or (pair.target.head(pair.path) if unlisted else None)
    return (there and there.tag) != row.target_tag


def _strayed(world: Sweeping, pair: Pair, tenant: TenantId, target: ObjectSummary | None) -> bool:
    """Whether an object seen on the target alone is a replica of ours, listed out of turn, that has changed.

    What no row knows is somebody's own, and none of our business.
    """
    rows = world.ledger.copies(tenant, pair.key)
    row = next((row for row in rows if row.target == pair.rule.target.name), None)
    settled = row is not None and row.status in ("replicated", "deleted")
    return settled and row is not None and target is not None and row.target_tag != target.tag


def _job(
    tenant: TenantId, rule: Rule, key: str, source: ObjectSummary | None, row: Replica | None, now: datetime
) -> Job:
    """The row's own sequencer lets the job's word stand beside it, and any later event's above it."""
    since = source.modified if source else now
    return Job(tenant, rule.id, rule.target.name, key, since, row.sequencer if row else Sequencer())
