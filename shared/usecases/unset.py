"""The difference between a field that was not named in a change and one that shall be empty."""

from dataclasses import fields
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Unset(Enum):
    """The type of ``UNSET``."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Leave it as it is."""


def named_in(changes: "DataclassInstance") -> dict[str, Any]:
    """The fields that were named, and what they shall be."""
    every = {it.name: getattr(changes, it.name) for it in fields(changes)}
    return {name: value for name, value in every.items() if value is not UNSET}
