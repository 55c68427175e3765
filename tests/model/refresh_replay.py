"""The production's refresh, run up to its next call on the world, and the world put into any state.

As in ``replay``: the local variables of the code's frames are the worker's whole state, so it runs only for (state, answer)
pairs not met before. Clocks and deadlines are read at once, with the call before them.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import FunctionType, NoneType, TracebackType

from shared.domain.errors import FarshoreError
from shared.domain.grant import Grant
from shared.domain.integration import Integration
from shared.domain.provider import Rotation
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.usecases import refresh as production
from tests.model.bucket import EPOCH, Gate
from tests.model.explorer import Broken
from tests.model.refresh_rules import returned
from tests.model.refresh_world import House, Quiet, Room, connected, name_of
from tests.model.replay import Interned, Pause

AT_ONCE = ("clock.now", "deadline.remaining")
STATE = ("integrations.get", "integrations.change", "leases.take", "leases.free")
DEADLINE = 60
MOMENT = 20
LONG = 4000
"""Seconds: a worker's life; a step within it; and a while after which every lease, pause and access token is over."""

FAULTS = ("crashes", "lost", "late", "unreached", "down", "unknown", "keyless")


@dataclass(frozen=True)
class Scenario:
    """Who is at work, and what may happen meanwhile.

    Attributes:
        workers: kinds (``Room.run``), begun at any time.
        acts: what people do, in this order, at any time: ``patch``, ``withdraw`` (at the provider), ``reconnect``,
            ``disconnect``, ``remove``.
        crashes: before any call, and so after any.
        lost, late, unreached: refreshes whose answer is lost; that the provider sees later; or never.
        down, unknown: calls of our state that fail without effect, or with it. keyless: seals that fail.
        moments, whiles: steps of time while workers live; and longer than any lives.
        skew: seconds that the second worker's clock is ahead.
        due: whether the tokens are due at the start.
    """

    rotation: Rotation = "strict"
    workers: tuple[str, ...] = ("timer", "timer")
    acts: tuple[str, ...] = ()
    crashes: int = 0
    lost: int = 0
    late: int = 0
    unreached: int = 0
    down: int = 0
    unknown: int = 0
    keyless: int = 0
    moments: int = 0
    whiles: int = 0
    skew: int = 0
    due: bool = True


@dataclass(frozen=True, slots=True)
class Worker:
    """``place`` -1: not begun; -2: ended.

    Attributes:
        holds: the refresh token whose successor it has in hand and has not stored.
        slept: what it saw before it began to wait.
    """

    kind: str
    place: int = -1
    begun: int = 0
    holds: str = ""
    slept: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True)
class State:
    row: int
    leases: int
    house: int
    workers: tuple[Worker, ...]
    time: int
    acts: int
    left: tuple[int, ...]
    moments: int
    whiles: int
    pending: tuple[int, ...] = ()
    revoke: str = ""
    losses: bool = False


@dataclass
class Report:
    states: int = 0
    transitions: int = 0
    quiet: int = 0
    code_runs: int = 0
    runs: int = 0
    ends: Counter = field(default_factory=Counter)


class Script(Gate):
    """Answers from a list, then reads clocks at once, and pauses at any other call. Transparent without a list."""

    def __init__(self) -> None:
        self.answers: list | None = None
        self.said: list = []
        self.at_once: dict[str, object] = {}

    def around(self, call: str, action):
        if self.answers is None:
            return self.at_once.get(call) if call == "deadline.remaining" else action()
        if self.answers:
            answer = self.answers.pop(0)
        elif call in AT_ONCE:
            answer = self.at_once[call]
        else:
            raise Pause(call, action)
        self.said.append(answer)
        if isinstance(answer, Exception):
            raise answer
        return answer


def shown(thing) -> str:
    """What a thing is, secrets included."""
    if isinstance(thing, PLAIN):
        return repr(thing)
    for kind, show in SHOWN:
        if isinstance(thing, kind):
            return show(thing)
    if is_dataclass(thing):
        return f"{type(thing).__name__}(" + ",".join(shown(getattr(thing, it.name)) for it in fields(thing)) + ")"
    return f"{type(thing).__name__}{shown(vars(thing))}" if hasattr(thing, "__dict__") else repr(thing)


PLAIN = (str, int, float, datetime, timedelta, Quiet, NoneType)
NAMELESS = (production.Refreshing, FunctionType, partial, type, TracebackType)
SHOWN = (
    (Secret, lambda it: f"<{it.reveal()}>"),
    (Sealed, lambda it: f"[{it.box.decode()}#{it.sequence}]"),
    (NAMELESS, lambda it: type(it).__name__),
    (BaseException, lambda it: f"{type(it).__name__}{it.args}{sorted(vars(it).items())}"),
    (Mapping, lambda it: "{" + ",".join(f"{name}:{shown(value)}" for name, value in sorted(it.items())) + "}"),
    (tuple | list, lambda it: "(" + ",".join(shown(part) for part in it) + ")"),
    (frozenset, lambda it: f"{sorted(it)}"),
)


