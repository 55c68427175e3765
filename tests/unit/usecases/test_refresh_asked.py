"""refresh_asked.refresh_now: a person's refresh is made like any other, and who asked is on record."""

from datetime import timedelta

import pytest

from shared.domain.errors import FarshoreError, NotFound, ProviderUnavailable, StateUnavailable
from shared.domain.integration import Integration
from shared.usecases.refresh import Refreshing
from shared.usecases.refresh_asked import Asked, refresh_now
from tests.unit.usecases.stage import ANN, Stage, stage


@pytest.fixture
def at() -> Stage:
    at = stage()
    at.connect()
    at.later(minutes=1)
    return at


def ask(at: Stage, tenant: str = "acme") -> Integration:
    town = at.town
    rooms = (town.integrations, town.providers, town.leases, town.vault, town.servers, town.clock, town.randomness)
    return refresh_now(
        tenant, at.integration.id, ANN, Asked(Refreshing(*rooms, town.metrics), town.audit), town.deadline
    )


def asked(at: Stage) -> list[str]:
    """Outcomes on record; all are Ann's."""
    events = [event for event in at.town.audit.events("acme") if event.action == "integration.refresh_asked"]
    assert all(event.actor == ANN for event in events)
    return [event.outcome for event in events]


def test_who_asked_is_on_record_with_what_came_of_it(at):
    assert ask(at).tokens.expires_at == at.town.clock.now() + timedelta(hours=1)
    at.later(minutes=1)
    at.house.withdraw()
    assert ask(at).status == "revoked"
    assert asked(at) == ["success", "grant_revoked"]


def test_a_refresh_that_fails_is_on_record_too(at):
    at.town.script.before["server.refresh"].append(ProviderUnavailable())
    with pytest.raises(ProviderUnavailable):
        ask(at)
    never = stage()
    with pytest.raises(FarshoreError):
        ask(never)
    assert (asked(at), asked(never)) == (["provider_unavailable"], ["token_expired"])


def test_nothing_is_recorded_of_what_is_not_there_or_cannot_be_read(at):
    with pytest.raises(NotFound):
        ask(at, "zeta")
    at.town.down("integrations.get")
    with pytest.raises(StateUnavailable):
        ask(at)
    assert asked(at) == []
