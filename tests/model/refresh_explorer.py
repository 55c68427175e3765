"""Every interleaving of a few refreshers with crashes, lost answers, time and people, on the production use case.

The graph of all reachable states is walked, each state once. A worker that waits for a lease goes on when the record, the leases
or the time changed: what it would see before that, it has seen.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from shared.domain.errors import NotFound, ProviderUnavailable, StateUnavailable
from shared.domain.grant import Grant
from shared.ports.connections import Lease
from tests.model import refresh_rules as rules
from tests.model.explorer import Broken
from tests.model.refresh_replay import (
    DEADLINE,
    FAULTS,
    LONG,
    MOMENT,
    STATE,
    Report,
    Scenario,
    Stage,
    State,
    Worker,
    at,
    put,
)
from tests.model.refresh_world import name_of, tokens

__all__ = ["FAULTS", "Explorer", "Report", "Scenario"]


class Explorer(Stage):
    """Walks one scenario with one protocol."""

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
        yield f"{name} -> {self._known(answer)[1]}", self._on(after, index, answer)
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
        if after.row != before.row:
            was, now = self.rows.things[before.row], self.rows.things[after.row]
            event = self.requests.things[request].action.args[-1]
            self._hold(rules.stored(was, now, event, self.scenario, at(before.time)), name)

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

    def _check_quiet(self, state: State) -> None:
        """When all have ended, and again after the timer has come round twice more."""
        self.report.quiet += 1
        scenario = self.scenario
        faults = sum(getattr(scenario, it) for it in FAULTS) - sum(state.left)
        waiting = any(it.place >= 0 for it in state.workers)
        if not faults and (self.leases.things[state.leases] or waiting):
            raise Broken("a lease is not freed", [])
        calls = self.houses.things[state.house].calls
        again = scenario.moments + scenario.whiles + scenario.acts.count("reconnect")
        if not again and calls > 1 + faults:
            raise Broken(f"I11: {calls} calls with {faults} faults", [])
        row, house = self._settled(state)
        self._hold(rules.ended(scenario, row, house, faults, state.losses))
        gone = row is None or row.tokens is None
        self.report.ends["gone" if gone else (row.status, row.reason)] += 1

    def _settled(self, state: State):
        """The record and the provider when time has gone on, and the timer with it; nothing fails any more."""
        key = ("quiet", state.row, state.leases, state.house, state.time)
        if key not in self.memo:
            self._load(state)
            self.gate.at_once = {"deadline.remaining": float(DEADLINE)}
            self.room.chance.holder = "settling"
            for _ in range(2):
                self.room.clock.time += timedelta(seconds=LONG)
                with suppress(NotFound):
                    self.room.run("timer")
            self.memo[key] = (self.room.integrations.row, self.room.server.house)
        return self.memo[key]

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
