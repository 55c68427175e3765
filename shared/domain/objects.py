"""What is said of objects: names, versions, tags, attributes, checksums."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from shared.domain.stamp import Stamp

type Algorithm = Literal["crc64nvme", "crc32c", "crc32", "md5", "sha1", "sha256", "sha512", "dropbox", "quickxor"]
"""``crc64nvme`` is Azure's CRC64 too: one algorithm, two byte orders on the wire (facts: same polynomial, verified)."""


@dataclass(frozen=True, slots=True)
class Checksums:
    """Digests of one whole object, lower-case hexadecimal, most significant byte first, by algorithm."""

    values: Mapping[Algorithm, str] = field(default_factory=lambda: MappingProxyType({}))

    def agrees_with(self, other: "Checksums") -> bool | None:
        """True if every algorithm both know is equal, False if one differs, None if they share none."""
        shared = self.values.keys() & other.values.keys()
        return all(self.values[name] == other.values[name] for name in shared) if shared else None


@dataclass(frozen=True, slots=True)
class Tag:
    """What a target offers for compare-and-swap (ETag, generation, rev), opaque, without surrounding quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a writer says of an object besides its bytes; it arrives on every replica.

    Attributes:
        metadata: the user's own pairs, names as the source shows them (S3: lower case), without Farshore's stamp.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ObjectHead:
    """One version of one object, as its store describes it.

    Attributes:
        path: the object's name within its container, in Farshore's spelling (never the store's escaped one).
        size: bytes.
        tag: for compare-and-swap on this store.
        version: names these bytes *and* attributes among all versions of this path: the store's version id, or where it
            has none, tag and modification time together. Equal versions mean the same object.
        modified: UTC, with the store's own precision.
        stamp: set if this object is a replica that Farshore wrote.
    """

    path: str
    size: int
    tag: Tag
    version: str
    modified: datetime
    attributes: Attributes = Attributes()
    checksums: Checksums = Checksums()
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """One line of a listing: what stores tell of an object without being asked about it alone."""

    path: str
    size: int
    tag: Tag
    modified: datetime


type Route = Literal["copied", "pulled", "streamed"]
"""How the bytes went: inside the store's own service, fetched by the target's service, or through us."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a target confirmed of a write: only ever made after its checksums were compared with the source's."""

    tag: Tag
    size: int
    checksums: Checksums
    route: Route
