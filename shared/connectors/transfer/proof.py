"""The rule that nothing was replicated which was not verified: what the target reports is compared with what was read."""

import hashlib
from dataclasses import dataclass

from shared.connectors.transfer.parts import Part
from shared.domain.errors import ChecksumMismatch, IntegrityUnproven
from shared.domain.objects import Checksums


@dataclass(frozen=True, slots=True)
class Reported:
    """What a target said of the bytes it stored.

    Attributes:
        crc64: their CRC64NVME.
        md5: their MD5, 16 bytes: of a ``Content-MD5``, or of an ETag where the store's ETag is one.
    """

    crc64: int | None = None
    md5: bytes | None = None


def prove(part: Part, reported: Reported) -> None:
    """Compares a part, while its bytes are still here, with what the target says it stored.

    CRC64 is preferred, being known already; MD5 is computed only for targets that report nothing better.

    Raises:
        ChecksumMismatch: the target stored something else.
        IntegrityUnproven: the target reports nothing that could be compared.
    """
    if reported.crc64 is not None:
        proven = reported.crc64 == part.crc
    elif reported.md5 is not None:
        proven = reported.md5 == md5(part.data)
    else:
        raise IntegrityUnproven
    if not proven:
        raise ChecksumMismatch


def prove_whole(source: Checksums, sent: Checksums) -> None:
    """Compares what was sent with what the source reports of itself; silent where they share no algorithm.

    Raises:
        ChecksumMismatch: what was read is not what the source holds.
    """
    if source.agrees_with(sent) is False:
        raise ChecksumMismatch


def md5(data: bytes) -> bytes:
    """MD5 as an integrity check, never as a proof against malice."""
    return hashlib.md5(data, usedforsecurity=False).digest()
