"""The stamp: the metadata a replica carries to say which source version it is.

It makes replication level-triggered (a replica answers for itself, without the ledger) and keeps rings quiet: an object
copied A -> B keeps A's stamp, so that B -> A finds A's own version there and does nothing.
"""

import hashlib
import re
from dataclasses import dataclass

_TEXT = re.compile(r"(?:1|2;([0-9a-f]{16}));([0-9a-f]{32});(\d{1,15});([0-9a-f]{16}|-);([\x21-\x7e]{1,1100})\Z")


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which version of which origin an object's bytes are.

    Attributes:
        origin: 32 hex digits that name the origin's store, container and key (``origin_of``).
        version: the origin's ``ObjectHead.version``, printable ASCII without spaces.
        size: bytes. A stamp vouches only for an object of this size...
        crc64nvme: ...and, where both are known, of this checksum (16 hex digits): an object that somebody edited while
            keeping its metadata is not the version its stamp says.
        maker: 16 hex digits that name whose replica it is (``maker_of``), so that nobody replaces or removes another's. It says
            nothing of the version.
    """

    origin: str
    version: str
    size: int
    crc64nvme: str | None = None
    maker: str | None = None

    def text(self) -> str:
        """The stamp as one metadata value: ASCII, no spaces, under 1,200 characters; read by ``parse``."""
        form = f"2;{self.maker}" if self.maker else "1"
        return f"{form};{self.origin};{self.size};{self.crc64nvme or '-'};{self.version}"

    def vouches_for(self, size: int, crc64nvme: str | None) -> bool:
        """Whether an object of this size and checksum can be the one that was stamped."""
        known = self.crc64nvme is not None and crc64nvme is not None
        return self.size == size and (not known or self.crc64nvme == crc64nvme)

    def names_same(self, other: "Stamp") -> bool:
        """Whether both name the same version of the same origin."""
        return (self.origin, self.version) == (other.origin, other.version)


def origin_of(service: str, container: str, path: str) -> str:
    """The origin of an object at home: 128 bits over length-prefixed parts, so that no two places share one."""
    return _digest(service, container, path)[:32]


def maker_of(tenant_id: str, target: str) -> str:
    """Whose replicas those on a tenant's target are: 64 bits, to tell apart who may share one container."""
    return _digest(tenant_id, target)[:16]


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


def parse(text: str) -> Stamp | None:
    """Reads ``Stamp.text``; None for anything else, since anybody may write metadata."""
    found = _TEXT.match(text)
    if not found:
        return None
    maker, origin, size, crc, version = found.groups()
    return Stamp(origin, version, int(size), None if crc == "-" else crc, maker)
