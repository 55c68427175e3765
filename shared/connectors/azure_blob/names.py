"""Names: what Azure refuses or quietly changes, escaped reversibly.

Azure Storage REST reference, "Naming and referencing containers, blobs, and metadata": 1 to 1,024 characters, at most 254
path segments, no segment ending in a dot. A backslash arrives as a slash, and segments ``.`` and ``..`` are resolved away by
the URL's own rules. Control characters cannot be listed: XML 1.0 has no way to write them (Azurite's listing breaks on one).
Metadata names are C# identifiers and ignore case, so everything but ``a-z``, digits and ``_`` is escaped there, and so is a
user's name that equals the stamp's.
"""

import re

from shared.connectors.transfer.names import Naming
from shared.domain.errors import InvalidName

_SEGMENTS = 254
_CHARACTERS = 1024

_BLOBS = Naming(re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\\]|\.(?=/|\Z)"), longest=4 * _CHARACTERS)
STAMP = "farshore_stamp"
"""The metadata entry that holds the stamp; no user's name maps to it."""

_METADATA = Naming(re.compile(rf"[^a-z0-9_]|\A[0-9]|\A{STAMP[0]}(?={STAMP[1:]}\Z)"), escape="_", longest=8192)

_UNDECIDED = re.compile(r"(?:\.|~[0-9a-f]?)*\Z")
"""The end of a prefix whose escaping depends on what follows."""


def to_blob(path: str) -> str:
    """The blob's name for a path.

    Raises:
        InvalidName: it is empty or, escaped, longer than Azure allows.
    """
    first, *more = _BLOBS.to_store(path).split("/", _SEGMENTS - 1)
    name = "/".join([first, *(segment.replace("/", "~2f") for segment in more)])
    if len(name.encode("utf-16-le")) // 2 > _CHARACTERS:
        raise InvalidName
    return name


def from_blob(name: str) -> str:
    """The inverse of ``to_blob``."""
    return _BLOBS.from_store(name)


def to_prefix(prefix: str) -> str:
    """A prefix that every blob of a path beginning with ``prefix`` has; others may have it too, so filter by path."""
    sure = _UNDECIDED.sub("", prefix)
    return to_blob(sure) if sure else ""


def to_metadata(name: str) -> str:
    """The metadata name for a user's name."""
    return _METADATA.to_store(name)


def from_metadata(name: str) -> str:
    """The inverse of ``to_metadata``; names it never made are returned in lower case."""
    lower = name.lower()
    user = _METADATA.from_store(lower)
    return user if _METADATA.to_store(user) == lower else lower
