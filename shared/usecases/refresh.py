"""Keeps a connection's tokens fresh: by a timer, on demand and after a refusal, always by this code.

```
due?                                      1  look
lease(tenant, integration, generation)    2  one at a time for each generation of tokens; the others wait and look again
still due?                                3  look again: whoever was here before may have done it
server.refresh(token)                     4  the one call to the provider
integrations.change(both tokens)          5  one write, if the record still holds the generation that we built on
lease.free()                              6  last
```

A provider of the strict kind kills the old refresh token at 4, so nothing may come between 4 and 5 that can be kept away: no
second caller (the lease outlives every holder), no failure of ours that passes by itself (5 is tried until the deadline), no
change of another field (5 is made again on what is there then). If a reconnect, a disconnect or a removal came between, theirs
stands, and what we got is revoked, unless that might end theirs. A holder that dies between 4 and 5 leaves *doubt* with the
lease: if the provider then refuses the token, the record says ``refresh_interrupted``. tests/model shows it for every
interleaving.

A refusal needs no second look of its own: it is written on the condition that the record has not changed since 3.
What failed is in the record, with the time of the next attempt; callers need not try again.
"""

from contextlib import suppress
from datetime import timedelta

from shared.domain.errors import (
    DeadlineExceeded,
    FarshoreError,
    GrantError,
    Misconfigured,
    NotFound,
    NotSupported,
    ProviderMisconfigured,
    ProviderUnavailable,
    SealBroken,
    StateUnavailable,
    TokenExpired,
)
from shared.domain.grant import Grant
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.integration import Integration, access_context, refresh_context
from shared.domain.provider import Provider, secret_context
from shared.domain.seal import Sealed
from shared.domain.secret import Secret
from shared.ports.oauth import AuthorizationServer
from shared.ports.world import Deadline
from shared.usecases.grants import shares_account
from shared.usecases.refresh_outcome import failed, meant, refreshed
from shared.usecases.refresh_turn import Held, Refreshing, Turn, seal, write
from shared.usecases.refresh_wish import asked, due, lives, refused_at, why_not

__all__ = ["Refreshing", "access_token", "refresh_one"]

NEEDED_SECONDS = 15.0
"""Nobody begins with less time left: a provider may take 10 seconds, and its answer has to be kept."""

SKEW = timedelta(minutes=5)
"""A lease outlives its holder by so much: computers' clocks may differ by that."""

LEEWAY = timedelta(minutes=1)
"""An access token that is over sooner is not handed out if there can be a better one."""

_RECORDED = (GrantError, SealBroken, Misconfigured, StateUnavailable)


def refresh_one(
    tenant_id: TenantId,
    integration_id: IntegrationId,
    world: Refreshing,
    deadline: Deadline,
    *,
    force: bool = False,
    wait: bool = True,
) -> Integration:
    """Refreshes the integration's tokens if they are due; with ``force`` also if they are not, unless that was just done.

    Of any number of callers at a time one calls the provider, once; the others wait for what comes of it, or leave it to
    that one and return at once (``wait=False``: for the timer, which comes round again).

    Returns:
        The integration as it is now: ``status`` and ``reason`` say how a refresh ended that brought no tokens.

    Raises:
        NotFound: there is no such integration (any more).
        DeadlineExceeded: time ran out before the provider was called, by us or by whom we waited for.
        StateUnavailable: our own state did not answer.
        NotSupported: forced, but it does not sign in by ``oauth2``.
        TokenExpired: forced, but there is nothing to refresh with; it has to be reconnected.
        ProviderUnavailable: forced, and the provider did not answer; it will be tried again.
    """
    first = _read(tenant_id, integration_id, world)
    if not force:
        return _refresh(first, Turn(world, deadline, due, wait))
    if first.auth_type != "oauth2":
        raise NotSupported("refresh", first.connector)
    if first.tokens is None or first.tokens.refresh is None:
        raise TokenExpired
    last = _refresh(first, Turn(world, deadline, asked(first), wait))
    if last.failures > first.failures and last.reason in (None, ProviderUnavailable.code):
        raise ProviderUnavailable
    return last


def access_token(
    tenant_id: TenantId,
    integration_id: IntegrationId,
    world: Refreshing,
    deadline: Deadline,
    *,
    refused: Secret[str] | None = None,
) -> Secret[str]:
    """An access token that is good for a minute at least, if there can be one, and not ``refused``.

    Args:
        refused: the one that the provider's API has just refused (401): it is replaced, once, however many were refused.

    Raises:
        NotFound, StateUnavailable, SealBroken, Misconfigured
        DeadlineExceeded: there is none yet; somebody is at it.
        GrantError: there is none, and why; ``ProviderUnavailable`` if there may be one later.
    """
    row = _read(tenant_id, integration_id, world)
    token = _opened(row, world)
    usable = token is not None and token != refused
    if token is not None and usable and row.status != "revoked" and lives(row, world.clock.now(), LEEWAY):
        return token
    try:
        row = _refresh(row, Turn(world, deadline, due if usable else refused_at(row.generation)))
    except (DeadlineExceeded, StateUnavailable):
        if token is not None and usable and lives(row, world.clock.now()):
            return token
        raise
    token = _opened(row, world)
    if token is None or token == refused or row.status == "revoked" or not lives(row, world.clock.now()):
        raise why_not(row, world.clock.now())
    return token


