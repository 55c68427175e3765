"""What may be done after a failure. Every error carries one of these verdicts; hosts need one ``match`` on it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Now:
    """Try again at once: the world moved under us and a fresh look will do."""


@dataclass(frozen=True, slots=True)
class Later:
    """Try again after a while.

    Attributes:
        after: seconds the other side asked us to wait, or None to let the host's own growing delay decide.
    """

    after: float | None = None


@dataclass(frozen=True, slots=True)
class Never:
    """The same request can never succeed: bury it where an operator finds it."""


@dataclass(frozen=True, slots=True)
class AfterUser:
    """A person has to act first (reconnect, free quota, restore a container)."""


type Retry = Now | Later | Never | AfterUser
