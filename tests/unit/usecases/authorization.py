"""Authorization servers in memory: consent pages, one-use codes with PKCE, and refresh tokens by each rotation rule.

``Servers.of`` hands out our end; ``Servers.house(provider_id)`` is the other: there a test's person approves or denies, and there
it says how the house behaves. Where it differs from the world: no HTTP, no proof of the client but its secret, and a strict
house does not punish a reused refresh token by ending its whole grant.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from urllib.parse import parse_qs, urlencode, urlsplit

from shared.domain.errors import CodeRefused, GrantRevoked, ProviderMisconfigured, TokenExpired
from shared.domain.grant import Grant
from shared.domain.integration import Account
from shared.domain.provider import Provider
from shared.domain.secret import Secret
from shared.ports.oauth import ConsentRequest
from tests.unit.usecases.fakes import Room, gated


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Agreement:
    """What one person agreed to, and the tokens that live on it. ``current`` is the refresh token a strict house honours."""

    account: Account
    scopes: frozenset[str]
    alive: bool = True
    current: str = ""


@dataclass
class Pending:
    """A code that was given out, and what must come with it."""

    agreement: Agreement
    redirect_uri: str
    challenge: str


@dataclass
class House:
    """One provider's authorization server, as a test sets it up.

    Attributes:
        secret: the client secret it knows; None takes any.
        extra: scopes it grants unasked.
        says_scopes, says_account, says_name: whether its token answer tells them.
    """

    clock: object
    life: timedelta = timedelta(hours=1)
    secret: str | None = None
    gives_refresh: bool = True
    says_scopes: bool = True
    says_account: bool = False
    says_name: bool = True
    says_expiry: bool = True
    revocable: bool = True
    issuer: str | None = None
    extra: frozenset[str] = frozenset()
    codes: dict[str, Pending] = field(default_factory=dict)
    refreshers: dict[str, Agreement] = field(default_factory=dict)
    accesses: dict[str, tuple[Agreement, datetime]] = field(default_factory=dict)
    numbers: count = field(default_factory=lambda: count(1))
    asked: list[dict[str, str]] = field(default_factory=list)

    def approve(self, url: str, account: str = "acc-1", scopes: frozenset[str] | None = None) -> dict[str, str]:
        """A person agrees on the page at ``url``; what the browser brings back."""
        told = self._read(url)
        granted = (frozenset(told["scope"].split()) if scopes is None else scopes) | self.extra
        code = f"code-canary-{next(self.numbers)}"
        agreement = Agreement(Account(account, f"{account}@example.org"), granted)
        self.codes[code] = Pending(agreement, told["redirect_uri"], told["code_challenge"])
        return {"state": told["state"], "code": code} | self._iss()

    def deny(self, url: str, error: str = "access_denied") -> dict[str, str]:
        return {"state": self._read(url)["state"], "error": error} | self._iss()

    def withdraw(self, account: str = "acc-1") -> None:
        """The person ends it in the provider's own settings."""
        for agreement in [*self.refreshers.values(), *(held for held, _ in self.accesses.values())]:
            if agreement.account.id == account:
                agreement.alive = False

    def living(self) -> list[Agreement]:
        held = {id(it): it for it in [*self.refreshers.values(), *(one for one, _ in self.accesses.values())]}
        return [it for it in held.values() if it.alive]

    def _read(self, url: str) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    def _iss(self) -> dict[str, str]:
        return {"iss": self.issuer} if self.issuer else {}

    def issue(self, agreement: Agreement, refresh: str | None) -> Grant:
        access = f"access-canary-{next(self.numbers)}"
        over = self.clock.now() + self.life
        self.accesses[access] = (agreement, over)
        account = agreement.account if self.says_name else Account(agreement.account.id)
        return Grant(
            Secret(access),
            Secret(refresh) if refresh else None,
            over if self.says_expiry else None,
            agreement.scopes if self.says_scopes else None,
            account if self.says_account else None,
        )

    def new_refresh(self, agreement: Agreement) -> str:
        token = f"refresh-canary-{next(self.numbers)}"
        self.refreshers[token] = agreement
        agreement.current = token
        return token


class Server(Room):
    """Our end of one house."""

    def __init__(self, provider: Provider, secret: Secret[str] | None, house: House, *wiring) -> None:
        super().__init__(*wiring)
        self.provider, self.secret, self.house = provider, secret, house

    def consent_url(self, request: ConsentRequest) -> str:
        told = {
            "client_id": self.provider.client_id,
            "redirect_uri": request.redirect_uri,
            "state": request.state,
            "scope": " ".join(request.scopes),
            "code_challenge": challenge(request.verifier.reveal()),
            "code_challenge_method": "S256",
        }
        self.house.asked.append(told)
        return f"{self.provider.endpoints.authorize}?{urlencode(told)}"

    @gated
    def exchange(self, code: Secret[str], request: ConsentRequest) -> Grant:
        self._known()
        pending = self.house.codes.pop(code.reveal(), None)
        expected = (request.redirect_uri, challenge(request.verifier.reveal()))
        if pending is None or (pending.redirect_uri, pending.challenge) != expected:
            raise CodeRefused
        agreement = pending.agreement
        return self.house.issue(agreement, self.house.new_refresh(agreement) if self.house.gives_refresh else None)

    @gated
    def refresh(self, token: Secret[str], scopes: tuple[str, ...]) -> Grant:
        self._known()
        agreement = self.house.refreshers.get(token.reveal())
        strict = self.provider.rotation == "strict"
        if agreement is None or not agreement.alive or (strict and token.reveal() != agreement.current):
            raise GrantRevoked
        rotates = self.provider.rotation != "static"
        return self.house.issue(agreement, self.house.new_refresh(agreement) if rotates else None)

    @gated
    def account(self, access: Secret[str]) -> Account:
        agreement, over = self.house.accesses.get(access.reveal(), (None, None))
        if agreement is None or not agreement.alive or over <= self.house.clock.now():
            raise TokenExpired
        return agreement.account

    @gated
    def revoke(self, access: Secret[str] | None, refresh: Secret[str] | None) -> bool:
        if not self.house.revocable:
            return False
        held = self.house.refreshers.get(refresh.reveal()) if refresh else None
        if held is None and access is not None:
            held = self.house.accesses.get(access.reveal(), (None, None))[0]
        if held is not None:
            held.alive = False
        return True

    def _known(self) -> None:
        known = self.house.secret
        if known is not None and (self.secret is None or self.secret.reveal() != known):
            raise ProviderMisconfigured


class Servers(Room):
    """All houses, by provider."""

    def __init__(self, clock, *wiring) -> None:
        super().__init__(*wiring)
        self.clock = clock
        self.houses: dict[str, House] = {}

    def house(self, provider_id: str) -> House:
        return self.houses.setdefault(provider_id, House(self.clock))

    def of(self, provider: Provider, secret: Secret[str] | None) -> Server:
        return Server(provider, secret, self.house(provider.id), self.gate, self.lock)
