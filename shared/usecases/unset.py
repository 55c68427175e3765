"""The difference between a field that was not named in a change and one that shall be empty."""

from enum import Enum
from typing import Any, Final


class Unset(Enum):
    """The type of ``UNSET``."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Leave it as it is."""


def told(**fields: Any) -> dict[str, Any]:
    """Those that were named."""
    return {name: value for name, value in fields.items() if value is not UNSET}
