"""Object stores: narrow Protocols, so that each use case asks only for what it needs.

Paths are Farshore's spelling: any non-empty Unicode text up to 1,024 UTF-8 bytes. A connector maps them to names its store
can hold, reversibly, and back in every answer. All methods are blocking and thread-safe, and raise ``StoreError`` (each
with its retry verdict) or ``InvalidInput``, never an SDK's exception.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.domain.capabilities import Capabilities
from shared.domain.integration import Integration
from shared.domain.objects import ObjectHead, ObjectSummary, Written
from shared.domain.precondition import Precondition
from shared.domain.stamp import Stamp
from shared.domain.tenant import Source
from shared.ports.content import Content


@dataclass(frozen=True, slots=True)
class Opened:
    """A source object held open: its head and its bytes, of one and the same version."""

    head: ObjectHead
    content: Content


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a listing, ascending by the store's own order. ``after`` continues it; None at the end."""

    items: Sequence[ObjectSummary]
    after: str | None


type Progress = Callable[[int], None]
"""Told how many more bytes the target confirmed; may be called from any thread; must not raise."""


def silent(_: int) -> None:
    """The Progress nobody listens to."""


class Sessions(Protocol):
    """Told of upload sessions, so that one whose worker dies is found again. One write has at most one open at a time."""

    def begin(self) -> None:
        """Called right before the store is asked for a session that would outlive a crash.

        Raises:
            StateUnavailable: then nothing may be opened.
        """
        ...

    def end(self) -> None:
        """The session last begun is completed or surely aborted. Not called where that is in doubt. Does not raise."""
        ...


class _Untracked:
    def begin(self) -> None:
        pass

    def end(self) -> None:
        pass


untracked: Sessions = _Untracked()
"""Nobody's register: for writes whose leftovers nobody would look for."""


class Heads(Protocol):
    def head(self, path: str) -> ObjectHead | None:
        """The object as it is now, with its stamp if it vouches for these bytes; None if there is none. One call."""
        ...


class Opens(Protocol):
    def open(self, path: str) -> AbstractContextManager[Opened | None]:
        """Holds the current version open for reading; None if there is none. One call; reading costs more."""
        ...


class Writes(Protocol):
    def write(
        self,
        path: str,
        content: Content,
        *,
        precondition: Precondition,
        stamp: Stamp | None = None,
        progress: Progress = silent,
        sessions: Sessions = untracked,
    ) -> Written:
        """Writes all of ``content`` and its attributes and stamp, by the cheapest right way, and proves it.

        Atomic: the object appears whole, verified and only if ``precondition`` holds at that moment, or nothing changes;
        upload sessions are aborted on failure, and ``sessions`` knows of those that may be left. Of two overlapping
        writes, the one completed last wins.

        Raises:
            PreconditionFailed: the object is not as ``precondition`` wants it.
            ChecksumMismatch: what the store confirmed is not what the source reports or what was read.
            IntegrityUnproven: the store reported nothing to compare.
            LengthMismatch, SourceChanged: from the content.
            InvalidName, UnsupportedAttribute: the store cannot hold this name or attribute.
            StateUnavailable: from ``sessions``.
        """
        ...


class Deletes(Protocol):
    def delete(self, path: str, *, precondition: Precondition) -> None:
        """Removes the object; deleting what is absent succeeds, unless ``precondition`` is a stale ``Match``.

        Raises:
            PreconditionFailed: there is an object, and it is not the one meant.
        """
        ...


class Lists(Protocol):
    def list(self, prefix: str = "", *, after: str | None = None, limit: int = 1000) -> Page:
        """Up to ``limit`` objects whose path begins with ``prefix``; ``after`` is a previous page's. One call."""
        ...


class Tidies(Protocol):
    def abort_uploads(self, path: str, *, older_than: datetime) -> int:
        """Ends upload sessions on exactly this path, begun before then and never completed; how many. Whatever is open on
        other paths is not ours to end. Zero where the store expires them itself. Raises if one is left.
        """
        ...


class Closes(Protocol):
    def close(self) -> None:
        """Lets go of connections. Idempotent."""
        ...


class SourceStore(Heads, Opens, Lists, Closes, Protocol):
    """What replication asks of a source."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def service(self) -> str:
        """Names this store's service for ``stamp.origin_of``; the same for every connector that reaches the same objects."""
        ...

    @property
    def container(self) -> str: ...


class TargetStore(SourceStore, Writes, Deletes, Tidies, Protocol):
    """What replication asks of a target: all of it; a target is also the source of a restore."""


class Stores(Protocol):
    """Opens connections; the only port that sees credentials. What it returns may be cached and shared; do not close it."""

    def source(self, source: Source) -> SourceStore:
        """The primary itself, by the deployment's own rights."""
        ...

    def target(self, integration: Integration, container: str | None = None) -> TargetStore:
        """A tenant's backup. ``container`` overrides the integration's own.

        Raises:
            SealBroken, CredentialsRefused, Misconfigured, StateUnavailable
        """
        ...
