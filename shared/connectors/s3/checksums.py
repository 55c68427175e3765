"""S3's checksums in the domain's words, and CRCs in S3's (S3 user guide, "Checking object integrity").

An object has whatever checksum its writer chose: boto3 chooses CRC32, S3 itself CRC64NVME. A multipart upload's may be COMPOSITE,
a checksum of its parts' checksums, which says nothing that a copy cut otherwise could be compared with.
"""

import base64
import binascii
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from shared.connectors.transfer.crc import Crc
from shared.domain.objects import Algorithm, Checksums

_BYTES: Mapping[Algorithm, int] = MappingProxyType(
    {"crc64nvme": 8, "crc32c": 4, "crc32": 4, "sha256": 32, "sha512": 64, "sha1": 20}
)
"""In the order in which copies are best compared by them."""


def spoken(algorithm: Algorithm) -> str:
    """S3's name of an algorithm."""
    return algorithm.upper()


def said(answer: Mapping[str, Any], algorithm: Algorithm) -> str | None:
    """The value of one algorithm, in hexadecimal; None if there is none, or a composite one with its ``-N`` suffix."""
    try:
        raw = base64.b64decode(answer.get(f"Checksum{spoken(algorithm)}") or "", validate=True)
    except binascii.Error:
        return None
    return raw.hex() if len(raw) == _BYTES[algorithm] else None


def whole(answer: Mapping[str, Any]) -> Checksums:
    """What an answer about an object says of all its bytes.

    Of servers that do not say of which type their checksums are, an object made of parts, as its ETag shows, is taken to have
    composite ones, suffix or not. CRC64NVME is never composite.
    """
    kind = answer.get("ChecksumType")
    trusted = kind == "FULL_OBJECT" or (kind is None and "-" not in str(answer.get("ETag", "")))
    candidates: tuple[Algorithm, ...] = tuple(_BYTES) if trusted else ("crc64nvme",) if kind is None else ()
    values = {algorithm: value for algorithm in candidates if (value := said(answer, algorithm)) is not None}
    return Checksums(MappingProxyType(values)) if values else Checksums()


def best(checksums: Checksums) -> Algorithm | None:
    """By which of these a copy inside S3 is compared; None if S3 computes none of them."""
    return next((algorithm for algorithm in _BYTES if algorithm in checksums.values), None)


def saying(algorithm: Crc, crc: int) -> dict[str, str]:
    """A CRC as a parameter of a request."""
    return {f"Checksum{spoken(algorithm)}": base64.b64encode(crc.to_bytes(_BYTES[algorithm], "big")).decode()}
