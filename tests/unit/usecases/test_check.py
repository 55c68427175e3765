"""check.Checking: what a test finds out, and what health tells without asking."""

from dataclasses import replace

import pytest

from shared.domain.errors import (
    ContainerMissing,
    CredentialsRefused,
    FarshoreError,
    GrantRevoked,
    Misconfigured,
    NotFound,
    NotSupported,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    ScopeMissing,
    StateUnavailable,
    StoreUnavailable,
    TokenExpired,
)
from shared.usecases import check
from shared.usecases.advice import _BY_REASON
from shared.usecases.disconnect import Disconnecting, disconnect
from shared.usecases.integrations import NewIntegration, add_integration
from shared.usecases.refresh import Refreshing
from tests.unit.usecases.stage import ANN, Stage, managing, stage


class Probes:
    def __init__(self, *errors: FarshoreError) -> None:
        self.errors = list(errors)
        self.asked: list[str] = []

    def reach(self, integration) -> None:
        self.asked.append(integration.id)
        if self.errors:
            raise self.errors.pop(0)


def world(at: Stage, probes: Probes | None = None) -> check.Checking:
    town = at.town
    refreshing = Refreshing(
        town.integrations,
        town.providers,
        town.leases,
        town.vault,
        town.servers,
        town.clock,
        town.randomness,
        town.metrics,
    )
    rooms = (town.integrations, town.providers, town.audit, town.vault, town.servers)
    return check.Checking(*rooms, probes or Probes(), refreshing, town.clock)


def look(at: Stage, it=None, probes: Probes | None = None) -> check.Tested:
    return check.test("acme", (it or at.integration).id, ANN, world(at, probes), at.town.deadline)


@pytest.fixture
def at() -> Stage:
    at = stage()
    at.connect()
    return at


def by_key(at: Stage):
    s3 = at.offer(name="S3", slug="s3", connector="s3", auth_types=("access_key",))
    new = NewIntegration("Keys", "access_key", provider_id=s3.id, container="backup")
    return add_integration("acme", new, {"accessKeyId": "a", "secretAccessKey": "b"}, ANN, managing(at.town))


def test_a_connection_that_works_is_said_to_work(at):
    assert look(at) == check.Tested(True, True, True, 0, None)
    event = at.town.audit.events("acme")[-1]
    assert (event.action, event.outcome, event.actor) == ("integration.tested", "success", ANN)
    assert "status" not in event.after


def test_a_token_that_is_over_is_refreshed_first(at):
    at.later(hours=2)
    assert look(at).token_valid
    assert at.now().generation == 2


def test_a_token_that_the_provider_refuses_is_replaced_once(at):
    at.town.script.before["server.account"].append(TokenExpired())
    assert look(at) == check.Tested(True, True, True, 0, None)
    assert at.now().generation == 2


@pytest.mark.parametrize(
    ("call", "error", "found"),
    [
        ("server.account", ProviderUnavailable(), (False, False, False)),
        ("server.account", ScopeMissing(), (True, True, False)),
        ("server.account", PolicyBlocked(), (True, True, False)),
        ("server.refresh", GrantRevoked(), (False, True, False)),
        ("server.refresh", ProviderMisconfigured(), (False, True, False)),
        ("server.refresh", ProviderUnavailable(), (False, False, False)),
    ],
)
def test_each_failure_says_what_still_works(at, call, error, found):
    if call == "server.refresh":
        at.later(hours=2)
    at.town.script.before[call].append(error)
    assert look(at) == check.Tested(*found, 0, error.code)
    assert at.town.audit.events("acme")[-1].outcome == error.code


def test_a_withdrawn_grant_is_found_out(at):
    at.house.withdraw()
    found = look(at)
    assert (found.token_valid, found.code) == (False, "grant_revoked")
    assert at.now().status == "revoked"


def test_missing_scopes_are_found_out():
    at = stage()
    at.connect(scopes=frozenset({"openid", "files.read"}))
    assert look(at) == check.Tested(True, True, False, 0, "scope_missing")


def test_one_that_nobody_connected_has_no_token():
    assert look(stage()).code == "token_expired"


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (CredentialsRefused(), (False, True, False)),
        (ContainerMissing(), (True, True, True)),
        (StoreUnavailable(), (False, False, False)),
        (Misconfigured(), (False, False, False)),
        (NotSupported("delegated sign-in", "azure_blob"), (False, False, False)),
    ],
)
def test_credentials_are_tried_on_the_store(error, found):
    at = stage()
    it = by_key(at)
    probes = Probes()
    assert look(at, it, probes) == check.Tested(True, True, True, 0, None)
    assert probes.asked == [it.id]
    assert look(at, it, Probes(error)) == check.Tested(*found, 0, error.code)


def test_what_was_disconnected_is_not_asked_for():
    at = stage()
    it = by_key(at)
    town = at.town
    rooms = (town.integrations, town.providers, town.rules, town.vault, town.servers, town.clock, town.audit)
    disconnect("acme", it.id, None, ANN, Disconnecting(*rooms))
    probes = Probes()
    assert look(at, it, probes).code == "token_expired"
    assert probes.asked == []


def test_our_own_failures_are_no_finding(at):
    at.town.down("integrations.get")
    with pytest.raises(StateUnavailable):
        look(at)


def test_anothers_integration_is_none(at):
    with pytest.raises(NotFound):
        check.test("zeta", at.integration.id, ANN, world(at), at.town.deadline)
    with pytest.raises(NotFound):
        check.health("zeta", at.integration.id, at.town)


def test_health_tells_what_is_known_and_asks_nobody(at):
    calls = len([call for call in at.town.script.calls if call.startswith("server.")])
    told = check.health("acme", at.integration.id, at.town)
    it = at.now()
    assert (told.status, told.reason, told.what_to_do) == ("active", None, None)
    assert (told.token_expires_at, told.next_refresh_at) == (it.tokens.expires_at, it.refresh_due_at)
    assert len([call for call in at.town.script.calls if call.startswith("server.")]) == calls


def test_health_says_what_to_do():
    at = stage()
    assert "consent" in check.health("acme", at.integration.id, at.town).what_to_do
    at.connect()
    at.town.integrations.elsewhere(replace(at.now(), is_active=False))
    assert "switched off" in check.health("acme", at.integration.id, at.town).what_to_do
    at.town.integrations.elsewhere(replace(at.now(), status="revoked", reason="grant_revoked"))
    assert "Connect it again" in check.health("acme", at.integration.id, at.town).what_to_do


@pytest.mark.parametrize("reason", sorted(_BY_REASON))
def test_every_reason_has_its_advice(reason):
    at = stage()
    at.town.integrations.elsewhere(replace(at.now(), status="error", reason=reason))
    assert check.health("acme", at.integration.id, at.town).what_to_do.endswith(".")
