"""What is to be written: one pinned version of some bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from shared.domain.objects import Attributes, Checksums


@dataclass(frozen=True, slots=True)
class Inside:
    """A way to the bytes for the same service: a copy request that names them.

    Attributes:
        service: whose servers can copy by name: the service and its endpoint (``s3:https://s3.eu-west-1.amazonaws.com``);
            equal strings mean that one request to the target's endpoint can name the source.
        version: the store's own version id, or None where only a tag pins it.
    """

    service: str
    container: str
    path: str
    version: str | None
    tag: str


@dataclass(frozen=True, slots=True, repr=False)
class Fetchable:
    """A way to the bytes for any service that can fetch: a URL that carries its own proof. A secret: never log it."""

    url: str
    expires_in: float


class Content(Protocol):
    """One version of an object's bytes, pinned: all reads give bytes of the same version or raise ``SourceChanged``.

    Attributes:
        size: bytes; None where only the end of the stream tells.
        attributes: what the writer said of it.
        checksums: what the source reports of the whole; empty if nothing. A target compares these with what it confirmed.
        ranged: whether ``read`` may be called, in any order and from several threads. Otherwise only ``stream``.
    """

    @property
    def size(self) -> int | None: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def checksums(self) -> Checksums: ...
    @property
    def ranged(self) -> bool: ...

    def read(self, offset: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``offset``.

        Raises:
            SourceChanged: the pinned version is gone or replaced.
            LengthMismatch: the source gave another number of bytes.
            StoreError: whatever else the source said.
        """
        ...

    def stream(self, chunk: int) -> Iterator[bytes]:
        """All bytes once, in order, in pieces of ``chunk`` (the last may be shorter). It may raise as ``read`` does.

        A content that is not ranged can be streamed once. The caller closes nothing: whoever made the content does.
        """
        ...

    def inside(self) -> Inside | None:
        """How the same service could copy it, if it could."""
        ...

    def fetchable(self) -> Fetchable | None:
        """How another service could fetch it, if it could. Costs no request; makes a secret."""
        ...


@runtime_checkable
class Fills(Protocol):
    """What a ranged content may offer besides: to read into memory that the caller keeps and uses again.

    Parts of many megabytes that come and go leave holes in the process's heap; parts read into the same place leave it flat.
    """

    def read_into(self, offset: int, room: memoryview) -> None:
        """Fills ``room`` with the bytes from ``offset``; otherwise as ``read``."""
        ...


def fill(content: Content, offset: int, room: memoryview) -> None:
    """Reads into ``room`` by the content's own way, or by ``read`` if it has none."""
    if isinstance(content, Fills):
        content.read_into(offset, room)
    else:
        room[:] = content.read(offset, len(room))
