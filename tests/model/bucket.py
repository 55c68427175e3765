"""The reference model's buckets, clock and gate.

One object does one thing at a time: an effect happens wholly or not at all, between ``Gate.around``'s before and after. A gate
sees every port call, and may fail it before its effect, after it (the answer is lost), or keep the effect for later: an
action is a ``partial`` that holds all it needs.

Where it differs from real stores: ``crc64nvme`` is a CRC-32 in disguise, parts are 4 bytes long, a listing page is 3 lines.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from shared.domain.capabilities import Capabilities
from shared.domain.errors import ChecksumMismatch, LengthMismatch, PreconditionFailed, SourceChanged, StoreError
from shared.domain.objects import Attributes, Checksums, ObjectHead, ObjectSummary, Tag, Written
from shared.domain.precondition import Absent, Match
from shared.ports.stores import Opened, Page, silent, untracked

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PART = 4
LINES = 3


class Gate:
    """Lets every call pass. Subclasses do not."""

    def around(self, call: str, action: Callable):
        return action()


class Clock:
    """Virtual time: it moves when somebody sleeps or the test says so. ``skew`` is what one process adds to it."""

    def __init__(self) -> None:
        self.time = EPOCH
        self.skew = timedelta()

    def now(self) -> datetime:
        return self.time + self.skew

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Until:
    """A deadline that is told what remains."""

    left: float = 900.0

    def remaining(self) -> float:
        return self.left


def crc(body: bytes) -> str:
    return f"{zlib.crc32(body):016x}"


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload session that is open, whoever began it."""

    path: str
    begun: datetime


@dataclass(frozen=True, slots=True)
class Thing:
    """One version of one object."""

    body: bytes
    attributes: Attributes
    version: str
    tag: Tag
    stamp: object
    modified: datetime


class Content:
    """One version's bytes. Pinned by version id (readable for ever) or, in a store without versions, by tag."""

    ranged = True

    def __init__(self, store: "Store", path: str, thing: Thing) -> None:
        self.store, self.path, self.thing = store, path, thing
        self.size, self.attributes = len(thing.body), thing.attributes
        self.checksums = Checksums({"crc64nvme": crc(thing.body)} if store.reports else {})

    def __repr__(self) -> str:
        return f"Content({self.path!r}, {self.thing!r})"

    def read(self, offset: int, length: int) -> bytes:
        return self.store.call("read", partial(self._read, self.thing, offset, length))

    def _read(self, thing: Thing, offset: int, length: int) -> bytes:
        if not self.store.versioned and self.store.things.get(self.path) != thing:
            raise SourceChanged
        return thing.body[offset : offset + length]

    def stream(self, chunk: int) -> Iterator[bytes]:
        for offset in range(0, self.size, chunk):
            yield self.read(offset, min(chunk, self.size - offset))

    def inside(self) -> None:
        return None

    def fetchable(self) -> None:
        return None


