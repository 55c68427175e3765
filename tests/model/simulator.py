"""A seeded world in which everything goes wrong, until it may rest; then everything must be right.

Workers, planners and sweeps run the production use cases as greenlets that yield at every call on shared things. A seed decides
who goes on, what users do, and which call fails how. Time is virtual. The same seed tells the same story.

Not simulated here: leases and refreshes of tokens, which no use case of replication has.
"""

import random
from collections.abc import Callable
from datetime import timedelta

from greenlet import getcurrent, greenlet

from shared.domain.errors import FarshoreError
from shared.domain.objects import Attributes
from shared.domain.precondition import Absent
from shared.usecases.replicate import replicate
from tests.model.bucket import Until
from tests.model.faults import Crash, Faults
from tests.model.world import World

PROCESSES = 4
RING = ("east", "west")
SOURCES = {"acme": "primary", "bolt": "primary", "ring": "east"}
OWNER = {"copy": "acme", "kept": "acme", "bolt": "bolt", "west": "ring"}


class Violated(AssertionError):
    """An invariant does not hold in this seed's story."""

    def __init__(self, invariant: str, seed: int) -> None:
        super().__init__(f"{invariant} (seed {seed})")
        self.invariant = invariant


class Simulation:
    """One seed's world: two tenants in one bucket, three targets of different natures, and a ring of two buckets."""

    def __init__(self, seed: int, protocol: Callable = replicate, mutate: Callable = lambda _: None) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        self.gate = Faults(random.Random(seed + 1))
        self.world = world = World(self.gate, protocol=protocol)
        self.events, self.running, self.busy = [], [], []
        self.hot, self.deleted = self._somewhere(), {}
        self.bodies: dict[tuple[str, str, str], bytes] = {}
        self.highest: dict[tuple[str, str], int] = {}
        pinned = self.dice.random() < 0.5
        world.tenant("acme", "primary", "acme/", versioned=pinned)
        world.tenant("bolt", "primary", "bolt/", versioned=pinned)
        world.rule("copy", on_delete="delete")
        world.rule("kept", path="deep/{relative}", nature={"tags": "content"})
        world.rule("bolt", tenant="bolt", path="{relative}.bak", on_delete="delete")
        world.tenant("ring", "east"), world.tenant("gnir", "west")
        world.rule("there", tenant="ring", container="west", on_delete="delete")
        world.rule("back", tenant="gnir", container="east", on_delete="delete")
        self.foreign = {name: store.upload("somebody/elses") for name, store in world.stores.buckets.items()}
        mutate(world)
        for name in ("primary", *RING):
            self._announce(name)
        self.gate.landed, self.gate.acknowledged, self.gate.change_source = self._landed, self._acknowledged, self._user

    # ---- what the world does -----------------------------------------------------------------------------------------
    def _announce(self, name: str) -> None:
        """Every change in a source bucket, whoever made it, sends an event, or loses it."""
        store = self.world.stores.buckets[name]
        put, remove = store.put, store.remove

        def tell(path: str) -> None:
            event = self.world.event(path, name)
            if not self.gate.calm and self.dice.random() < 0.05:
                self.gate.exercised["lost event"] += 1
            else:
                self.events.append(event)

        def putting(path, body, attributes=Attributes(), stamp=None):
            thing = put(path, body, attributes, stamp)
            self.bodies[name, path, thing.version] = body
            tell(path)
            return thing

        def removing(path):
            remove(path)
            tell(path)

        store.put, store.remove = putting, removing

    def _user(self) -> None:
        """A user writes or deletes at a source."""
        if self.dice.random() < 0.2:
            self.hot = self._somewhere()
        owner, key = self.hot if self.dice.random() < 0.8 else self._somewhere()
        store = self.world.stores.buckets[SOURCES[owner]]
        self.gate.story.append(f"user at {key}")
        if self.dice.random() < 0.3:
            store.remove(key)
        else:
            canary = f"{owner}:{self.dice.randrange(3)}".encode()
            store.put(key, canary * self.dice.choice([0, 1, 2]), Attributes(metadata={"canary": owner}))

    def _somewhere(self) -> tuple[str, str]:
        owner = self.dice.choice(list(SOURCES))
        return owner, f"{owner}/{self.dice.choice('xy')}"

    def _meddle(self) -> None:
        """Somebody edits a copy and leaves its stamp, or removes it."""
        store = self.world.stores.buckets[self.dice.choice(["copy", "kept", "bolt"])]
        if store.things:
            path = self.dice.choice(sorted(store.things))
            kind = self.dice.choice(["copy edited", "copy removed"])
            self._note(kind)
            if kind == "copy edited":
                old = store.things[path]
                store.put(path, bytes(byte ^ 1 for byte in old.body) or b"edited", old.attributes, old.stamp)
            else:
                store.remove(path)

    def _administer(self) -> None:
        """An owner pauses, revokes or deletes, or takes it back."""
        name = self.dice.choice(["copy", "kept", "bolt"])
        kind = self.dice.choice(["rule paused", "integration revoked", "integration deleted"])
        self._note(kind)
        if kind == "rule paused":
            self.world.change("rules", name, paused=not self._rule(name).paused)
        elif kind == "integration revoked" and f"i-{name}" not in self.deleted:
            self.world.change("integrations", f"i-{name}", status=self.dice.choice(["active", "revoked"]))
        else:
            self._delete_or_restore(f"i-{name}")

    def _delete_or_restore(self, name: str) -> None:
        items = self.world.integrations.items
        if name in self.deleted:
            place, integration = self.deleted.pop(name)
            items[place] = integration
        else:
            place = next(place for place in items if place[1] == name)
            self.deleted[name] = place, items.pop(place)

    def _rule(self, name: str):
        return next(rule for rule in self.world.rules.items.values() if rule.id == name)

    def _note(self, kind: str) -> None:
        self.gate.exercised[kind] += 1
        self.gate.story.append(kind)

    # ---- processes ---------------------------------------------------------------------------------------------------
    def _spawn(self, action: Callable[[], None]) -> None:
        def body() -> None:
            try:
                action()
            except (Crash, FarshoreError) as end:
                self.gate.story.append(type(end).__name__)

        process = greenlet(body)
        process.deadline = Until()
        self.running.append(process)

    def _planner(self) -> None:
        if not self.events:
            return
        batch = self.dice.sample(self.events, min(len(self.events), self.dice.choice([1, 1, 3])))
        if batch[0] is not self.events[0]:
            self.gate.exercised["reordered event"] += 1

        self._spawn(lambda: self._plan(batch))

    def _plan(self, batch) -> None:
        for done, event in enumerate(batch):
            try:
                self.world.plan(event)
            except (Crash, FarshoreError):
                if done:
                    self._note("batch split")
                raise
            if self.dice.random() < 0.1:
                self._note("duplicate event")
            elif event in self.events:
                self.events.remove(event)

    def _worker(self) -> None:
        waiting = list(self.world.queue.waiting)
        again = self.dice.random() < 0.1
        free = [job for job in waiting if again or job not in self.busy]
        if not free:
            return
        same = [job for job in free if job.key == self.hot[1]]  # races need meetings
        job = self.dice.choice(same or free)
        if job in self.busy:
            self._note("duplicate job")
        if job.tenant_id in ("ring", "gnir"):
            self.gate.exercised["ring"] += 1
        self.busy.append(job)

        def work() -> None:
            try:
                self.world.work(job, getcurrent().deadline)
            finally:
                self.busy.remove(job)

        self._spawn(work)

    def _sweeper(self) -> None:
        self._spawn(lambda: self.world.sweep(self.dice.choice([3, 7, 100])))

    def _go_on(self) -> None:
        if self.running:
            process = self.dice.choice(self.running)
            process.switch()
            self.running = [process for process in self.running if not process.dead]

    def _pass_time(self) -> None:
        self.world.clock.sleep(self.dice.choice([1, 60, 3700]))
        if self.dice.random() < 0.2:
            self._note("clock skew")
            self.world.clock.skew = timedelta(minutes=self.dice.choice([-5, 0, 5]))

    def _land(self) -> None:
        if self.gate.late:
            late = self.gate.late.pop(self.dice.randrange(len(self.gate.late)))
            try:
                late()
                self.gate.story.append("a late write landed")
            except FarshoreError:
                self.gate.story.append("a late write was refused")

    # ---- a run -------------------------------------------------------------------------------------------------------
    def run(self, steps: int = 1500) -> "Simulation":
        """Lives, comes to rest, is judged. Raises Violated."""
        likely = {
            self._user: 4, self._meddle: 0.3, self._administer: 0.3, self._planner: 6, self._worker: 10, self._sweeper: 0.2,
            self._go_on: 75, self._pass_time: 2, self._land: 0.5,
        }  # fmt: skip
        starts = (self._planner, self._worker, self._sweeper)
        for act in self.dice.choices(list(likely), list(likely.values()), k=steps):
            if len(self.running) < PROCESSES or act not in starts:
                act()
        self._rest()
        self._judge()
        return self

    def _rest(self) -> None:
        """No more faults: late writes land, owners repair, the operator redrives, and two sweeps go round."""
        self.gate.calm = True
        while self.running:
            self._go_on()
        while self.gate.late:
            self._land()
        for name in ("copy", "kept", "bolt"):
            self.world.change("rules", name, paused=False)
            if f"i-{name}" in self.deleted:
                self._delete_or_restore(f"i-{name}")
            self.world.change("integrations", f"i-{name}", status="active")
        self.world.redrive()
        for _ in range(2):
            self._deliver()
            self.world.clock.sleep(timedelta(hours=25).total_seconds())
            while not self.world.sweep().finished:
                pass
        self._deliver()

    def _deliver(self) -> None:
        while self.events or self.world.queue.waiting:
            while self.events:
                self.world.plan(self.events.pop())
            self.world.drain()

    # ---- what must hold ----------------------------------------------------------------------------------------------
    def _landed(self, bucket: str, action: Callable, late: bool) -> None:
        """I3, I4 and I6, whenever a write has landed."""
        store = self.world.stores.buckets[bucket]
        path, _, _, precondition, stamp = action.args
        owner = OWNER.get(bucket)
        if owner is None:
            raise Violated("I7: a copy went home", self.seed)
        body = store.things[path].body
        key = {"kept": f"acme/{path[5:]}", "bolt": f"bolt/{path[:-4]}"}.get(bucket, path)
        if self.bodies[SOURCES[owner], key, stamp.version] != body:
            raise Violated("I4: a body that no version of the source has", self.seed)
        canary = store.things[path].attributes.metadata["canary"]
        if canary != owner or not body.startswith(owner.encode()[: len(body)]):
            raise Violated("I6: another tenant's bytes", self.seed)
        now = int(stamp.version[1:])
        if now < self.highest.get((bucket, path), 0):
            if store.tags == "unique" and not isinstance(precondition, Absent):
                raise Violated("I3: the target moved backwards", self.seed)
            self.gate.excused["late" if late else "slow"] += 1
        self.highest[bucket, path] = max(now, self.highest.get((bucket, path), 0))

    def _acknowledged(self, job) -> None:
        """I8, whenever a job is acknowledged: this very delivery told the ledger."""
        if getcurrent() is not self.gate.main and getcurrent() not in self.gate.told:
            raise Violated("I8: acknowledged before the ledger knows", self.seed)

    def _judge(self) -> None:
        for rule in self.world.rules.items.values():
            if rule.id != "back":
                self._judge_rule(rule)
        for name, store in self.world.stores.buckets.items():
            if set(store.sessions) - {self.foreign[name]}:
                raise Violated("I10: an upload session is left", self.seed)
            if self.foreign[name] not in store.sessions:
                raise Violated("I10: somebody else's upload session was ended", self.seed)
        if self.world.transfers.rows:
            raise Violated("I10: the register names sessions that are no more", self.seed)

    def _judge_rule(self, rule) -> None:
        tenant = self.world.tenants.items[(rule.tenant_id,)]
        source = self.world.stores.buckets[tenant.source.bucket]
        target = self.world.stores.buckets[self.world.integrations.items[rule.tenant_id, f"i-{rule.id}"].container]
        for key, here in source.things.items():
            if key.startswith(tenant.source.prefix):
                there = target.things.get(rule.target.path_of(key, tenant.source.prefix, tenant.id))
                if there is None:
                    raise Violated("I2: the target lost an object", self.seed)
                if (there.body, there.stamp.version) != (here.body, here.version):
                    raise Violated("I1: the target is not what the source is", self.seed)
                self._judge_row(rule, key, here, there)
        if rule.on_delete == "delete":
            paths = {rule.target.path_of(key, tenant.source.prefix, tenant.id) for key in source.things}
            if any(target.head(path).stamp for path in set(target.things) - paths):  # else edited: somebody's own now
                raise Violated("I5: deleted at the source, alive on the target", self.seed)

    def _judge_row(self, rule, key, here, there) -> None:
        row = self.world.ledger.rows.get((rule.tenant_id, key, rule.target.name))
        if row is None or (row.status, row.source_tag, row.target_tag) != ("replicated", here.tag, there.tag):
            raise Violated("I9: the ledger says what is not", self.seed)
