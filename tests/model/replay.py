"""The production code, run up to its next call on the world, and the world put into any state.

A use case is deterministic: what it does next is a function of what its calls answered so far. One run of the production
code up to its first unanswered call says which call that is, and the local variables of its frames then are the worker's
whole state. So the code runs only for (worker's state, answer) pairs not met before. Calls that read what never changes here
(tenants, rules, clock) are no choice points.

Everything is a small number: objects are interned by what they show (``repr``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from shared.domain.errors import FarshoreError
from shared.usecases.replicate import replicate
from tests.model.bucket import Gate
from tests.model.world import World

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


class Stage:
    """One scenario's world with one protocol: the production's, or a mutant of it."""

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
        self.code_runs = 0
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
        self.world.transfers.rows.clear()
        self.world.queue.waiting, self.world.queue.attempts = list(self.jobs), {}

    def _target(self) -> int:
        return self.targets.number((self.target.things.get(KEY), self.target.changes, self.target.writes))

    def _row(self) -> int:
        return self.rows.number(self.world.ledger.rows.get(("acme", KEY, "target")))

    # ---- the production code, run up to its next call ----------------------------------------------------------------
    def _run(self, job: int, answers: tuple[int, ...]) -> int:
        """Delivers a job with these answers; the place where it pauses or ends."""
        self.code_runs += 1
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
                if trace.tb_frame.f_code is not Stage._run.__code__:
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