class Stage:
    """One scenario's world with one protocol: the production's, or a mutant of it."""

    def __init__(self, scenario: Scenario, protocol=production, mutate=lambda room: None) -> None:
        self.scenario, self.gate, self.report = scenario, Script(), Report()
        self.room = Room(scenario.rotation, self.gate, protocol)
        mutate(self.room)
        self.rows, self.leases, self.houses = Interned(), Interned(), Interned()
        self.requests, self.places = Interned(), Interned()
        self.memo: dict = {}
        self.known: dict[int, tuple[object, tuple[str, str]]] = {}
        self.spent: Counter = Counter()
        self.story: list[str] = []

    # ---- the world, put into a state ---------------------------------------------------------------------------------
    def first(self) -> State:
        row = connected(expires_in=30 if self.scenario.due else 3000, due=self.scenario.due)
        left = tuple(getattr(self.scenario, fault) for fault in FAULTS)
        workers = tuple(Worker(kind) for kind in self.scenario.workers)
        house = self.houses.number(House(self.scenario.rotation))
        return State(
            self.rows.number(row, shown(row)), self.leases.number({}), house, workers, 0, 0, left,
            self.scenario.moments, self.scenario.whiles,
        )  # fmt: skip

    def _load(self, state: State) -> None:
        self.room.integrations.row = self.rows.things[state.row]
        self.room.leases.rows = dict(self.leases.things[state.leases])
        self.room.server.house = self.houses.things[state.house]
        self.room.clock.time = at(state.time)

    def _saved(self, state: State) -> State:
        row, rows = self.room.integrations.row, self.room.leases.rows
        return replace(
            state,
            row=self.rows.number(row, shown(row)),
            leases=self.leases.number(dict(rows), shown(rows)),
            house=self.houses.number(self.room.server.house),
        )

    def _effect(self, request: int, state: State):
        """What a call does: its answer, which may be an error, and the state after it."""
        pause = self.requests.things[request]
        part = {"i": state.row, "l": state.leases, "s": (state.house, state.time), "v": 0, "c": 0}[pause.call[0]]
        key = (request, part)
        if key not in self.memo:
            self._load(state)
            try:
                answer = pause.action()
            except FarshoreError as error:
                answer = error
            self.memo[key] = (answer, self._saved(state))
        answer, after = self.memo[key]
        changed = {"i": {"row": after.row}, "l": {"leases": after.leases}, "s": {"house": after.house}}
        return answer, replace(state, **changed.get(pause.call[0], {}))

    def _run(self, worker: Worker, index: int, said: tuple, time: int) -> int:
        """Runs the code with these answers; the place where it pauses or ends."""
        self.report.code_runs += 1
        self.gate.answers, self.gate.said = list(said), []
        skew = self.scenario.skew if index == 1 else 0
        self.gate.at_once = {
            "clock.now": at(time + skew),
            "deadline.remaining": float(max(0, DEADLINE - (time - worker.begun))),
        }
        self.room.chance.holder = f"w{index}"
        try:
            result = self.room.run(worker.kind)
        except FarshoreError as error:
            result = error
        except Pause as pause:
            return self._place(pause)
        finally:
            self.gate.answers = None
        return self.places.number(((), "end", result), f"end {shown(result)}")

    def _place(self, pause: Pause) -> int:
        told = f"{pause.call}{shown(pause.action.args)}"
        request = self.requests.number(pause, told)
        frames, trace = [told], pause.__traceback__
        while trace:
            code = trace.tb_frame.f_code
            if code not in (Stage._run.__code__, Script.around.__code__):
                frames.append(f"{code.co_name}{trace.tb_lasti}{shown(trace.tb_frame.f_locals)}")
            trace = trace.tb_next
        waits = pause.call == "clock.sleep" and not any(frame.startswith("_insist") for frame in frames)
        return self.places.number((tuple(self.gate.said), "waits" if waits else pause.call, request), "\n".join(frames))

    def _known(self, answer) -> tuple[str, str]:
        """What an answer is, in full and in short. Those that the world gave are kept: each is looked at once."""
        if isinstance(answer, BaseException):
            return shown(answer), brief(answer)
        if id(answer) not in self.known:
            self.known[id(answer)] = (answer, (shown(answer), brief(answer)))
        return self.known[id(answer)][1]

    def _hold(self, broken: str, *name: str) -> None:
        if broken:
            raise Broken(broken, list(name))

    def _on(self, state: State, index: int, answer) -> State:
        """The worker, with one more answer, at its next call, or ended."""
        worker = state.workers[index]
        said = (*self.places.things[worker.place][0], answer) if worker.place >= 0 else ()
        key = (index, worker.kind, worker.begun, worker.place, self._known(answer)[0], state.time)
        if key not in self.memo:
            self.memo[key] = self._run(worker, index, said, state.time)
        place = self.memo[key]
        _, call, result = self.places.things[place]
        slept = (state.row, state.leases, state.time) if call == "waits" else None
        if call == "end":
            self._hold(returned(worker.kind, result))
            place = -2
        return put(state, index, replace(worker, place=place, slept=slept))


def at(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def put(state: State, index: int, worker: Worker) -> State:
    return replace(state, workers=(*state.workers[:index], worker, *state.workers[index + 1 :]))


def brief(answer) -> str:
    """An answer as a story tells it."""
    if isinstance(answer, Integration):
        row = answer.tokens
        return f"{answer.status}/{answer.reason} v{answer.version} {name_of(row.refresh) if row else 'no tokens'}"
    if isinstance(answer, Grant):
        return f"{answer.access.reveal()} {answer.refresh.reveal() if answer.refresh else ''}"
    return shown(answer)
