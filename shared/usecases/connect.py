"""Connects an integration by its provider's consent page (RFC 6749, 4.1, with PKCE, RFC 7636, and RFC 9700's rules).

```
the owner's page       start            the provider         finish
    |  token ------------>|  a flow is stored: the hash of state, the browser's hash, sealed verifier
    |  <-- URL, cookie ---|                  |                  |
    |-- browser: URL ----------------------->|  consent         |
    |  <-- redirect: state, code ------------|                  |
    |-- browser: state, code, cookie -------------------------->|
    |                                                           |  1 look    the flow is there and not over
    |                                                           |  2 prove   this browser, this user
    |                                                           |  3 take    once, whoever else comes
    |                                                           |  4 check   tenant, integration, provider, place, issuer
    |                                                           |  5 trade   the code, with the verifier
    |                                                           |  6 compare the account and the scopes
    |                                                           |  7 write   tokens, status, audit event: one write
    |  <-- where to go -----------------------------------------|
```

A command on the user's computer (RFC 8252) names a loopback address at the start and keeps the cookie. Its browser comes to
``finish`` without the cookie and is sent on to the command, the flow untouched; the command comes back with cookie and token.

Up to step 3 nothing changes and nothing is told, not even which of the proofs was missing in a flow that is not there. After it
the flow is used up whatever happens, and a refusal is audited.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import (
    CallbackRefused,
    FarshoreError,
    InvalidInput,
    InvalidState,
    ProviderMisconfigured,
    StateUnavailable,
)
from shared.domain.grant import Flow, Grant
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.integration import Account, Integration
from shared.domain.provider import Provider
from shared.domain.secret import Secret
from shared.ports.connections import Audit, Flows, Providers
from shared.ports.oauth import AuthorizationServer, AuthorizationServers, ConsentRequest
from shared.ports.state import Integrations, Tenants
from shared.ports.world import Clock, Metrics, Randomness, Vault
from shared.usecases import consent, landing
from shared.usecases.callback import Answer as Answer
from shared.usecases.callback import Handover as Handover
from shared.usecases.callback import (
    cookie_name,
    handed_over,
    hashed,
    refusal,
    same_browser,
    same_issuer,
    same_place,
    same_user,
    well_formed,
)
from shared.usecases.consent import StartRequest as StartRequest
from shared.usecases.grants import connected, server_of, shares_account, why_not_revoked
from shared.usecases.rounds import found, rounds


@dataclass(frozen=True, slots=True)
class Connecting:
    """What connecting asks of the world.

    Attributes:
        public_url: where browsers reach the API, without a slash at the end; from the operator's settings, never from a
            request (a Host header would choose where codes are sent).
        return_urls: where browsers may be sent at the end; nowhere else, and not to anything like them.
    """

    tenants: Tenants
    providers: Providers
    integrations: Integrations
    flows: Flows
    vault: Vault
    servers: AuthorizationServers
    audit: Audit
    clock: Clock
    randomness: Randomness
    metrics: Metrics
    public_url: str
    return_urls: Collection[str]


@dataclass(frozen=True, slots=True)
class Started:
    """What goes back to whoever began: a URL for the browser, and a cookie for this browser alone."""

    url: str = field(repr=False)
    browser: Secret[str]
    cookie_name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Finished:
    """A consent that was followed. Its integration may still lack scopes: see its status."""

    integration: Integration
    return_to: str


def start(
    tenant_id: TenantId, integration_id: IntegrationId, request: StartRequest, actor: Actor, world: Connecting
) -> Started:
    """Begins a consent: stores its flow, and says where to send the browser. Makes no call to the provider.

    Raises:
        NotFound: there is no such integration, or its provider is gone or not enabled.
        InvalidInput: it is not connected by consent, or the request asks for what is not allowed.
        Misconfigured: the deployment has no public URL, or the provider lacks something.
        SealBroken, StateUnavailable
    """
    consent.allowed(request.return_to, world.return_urls)
    integration = found(world.integrations.get(tenant_id, integration_id, fresh=True), "integration")
    if integration.auth_type != "oauth2" or integration.provider_id is None:
        raise InvalidInput("this integration is not connected by consent")
    provider = world.providers.get(integration.provider_id, fresh=True)
    provider = found(provider if provider and provider.enabled else None, "provider")
    back = consent.redirect_uri(world.public_url, integration, provider, request.callback)
    chance, now = consent.drawn(world.randomness), world.clock.now()
    flow = consent.flow_of(integration, provider, request, actor.subject, chance, back, world.vault, now)
    consent.tells_account(provider, flow.scopes)
    asked = ConsentRequest(flow.redirect_uri, chance.state, chance.verifier, chance.nonce, flow.scopes)
    url = server_of(provider, world.vault, world.servers).consent_url(asked)
    after = {"scopes": list(flow.scopes), "confirmedAccountChange": flow.confirmed}
    world.audit.append(_event(flow, "connect_started", actor, world, after=after))
    world.flows.add(flow)
    return Started(url, chance.browser, cookie_name(flow.state_hash), flow.expires_at)


def finish(answer: Answer, world: Connecting) -> Finished | Handover:
    """Follows an authorization server's answer, once.

    Returns:
        The integration as written; or where the answer goes on to, of a flow that a command began.

    Raises:
        CallbackRefused, GrantError: the answer is not followed, the integration is as it was. Once the browser has proved
            itself, the error's ``return_to`` says where it wants to go.
        NotFound, VersionMismatch: the integration was removed, or kept changing, while the code was traded.
        StateUnavailable, Misconfigured, SealBroken
    """
    state = well_formed(answer)
    flow = world.flows.look(hashed(state), world.clock.now())
    if flow is None:
        raise InvalidState
    if not same_browser(flow, answer):
        return handed_over(flow, answer, world.public_url)
    same_user(flow, answer)
    taken = world.flows.take(flow.state_hash, world.clock.now())
    if taken is None:
        raise InvalidState
    with _audited(taken, answer, world):
        return Finished(_followed(taken, answer, state, world), taken.return_to)


@contextmanager
def _audited(flow: Flow, answer: Answer, world: Connecting) -> Iterator[None]:
    """Puts a refusal on record, and says where the browser wants to go with it. The operator hears of a client of ours that the
    provider does not accept.
    """
    try:
        yield
    except FarshoreError as error:
        error.return_to = flow.return_to
        if isinstance(error, ProviderMisconfigured):
            world.metrics.count(ProviderMisconfigured.__name__)
        actor = Actor(flow.user, answer.origin)
        failed = _event(flow, "connect_failed", actor, world, outcome=error.code)
        try:
            world.audit.append(failed)
        except StateUnavailable as untold:
            untold.return_to = flow.return_to
            raise untold from error
        raise


def _followed(flow: Flow, answer: Answer, state: str, world: Connecting) -> Integration:
    """Checks what needs no call, trades the code, and keeps what it brings."""
    provider = _still_wanted(flow, world)
    same_place(flow, answer, world.public_url)
    same_issuer(provider, answer.iss)
    if answer.error is not None or answer.code is None:
        raise refusal(answer.error or "")
    server = server_of(provider, world.vault, world.servers)
    grant = _traded(flow, Secret(answer.code), state, server, world)
    account = grant.account
    try:
        account = _whose(grant, provider, server)
        same_issuer(provider, answer.iss, account.id.partition(".")[0])
        return _kept(flow, answer, grant, account, provider, world)
    except StateUnavailable:
        raise  # the write may have gone through
    except FarshoreError:
        _give_back(flow, grant, account, server, world)
        raise


def _traded(flow: Flow, code: Secret[str], state: str, server: AuthorizationServer, world: Connecting) -> Grant:
    """What the code brings. Of whose account it is nothing is known yet, if it is refused with tokens in hand."""
    try:
        return server.exchange(code, consent.asked(flow, state, world.vault))
    except CallbackRefused as error:
        if isinstance(error.grant, Grant):
            _give_back(flow, error.grant, None, server, world)
        raise


def _whose(grant: Grant, provider: Provider, server: AuthorizationServer) -> Account:
    """Whose grant it is. Where the token answer tells no name (Dropbox), the name is asked for; only people miss it."""
    told = grant.account
    if told is None:
        return server.account(grant.access)
    if told.name is None and provider.endpoints is not None and provider.endpoints.user_info is not None:
        with suppress(FarshoreError):
            return Account(told.id, server.account(grant.access).name)
    return told


def _still_wanted(flow: Flow, world: Connecting) -> Provider:
    """Raises InvalidState: tenant, integration or provider are not what they were when the flow began. A tenant that changed may
    have lost the owner who began.
    """
    provider = world.providers.get(flow.provider_id, fresh=True)
    integration = world.integrations.get(flow.tenant_id, flow.integration_id, fresh=True)
    tenant = world.tenants.get(flow.tenant_id, fresh=True)
    if tenant is None or (tenant.updated_at or flow.created_at) > flow.created_at or not _the_same(integration, flow):
        raise InvalidState
    if provider is None or not provider.enabled or provider.version != flow.provider_version:
        raise InvalidState
    return provider


def _the_same(integration: Integration | None, flow: Flow) -> bool:
    kind = (integration.auth_type, integration.provider_id) if integration else None
    return kind == ("oauth2", flow.provider_id)


def _kept(
    flow: Flow, answer: Answer, grant: Grant, account: Account, provider: Provider, world: Connecting
) -> Integration:
    """Writes the grant into the integration, and ends the one of another account that it replaces."""
    actor = Actor(flow.user, answer.origin)
    was, new = rounds(None, lambda: _written(flow, grant, account, provider, actor, world))
    if was.account is not None and was.account.id != account.id and not _shared(flow, was.account, world):
        why = why_not_revoked(was, provider, world.vault, world.servers)
        if why is not None:
            world.audit.append(_event(flow, "revocation_failed", actor, world, outcome=why))
    return new


def _written(
    flow: Flow, grant: Grant, account: Account, provider: Provider, actor: Actor, world: Connecting
) -> tuple[Integration, Integration]:
    """The integration before and after. Whatever else changed meanwhile is kept."""
    was = found(world.integrations.get(flow.tenant_id, flow.integration_id, fresh=True), "integration")
    if not _the_same(was, flow):
        raise InvalidState
    same = landing.same_account(was, account, confirmed=flow.confirmed)
    tokens = landing.sealed(was, grant, world.vault, same=same)
    now = world.clock.now()
    new = landing.connected(was, flow, grant, account, tokens, provider, now, world.randomness.fraction())
    world.integrations.change(new, landing.told(was, new, actor, now))
    return was, new


def _give_back(
    flow: Flow, grant: Grant, account: Account | None, server: AuthorizationServer, world: Connecting
) -> None:
    """Revokes a grant that is not followed, as far as that goes, so that nobody holds it who was not to have it. Not one beside
    which another lives, be it this integration's own; of an account that could not be told, that may be any.
    """
    with suppress(FarshoreError):
        others = connected(flow.tenant_id, flow.provider_id, world.integrations)
        if not (_shared(flow, account, world) if account else any(others)):
            server.revoke(grant.access, grant.refresh)


def _shared(flow: Flow, account: Account | None, world: Connecting) -> bool:
    return shares_account(flow.tenant_id, flow.provider_id, account, world.integrations)


def _event(flow: Flow, what: str, actor: Actor, world: Connecting, **parts: Any) -> AuditEvent:
    subject = f"integration/{flow.integration_id}"
    return AuditEvent(flow.tenant_id, world.clock.now(), actor, f"integration.{what}", subject, **parts)
