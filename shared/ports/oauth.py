"""Authorization servers, and whatever else proves that a connection works."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.grant import Grant
from shared.domain.integration import Account, Integration
from shared.domain.notice import Delivery, Notice, Webhook
from shared.domain.provider import Provider
from shared.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """What the consent page is told.

    Attributes:
        verifier: PKCE's, of which the page is told the S256 challenge.
        nonce: for an ID token, where the provider issues one.
    """

    redirect_uri: str
    state: str = field(repr=False)
    verifier: Secret[str]
    nonce: Secret[str]
    scopes: tuple[str, ...]


class AuthorizationServer(Protocol):
    """One provider's, spoken to as our client there.

    No redirect is followed, no private address is called unless the operator listed it, no answer is larger than 256 KiB, and no
    call is longer than 10 seconds. No error quotes the provider.
    """

    def consent_url(self, request: ConsentRequest) -> str:
        """Where to send the browser. Makes no call."""
        ...

    def exchange(self, code: Secret[str], request: ConsentRequest) -> Grant:
        """Trades a code for tokens. One call.

        Raises:
            CodeRefused: the code is used, over, or was given to another verifier or redirect URI; or the ID token is not for
                this consent, and IssuerMismatch: another made it. Then the error's ``grant`` holds the tokens that came with it.
            ProviderUnavailable, ProviderMisconfigured, PolicyBlocked, ScopeMissing
        """
        ...

    def refresh(self, token: Secret[str], scopes: tuple[str, ...]) -> Grant:
        """New tokens. One call. ``Grant.refresh`` is None where the provider sent none back.

        Raises:
            GrantRevoked, GrantExpired, PolicyBlocked, ScopeMissing: reconnecting is the way out.
            ProviderUnavailable: ``reached`` tells whether the token may have been used up.
            ProviderMisconfigured: our client's fault.
        """
        ...

    def account(self, access: Secret[str]) -> Account:
        """Whose account the token is for; also the proof that the provider's API answers. One call.

        Raises:
            TokenExpired: the API did not accept the token.
            ScopeMissing, PolicyBlocked, ProviderUnavailable
        """
        ...

    def revoke(self, access: Secret[str] | None, refresh: Secret[str] | None) -> bool:
        """Ends the grant at the provider; False where it offers no way to. A token that it does not know counts as revoked.

        Raises:
            ProviderUnavailable, ProviderMisconfigured
        """
        ...


class AuthorizationServers(Protocol):
    def of(self, provider: Provider, secret: Secret[str] | None) -> AuthorizationServer:
        """Makes no call. Raises Misconfigured if the provider lacks what its dialect needs."""
        ...


class Probes(Protocol):
    def reach(self, integration: Integration) -> None:
        """Looks into the integration's container with its credentials; changes nothing. Not for ``oauth2``.

        Raises:
            StoreError, SealBroken, Misconfigured, StateUnavailable
        """
        ...

    def guarded(self, integration: Integration) -> bool:
        """Whether its store, which was just reached, refuses us without the external id that the integration signs in with.

        Raises:
            as ``reach``
        """
        ...


class Courier(Protocol):
    def deliver(self, notice: Notice, webhook: Webhook, secrets: Sequence[Secret[str]], attempt: int) -> Delivery:
        """Posts a notice, signed by each secret, and tells how it went: ``delivered`` or ``retrying``. Never raises for what
        the other side does.
        """
        ...


class Bus(Protocol):
    def announce(self, notices: list[Notice]) -> None:
        """Puts notices on the event bus. Raises StateUnavailable unless all are on it."""
        ...
