"""Every interleaving of a few workers, a source that changes, a crash and a late write, on the production use cases.

The graph of all reachable states of the world is walked, each state once. Three reductions leave out orders that cannot matter:
a job is taken in the moment of its first call; a read of a source that will not change any more happens at once; and so does
an acknowledgement, or the crash before it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.domain.errors import StoreUnavailable
from shared.domain.precondition import Absent
from tests.model.replay import KEY, Scenario, Stage


class Broken(AssertionError):
    """An invariant does not hold; carries its name and the way there."""

    def __init__(self, invariant: str, story: list[str]) -> None:
        super().__init__(f"{invariant}\n  " + "\n  ".join(story))
        self.invariant = invariant
        self.story = story


@dataclass(frozen=True, slots=True)
class State:
    """One state of the world. Workers are (job, where in the code) or None; ``highest``: the newest version the target was."""

    changed: int
    events: tuple[int, ...]
    waiting: tuple[int, ...]
    workers: tuple[tuple[int, int] | None, ...]
    target: int
    row: int
    highest: int
    crashes: int
    late: int
    duplicates: int
    pending: tuple[int, ...] = ()
    excused: bool = False


@dataclass
class Report:
    """What was explored. ``runs``: distinct interleavings (after the reductions) from the first state to a quiet one."""

    states: int = 0
    transitions: int = 0
    runs: int = 0
    quiet: int = 0
    most_writes: int = 0
    code_runs: int = 0
    excused: Counter = field(default_factory=Counter)


class Explorer(Stage):
    """Walks one scenario with one protocol (the production's, or a mutant of it)."""

    def __init__(self, scenario: Scenario, *protocol, **changes) -> None:
        super().__init__(scenario, *protocol, **changes)
        self.report = Report()
        self.ends: set[tuple[int, int]] = set()

    # ---- the graph ---------------------------------------------------------------------------------------------------
    def first(self) -> State:
        none = (None,) * self.scenario.workers
        return State(
            0, (), (), none, self.targets.number((None, 0, 0)), self.rows.number(None), 0,
            self.scenario.crashes, self.scenario.late, self.scenario.duplicates,
        )  # fmt: skip

    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        """Everything that can happen next, without the orders that cannot matter."""
        for index, worker in enumerate(state.workers):
            if worker and self._alone(state, self.places.things[worker[1]][1]):
                yield from self._worker(state, index, *worker)
                return
        if state.changed < len(self.events):
            yield (
                f"source change {state.changed + 1}",
                change(state, changed=state.changed + 1, events=(*state.events, state.changed)),
            )
        yield from self._plans(state)
        for request in sorted(set(state.pending)):
            yield f"late {self.requests.things[request].call} lands", self._land(state, request)
        for index, worker in enumerate(state.workers):
            if worker not in state.workers[:index]:  # equal workers are interchangeable
                yield from self._worker(state, index, *worker) if worker else self._take(state, index)

    def _alone(self, state: State, call: str) -> bool:
        """Whether it makes no difference what others do before this call."""
        return call == "queue.ack" or (call.startswith("primary.") and state.changed == len(self.events))

    def _take(self, state: State, index: int) -> Iterator[tuple[str, State]]:
        for job in sorted(set(state.waiting)):
            taken = change(state, waiting=drop(state.waiting, job), crashes=0)  # a crash before any call is no crash
            for name, after in self._worker(taken, index, job, self.begin[job]):
                yield f"takes job {job + 1}; {name}", change(after, crashes=state.crashes)

    def _plans(self, state: State) -> Iterator[tuple[str, State]]:
        for event in sorted(set(state.events)):
            yield f"plan event {event + 1}", self._plan(state, event, state.events)
            if state.duplicates:
                again = change(state, duplicates=state.duplicates - 1)
                yield f"plan event {event + 1}, to be delivered again", self._plan(again, event, (*state.events, event))

    def _plan(self, state: State, event: int, events: tuple[int, ...]) -> State:
        key = ("plan", event, state.row)
        if key not in self.memo:
            self._load(state.changed, state.target, state.row)
            self.world.plan(self.events[event])
            self.memo[key] = self._row()
        waiting = tuple(sorted((*state.waiting, event)))
        return change(state, events=tuple(sorted(drop(events, event))), waiting=waiting, row=self.memo[key])

    def _worker(self, state: State, index: int, job: int, place: int) -> Iterator[tuple[str, State]]:
        _, call, request, acknowledged = self.places.things[place]
        name = f"worker on job {job + 1}: {call}"
        if call == "queue.ack":
            self._check_ack(state, job, name)
            yield name, self._go_on(state, index, job, self._on(job, place, self.answers.number(None)))
        else:
            answer, target, row = self._effect(request, state.changed, state.target, state.row)
            after = self._landed(change(state, target=target, row=row), state, request, False, name)
            said = f"{name} -> {show(self.answers.things[answer])}"
            yield said, self._go_on(after, index, job, self._on(job, place, answer))
            if state.late and call in ("target.write", "target.delete"):
                lost = self._on(job, place, self.answers.number(StoreUnavailable("no answer in time")))
                sent = change(state, late=state.late - 1, pending=(*state.pending, request))
                yield f"{name} -> no answer", self._go_on(sent, index, job, lost)
        if state.crashes:
            waiting = state.waiting if acknowledged else tuple(sorted((*state.waiting, job)))
            yield (
                f"{name}: crash before it",
                change(state, crashes=state.crashes - 1, waiting=waiting, workers=swap(state, index, None)),
            )

    def _go_on(self, state: State, index: int, job: int, place: int) -> State:
        """The worker at its next call; idle again if that was its last."""
        _, call, request, _ = self.places.things[place]
        if request >= 0:
            return change(state, workers=swap(state, index, (job, place)))
        waiting = tuple(sorted((*state.waiting, job))) if call == "retry" else state.waiting
        return change(state, workers=swap(state, index, None), waiting=waiting)

    def _land(self, state: State, request: int) -> State:
        _, target, row = self._effect(request, state.changed, state.target, state.row)
        rest = change(state, target=target, row=row, pending=drop(state.pending, request))
        return self._landed(rest, state, request, True, "a late write lands")

    # ---- what must hold ----------------------------------------------------------------------------------------------
    def _landed(self, after: State, before: State, request: int, late: bool, name: str) -> State:
        """I3 and I4, when the target changed."""
        if after.target == before.target:
            return after
        thing = self.targets.things[after.target][0]
        if thing is None:
            now = self.scenario.changes.index(None) + 1
        else:
            now = self.versions[thing.stamp.version]
            if thing.body != self.scenario.changes[now - 1]:
                raise Broken("I4: a body that no version of the source has", [name])
        precondition = self.requests.things[request].action.args[-2 if thing else -1]
        deleted = None in self.scenario.changes[: before.changed]
        weak = self.scenario.tags == "content" or (isinstance(precondition, Absent) and deleted)
        if now < before.highest:
            if not weak:
                raise Broken("I3: the target moved backwards", [name])
            self.report.excused["late" if late else "slow"] += 1
        return change(after, highest=max(before.highest, now), excused=after.excused or (late and weak))

    def _check_ack(self, state: State, job: int, name: str) -> None:
        """I8, when a job is acknowledged."""
        row = self.rows.things[state.row]
        mine = self.jobs[job].sequencer
        if row is None or not (row.sequencer > mine or row.status in ("replicated", "deleted", "failed")):
            raise Broken("I8: acknowledged before the ledger knows", [name])

    def _check_quiet(self, state: State) -> None:
        """I1, I2, I5, I7 and I9, when nothing more can happen; after a sweep where one is excused.

        Excused are late writes that landed where absence, or a tag made of content, let them. And under ``keep`` the ledger
        may miss a copy that was finished just after its source was deleted: the delete's job saw neither end and has the
        last word.
        """
        self.report.quiet += 1
        self.ends.add((state.target, state.row))
        writes = self.targets.things[state.target][2]
        self.report.most_writes = max(self.report.most_writes, writes)
        faults = sum(getattr(self.scenario, kind) - getattr(state, kind) for kind in ("crashes", "late", "duplicates"))
        if writes > len(self.events) * (1 + faults + (self.scenario.tags == "content")):
            raise Broken(f"I7: {writes} writes for {len(self.events)} versions and {faults} faults", [])
        key = ("quiet", state.target, state.row)
        if key not in self.memo:
            self.memo[key] = self._wrong(state)
        missed = self.scenario.on_delete == "keep" and self.memo[key].startswith("I9")
        if self.memo[key] and (state.excused or missed):
            key = ("swept", state.target, state.row)
            if key not in self.memo:
                self._load(state.changed, state.target, state.row)
                self.memo[key] = self._swept()
            self.report.excused["healed by a sweep"] += 1
        if self.memo[key]:
            raise Broken(self.memo[key], [])

    def _swept(self) -> str:
        self.world.queue.waiting = []
        self.world.sweep()
        self.world.drain()
        return self._judge()

    def _wrong(self, state: State) -> str:
        self._load(state.changed, state.target, state.row)
        return self._judge()

    def _judge(self) -> str:
        """What is wrong with the loaded world, if it is quiet; empty if nothing."""
        here, there = self.source.things.get(KEY), self.target.things.get(KEY)
        row = self.world.ledger.rows.get(("acme", KEY, "target"))
        if here is None:
            if there is not None and self.scenario.on_delete == "delete":
                return "I5: deleted at the source, alive on the target"
        elif there is None:
            return "I2: the target lost an object"
        elif there.body != here.body or there.stamp.version != here.version:
            return "I1: the target is not what the source is"
        if row is None or row.status not in ("replicated", "deleted"):
            return "I9: the ledger still waits"
        known = (row.status == "replicated", row.target_tag, row.source_tag)
        if known != (there is not None, there and there.tag, here and here.tag):
            return "I9: the ledger says what is not"
        return ""

    # ---- the walk ----------------------------------------------------------------------------------------------------
    def explore(self, most: int | None = None) -> Report:
        """Visits every state; raises Broken with the story if an invariant fails. ``most`` bounds the states."""
        runs: dict[State, int] = {}
        path: list[tuple[str, State, Iterator, list[int]]] = []
        self._enter("", self.first(), path)
        while path:
            _, state, moves, total = path[-1]
            try:
                step = next(moves, None)
            except Broken as broken:
                raise Broken(broken.invariant, [entry[0] for entry in path[1:]] + broken.story) from None
            if step is None:
                runs[state] = total[0]
                path.pop()
                if path:
                    path[-1][3][0] += total[0]
                continue
            self.report.transitions += 1
            if step[1] in runs:
                total[0] += runs[step[1]]
            else:
                self._enter(*step, path)
            if most and len(runs) > most:
                raise RuntimeError(f"more than {most} states")
        self.report.states, self.report.code_runs = len(runs), self.code_runs
        self.report.runs = runs[self.first()]
        return self.report

    def _enter(self, name: str, state: State, path: list) -> None:
        moves = self.moves(state)
        idle = state.changed == len(self.events) and not (state.events or state.waiting or state.pending)
        if idle and not any(state.workers):
            try:
                self._check_quiet(state)
            except Broken as broken:
                raise Broken(broken.invariant, [*(entry[0] for entry in path[1:]), name]) from None
            path.append((name, state, iter(()), [1]))
        else:
            path.append((name, state, moves, [0]))


def change(state: State, **changes) -> State:
    values = {name: changes.get(name, getattr(state, name)) for name in State.__slots__}
    return State(**values)


def swap(state: State, index: int, worker) -> tuple:
    """Workers are kept in order: which of two does what is no difference."""
    workers = [*state.workers[:index], worker, *state.workers[index + 1 :]]
    return tuple(sorted(workers, key=lambda worker: worker or (-1, -1)))


def drop(items: tuple[int, ...], item: int) -> tuple[int, ...]:
    at = items.index(item)
    return items[:at] + items[at + 1 :]


def show(answer) -> str:
    head = getattr(answer, "head", answer)
    if isinstance(head, list):
        return f"{len(head)} rows"
    return f"{getattr(head, 'code', None) or getattr(head, 'version', None) or getattr(head, 'tag', None) or head}"
