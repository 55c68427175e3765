"""One rig per connector: how to make a fresh root on its server, connect to it, and look behind the connector's back.

A new connector joins the suite with one more class here and its row in ``conftest.RIGS``.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from shared.domain.capabilities import Capabilities
from shared.ports.stores import TargetStore
from tests.conformance.proxy import Matches, Proxy, Response

SERIAL = itertools.count(1)
PART = 64 * 1024
"""Bytes of one part here: small, so that an upload of many parts is quick."""
SINGLE = PART
"""Largest write in one request here: what fits one part needs no session."""


class Rig(Protocol):
    """What the suite needs to know of one store.

    Attributes:
        name: the connector's name in the registry.
        endpoint: of its server, ``http://host:port``.
        secrets: what must never be seen: what this rig gives its connectors as credentials.
        single, part, commit, listing, body: which requests are a whole write, one part of a write, the completion of one,
            a page of a listing, a read of bytes.
        denials, quota, slow: answers of this store (status, body, headers) that mean: expired credentials, revoked ones, a
            full account, slow down.
    """

    name: str
    endpoint: str
    secrets: tuple[str, ...]

    @property
    def capabilities(self) -> Capabilities: ...

    def root(self) -> str: ...
    def connect(self, root: str, *, endpoint: str | None = None, **options: Any) -> TargetStore: ...
    def sessions(self, root: str) -> int: ...
    def names(self, root: str) -> list[str]: ...
    def put(self, root: str, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> None: ...
    def metadata(self, root: str, name: str) -> Mapping[str, str]: ...
    def expiring(self, root: str, wire: Proxy, patch: Any) -> tuple[TargetStore, Callable[[], int]]: ...
    def error(self, kind: str) -> Response: ...
    def wrong(self, secret: str, root: str) -> TargetStore: ...
    def strict(self, wire: Proxy) -> None: ...
    def logins(self, root: str) -> Mapping[str, tuple[dict[str, str], tuple[str, ...]]]: ...
    def close(self) -> None: ...

    single: Matches
    part: Matches
    commit: Matches
    listing: Matches
    body: Matches


def timeouts(options: dict[str, Any]) -> None:
    """``timeout``: seconds for either of the two that connectors know."""
    if seconds := options.pop("timeout", None):
        options |= {"connect_seconds": seconds, "read_seconds": seconds}


XML = (("Content-Type", "application/xml"),)
