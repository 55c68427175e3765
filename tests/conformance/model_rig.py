"""The reference model as a store under test, so that the proofs that stand on it stand on what real stores do."""

from collections.abc import Mapping
from typing import Any

from shared.ports.stores import TargetStore
from tests.conformance.rigs import SERIAL
from tests.model.bucket import Clock, Gate, Store


class ModelRig:
    """Buckets in memory. It has no server, so no test with a proxy runs on it."""

    name = "model"
    endpoint = ""
    secrets: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._buckets: dict[str, Any] = {}

    def root(self) -> str:
        name = f"conformance-{next(SERIAL)}"
        self._buckets[name] = Store(name, Clock(), Gate(), versioned=False)
        return name

    def connect(self, root: str, **_: Any) -> TargetStore:
        return self._buckets[root]

    def sessions(self, root: str) -> int:
        return len(self._buckets[root].sessions)

    def names(self, root: str) -> list[str]:
        return list(self._buckets[root].things)

    def put(self, root: str, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> None:
        self._buckets[root].put(name, data)
