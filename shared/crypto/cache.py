"""Unwrapped data keys, kept for a while, so that a warm worker opens a credential without asking the key service."""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock

from shared.crypto.context import canonical
from shared.domain.secret import Secret
from shared.ports.world import Keys


class CachedKeys:
    """Keys that remember what was unwrapped, each for exactly its wrapped form and context. Thread-safe.

    New data keys are never kept: every sealed value has its own. Refusals are not kept either. The price: a key that was
    disabled, or a right that was taken away, still opens what this process opened in the last ``lifetime`` seconds.
    """

    def __init__(
        self, keys: Keys, *, lifetime: float = 300, limit: int = 256, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Keeps at most ``limit`` keys, the least recently used going first, each for ``lifetime`` seconds."""
        self._keys = keys
        self._lifetime = lifetime
        self._limit = limit
        self._now = now
        self._kept: OrderedDict[bytes, tuple[float, Secret[bytes]]] = OrderedDict()
        self._lock = Lock()

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        """A new key, straight from the key service."""
        return self._keys.data_key(context)

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The plain key; no call if this wrapped form was opened under this context a short while ago."""
        name = _name(wrapped, context)
        found = self._recall(name)
        if found is None:
            found = Secret(self._keys.unwrap(wrapped, context))
            self._keep(name, found)
        return found.reveal()

    def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The key wrapped anew, straight from the key service."""
        return self._keys.rewrap(wrapped, context)

    def _recall(self, name: bytes) -> Secret[bytes] | None:
        with self._lock:
            until, key = self._kept.get(name, (0.0, None))
            if key is None:
                return None
            if self._now() >= until:
                del self._kept[name]
                return None
            self._kept.move_to_end(name)
            return key

    def _keep(self, name: bytes, key: Secret[bytes]) -> None:
        with self._lock:
            self._kept[name] = (self._now() + self._lifetime, key)
            self._kept.move_to_end(name)
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)


def _name(wrapped: bytes, context: Mapping[str, str]) -> bytes:
    """Of fixed length and without ambiguity: digests of both parts."""
    return hashlib.sha256(wrapped).digest() + hashlib.sha256(canonical(context)).digest()
