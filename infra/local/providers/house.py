"""What differs from house to house. The defaults are the standard's (RFC 6749); a house overrides what it does otherwise."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from infra.local.providers.book import Book
from infra.local.providers.exchange import Answer, Request, Why, refuses, says
from infra.local.providers.grants import Issued, Kind, Rules


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account there. Invented; ``tenant`` is the account's directory, where the house has such."""

    id: str
    name: str
    email: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """The application that an administrator registered at the house."""

    id: str
    secret: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request for consent, checked."""

    client: Client
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    parameters: Mapping[str, str]
    tenant: str = ""
    base: str = ""


@dataclass(frozen=True, slots=True)
class Office:
    """What a house works with: its book, its client and its signing key (made when first asked for)."""

    book: Book
    client: Client
    base: str
    key: Callable[[], RSAPrivateKey]


class House:
    """A house. Paths are regular expressions; a group ``tenant`` is the account's directory."""

    name: ClassVar[str]
    title: ClassVar[str]
    color: ClassVar[str]
    rules: ClassVar[Rules]
    people: ClassVar[tuple[Person, ...]]
    scopes: ClassVar[Mapping[str, str]]
    """Every scope there is, and what its consent page says of it."""
    authorize: ClassVar[str]
    token: ClassVar[str]
    tick_boxes: ClassVar[bool] = False
    """Whether the person chooses among the scopes, but for the ``fixed`` ones."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    public_clients: ClassVar[bool] = False
    """Whether a verifier may stand in for the client's secret."""
    basic_auth: ClassVar[bool] = True

    def name_token(self, kind: Kind) -> str:
        return secrets.token_urlsafe(48)

    def scopes_of(self, asked: str | None) -> tuple[str, ...] | None:
        """The scopes asked for; None if one of them does not exist."""
        wanted = tuple(dict.fromkeys((asked or "").split()))
        return wanted if set(wanted) <= set(self.scopes) else None

    def people_of(self, tenant: str) -> Sequence[Person]:
        """Who may sign in there."""
        return self.people

    def offline(self, ask: Ask, *, known: bool) -> bool:
        """Whether a refresh token will be given; ``known``: this person allowed this client something before."""
        return True

    def granted(self, ask: Ask, ticked: tuple[str, ...], before: tuple[str, ...]) -> tuple[str, ...]:
        """The scopes of the grant; ``before``: of this person's live grants for this client."""
        return ticked

    def with_code(self, ask: Ask, scopes: tuple[str, ...]) -> Mapping[str, str]:
        """What goes along with a code, beside code and state."""
        return {}

    def denial(self) -> Mapping[str, str]:
        """What goes back when the person says no."""
        return {"error": "access_denied"}

    def admin_denial(self) -> Mapping[str, str] | None:
        """What goes back when an administrator has to agree first; None: nothing, the person stays on the house's page."""
        return None

    def tokens(self, issued: Issued, person: Person, office: Office, request: Request) -> Mapping[str, object]:
        """The token answer beyond ``access_token``, ``expires_in`` and ``refresh_token``."""
        return {"token_type": "bearer", "scope": " ".join(issued.access.scopes)}

    def refusal(self, why: Why) -> Answer:
        """A refusal in the house's words."""
        return refuses(400, "invalid_grant", why)

    def broken(self) -> Answer:
        """What its servers say when they cannot."""
        return says(503, {"error": "temporarily_unavailable"}, ("Retry-After", "2"))

    def api(self, request: Request, office: Office) -> Answer | None:
        """Everything that is not authorize or token: revocation, who am I, keys. None: there is no such page."""
        return None

    def person(self, person_id: str) -> Person:
        return next(person for person in self.people if person.id == person_id)
