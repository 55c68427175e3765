"""Where a sealed secret belongs, and the sealed form beside the number that keeps older ones out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain.errors import InvalidInput

FORMAT = "1"
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class SealContext:
    """Names one value of one field of one record, and what it is for. Nothing in it is secret: key services log it.

    It is rebuilt from the request's own tenant and key, never from the item that holds the sealed value: an item moved to
    another tenant, table, record, field or purpose does not open there.

    Attributes:
        table: the table's plain name, without the deployment's prefix.
        purpose: what the secret is used for (``connect``), so that one use cannot read another's.
        sequence: which value of the field, counted from 1; grows whenever a new value is sealed and is kept beside it under
            the record's compare-and-swap, so that an older value put back into a newer record does not open.
    """

    tenant: str
    table: str
    record: str
    field: str
    purpose: str
    sequence: int = 1

    def __post_init__(self) -> None:
        names = (self.tenant, self.table, self.record, self.field, self.purpose)
        if not all(0 < len(name) <= _LONGEST for name in names) or self.sequence < 1:
            raise InvalidInput("each name in a seal's context has 1 to 256 characters, and its sequence is positive")

    def pairs(self) -> Mapping[str, str]:
        """The context as KMS takes it: a map of text to text."""
        return {
            "field": self.field,
            "format": FORMAT,
            "purpose": self.purpose,
            "record": self.record,
            "sequence": str(self.sequence),
            "table": self.table,
            "tenant": self.tenant,
        }


@dataclass(frozen=True, slots=True)
class Sealed:
    """Ciphertext (``crypto.envelope``), and which value of its field it is: the ``sequence`` of its context."""

    box: bytes = field(repr=False)
    sequence: int = 1
