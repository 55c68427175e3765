"""What must hold of a connection whatever happens. Each rule says what is broken, or nothing."""

from datetime import datetime
from typing import TYPE_CHECKING

from shared.domain.errors import FarshoreError
from shared.domain.integration import Integration
from shared.domain.secret import Secret
from tests.model.refresh_world import House, name_of, numbers

if TYPE_CHECKING:
    from tests.model.refresh_replay import Scenario

OVER = ("disconnect", "remove")


def first(*rules: tuple[bool, str]) -> str:
    """The first that is broken."""
    return next((said for broken, said in rules if broken), "")


def stored(was: Integration | None, now: Integration, event, scenario: "Scenario", time: datetime) -> str:
    """Of what a worker wrote over what there was."""
    if was is None or was.tokens is None or now.tokens is None:
        return "something is stored after a disconnect"
    old, new = (numbers(name_of(row.tokens.refresh)) for row in (was, now) if row.tokens)
    changed = (was.status, was.reason) != (now.status, now.reason)
    pair = scenario.rotation == "static" or numbers(name_of(now.tokens.access)) == new
    return first(
        (now.name != was.name, "a person's change is lost"),
        (changed and event is None, "a status changed without a word"),
        (new < old, "I11: an older refresh token is stored"),
        (not pair, "I11: an access token without its refresh token is stored"),
        (now.status == "active" and now.tokens.expires_at <= time, "active with a token that is over"),
        (now.generation - was.generation not in (0, 1), "a generation is left out"),
    )


def returned(kind: str, result) -> str:
    """Of what a caller got."""
    again = kind == "refused" and isinstance(result, Secret) and result.reveal() == "a0.0"
    return first(
        (again, "a refused token is handed out again"),
        (not isinstance(result, Secret | FarshoreError | Integration), f"a refresh ends in {result!r}"),
    )


def ended(scenario: "Scenario", row: Integration | None, house: House, faults: int, losses: bool) -> str:
    """Of the world at rest, after the timer has come round again."""
    last = scenario.acts[-1] if scenario.acts else ""
    if last in OVER:
        kept = row is not None and (row.tokens is not None or row.reason != "disconnected")
        orphan = not faults and any(alive for alive, _ in house.grants)
        return first((kept, "a disconnect is undone"), (orphan, "a grant is left behind that nobody knows"))
    if row is None or row.tokens is None:
        return "a connection is gone"
    name = name_of(row.tokens.refresh)
    older = "reconnect" in scenario.acts and numbers(name)[0] != len(house.grants) - 1
    return first(
        (older, "a reconnect is undone"),
        (row.status != "active" and row.refresh_due_at is not None, "a dead token is tried again"),
        (row.status == "active" and not house.honours(name), "an active connection's refresh token is dead"),
    ) or _verdict(scenario, (row.status, row.reason), bool(faults), losses)


def _verdict(scenario: "Scenario", end: tuple[str, str | None], faults: bool, losses: bool) -> str:
    """Of how a connection that nobody ended ends: alive, unless its user withdrew consent or its tokens were lost."""
    withdrawn = scenario.acts[-1:] == ("withdraw",)
    interrupted = end == ("expired", "refresh_interrupted")
    if interrupted and scenario.rotation == "strict" and (losses or (withdrawn and faults)):
        return ""
    if withdrawn:
        return "" if end == ("revoked", "grant_revoked") else f"a withdrawn consent ends as {end}"
    return first(
        (interrupted, "a connection is given up that was not lost"),
        (end != ("active", None), f"a connection ends as {end}"),
    )
