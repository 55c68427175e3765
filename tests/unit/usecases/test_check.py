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
    def __init__(self, *errors: FarshoreError, guarded: bool = True) -> None:
        self.errors = list(errors)
        self.refuses = guarded
        self.asked: list[str] = []

    def reach(self, integration) -> None:
        self.asked.append(integration.id)
        if self.errors:
            raise self.errors.pop(0)

    def guarded(self, integration) -> bool:
        return self.refuses


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


def by_role(at: Stage):
    s3 = at.offer(name="S3", slug="s3", connector="s3", auth_types=("iam_role",))
    arn = {"roleArn": "arn:aws:iam::123456789012:role/farshore"}
    new = NewIntegration("Role", "iam_role", provider_id=s3.id, container="backup", settings=arn)
    return add_integration("acme", new, None, ANN, managing(at.town))


def test_a_role_that_any_tenant_could_use_fails_the_test():
    at = stage()
    it = by_role(at)
    assert look(at, it, Probes(guarded=False)) == check.Tested(True, True, True, 0, "role_without_external_id")
    assert at.town.audit.events("acme")[-1].outcome == "role_without_external_id"
    assert look(at, it, Probes(guarded=True)).code is None


def test_only_roles_that_owners_added_have_to_ask_for_the_external_id():
    at = stage()
    it = by_role(at)
    at.town.integrations.elsewhere(replace(it, provider_id=None))
    assert look(at, it, Probes(guarded=False)).code is None
    assert look(at, by_key(stage_with(at)), Probes(guarded=False)).code is None


def stage_with(at: Stage) -> Stage:
    """The same, whose next provider may be called S3 too."""
    at.town.providers.items = {name: it for name, it in at.town.providers.items.items() if it.slug != "s3"}
    return at


@pytest.fixture
def mute() -> Stage:
    """At a provider that has no URL to ask about accounts; its answers to codes tell them."""
    at = stage(user_info_url=None, issuer="https://house.example")
    at.house.says_account = True
    at.connect()
    at.town.clock.sleep(60)
    return at


def test_where_nobody_can_be_asked_new_tokens_are_the_proof(mute):
    assert look(mute) == check.Tested(True, None, True, 0, None)
    assert mute.now().generation == 2
    assert mute.town.script.count("server.account") == 0


def test_where_nobody_can_be_asked_a_withdrawn_grant_is_found_out_too(mute):
    mute.house.withdraw()
    found = look(mute)
    assert (found.token_valid, found.code) == (False, "grant_revoked")


def test_where_nobody_can_be_asked_and_nothing_renewed_the_record_has_to_do():
    at = stage(user_info_url=None, issuer="https://house.example")
    at.house.says_account, at.house.gives_refresh = True, False
    at.connect()
    assert look(at) == check.Tested(True, None, True, 0, None)
    at.later(hours=2)
    assert look(at).code == "token_expired"


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