def _refresh(row: Integration, turn: Turn) -> Integration:
    """Goes round until nothing is wanted any more, or somebody else is at it for whom we need not wait."""
    while turn.wanted(row):
        if row.tokens is None or row.tokens.refresh is None:
            _record(row, TokenExpired(), turn)
        elif (held := _lease(row, turn)) is not None:
            with held:
                _alone(row, held, turn)
        elif turn.waits:
            turn.pause(NEEDED_SECONDS)
        else:
            return row
        row = _read(row.tenant_id, row.id, turn.world)
    return row


def _lease(row: Integration, turn: Turn) -> Held | None:
    """The right to refresh this generation of tokens; None while somebody else has it."""
    left = turn.deadline.remaining()
    if left < NEEDED_SECONDS:
        raise DeadlineExceeded
    world, now = turn.world, turn.world.clock.now()
    name = f"refresh/{row.tenant_id}/{row.id}/{row.generation}"
    until = now + timedelta(seconds=left) + SKEW
    lease = world.leases.take(name, world.randomness.token(16), until=until, now=now)
    return Held(lease, world.leases) if lease else None


def _alone(seen: Integration, held: Held, turn: Turn) -> None:
    """Looks again, asks the provider, and keeps what it answers."""
    row = _read(seen.tenant_id, seen.id, turn.world)
    token = row.tokens.refresh if row.tokens else None
    if token is None or row.generation != seen.generation or not turn.wanted(row):
        return
    provider = _provider(row, turn.world)
    if provider is None:
        _record(row, Misconfigured("the integration's provider is gone"), turn)
        return
    try:
        server = _server(provider, turn.world)
        grant = _ask(row, token, server, held, turn.world)
    except _RECORDED as error:
        _record(row, meant(error, provider, doubtful=held.before), turn)
        return
    if not _keep(row, grant, provider, turn):
        _end(row, grant, server, turn.world)
    held.doubtful = False


def _ask(row: Integration, sealed: Sealed, server: AuthorizationServer, held: Held, world: Refreshing) -> Grant:
    """New tokens. From the call on there is doubt, until they are kept or the provider has surely kept the old ones."""
    token = world.vault.open(sealed, refresh_context(row.tenant_id, row.id, sealed.sequence))
    held.doubtful = True
    try:
        return server.refresh(token, row.scopes_requested)
    except GrantError as error:
        unknown = isinstance(error, ProviderUnavailable) and error.reached
        held.doubtful = held.before or unknown
        raise


def _end(row: Integration, grant: Grant, server: AuthorizationServer, world: Refreshing) -> None:
    """Revokes what came too late to be kept, as far as that goes. Not a grant that brought no refresh token, which gave nothing
    that others lack; and not beside another of this account, such as the reconnect that came first: it might end with it.
    """
    with suppress(FarshoreError):
        if grant.refresh is not None and not shares_account(
            row.tenant_id, row.provider_id, row.account, world.integrations
        ):
            server.revoke(grant.access, grant.refresh)


def _keep(row: Integration, grant: Grant, provider: Provider, turn: Turn) -> bool:
    """Stores both tokens at once; False if the record no longer has those that they come from."""
    tokens = seal(row, grant, turn)
    now, chance = turn.world.clock.now(), turn.world.randomness.fraction()
    kept = write(row, lambda it: refreshed(it, grant, tokens, provider, now, chance), turn)
    if kept:
        turn.world.metrics.count("Refreshed")
    return kept


def _record(row: Integration, error: FarshoreError, turn: Turn) -> None:
    """Stores what a refresh that failed means; nothing, if the record no longer has those tokens: it is not about them."""
    now, chance = turn.world.clock.now(), turn.world.randomness.fraction()
    write(row, lambda it: failed(it, error, now, chance), turn)
    turn.world.metrics.count("RefreshFailed")
    if isinstance(error, ProviderMisconfigured):
        turn.world.metrics.count("ProviderMisconfigured")


def _provider(row: Integration, world: Refreshing) -> Provider | None:
    """The integration's as it is now: by a client secret that was replaced a moment ago, connections would be judged. In use, so
    it cannot be removed; one that is switched off still keeps its connections alive.
    """
    return world.providers.get(row.provider_id, fresh=True) if row.provider_id else None


def _server(provider: Provider, world: Refreshing) -> AuthorizationServer:
    sealed = provider.secret
    secret = world.vault.open(sealed, secret_context(provider.id, sealed.sequence)) if sealed else None
    return world.servers.of(provider, secret)


def _opened(row: Integration, world: Refreshing) -> Secret[str] | None:
    if row.tokens is None:
        return None
    sealed = row.tokens.access
    return world.vault.open(sealed, access_context(row.tenant_id, row.id, sealed.sequence))


def _read(tenant_id: TenantId, integration_id: IntegrationId, world: Refreshing) -> Integration:
    row = world.integrations.get(tenant_id, integration_id, fresh=True)
    if row is None:
        raise NotFound("there is no such integration")
    return row
