"""What the outcome of a refresh makes of a connection. Pure functions: a record and an outcome give a record and, if people
should hear of it, an audit event.

| outcome | status | reason | next attempt |
|---|---|---|---|
| new tokens | active | none | when they are due |
| new tokens for fewer scopes | error | scope_missing | when they are due |
| no answer, from the provider or our state | kept while the token lives, then expired | then the code | after 1 to 60 minutes |
| our client or key is refused | kept while the token lives, then error | the code | hourly |
| revoked | revoked | grant_revoked | never |
| expired, interrupted, nothing to refresh with | expired | the code | never |
| policy, scopes | error | the code | if somebody asks |
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import (
    FarshoreError,
    GrantExpired,
    GrantRevoked,
    Misconfigured,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    RefreshInterrupted,
    ScopeMissing,
    SealBroken,
    TokenExpired,
)
from shared.domain.grant import Grant
from shared.domain.integration import Integration, Status, Tokens
from shared.domain.provider import Provider

ACTOR = Actor("refresh")

EARLY = timedelta(minutes=5)
SHARE = 0.1
"""Refreshed before the access token is over: by the longer of EARLY and this share of its life, and by up to as much of its
life again, at random, so that what was connected together is not refreshed together."""

SOONEST = timedelta(minutes=1)
UNKNOWN = timedelta(days=1)
"""Looked after so often where the provider does not tell the life of access tokens."""

SLOWEST = timedelta(hours=1)
MENDED_BY_AN_OPERATOR = (ProviderMisconfigured, Misconfigured, SealBroken)

FINAL: Mapping[type[FarshoreError], Status] = MappingProxyType(
    {
        GrantRevoked: "revoked",
        GrantExpired: "expired",
        RefreshInterrupted: "expired",
        TokenExpired: "expired",
        PolicyBlocked: "error",
        ScopeMissing: "error",
    }
)
_OF_THE_PROTOCOL = frozenset({"openid", "profile", "email", "offline_access"})


def due_at(
    expires_at: datetime | None, idle_days: int | None, now: datetime, fraction: float, *, renewable: bool
) -> datetime | None:
    """When tokens that are new now shall be looked after.

    Args:
        expires_at: of the access token; None if the provider did not say.
        idle_days: the provider's: a refresh token unused for so long dies; half of it is the longest we wait.
        fraction: chance, in [0, 1).
        renewable: whether there is a refresh token. If not, the end of the access token is when to say so.
    """
    if not renewable:
        return expires_at
    longest = timedelta(days=idle_days / 2) if idle_days else None
    wait = UNKNOWN
    if expires_at is not None:
        life = max(expires_at - now, timedelta())
        wait = max(life - max(EARLY, life * SHARE) - life * SHARE * fraction, life / 2, SOONEST)
    if longest is not None:
        wait = min(wait, longest * (1 - SHARE * fraction))
    return now + wait


def lacking(requested: tuple[str, ...], granted: tuple[str, ...]) -> frozenset[str]:
    """Scopes that were asked for and not granted. Those that ask for tokens rather than for access are not told by every
    provider, and do not count.
    """
    return frozenset(requested) - frozenset(granted) - _OF_THE_PROTOCOL


def refreshed(
    was: Integration, grant: Grant, tokens: Tokens, provider: Provider, now: datetime, fraction: float
) -> tuple[Integration, AuditEvent | None]:
    """It with new tokens: ``tokens``, the grant's, sealed; and the refresh token that it has, if they bring none."""
    if tokens.refresh is None and was.tokens is not None:
        tokens = replace(tokens, refresh=was.tokens.refresh)
    granted = tuple(sorted(grant.scopes)) if grant.scopes else was.scopes_granted  # an empty text tells of none, too
    fewer = _fewer(was, granted)
    status: Status = "error" if fewer else "active"
    due = due_at(tokens.expires_at, provider.idle_days, now, fraction, renewable=tokens.refresh is not None)
    new = replace(
        was,
        tokens=tokens,
        generation=tokens.generation,
        scopes_granted=granted,
        status=status,
        reason=ScopeMissing.code if fewer else None,
        failures=0,
        last_refreshed_at=now,
        refresh_due_at=due,
        updated_at=now,
        version=was.version + 1,
    )
    return new, _event(was, new, ScopeMissing.code if fewer else "success", now)


def _fewer(was: Integration, granted: tuple[str, ...]) -> frozenset[str]:
    """What is missing now: all that is, if something was before; else only what went missing since."""
    missing = lacking(was.scopes_requested, granted)
    if was.reason == ScopeMissing.code:
        return missing
    return missing - lacking(was.scopes_requested, was.scopes_granted)


def meant(error: FarshoreError, provider: Provider, *, doubtful: bool) -> FarshoreError:
    """The error as it is to be understood: where a refresh may have gone through without our keeping its tokens, a provider
    that kills the replaced token refuses it ever after. The user did nothing then, and shall not be told so.
    """
    ended = isinstance(error, GrantRevoked | GrantExpired)
    return RefreshInterrupted() if ended and doubtful and provider.rotation == "strict" else error


def failed(
    was: Integration, error: FarshoreError, now: datetime, fraction: float
) -> tuple[Integration, AuditEvent | None]:
    """It after a refresh that brought no tokens."""
    over = was.tokens is None or (was.tokens.expires_at is not None and was.tokens.expires_at <= now)
    status, reason, due = was.status, was.reason, was.refresh_due_at
    if type(error) in FINAL:
        status, reason, due = FINAL[type(error)], error.code, None
    elif isinstance(error, MENDED_BY_AN_OPERATOR):
        status, reason = "error" if over else was.status, error.code
        due = _next(was, now, SLOWEST * (1 + SHARE * fraction))
    else:
        if over and was.status == "active":
            status, reason = "expired", error.code
        due = _next(was, now, _pause(was.failures, error, fraction))
    new = replace(
        was,
        status=status,
        reason=reason,
        refresh_due_at=due,
        failures=was.failures + 1,
        updated_at=now,
        version=was.version + 1,
    )
    return new, _event(was, new, error.code, now)


def _next(was: Integration, now: datetime, pause: timedelta) -> datetime | None:
    """After a pause, but no later than the access token's end, when the status has to change. What waits for a person goes
    on waiting.
    """
    if was.refresh_due_at is None:
        return None
    end = was.tokens.expires_at if was.tokens else None
    return min(now + pause, end) if end is not None and end > now else now + pause


def _pause(failures: int, error: FarshoreError, fraction: float) -> timedelta:
    """Doubles from a minute, with up to half as much again by chance; what the provider asks for, if that is longer; at most
    an hour.
    """
    told = error.after or 0.0 if isinstance(error, ProviderUnavailable) else 0.0
    grown = min(SLOWEST.total_seconds() / 1.5, 60.0 * 2.0 ** min(failures, 10)) * (1 + fraction / 2)
    return min(timedelta(seconds=max(grown, told)), SLOWEST)


def _event(was: Integration, new: Integration, outcome: str, now: datetime) -> AuditEvent | None:
    """What people hear of: a change of status or reason. Not a refresh that went as always."""
    before = {"status": was.status, "reason": was.reason}
    after = {"status": new.status, "reason": new.reason}
    if before == after:
        return None
    subject = f"integration/{was.id}"
    return AuditEvent(was.tenant_id, now, ACTOR, "integration.status_changed", subject, outcome, before, after)
