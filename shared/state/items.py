"""Items that know their format: each carries ``v`` and is migrated when it is read, one step at a time."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pynamodb.attributes import NumberAttribute
from pynamodb.models import Model

from shared.domain.errors import StateUnavailable

type Raw = dict[str, dict[str, Any]]
"""An item as DynamoDB spells it: attribute name -> {type: value}."""


class Item(Model):
    """One row of a table.

    Attributes:
        table: short name of its table.
        format: what this release writes.
        steps: for each older format, what makes an item of it one of the next.
    """

    table: ClassVar[str]
    format: ClassVar[int] = 1
    steps: ClassVar[Mapping[int, Callable[[Raw], Raw]]] = {}

    v = NumberAttribute()

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **{"v": self.format, **attributes})

    @classmethod
    def from_raw_data(cls, data: Raw) -> Self:
        """Migrates, then reads.

        Raises:
            StateUnavailable: a newer release wrote it; that release, or this one once deployed everywhere, will manage.
        """
        return super().from_raw_data(cls.migrated(data))

    @classmethod
    def migrated(cls, data: Raw) -> Raw:
        """The item in this release's format."""
        at = int(data["v"]["N"])
        if at > cls.format:
            raise StateUnavailable("this record was written by a newer release")
        for step in range(at, cls.format):
            data = {**cls.steps[step](data), "v": {"N": str(step + 1)}}
        return data
