"""A small memory for what changes rarely: bounded in age and in number, and shared by a process's threads."""

import time
from collections.abc import Callable, Hashable
from threading import Lock

FRESH_SECONDS = 30.0
"""As old as ports.state lets an answer be."""


class Cache[K: Hashable, V]:
    """Remembers found things for at most ``seconds``; the oldest leave first when there are ``entries`` of them.

    What was not found is not remembered: a thing just added must not stay invisible.
    """

    def __init__(
        self, *, seconds: float = FRESH_SECONDS, entries: int = 4096, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._entries = entries
        self._clock = clock
        self._kept: dict[K, tuple[float, V]] = {}
        self._lock = Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            since, value = self._kept.get(key, (float("-inf"), None))
            return value if self._clock() - since < self._seconds else None

    def put(self, key: K, value: V) -> V:
        """Remembers and returns ``value``; it counts as read at this moment."""
        with self._lock:
            self._kept.pop(key, None)
            if value:
                self._kept[key] = (self._clock(), value)
                while len(self._kept) > self._entries:
                    del self._kept[next(iter(self._kept))]
        return value

    def forget(self, key: K) -> None:
        with self._lock:
            self._kept.pop(key, None)
