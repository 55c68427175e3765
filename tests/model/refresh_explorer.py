"""Every interleaving of a few refreshers with crashes, lost answers, time and people, on the production use case.

As in ``replay``: the production code runs up to its next call on the world; the local variables of its frames then are the
worker's whole state, so it runs only for (state, answer) pairs not met before. Clocks and deadlines are read at once, with the
call before them. A worker that waits for a lease goes on when the record or the leases changed, or its time is over: what it
would see before that, it has seen.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from types import FunctionType, TracebackType

from shared.domain.errors import FarshoreError, ProviderUnavailable, StateUnavailable
from shared.domain.grant import Grant
from shared.domain.integration import Integration
from shared.domain.provider import Rotation
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.ports.connections import Lease
from shared.usecases import refresh as production
from tests.model.bucket import EPOCH, Gate
from tests.model.explorer import Broken
from tests.model.refresh_world import House, Quiet, Room, connected, name_of, numbers, tokens
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
    """``place`` -1: not begun; -2: ended. ``holds``: the refresh token whose successor it has in hand and has not stored. ``slept``: what it saw before."""

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
    if isinstance(thing, Secret):
        return f"<{thing.reveal()}>"
    if isinstance(thing, Sealed):
        return f"[{thing.box.decode()}#{thing.sequence}]"
    if thing is None or isinstance(thing, str | int | float | datetime | timedelta | Quiet):
        return repr(thing)
    if isinstance(thing, production.Refreshing | FunctionType | partial | type | TracebackType):
        return type(thing).__name__
    if isinstance(thing, BaseException):
        return f"{type(thing).__name__}{thing.args}{sorted(vars(thing).items())}"
    if isinstance(thing, Mapping):
        return "{" + ",".join(f"{name}:{shown(value)}" for name, value in sorted(thing.items())) + "}"
    if isinstance(thing, tuple | list):
        return "(" + ",".join(shown(part) for part in thing) + ")"
    if is_dataclass(thing):
        return f"{type(thing).__name__}(" + ",".join(shown(getattr(thing, it.name)) for it in fields(thing)) + ")"
    if type(thing).__repr__ is object.__repr__:
        return f"{type(thing).__name__}{shown(vars(thing))}"
    return repr(thing)


class Explorer:
    """Walks one scenario with one protocol (the production's, or a mutant of it)."""

    def __init__(self, scenario: Scenario, protocol=production, mutate=lambda room: None) -> None:
        self.scenario, self.gate, self.report = scenario, Script(), Report()
        self.room = Room(scenario.rotation, self.gate, protocol)
        mutate(self.room)
        self.rows, self.leases, self.houses = Interned(), Interned(), Interned()
        self.requests, self.places = Interned(), Interned()
        self.memo: dict = {}
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
            if code not in (Explorer._run.__code__, Script.around.__code__):
                frames.append(f"{code.co_name}{trace.tb_lasti}{shown(trace.tb_frame.f_locals)}")
            trace = trace.tb_next
        waits = pause.call == "clock.sleep" and not any(frame.startswith("_insist") for frame in frames)
        return self.places.number((tuple(self.gate.said), "waits" if waits else pause.call, request), "\n".join(frames))

    def _on(self, state: State, index: int, answer) -> State:
        """The worker, with one more answer, at its next call, or ended."""
        worker = state.workers[index]
        said = (*self.places.things[worker.place][0], answer) if worker.place >= 0 else ()
        key = (index, worker.kind, worker.begun, worker.place, shown(answer), state.time)
        if key not in self.memo:
            self.memo[key] = self._run(worker, index, said, state.time)
        place = self.memo[key]
        _, call, result = self.places.things[place]
        slept = (state.row, state.leases, state.time) if call == "waits" else None
        if call == "end":
            self._check_result(state, worker, result)
            place = -2
        return put(state, index, replace(worker, place=place, slept=slept))

    # ---- the graph ---------------------------------------------------------------------------------------------------
    def moves(self, state: State) -> Iterator[tuple[str, State]]:
        for index, worker in enumerate(state.workers):
            if worker.place == -1:
                if worker not in state.workers[:index]:  # who has not begun is like any other of its kind
                    begun = put(state, index, replace(worker, begun=state.time))
                    yield f"{worker.kind} {index} begins", self._on(begun, index, None)
            elif worker.place >= 0 and not self._sleeps(state, worker):
                yield from self._worker(state, index, worker)
        yield from self._people(state)
        for request in sorted(set(state.pending)):
            _, after = self._effect(request, state)
            rest = list(state.pending)
            rest.remove(request)
            yield "a late refresh arrives", self._lose(replace(after, pending=tuple(rest)), state)
        if state.moments:
            yield "a moment passes", replace(state, time=state.time + MOMENT, moments=state.moments - 1)
        if state.whiles and not any(it.place >= 0 and not self._sleeps(state, it) for it in state.workers):
            yield "a while passes", replace(state, time=state.time + LONG, whiles=state.whiles - 1)

    def _sleeps(self, state: State, worker: Worker) -> bool:
        """Whether it waits, and would see nothing new."""
        return worker.slept == (state.row, state.leases, state.time) and state.time - worker.begun < DEADLINE

    def _worker(self, state: State, index: int, worker: Worker) -> Iterator[tuple[str, State]]:
        _, call, request = self.places.things[worker.place]
        name = f"{worker.kind} {index}: {call}"
        self._check_call(state, request)
        answer, after = self._effect(request, state)
        after = self._held(after, state, index, call, answer)
        self._check_row(state, after, request, name)
        self._check_lease(state, index, answer, name)
        yield f"{name} -> {brief(answer)}", self._on(after, index, answer)
        if crashed := self._spend(state, "crashes"):
            dead = put(crashed, index, replace(worker, place=-2, holds="", slept=None))
            yield f"{name}: crash before it", replace(dead, losses=state.losses or bool(worker.holds))
        if call == "server.refresh":
            yield from self._no_answer(state, after, index, request, name)
        if call in STATE and (spent := self._spend(state, "down")):
            yield f"{name} -> state is down", self._on(spent, index, StateUnavailable())
        if call in STATE[1:] and (spent := self._spend(after, "unknown")):
            yield f"{name} -> done, not told", self._on(spent, index, StateUnavailable())
        if call == "vault.seal" and (spent := self._spend(state, "keyless")):
            yield f"{name} -> keys are down", self._on(spent, index, StateUnavailable())

    def _no_answer(self, state: State, after: State, index: int, request: int, name: str):
        if spent := self._spend(after, "lost"):
            spent = self._lose(spent, state)
            unsaved = put(spent, index, replace(spent.workers[index], holds=""))
            yield f"{name} -> done, no answer", self._on(unsaved, index, ProviderUnavailable())
        if spent := self._spend(state, "late"):
            sent = replace(spent, pending=(*state.pending, request))
            yield f"{name} -> on its way, no answer", self._on(sent, index, ProviderUnavailable())
        if spent := self._spend(state, "unreached"):
            yield f"{name} -> not reached", self._on(spent, index, ProviderUnavailable(reached=False))

    def _held(self, after: State, before: State, index: int, call: str, answer) -> State:
        """Notes who has tokens in hand that are not stored yet."""
        worker = after.workers[index]
        if call == "server.refresh":
            used = self.requests.things[self.places.things[worker.place][2]].action.args[0]
            return put(after, index, replace(worker, holds=used if isinstance(answer, Grant) else ""))
        done = call == "leases.free" or (call == "integrations.change" and after.row != before.row)
        return put(after, index, replace(worker, holds="" if done else worker.holds))

    def _lose(self, after: State, before: State) -> State:
        """The provider replaced a token, and nobody will know."""
        return replace(after, losses=after.losses or self._grants(after) != self._grants(before))

    def _grants(self, state: State):
        return self.houses.things[state.house].grants

    def _spend(self, state: State, fault: str) -> State | None:
        at_ = FAULTS.index(fault)
        if not state.left[at_]:
            return None
        self.spent[fault] += 1
        return replace(state, left=(*state.left[:at_], state.left[at_] - 1, *state.left[at_ + 1 :]))

    def _people(self, state: State) -> Iterator[tuple[str, State]]:
        if state.revoke:
            self._load(state)
            self.room.server._revoke(state.revoke)
            yield "the old token is revoked", replace(self._saved(state), revoke="")
        elif state.acts < len(self.scenario.acts):
            act = self.scenario.acts[state.acts]
            self._load(state)
            revoke = getattr(self, f"_{act}")()
            yield f"people: {act}", replace(self._saved(state), acts=state.acts + 1, revoke=revoke or "")

    def _withdraw(self) -> None:
        self.room.server.house = self.room.server.house.ended(len(self.room.server.house.grants) - 1)

    def _patch(self) -> None:
        row = self.room.integrations.row
        self.room.integrations.row = replace(row, name=row.name + "!", version=row.version + 1)

    def _reconnect(self) -> None:
        row, house = self.room.integrations.row, self.room.server.house
        self.room.server.house = replace(house, grants=(*house.grants, (True, 0)))
        end = self.room.clock.time + timedelta(hours=1)
        self.room.integrations.row = replace(
            row, tokens=tokens(len(house.grants), row.generation + 1, end), generation=row.generation + 1, status="active",
            reason=None, failures=0, refresh_due_at=end - timedelta(minutes=6), version=row.version + 1,
        )  # fmt: skip

    def _disconnect(self) -> str:
        row = self.room.integrations.row
        self.room.integrations.row = replace(
            row, tokens=None, status="revoked", reason="disconnected", refresh_due_at=None, version=row.version + 1
        )
        return name_of(row.tokens.refresh)

    def _remove(self) -> str:
        row, self.room.integrations.row = self.room.integrations.row, None
        return name_of(row.tokens.refresh)

    # ---- what must hold ----------------------------------------------------------------------------------------------
    def _check_row(self, before: State, after: State, request: int, name: str) -> None:
        """When a worker changed the record."""
        was, now = self.rows.things[before.row], self.rows.things[after.row]
        if after.row == before.row:
            return
        event = self.requests.things[request].action.args[-1]
        if was is None or was.tokens is None:
            raise Broken("something is stored after a disconnect", [name])
        if now.name != was.name:
            raise Broken("a person's change is lost", [name])
        told = (was.status, was.reason) == (now.status, now.reason) or event is not None
        if not told:
            raise Broken("a status changed without a word", [name])
        old, new = numbers(name_of(was.tokens.refresh)), numbers(name_of(now.tokens.refresh))
        if new < old:
            raise Broken("I11: an older refresh token is stored", [name])
        pair = numbers(name_of(now.tokens.access))
        if self.scenario.rotation != "static" and pair != new:
            raise Broken("I11: an access token without its refresh token is stored", [name])
        over = now.tokens.expires_at <= at(before.time)
        if over and now.status == "active":
            raise Broken("active with a token that is over", [name])
        if now.generation != was.generation and now.generation != was.generation + 1:
            raise Broken("a generation is left out", [name])

    def _check_call(self, state: State, request: int) -> None:
        """Nobody asks the provider while somebody else has its answer in hand."""
        pause = self.requests.things[request]
        if pause.call == "server.refresh" and pause.action.args[0] in [it.holds for it in state.workers]:
            raise Broken("I11: a second refresh of one generation", [])

    def _check_lease(self, before: State, index: int, answer, name: str) -> None:
        """No holder that is alive loses its lease."""
        if isinstance(answer, Lease):
            there = self.leases.things[before.leases].get(answer.name)
            holder = int(there.holder[1:]) if there is not None and there.holder else index
            if holder != index and before.workers[holder].place >= 0:
                raise Broken("I11: a lease is taken from a living holder", [name])

    def _check_result(self, state: State, worker: Worker, result) -> None:
        if isinstance(result, Secret):
            name = result.reveal()
            if worker.kind == "refused" and name == "a0.0":
                raise Broken("a refused token is handed out again", [])
        elif not isinstance(result, FarshoreError | Integration):
            raise Broken(f"a refresh ends in {result!r}", [])

    def _check_quiet(self, state: State) -> None:
        """When all have ended, and again after the timer has come round twice more."""
        self.report.quiet += 1
        faults = sum(getattr(self.scenario, it) for it in FAULTS) - sum(state.left)
        held = any(it.place >= 0 for it in state.workers)
        self._load(state)
        if not faults and (self.room.leases.rows or held):
            raise Broken("a lease is not freed", [])
        calls = self.room.server.house.calls
        again = self.scenario.moments + self.scenario.whiles + self.scenario.acts.count("reconnect")
        if not again and calls > 1 + faults:
            raise Broken(f"I11: {calls} calls with {faults} faults", [])
        key = ("quiet", state.row, state.leases, state.house, state.time)
        if key not in self.memo:
            self._settle(state)
            self.memo[key] = (self.room.integrations.row, self.room.server.house)
        self._judge(state, *self.memo[key], faults)

    def _settle(self, state: State) -> None:
        """Time goes on, and the timer with it; nothing fails any more."""
        self._load(state)
        self.gate.at_once = {"deadline.remaining": float(DEADLINE)}
        self.room.chance.holder = "settling"
        for _ in range(2):
            self.room.clock.time += timedelta(seconds=LONG)
            try:
                self.room.run("timer")
            except FarshoreError as error:
                if self.room.integrations.row is not None:
                    raise Broken(f"the timer ends in {error.code}", []) from error

    def _judge(self, state: State, row: Integration | None, house: House, faults: int) -> None:
        strict = self.scenario.rotation == "strict"
        acts = self.scenario.acts
        last = acts[-1] if acts and acts[-1] != "patch" else ""
        if last in ("disconnect", "remove"):
            stored = row is not None and (row.tokens is not None or row.reason != "disconnected")
            if stored:
                raise Broken("a disconnect is undone", [])
            if not faults and any(alive for alive, _ in house.grants):
                raise Broken("a grant is left behind that nobody knows", [])
            self.report.ends["gone"] += 1
            return
        end = (row.status, row.reason)
        if row.status != "active" and row.refresh_due_at is not None:
            raise Broken("a dead token is tried again", [])
        self.report.ends[end] += 1
        name = name_of(row.tokens.refresh)
        if "reconnect" in acts and numbers(name)[0] != len(house.grants) - 1:
            raise Broken("a reconnect is undone", [])
        if last == "withdraw":
            interrupted = strict and faults and end == ("expired", "refresh_interrupted")
            if end != ("revoked", "grant_revoked") and not interrupted:
                raise Broken(f"a withdrawn consent ends as {end}", [])
        elif end == ("expired", "refresh_interrupted"):
            if not (strict and state.losses):
                raise Broken("a connection is given up that was not lost", [])
        elif end != ("active", None):
            raise Broken(f"a connection ends as {end}", [])
        elif not house.honours(name):
            raise Broken("an active connection's refresh token is dead", [])

    # ---- the walk ----------------------------------------------------------------------------------------------------
    def explore(self, most: int | None = None) -> Report:
        """Visits every state; raises Broken with the story if something does not hold. ``most`` bounds the states."""
        runs: dict[State, int] = {}
        path: list[tuple[str, State, Iterator, list[int]]] = []
        try:
            self._enter("", self.first(), path)
            while path:
                _, state, moves, total = path[-1]
                step = next(moves, None)
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
        except Broken as broken:
            told = [entry[0] for entry in path[1:]]
            raise Broken(broken.invariant, told + self.story + broken.story) from None
        self.report.states, self.report.runs = len(runs), runs[self.first()]
        return self.report

    def _enter(self, name: str, state: State, path: list) -> None:
        self.story = [name]
        began = all(it.place != -1 for it in state.workers)
        quiet = began and not any(it.place >= 0 and not self._sleeps(state, it) for it in state.workers)
        done = quiet and not (state.pending or state.revoke or state.acts < len(self.scenario.acts) or state.whiles)
        if done:
            self._check_quiet(state)
        self.story = []
        path.append((name, state, iter(()) if done else self.moves(state), [1 if done else 0]))


def at(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def put(state: State, index: int, worker: Worker) -> State:
    return replace(state, workers=(*state.workers[:index], worker, *state.workers[index + 1 :]))


def brief(answer) -> str:
    if isinstance(answer, Integration):
        row = answer.tokens
        return f"{answer.status}/{answer.reason} v{answer.version} {name_of(row.refresh) if row else 'no tokens'}"
    if isinstance(answer, Grant):
        return f"{answer.access.reveal()} {answer.refresh.reveal() if answer.refresh else ''}"
    return shown(answer)
