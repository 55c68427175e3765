"""What all shapes have in common, and how a body tells "not sent" from "null"."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from shared.domain.secret import Secret


class Closed(BaseModel):
    """A shape with these fields and no others. Its errors never show what was sent."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Told(Closed):
    """A body. Its values have JSON's types: no text counts as a number, no number as a truth."""

    model_config = ConfigDict(strict=True)

    def sent(self) -> Mapping[str, Any]:
        """The fields that were sent, by their names here: in a merge patch (RFC 7396) absent and null are two things."""
        return {name: getattr(self, name) for name in self.model_fields_set}


def _absent() -> Any:
    return None


OPTIONAL: Final[Any] = Field(default_factory=_absent)
"""In ``Annotated``: a field that may be left out. Read such fields through ``sent`` alone."""


def secret(value: SecretStr) -> Secret[str]:
    """A secret of a body as the core takes it."""
    return Secret(value.get_secret_value())
