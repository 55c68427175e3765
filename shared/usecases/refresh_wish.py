"""Who wants a connection's tokens refreshed, and what may be handed out. Pure functions of a record and the time."""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.domain.errors import (
    GrantError,
    ProviderMisconfigured,
    ProviderUnavailable,
    StateUnavailable,
    TokenExpired,
)
from shared.domain.integration import Integration

JUST = timedelta(seconds=10)
"""Who asks for new tokens gets those that are not older than that."""

type Wish = Callable[[Integration, datetime], bool]
"""Whether the caller wants this record's tokens to be refreshed now."""


def due(row: Integration, now: datetime) -> bool:
    """For the timer, and whoever needs a token that lives."""
    return row.tokens is not None and row.refresh_due_at is not None and row.refresh_due_at <= now


def asked(first: Integration) -> Wish:
    """A person's wish is fulfilled once anybody tried since."""

    def wish(row: Integration, now: datetime) -> bool:
        untried = (row.generation, row.failures, row.status) == (first.generation, first.failures, first.status)
        return untried and renewable(row) and not just(row, now)

    return wish


def refused_at(generation: int) -> Wish:
    """For whose access token was refused; if refreshing fails, the next attempt has its time."""

    def wish(row: Integration, now: datetime) -> bool:
        mine = row.generation == generation and (row.failures == 0 or due(row, now))
        return mine and renewable(row) and not just(row, now)

    return wish


def renewable(row: Integration) -> bool:
    """Whether its refresh token may be good: it is there, and was not refused."""
    dead = row.refresh_due_at is None and row.status in ("expired", "revoked")
    return row.tokens is not None and row.tokens.refresh is not None and not dead


def just(row: Integration, now: datetime) -> bool:
    """Whether its tokens are brand-new."""
    return row.last_refreshed_at is not None and abs(now - row.last_refreshed_at) < JUST


def lives(row: Integration, now: datetime, longer: timedelta = timedelta()) -> bool:
    """Whether its access token is good for longer than that."""
    end = row.tokens.expires_at if row.tokens else now
    return end is None or end > now + longer


def why_not(row: Integration, now: datetime) -> GrantError:
    """What keeps a connection from having an access token."""
    known: dict[str | None, type[GrantError]] = {kind.code: kind for kind in GrantError.__subclasses__()}
    if row.refresh_due_at is None or row.failures == 0:
        return known.get(row.reason, TokenExpired)()
    if row.reason in (None, ProviderUnavailable.code, StateUnavailable.code):
        return ProviderUnavailable(after=max(0.0, (row.refresh_due_at - now).total_seconds()))
    return known.get(row.reason, ProviderMisconfigured)()
