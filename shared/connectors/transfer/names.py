"""Names that a store can hold, made from names it could not, and back.

One scheme for all: a character that a store refuses where it stands becomes, byte by byte of its UTF-8, the escape text
and two lower-case hex digits. An escape that is there already, by its look, is escaped itself. All else stays as it is,
so the inverse is exact: ``from_store(to_store(name)) == name`` for every name.

What differs between stores is data: a regular expression of what is refused.
"""

import re
from dataclasses import dataclass

from shared.domain.errors import InvalidName


@dataclass(frozen=True, slots=True)
class Naming:
    r"""One store's rule.

    Attributes:
        refused: matches each refused character, with look-around for those refused only in some place
            (``\.(?=/|\Z)``: a dot that ends a segment). None: nothing is refused.
        longest: of a stored name, in UTF-8 bytes.
        escape: begins an escape; of characters the store accepts anywhere.
    """

    refused: re.Pattern[str] | None = None
    longest: int = 1024
    escape: str = "~"

    def to_store(self, name: str) -> str:
        """The name the store holds.

        Raises:
            InvalidName: it is empty or, mapped, too long.
        """
        mapped = self._lookalike().sub(lambda found: self._escaped(found.group()), name) if self.refused else name
        if not mapped or _length(mapped) > self.longest:
            raise InvalidName
        return mapped

    def from_store(self, stored: str) -> str:
        """The name that ``to_store`` was given. Names it never made are returned as they are."""
        return self._run().sub(self._unescaped, stored) if self.refused else stored

    def _escaped(self, text: str) -> str:
        return "".join(f"{self.escape}{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))

    def _unescaped(self, found: re.Match[str]) -> str:
        raw = bytes.fromhex(found.group().replace(self.escape, ""))
        try:
            return raw.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return found.group()

    def _lookalike(self) -> re.Pattern[str]:
        refused = self.refused.pattern if self.refused else ""
        flags = self.refused.flags if self.refused else 0
        return re.compile(f"(?:{refused})|{re.escape(self.escape)}(?=[0-9a-f]{{2}})", flags)

    def _run(self) -> re.Pattern[str]:
        return re.compile(f"(?:{re.escape(self.escape)}[0-9a-f]{{2}})+")


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
