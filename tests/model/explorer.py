"""Every interleaving of a few workers, a source that changes, a crash and a late write, on the production use cases.

A use case is deterministic: what it does next is a function of what its calls answered so far. One run of the production
code up to its first unanswered call says which call that is, and the local variables of its frames then are the worker's
whole state. So the explorer runs the code only for (worker's state, answer) pairs it has not met, and walks the graph of all
reachable states of the world, each once. Calls that read what never changes here (tenants, rules, clock) are no choice points.

Three reductions leave out orders that cannot matter: a job is taken in the moment of its first call; a read of a source that
will not change any more happens at once; and so does an acknowledgement, or the crash before it.

Everything in a state is a small number: objects are interned by what they show (``repr``).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from shared.domain.errors import FarshoreError, StoreUnavailable
from shared.domain.precondition import Absent
from shared.usecases.replicate import replicate
from tests.model.world import Gate, World

CHOICES = ("target.head", "target.write", "target.delete", "primary.head", "primary.open", "ledger.", "queue.ack")
KEY = "k"


class Pause(BaseException):
    """The worker has come to a call that nobody answered yet."""

    def __init__(self, call: str, action: partial) -> None:
        self.call, self.action = call, action


class Script(Gate):
    """Answers a worker's calls from a list, then pauses it. Transparent while ``answers`` is None."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.answers: list | None = None
        self.choices = choices

    def around(self, call: str, action: Callable):
        if self.answers is None or not call.startswith(self.choices):
            return action()
        if not self.answers:
            raise Pause(call, action)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(frozen=True)
class Scenario:
    """What happens around the workers.

    Attributes:
        changes: the source's versions: a body, or None for a delete; each sends one event.
        late: writes or deletes that time out for their worker and land at any later moment, as they were sent.
        duplicates: events that may be delivered twice.
    """

    changes: tuple[bytes | None, ...]
    on_delete: str = "delete"
    tags: str = "unique"
    versioned: bool = True
    workers: int = 2
    crashes: int = 1
    late: int = 1
    duplicates: int = 0


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


class Interned:
    """Objects as numbers, equal if they show the same."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.things: list = []

    def number(self, thing, shown: str | None = None) -> int:
        shown = shown or repr(thing)
        if shown not in self.numbers:
            self.numbers[shown] = len(self.things)
            self.things.append(thing)
        return self.numbers[shown]


class Explorer:
    """Walks one scenario with one protocol (the production's, or a mutant of it)."""

    def __init__(self, scenario: Scenario, protocol: Callable = replicate, mutate: Callable = lambda _: None) -> None:
        pinned = () if scenario.versioned else ("primary.read",)
        self.scenario, self.gate = scenario, Script(CHOICES + pinned)
        self.world = World(self.gate, receives=99, protocol=protocol)
        self.world.tenant(versioned=scenario.versioned)
        self.world.rule("target", on_delete=scenario.on_delete, nature={"tags": scenario.tags})
        mutate(self.world)
        self.source, self.target = self.world.bucket("primary"), self.world.bucket("target")
        self.sources, self.events, self.versions = self._play(scenario.changes)
        self.jobs = [self._planned(event) for event in self.events]
        self.targets, self.rows, self.answers, self.requests = Interned(), Interned(), Interned(), Interned()
        self.memo: dict = {}
        self.report = Report()
        self.places = Interned()  # a paused worker's state -> (answers that lead there, call, request, acknowledged)
        self.begin = [self._run(job, ()) for job in range(len(self.jobs))]

    # ---- the world, put into a state ---------------------------------------------------------------------------------
    def _play(self, changes):
        """The source after each change, the events, and each version's place in the order."""
        stages, events, versions = [{}], [], {}
        for index, body in enumerate(changes, 1):
            event = self.world.put(KEY, body) if body is not None else self.world.remove(KEY)
            events.append(event)
            stages.append(dict(self.source.things))
            if body is not None:
                versions[self.source.things[KEY].version] = index
        return stages, events, versions

    def _planned(self, event):
        (job,) = self.world.plan(event)
        self.world.queue.waiting.clear()
        self.world.ledger.rows.clear()
        return job

    def _load(self, changed: int, target: int, row: int) -> None:
        self.source.things = dict(self.sources[changed])
        thing, self.target.changes, self.target.writes = self.targets.things[target]
        self.target.things = {KEY: thing} if thing else {}
        known = self.rows.things[row]
        self.world.ledger.rows = {("acme", KEY, "target"): known} if known else {}
        self.world.queue.waiting, self.world.queue.attempts = list(self.jobs), {}

    def _target(self) -> int:
        return self.targets.number((self.target.things.get(KEY), self.target.changes, self.target.writes))

    def _row(self) -> int:
        return self.rows.number(self.world.ledger.rows.get(("acme", KEY, "target")))

    # ---- the production code, run up to its next call ----------------------------------------------------------------
    def _run(self, job: int, answers: tuple[int, ...]) -> int:
        """Delivers a job with these answers; the place where it pauses or ends."""
        self.report.code_runs += 1
        self._load(0, self.targets.number((None, 0, 0)), self.rows.number(None))
        self.gate.answers = [self.answers.things[number] for number in answers]
        try:
            end = self.world.work(self.jobs[job])
            return self.places.number((answers, end, -1, True), end)
        except Pause as pause:
            call, action = pause.call, pause.action
            request = self.requests.number(pause, f"{call}{action.func.__name__}{action.args!r}{action.keywords!r}")
            acknowledged = self.jobs[job] not in self.world.queue.waiting
            frames, trace = [f"{request}{acknowledged}"], pause.__traceback__
            while trace:
                if trace.tb_frame.f_code is not Explorer._run.__code__:
                    frames.append(f"{trace.tb_frame.f_code.co_name}{trace.tb_lasti}{trace.tb_frame.f_locals!r}")
                trace = trace.tb_next
            return self.places.number((answers, call, request, acknowledged), "\n".join(frames))
        finally:
            self.gate.answers = None

    def _on(self, job: int, place: int, answer: int) -> int:
        """Where a worker comes to with one more answer."""
        key = ("on", job, place, answer)
        if key not in self.memo:
            self.memo[key] = self._run(job, (*self.places.things[place][0], answer))
        return self.memo[key]

    def _effect(self, request: int, changed: int, target: int, row: int) -> tuple[int, int, int]:
        """What a call does to the world: (answer, target, row). An answer may be an error."""
        pause = self.requests.things[request]
        relevant = (changed if "primary" in pause.call else 0, target, row)
        key = ("effect", request, relevant)
        if key not in self.memo:
            self._load(changed, target, row)
            try:
                answer = pause.action()
            except FarshoreError as error:
                answer = error
            self.memo[key] = (self.answers.number(answer), self._target(), self._row())
        return self.memo[key]

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
        self.report.states = len(runs)
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
