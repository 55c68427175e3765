"""The stamp: the metadata a replica carries to say which source version it is.

It makes replication level-triggered (a replica answers for itself, without the ledger) and keeps rings quiet: an object
copied A -> B keeps A's stamp, so that B -> A finds A's own version there and does nothing.
"""

import hashlib
import re
from dataclasses import dataclass

_TEXT = re.compile(r"1;([0-9a-f]{32});(\d{1,15});([0-9a-f]{16}|-);([\x21-\x7e]{1,1100})\Z")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which version of which origin an object's bytes are.

    Attributes:
        origin: 32 hex digits that name the origin's store, container and key (``origin_of``).
        version: the origin's ``ObjectHead.version``, printable ASCII without spaces.
        size: bytes. A stamp vouches only for an object of this size...
        crc64nvme: ...and, where both are known, of this checksum (16 hex digits): an object that somebody edited while
            keeping its metadata is not the version its stamp says.
    """

    origin: str
    version: str
    size: int
    crc64nvme: str | None = None

    def text(self) -> str:
        """The stamp as one metadata value: ASCII, no spaces, under 1,200 characters; read by ``parse``."""
        return f"1;{self.origin};{self.size};{self.crc64nvme or '-'};{self.version}"

    def vouches_for(self, size: int, crc64nvme: str | None) -> bool:
        """Whether an object of this size and checksum can be the one that was stamped."""
        known = self.crc64nvme is not None and crc64nvme is not None
        return self.size == size and (not known or self.crc64nvme == crc64nvme)

    def names_same(self, other: "Stamp") -> bool:
        """Whether both name the same version of the same origin."""
        return (self.origin, self.version) == (other.origin, other.version)


def origin_of(service: str, container: str, path: str) -> str:
    """The origin of an object at home: 128 bits over length-prefixed parts, so that no two places share one."""
    digest = hashlib.sha256()
    for part in (service, container, path):
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()[:32]


def parse(text: str) -> Stamp | None:
    """Reads ``Stamp.text``; None for anything else, since anybody may write metadata."""
    found = _TEXT.match(text)
    if not found:
        return None
    origin, size, crc, version = found.groups()
    return Stamp(origin, version, int(size), None if crc == "-" else crc)
