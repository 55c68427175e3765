"""A store under test, as the tests hold it: a fresh root, a connector to it, and what is often asked of both."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import awscrt.checksums
import pytest
from awscrt.checksums import crc64nvme

from shared.domain.capabilities import Capabilities
from shared.domain.objects import Algorithm, ObjectSummary, Written
from shared.domain.precondition import Any as Anyhow
from shared.domain.precondition import Precondition
from shared.domain.stamp import Stamp
from shared.ports.content import Content
from shared.ports.stores import TargetStore
from tests.conformance.contents import Bytes
from tests.conformance.proxy import Proxy, proxy
from tests.conformance.rigs import Rig

ANYHOW = Anyhow()


def crc_of(data: bytes) -> str:
    return f"{crc64nvme(data):016x}"


def sum_of(algorithm: Algorithm, data: bytes) -> str:
    if algorithm == "crc64nvme":
        return crc_of(data)
    if algorithm in ("crc32", "crc32c"):
        return f"{getattr(awscrt.checksums, algorithm)(data):08x}"
    return hashlib.new(algorithm, data).hexdigest()


@dataclass
class Store:
    """One root of one store.

    Attributes:
        connector: reaches it directly.
    """

    rig: Rig
    root: str
    connector: TargetStore
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def capabilities(self) -> Capabilities:
        return self.connector.capabilities

    def another(self, **options: Any) -> TargetStore:
        """One more connector to the same root; closed with the store."""
        connector = self.rig.connect(self.root, **options)
        self._stack.callback(connector.close)
        return connector

    def sibling(self) -> "Store":
        """Another fresh root of the same account."""
        root = self.rig.root()
        sibling = Store(self.rig, root, self.rig.connect(root))
        self._stack.callback(sibling.close)
        return sibling

    def wire(self) -> Proxy:
        """A proxy before the store's server."""
        return self._stack.enter_context(proxy(self.rig.endpoint))

    def elsewhere(self) -> Proxy:
        """A foreign host that remembers who called, with what."""
        return self._stack.enter_context(proxy(None, host="127.0.0.2"))

    def through(self, wire: Proxy, **options: Any) -> TargetStore:
        """A connector that reaches this root through ``wire``."""
        return self.another(endpoint=wire.url, **options)

    def put(
        self,
        path: str,
        data: bytes | Content,
        precondition: Precondition = ANYHOW,
        *,
        stamp: Stamp | None = None,
        by: TargetStore | None = None,
    ) -> Written:
        content = Bytes(data) if isinstance(data, bytes) else data
        return (by or self.connector).write(path, content, precondition=precondition, stamp=stamp)

    def get(self, path: str, by: TargetStore | None = None) -> bytes | None:
        """All bytes, as a reader gets them."""
        with (by or self.connector).open(path) as opened:
            if opened is None:
                return None
            whole = b"".join(opened.content.stream(64 * 1024))
            assert opened.head.size == len(whole)
            return whole

    def rows(self, prefix: str = "", limit: int = 1000) -> list[ObjectSummary]:
        """The whole listing, page after page."""
        rows: list[ObjectSummary] = []
        after = None
        while True:
            page = self.connector.list(prefix, after=after, limit=limit)
            assert len(page.items) <= limit
            rows += page.items
            if page.after is None:
                return rows
            after = page.after

    def paths(self, prefix: str = "") -> list[str]:
        return [row.path for row in self.rows(prefix)]

    def assert_nothing_at(self, path: str) -> None:
        """No object, no line of a listing, no session left open."""
        assert self.connector.head(path) is None
        assert self.get(path) is None
        assert path not in self.paths()
        assert self.rig.sessions(self.root) == 0

    def assert_still(self, path: str, data: bytes) -> None:
        """The object is whole and is ``data``; no session is left open."""
        assert self.get(path) == data
        assert self.rig.sessions(self.root) == 0

    def close(self) -> None:
        self._stack.close()
        self.connector.close()


def needs(store: Store, operation: str) -> None:
    """Skips, with the reason in writing, where a store does not claim ``operation``; case 66 checks what it answers then."""
    if operation not in store.capabilities.operations:
        pytest.skip(f"{store.rig.name} does not claim {operation}")


@contextmanager
def eventually(seconds: float = 2.0) -> Iterator[Any]:
    """For what another thread finishes in a moment: ``with eventually() as until: until(condition)``."""
    import time

    end = time.monotonic() + seconds

    def until(condition: Any) -> None:
        while not condition():
            assert time.monotonic() < end, "it never came to be"
            time.sleep(0.01)

    yield until
