"""Keeps a batch's messages hidden while their worker lives, and not much longer.

A queue must hide a message for longer than its function may take; when a worker dies, that is a long wait for nothing. So a
worker hides its messages for a short while only, again and again, and a dead one's come back within that while.
"""

from collections.abc import Iterable
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Protocol, Self

from shared.domain.errors import FarshoreError


class Hides(Protocol):
    def hide(self, receipts: Iterable[str], seconds: int) -> None:
        """Hides received messages for that long from now. Raises StateUnavailable."""
        ...


class Heartbeat:
    """A context in which ``receipts`` stay hidden. A beat that fails is not retried: the next one will do, and a message
    that comes back although its worker lives costs a few calls and nothing else.
    """

    def __init__(self, letters: Hides, receipts: Iterable[str], seconds: float) -> None:
        self._letters = letters
        self._receipts = set(receipts)
        self._seconds = seconds
        self._lock = Lock()
        self._over = Event()
        self._thread = Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._beat()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()

    def leave(self, receipt: str) -> None:
        """From now on somebody else decides for how long this message is hidden."""
        with self._lock:  # so that no beat under way overrules what follows
            self._receipts.discard(receipt)

    def _run(self) -> None:
        while not self._over.wait(self._seconds / 3):
            self._beat()

    def _beat(self) -> None:
        with self._lock:
            try:
                self._letters.hide(self._receipts, max(1, round(self._seconds)))
            except FarshoreError:
                return
