"""What a source says of its whole object, taken again of the bytes that were read from it.

CRC64NVME is taken of every part anyway, so a source that reports it needs nothing from here. Others do: most objects in S3 were
put by SDKs whose own choice is CRC32. A CRC is taken part by part, whatever their order, and combined; a SHA only of the bytes
in order. An MD5 is not asked for: on Azure it is a property that anybody may set and nobody checks (Azure Storage REST reference,
"Put Block List"), so that to demand it would refuse right bytes for ever.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

from shared.connectors.transfer.crc import combined, crc_of, to_hex
from shared.domain.objects import Algorithm, Checksums

type Sha = Literal["sha256", "sha512", "sha1"]


class Witness(Protocol):
    """Hears every part once; ``in_order``: each after the one before it, and one at a time."""

    @property
    def in_order(self) -> bool: ...

    def hear(self, offset: int, data: bytes) -> None: ...

    def values(self) -> Mapping[Algorithm, str]:
        """Of all that was heard, as in ``Checksums``."""
        ...


def witness_of(source: Checksums) -> Witness:
    """For the cheapest algorithm that the source reports; one that does nothing where nothing is needed, or can be done."""
    if "crc64nvme" in source.values:
        return _Nobody()
    if "crc32c" in source.values:
        return _Crc("crc32c")
    if "crc32" in source.values:
        return _Crc("crc32")
    return next((_Sha(name) for name in get_args(Sha.__value__) if name in source.values), _Nobody())


class _Nobody:
    in_order = False

    def hear(self, offset: int, data: bytes) -> None:
        """Nothing."""

    def values(self) -> Mapping[Algorithm, str]:
        return {}


@dataclass(slots=True)
class _Crc:
    algorithm: Literal["crc32", "crc32c"]
    heard: list[tuple[int, int, int]] = field(default_factory=list)
    in_order: bool = False

    def hear(self, offset: int, data: bytes) -> None:
        self.heard.append((offset, crc_of(data, self.algorithm), len(data)))

    def values(self) -> Mapping[Algorithm, str]:
        whole = combined(((crc, size) for _, crc, size in sorted(self.heard)), self.algorithm)
        return {self.algorithm: to_hex(whole, self.algorithm)}


class _Sha:
    in_order = True

    def __init__(self, algorithm: Sha) -> None:
        self._algorithm: Sha = algorithm
        self._running: Any = hashlib.new(algorithm, usedforsecurity=False)

    def hear(self, offset: int, data: bytes) -> None:
        self._running.update(data)

    def values(self) -> Mapping[Algorithm, str]:
        return {self._algorithm: self._running.hexdigest()}
