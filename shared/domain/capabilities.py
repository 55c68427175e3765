"""What a store has or lacks, declared as data, so that no use case asks which store it talks to."""

from dataclasses import dataclass
from typing import Literal

from shared.domain.errors import NotSupported
from shared.domain.objects import Algorithm

type TagStrength = Literal["unique", "content", "none"]
"""``unique``: every write gives a new tag. ``content``: the same bytes may give the same tag (a late write of X can pass a
check made against an earlier X). ``none``: no compare-and-swap."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The declared nature of a store; the conformance suite exercises what is claimed and refuses what is not.

    Attributes:
        operations: of ``head, open, write, delete, list, link, copy, pull``.
        reports: checksums of a whole object the store tells without a download.
        part_min, part_max, parts_max: bounds of one part of a large write in bytes, and their number.
        single_max: largest write in one request, bytes.
        parts_any_order: parts may go in parallel.
        metadata_max: bytes of user metadata, names and values together.
        name_max: longest name, in UTF-8 bytes.
        links: kinds of link the store can make.
    """

    connector: str
    operations: frozenset[str]
    tag_strength: TagStrength
    conditional_write: bool
    conditional_delete: bool
    reports: frozenset[Algorithm]
    part_min: int
    part_max: int
    parts_max: int
    single_max: int
    parts_any_order: bool = True
    case_sensitive: bool = True
    duplicate_names: bool = False
    metadata_max: int = 2048
    name_max: int = 1024
    modified_precision_seconds: float = 1.0
    links: frozenset[str] = frozenset()

    def require(self, operation: str) -> None:
        """Raises NotSupported unless the store claims the operation: for whoever is about to ask it for one not all have."""
        if operation not in self.operations:
            raise NotSupported(operation, self.connector)