class Store:
    """A bucket: source and target in one. ``tags``: ``unique`` (each write a new one) or ``content`` (of the bytes)."""

    service = "memory"

    def __init__(
        self, name: str, clock: Clock, gate: Gate, *, tags: str = "unique", versioned=True, reports=True
    ) -> None:
        self.name = self.container = name
        self.clock, self.gate, self.tags, self.versioned, self.reports = clock, gate, tags, versioned, reports
        self.things: dict[str, Thing] = {}
        self.changes = self.writes = self.begun = 0
        self.sessions: dict[int, Upload] = {}
        self.closed = False
        self.capabilities = Capabilities(
            "memory", frozenset({"head", "open", "write", "delete", "list"}), tags, True, True, frozenset({"crc64nvme"}),
            1, PART, 10_000, PART,
        )  # fmt: skip

    def call(self, name: str, action: Callable):
        return self.gate.around(f"{self.name}.{name}", action)

    # ---- what users of the bucket do ---------------------------------------------------------------------------------
    def put(self, path: str, body: bytes, attributes: Attributes = Attributes(), stamp=None) -> Thing:
        self.changes += 1
        tag = f"t{self.changes}" if self.tags == "unique" else hashlib.md5(body).hexdigest()
        thing = Thing(body, attributes, f"v{self.changes}", Tag(tag), stamp, self.clock.time)
        self.things[path] = thing
        return thing

    def remove(self, path: str) -> None:
        if self.things.pop(path, None):
            self.changes += 1

    # ---- the ports ---------------------------------------------------------------------------------------------------
    def head(self, path: str) -> ObjectHead | None:
        return self.call("head", partial(self._head, path))

    def _head(self, path: str) -> ObjectHead | None:
        thing = self.things.get(path)
        if thing is None:
            return None
        sums = Checksums({"crc64nvme": crc(thing.body)} if self.reports else {})
        kept = thing.stamp if thing.stamp and thing.stamp.vouches_for(len(thing.body), crc(thing.body)) else None
        return ObjectHead(path, len(thing.body), thing.tag, thing.version, thing.modified, thing.attributes, sums, kept)

    @contextmanager
    def open(self, path: str):
        yield self.call("open", partial(self._open, path))

    def _open(self, path: str) -> Opened | None:
        head = self._head(path)
        return Opened(head, Content(self, path, self.things[path])) if head else None

    def write(self, path, content, *, precondition, stamp=None, progress=silent, sessions=untracked) -> Written:
        with self._session(path, content.size, sessions):
            body = self._parts(content, progress)
            return self.call("write", partial(self._commit, path, body, content.attributes, precondition, stamp))

    @contextmanager
    def _session(self, path: str, size: int, sessions) -> Iterator[None]:
        """What fits one part needs none."""
        if size <= PART:
            yield
            return
        sessions.begin()
        session = self.call("begin", partial(self.upload, path))
        try:
            yield
        except Exception:
            with suppress(StoreError):
                self.call("abort", partial(self.sessions.pop, session, None))
                sessions.end()
            raise
        self.sessions.pop(session, None)  # gone with the write that completed it
        sessions.end()

    def upload(self, path: str) -> int:
        """Opens a session; anybody may."""
        self.begun += 1
        self.sessions[self.begun] = Upload(path, self.clock.time)
        return self.begun

    def _parts(self, content, progress) -> bytes:
        body = b""
        for offset in range(0, content.size, PART):
            piece = content.read(offset, min(PART, content.size - offset))
            body += self.call("part", partial(bytes, piece))
            progress(len(piece))
        if len(body) != content.size:
            raise LengthMismatch
        if content.checksums.agrees_with(Checksums({"crc64nvme": crc(body)})) is False:
            raise ChecksumMismatch
        return body

    def _commit(self, path, body, attributes, precondition, stamp) -> Written:
        self._require(path, precondition)
        self.writes += 1
        thing = self.put(path, body, attributes, stamp)
        return Written(thing.tag, len(body), Checksums({"crc64nvme": crc(body)}), "streamed")

    def _require(self, path, precondition) -> None:
        there = self.things.get(path)
        if isinstance(precondition, Absent) and there is not None:
            raise PreconditionFailed
        if isinstance(precondition, Match) and (there is None or there.tag != precondition.tag):
            raise PreconditionFailed

    def delete(self, path, *, precondition) -> None:
        self.call("delete", partial(self._delete, path, precondition))

    def _delete(self, path, precondition) -> None:
        self._require(path, precondition)
        self.remove(path)

    def list(self, prefix="", *, after=None, limit=1000) -> Page:
        return self.call("list", partial(self._list, prefix, after, min(limit, LINES)))

    def _list(self, prefix, after, limit) -> Page:
        names = sorted(name for name in self.things if name.startswith(prefix) and name > (after or ""))
        items = [
            ObjectSummary(name, len(thing.body), thing.tag, thing.modified)
            for name, thing in ((name, self.things[name]) for name in names[:limit])
        ]
        return Page(items, names[limit - 1] if len(names) > limit else None)

    def abort_uploads(self, path: str, *, older_than: datetime) -> int:
        return self.call("abort_uploads", partial(self._abort, path, older_than))

    def _abort(self, path: str, older_than: datetime) -> int:
        old = [at for at, upload in self.sessions.items() if upload.path == path and upload.begun < older_than]
        for session in old:
            del self.sessions[session]
        return len(old)

    def close(self) -> None:
        self.closed = True
