"""What is asked of a person at a provider's consent page, and the flow that remembers it."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from shared.domain.errors import InvalidInput, Misconfigured, SealBroken
from shared.domain.grant import Flow, flow_context
from shared.domain.integration import Integration
from shared.domain.provider import Provider
from shared.domain.secret import Secret
from shared.ports.oauth import ConsentRequest
from shared.ports.world import Randomness, Vault
from shared.usecases.callback import hashed

LIFE = timedelta(minutes=10)
"""Of a flow: as long as a person needs for a consent page, and no longer."""

API = "/api/v1"

_BYTES = 32  # RFC 7636, 4.1 and 7.1: 256 bits of a verifier, as 43 characters; the others are no weaker
_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):(\d{4,5})(?:/[A-Za-z0-9-]{1,64}){1,4}\Z")
_SIGN_IN = frozenset({"openid", "profile", "email", "offline_access"})


@dataclass(frozen=True, slots=True)
class StartRequest:
    """What its owner may say of a consent.

    Attributes:
        scopes: some of the provider's; None asks for all of them.
        return_to: one of the deployment's return URLs, or empty for our own page.
        loopback: where a command waits (``http://127.0.0.1:PORT/path``), or empty.
        callback: whose redirect URI to use: the provider's, or one of the integration's own.
        confirmed: whether another account than before may be connected.
    """

    scopes: tuple[str, ...] | None = None
    return_to: str = ""
    loopback: str = ""
    callback: Literal["provider", "integration"] = "provider"
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Chance:
    """The random values of one flow."""

    state: str = field(repr=False)
    browser: Secret[str]
    verifier: Secret[str]
    nonce: Secret[str]


def drawn(randomness: Randomness) -> Chance:
    """Fresh ones, each of 256 bits."""
    state, *others = (randomness.token(_BYTES) for _ in range(4))
    return Chance(state, *map(Secret, others))


def flow_of(
    integration: Integration,
    provider: Provider,
    request: StartRequest,
    user: str,
    chance: Chance,
    redirect_uri: str,
    vault: Vault,
    now: datetime,
) -> Flow:
    """The record of a consent that begins now.

    Raises:
        InvalidInput: scopes that the provider is not offered with, or no loopback address.
        StateUnavailable, Misconfigured
    """
    state_hash = hashed(chance.state)
    secrets = Secret(json.dumps({"verifier": chance.verifier.reveal(), "nonce": chance.nonce.reveal()}))
    return Flow(
        state_hash=state_hash,
        browser_hash=hashed(chance.browser.reveal()),
        tenant_id=integration.tenant_id,
        integration_id=integration.id,
        provider_id=provider.id,
        user=user,
        scopes=_scopes(request.scopes, provider),
        loopback=_loopback(request.loopback),
        secrets=vault.seal(secrets, flow_context(integration.tenant_id, state_hash)),
        redirect_uri=redirect_uri,
        created_at=now,
        expires_at=now + LIFE,
        return_to=request.return_to,
        confirmed=request.confirmed,
        provider_version=provider.version,
        integration_version=integration.version,
    )


def asked(flow: Flow, state: str, vault: Vault) -> ConsentRequest:
    """The request of a flow, as it was sent. Raises SealBroken: its secrets are not as they were stored; StateUnavailable."""
    told = vault.open(flow.secrets, flow_context(flow.tenant_id, flow.state_hash))
    try:
        secrets = json.loads(told.reveal())
        verifier, nonce = Secret(str(secrets["verifier"])), Secret(str(secrets["nonce"]))
    except (ValueError, KeyError, TypeError):
        raise SealBroken from None
    return ConsentRequest(flow.redirect_uri, state, verifier, nonce, flow.scopes)


def redirect_uri(public_url: str, integration: Integration, provider: Provider, whose: str) -> str:
    """Where the provider sends browsers back to. Raises Misconfigured: nobody said where this deployment is."""
    if not public_url:
        raise Misconfigured("set the deployment's public URL, so that providers know where to send browsers back to")
    if whose == "integration":
        place = f"tenants/{integration.tenant_id}/cloud-integrations/{integration.id}/oauth/callback"
        return f"{public_url}{API}/{place}"
    return f"{public_url}{API}/oauth/{provider.slug}/callback"


def tells_account(provider: Provider, scopes: Collection[str]) -> None:
    """Raises Misconfigured unless there is a way to learn whose account is connected: asked for before a person is."""
    by_id_token = provider.issuer is not None and "openid" in scopes
    if not (provider.endpoints and provider.endpoints.user_info) and not by_id_token and provider.dialect != "dropbox":
        raise Misconfigured(
            "the provider needs userInfoUrl, or an issuer and the scope openid, to tell whose account it is"
        )


def allowed(return_to: str, return_urls: Collection[str]) -> None:
    """Raises InvalidInput unless it is empty or one of them, letter by letter (RFC 9700, 4.11: open redirection)."""
    if return_to and return_to not in return_urls:
        raise InvalidInput("returnTo is not one of this deployment's return URLs")


def _scopes(wanted: tuple[str, ...] | None, provider: Provider) -> tuple[str, ...]:
    """Those wanted, in the provider's order, with those of sign-in, without which there is no account and no refresh token."""
    if wanted is None:
        return provider.scopes
    if not wanted or not set(wanted) <= set(provider.scopes):
        raise InvalidInput("scopes are some of those that the provider is offered with")
    return tuple(it for it in provider.scopes if it in wanted or it in _SIGN_IN)


def _loopback(url: str) -> str:
    """A literal address, which no name service can turn elsewhere (RFC 8252, 8.3)."""
    if url:
        match = _LOOPBACK.match(url)
        if match is None or not 1024 <= int(match[1]) <= 65_535:
            raise InvalidInput("loopback is http://127.0.0.1:PORT/path or http://[::1]:PORT/path")
    return url
