"""CRC64NVME: the one checksum that S3 (``x-amz-checksum-crc64nvme``) and Azure (``x-ms-content-crc64``) both report.

Both stores use the polynomial 0xAD93D23594C93659, reflected, all ones in and out; on the wire S3 writes the eight bytes
big-endian, Azure little-endian (S3 and Azure Storage REST references; "123456789" is 0xae8b14860a799888 on both).

A checksum is an ``int`` while it is computed and 16 hex digits where the domain keeps it. ``awscrt`` is loaded on first
use: its native library costs a cold start more than everything else in this package.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Literal

type Crc = Literal["crc64nvme", "crc32c", "crc32"]
"""Checksums that combine, by ``awscrt``'s own names for them."""

_BYTES = 8
_DIGITS = {"crc64nvme": 16, "crc32c": 8, "crc32": 8}


def crc64(data: bytes | bytearray | memoryview, so_far: int = 0) -> int:
    """The CRC64NVME of ``data``, continuing from the checksum of what went before it."""
    from awscrt.checksums import crc64nvme

    return int(crc64nvme(data, so_far))


def crc_of(data: bytes | bytearray | memoryview, algorithm: Crc) -> int:
    """The checksum of ``data`` by another algorithm than what everything here is proven by."""
    from awscrt import checksums

    return int(getattr(checksums, algorithm)(data))


def combined(parts: Iterable[tuple[int, int]], algorithm: Crc = "crc64nvme") -> int:
    """The checksum of a whole from the ``(checksum, size)`` of its parts in order, without their bytes; 0 for none."""
    from awscrt import checksums

    combine = getattr(checksums, f"combine_{algorithm}")
    whole = 0
    for crc, size in parts:
        whole = int(combine(whole, crc, size))
    return whole


def to_hex(crc: int, algorithm: Crc = "crc64nvme") -> str:
    """16 lower-case digits (of the shorter CRCs 8), most significant first: the domain's spelling."""
    return f"{crc:0{_DIGITS[algorithm]}x}"


def from_hex(text: str) -> int:
    """Reads ``to_hex``."""
    return int(text, 16)


def to_s3(crc: int) -> str:
    """S3's spelling: base64 of the big-endian bytes."""
    return base64.b64encode(crc.to_bytes(_BYTES, "big")).decode()


def from_s3(text: str | None) -> int | None:
    """Reads S3's spelling; None for anything else, such as a composite value with its ``-N`` suffix."""
    raw = _decoded(text)
    return None if raw is None else int.from_bytes(raw, "big")


def to_azure(crc: int) -> str:
    """Azure's spelling: base64 of the little-endian bytes."""
    return base64.b64encode(crc.to_bytes(_BYTES, "little")).decode()


def from_azure(value: str | bytes | None) -> int | None:
    """Reads Azure's spelling, as the header's text or as the eight bytes the SDK makes of it; None for anything else."""
    raw = bytes(value) if isinstance(value, bytes | bytearray) else _decoded(value)
    return None if raw is None or len(raw) != _BYTES else int.from_bytes(raw, "little")


def _decoded(text: str | None) -> bytes | None:
    try:
        raw = base64.b64decode(text or "", validate=True)
    except binascii.Error:
        return None
    return raw if len(raw) == _BYTES else None
