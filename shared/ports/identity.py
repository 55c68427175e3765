"""Who is asking: what a verified token says of its bearer."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Principal:
    """A person or program that signed in.

    Attributes:
        subject: the issuer's name for it.
        roles: what it is, in the issuer's words.
        tenants: the ids of tenants it belongs to; whether they exist is another question.
    """

    subject: str
    roles: frozenset[str] = field(default_factory=frozenset)
    tenants: frozenset[str] = field(default_factory=frozenset)


class Verifier(Protocol):
    def verify(self, token: str) -> Principal:
        """Who the token was issued to.

        Raises:
            Unauthenticated: it is not a token of our issuer for us, now. The message never says why, nor quotes it.
            StateUnavailable: the issuer's keys are not known and cannot be fetched.
        """
        ...
