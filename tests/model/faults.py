"""What can go wrong at a port call, drawn by dice, and counted by kind."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from greenlet import getcurrent

from shared.domain.errors import (
    CredentialsRefused,
    PreconditionFailed,
    QuotaExceeded,
    StateUnavailable,
    StoreUnavailable,
    Throttled,
)
from tests.model.bucket import Gate

RATE, RARE = 0.025, 0.005
SHARED = ("primary.", "copy.", "kept.", "bolt.", "east.", "west.", "ledger.", "queue.", "transfers.")
STORES = SHARED[:6]

ON_STORES = ("crash before a call", "crash after a call", "5xx", "unknown outcome", "429", "429 with Retry-After")
ON_STATE = ("crash before a call", "crash after a call", "state unavailable", "state of unknown outcome")
ON_READS = ("short source", "long source", "corrupt source", "source changed in mid-read", "401 in mid-stream")
ON_PARTS = ("part failure", "deadline during upload", "403 quota")
ELSEWHERE = (
    "duplicate event", "duplicate job", "reordered event", "lost event", "batch split", "clock skew", "rule paused",
    "integration revoked", "integration deleted", "copy edited", "copy removed", "lost compare-and-swap", "ring",
)  # fmt: skip
KINDS = {*ON_STORES, *ON_STATE, *ON_READS, *ON_PARTS, *ELSEWHERE, "late write", "stale list"}


class Crash(BaseException):
    """The process is gone: nothing after this runs, not even an ``except Exception``."""


@dataclass
class Faults(Gate):
    """Draws what happens at each call. Transparent outside the greenlets, and once ``calm``."""

    dice: random.Random
    calm: bool = False
    exercised: Counter = field(default_factory=Counter)
    excused: Counter = field(default_factory=Counter)
    told: set = field(default_factory=set)
    late: list[Callable] = field(default_factory=list)
    pages: dict = field(default_factory=dict)
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.main = getcurrent()
        self.landed: Callable = lambda *_: None
        self.acknowledged: Callable = lambda *_: None
        self.change_source: Callable = lambda: None

    def around(self, call: str, action: Callable):
        if getcurrent() is self.main:
            return self._do(call, action)
        if call.startswith(SHARED):
            self.main.switch()
        rate = RATE if call.startswith(SHARED) else RARE
        kind = None if self.calm or self.dice.random() > rate else self.dice.choice(self._kinds(call))
        if kind is None:
            return self._do(call, action)
        self.exercised[kind] += 1
        self.story.append(f"{call}: {kind}")
        return self._fail(kind, call, action)

    def _kinds(self, call: str) -> tuple[str, ...]:
        if not call.startswith(STORES):
            return ON_STATE
        more = {"read": ON_READS, "part": ON_PARTS, "list": ("stale list",) * 4}
        return ON_STORES + more.get(
            call.split(".")[1], ("late write",) * 8 if call.endswith(("write", "delete")) else ()
        )

    def _fail(self, kind: str, call: str, action: Callable):
        before = {
            "crash before a call": Crash, "5xx": StoreUnavailable, "part failure": StoreUnavailable, "429": Throttled,
            "401 in mid-stream": CredentialsRefused, "403 quota": QuotaExceeded, "state unavailable": StateUnavailable,
        }  # fmt: skip
        if kind in before:
            raise before[kind]
        if kind == "429 with Retry-After":
            raise Throttled(after=7.0)
        if kind == "late write":
            self.late.append(lambda: self._do(call, action, late=True))
            raise StoreUnavailable
        if kind == "stale list" and (call, action.args) in self.pages:
            return self.pages[call, action.args]
        if kind == "source changed in mid-read":
            self.change_source()
        if kind == "deadline during upload":
            getcurrent().deadline.left = 1.0
        answer = self._do(call, action)
        after = {
            "crash after a call": Crash,
            "unknown outcome": StoreUnavailable,
            "state of unknown outcome": StateUnavailable,
        }
        if kind in after:
            raise after[kind]
        lies = {
            "short source": lambda: answer[:-1],
            "long source": lambda: answer + b"!",
            "corrupt source": lambda: answer[:-1] + bytes([answer[-1] ^ 1]),
        }
        return lies.get(kind, lambda: answer)()

    def _do(self, call: str, action: Callable, late: bool = False):
        if call == "queue.ack":
            self.acknowledged(action.args[0])
        try:
            answer = action()
        except PreconditionFailed:
            self.exercised["lost compare-and-swap"] += 1
            raise
        if call.endswith(".list"):
            self.pages.setdefault((call, action.args), answer)
        if call.endswith(".write"):
            self.landed(call.split(".")[0], action, late)
        if call in ("ledger.record", "ledger.fail"):
            self.told.add(getcurrent())
        return answer
