"""What a house remembers of consents: the nouns of ``book``, and the rules that their lives follow."""

from dataclasses import dataclass
from typing import Literal

type Kind = Literal["access", "refresh"]
type Rotation = Literal["static", "sliding", "strict"]


@dataclass(frozen=True, slots=True)
class Rules:
    """How long what lives, in seconds, and what a refresh does to the refresh token.

    Attributes:
        refresh: from its issue; None: for ever.
        idle: unused for so long it dies; None: it does not.
        most_live: refresh tokens of one person and client; one more silently ends the oldest.
        one_grant: whether all of a person's consents to a client are one, so that revoking any token ends them all.
    """

    code: float
    access: float
    rotation: Rotation
    refresh: float | None = None
    idle: float | None = None
    most_live: int | None = None
    one_grant: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allowed, as the code carries it."""

    client: str
    person: str
    scopes: tuple[str, ...]
    redirect_uri: str
    offline: bool
    challenge: str = ""
    method: str = "plain"
    nonce: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    consent: Consent
    until: float
    grant: str = ""  # once it was traded


@dataclass(frozen=True, slots=True)
class Grant:
    id: str
    client: str
    person: str
    scopes: tuple[str, ...]
    tenant: str = ""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    kind: Kind
    grant: str
    scopes: tuple[str, ...]
    issued: float
    until: float | None
    used: float
    dead: bool = False  # replaced by a rotation


@dataclass(frozen=True, slots=True)
class Issued:
    """The result of a trade."""

    access: Token
    refresh: Token | None
    grant: Grant
    nonce: str = ""
