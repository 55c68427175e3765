"""What a house's dialect consists of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.domain.errors import Misconfigured
from shared.domain.integration import Account
from shared.domain.provider import Endpoints, Provider
from shared.domain.secret import Secret
from shared.oauth.answers import Answer
from shared.oauth.faults import STANDARD, Faults
from shared.oauth.scopes import Spelling
from shared.oauth.wire import Wire
from shared.ports.oauth import ConsentRequest


@dataclass(frozen=True, slots=True)
class Client:
    """Us, at one provider."""

    provider: Provider
    endpoints: Endpoints
    id: str
    secret: Secret[str] | None

    @property
    def needed_secret(self) -> str:
        """The secret, to be passed on at once. Raises Misconfigured if there is none."""
        if self.secret is None:
            raise Misconfigured("the provider needs its client secret")
        return self.secret.reveal()


class Exchange(Protocol):
    def __call__(self, wire: Wire[Answer], client: Client, code: Secret[str], request: ConsentRequest) -> None:
        """Trades a code; the answer is the wire's ``told``."""
        ...


class Refresh(Protocol):
    def __call__(self, wire: Wire[Answer], client: Client, token: Secret[str], scopes: tuple[str, ...]) -> None:
        """Asks for new tokens; the answer is the wire's ``told``."""
        ...


class Revoke(Protocol):
    def __call__(self, wire: Wire[bool], client: Client, token: Secret[str], hint: str) -> None:
        """Ends a token's grant; whether it is over is the wire's ``told``."""
        ...


_AS_THEY_COME = Spelling()


def _nobody(answer: Answer) -> Account | None:
    return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """A house's ways.

    Attributes:
        revoke_with: which token its revocation wants.
        account_in: whose account a token answer is for, where it says so beside an ID token.
        account_method: of the call that tells whose account it is.
        account_ids, account_names: fields of its answer, the best first.
        needs_secret: whether there are no clients without one.
        bare_issuer: whether its ID tokens may name it without the scheme.
    """

    exchange: Exchange
    refresh: Refresh
    revoke: Revoke
    faults: Faults = STANDARD
    scopes: Spelling = _AS_THEY_COME
    revoke_with: tuple[str, ...] = ("refresh_token", "access_token")
    account_in: Callable[[Answer], Account | None] = _nobody
    account_method: str = "GET"
    account_ids: tuple[str, ...] = ("sub", "id")
    account_names: tuple[str, ...] = ("email", "login", "preferred_username", "name")
    needs_secret: bool = False
    bare_issuer: bool = False
