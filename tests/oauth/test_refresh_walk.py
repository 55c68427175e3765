"""Refreshing against a certified provider that rotates and ends the whole grant when a replaced token comes again."""

from datetime import timedelta

import pytest

from shared.domain.errors import StateUnavailable
from shared.domain.integration import refresh_context
from shared.domain.secret import Secret
from shared.usecases.refresh import Refreshing, refresh_one
from tests.oauth import test_connect_walk as connect_walk
from tests.oauth.test_connect_walk import is_alive, walk
from tests.unit.usecases.stage import Stage

at = connect_walk.at


def refresh(at: Stage):
    """After the lease of whoever died before, but not so late that the tokens are over."""
    town = at.town
    town.clock.time += timedelta(minutes=21)
    rooms = (town.integrations, town.providers, town.leases, town.vault, town.servers, town.clock)
    return refresh_one(
        "acme", at.integration.id, Refreshing(*rooms, town.randomness, town.metrics), town.deadline, force=True
    )


class Killed(BaseException):
    """The process ends here."""


def test_a_connection_lives_through_any_number_of_rotations(at, oidc):
    older = [walk(at)]
    for _ in range(4):
        older.append(refresh(at))
    assert [it.generation for it in older] == [1, 2, 3, 4, 5]
    assert [is_alive(at, oidc, it, "refresh") for it in older] == [False] * 4 + [True]


@pytest.mark.attack(33)
def test_a_rotated_token_that_was_lost_with_its_worker_ends_as_interrupted_and_is_not_tried_again(at, oidc):
    it = walk(at)
    at.town.script.before["integrations.change"].append(Killed())
    with pytest.raises(Killed):
        refresh(at)
    assert not is_alive(at, oidc, it, "refresh")
    after = refresh(at)
    assert (after.status, after.reason, after.refresh_due_at) == ("expired", "refresh_interrupted", None)
    assert refresh(at) == after
    assert walk(at).status == "active"


def test_a_state_that_comes_back_in_time_costs_nothing(at, oidc):
    walk(at)
    at.town.script.before["integrations.change"] = [StateUnavailable() for _ in range(5)]
    assert is_alive(at, oidc, refresh(at), "refresh")


def test_a_consent_that_was_withdrawn_ends_as_revoked(at, oidc):
    it = walk(at)
    server = at.town.servers.of(at.provider, Secret(oidc.client_secret))
    sealed = it.tokens.refresh
    token = at.town.vault.open(sealed, refresh_context(it.tenant_id, it.id, sealed.sequence))
    assert server.revoke(None, token)
    after = refresh(at)
    assert (after.status, after.reason) == ("revoked", "grant_revoked")
