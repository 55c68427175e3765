"""What must hold on the target for a write or delete to happen at all."""

from dataclasses import dataclass

from shared.domain.objects import ObjectHead, Tag


@dataclass(frozen=True, slots=True)
class Absent:
    """No object may be there."""


@dataclass(frozen=True, slots=True)
class Match:
    """The object there must still have this tag."""

    tag: Tag


@dataclass(frozen=True, slots=True)
class Any:
    """Whatever is there may be replaced."""


type Precondition = Absent | Match | Any


def as_seen(head: ObjectHead | None) -> Absent | Match:
    """The precondition 'still as I saw it'."""
    return Absent() if head is None else Match(head.tag)
