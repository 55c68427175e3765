"""Disconnecting: what is here is gone at once; what is there is ended as far as the provider lets us."""

from dataclasses import replace

import pytest

from shared.domain.errors import (
    InUse,
    NotFound,
    ProviderUnavailable,
    SealBroken,
    StateUnavailable,
    VersionMismatch,
)
from shared.domain.rule import Rule, Target
from shared.usecases.disconnect import Disconnecting, disconnect, remove_integration
from shared.usecases.integrations import IntegrationChanges, NewIntegration, add_integration, change_integration
from tests.model.bucket import EPOCH
from tests.unit.usecases.stage import ANN, Stage, managing, stage


def world(at: Stage) -> Disconnecting:
    town = at.town
    return Disconnecting(
        town.integrations, town.providers, town.rules, town.vault, town.servers, town.clock, town.audit
    )


def end(at: Stage, expected: int | None = None):
    return disconnect("acme", at.integration.id, expected, ANN, world(at))


def remove(at: Stage, *, force: bool = False, expected: int | None = None) -> None:
    remove_integration("acme", at.integration.id, force, expected, ANN, world(at))


@pytest.fixture
def at() -> Stage:
    at = stage()
    at.connect()
    return at


def test_secrets_go_at_once_and_the_grant_with_them(at):
    it = end(at)
    assert (it.status, it.reason, it.tokens, it.refresh_due_at) == ("revoked", "disconnected", None, None)
    assert at.now() == it
    assert at.house.living() == []
    assert it.generation == 1
    assert it.account.id == "acc-1"
    event = at.town.audit.events("acme")[-1]
    assert (event.action, event.actor) == ("integration.disconnected", ANN)
    assert (event.before["status"], event.after["status"]) == ("active", "revoked")


def test_nothing_is_revoked_that_is_not_erased(at):
    at.town.down("integrations.change")
    with pytest.raises(StateUnavailable):
        end(at)
    assert len(at.house.living()) == 1
    assert at.now().status == "active"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("server.revoke", ProviderUnavailable()),
        ("vault.open", StateUnavailable()),
        ("vault.open", SealBroken()),
    ],
)
def test_a_provider_that_cannot_be_told_keeps_no_secret_here(at, call, error):
    at.town.script.before[call].append(error)
    it = end(at)
    assert (it.status, it.reason, it.tokens) == ("revoked", "disconnected_not_revoked", None)
    assert at.now() == it
    last = at.town.audit.events("acme")[-1]
    assert (last.action, last.outcome) == ("integration.revocation_failed", error.code)


def test_a_provider_that_offers_no_revocation_is_named_to_the_user(at):
    at.house.revocable = False
    assert end(at).reason == "disconnected_not_revoked"
    assert at.town.audit.events("acme")[-1].outcome == "revocation_not_offered"


def test_a_second_time_changes_nothing(at):
    first = end(at)
    events = len(at.town.audit.events("acme"))
    assert end(at) == first
    assert len(at.town.audit.events("acme")) == events


def test_it_can_be_connected_again(at):
    end(at)
    it = at.connect()
    assert (it.status, it.reason, it.generation) == ("active", None, 2)


def test_a_refresh_that_came_between_is_ended_too(at):
    def refreshed():
        it = at.now()
        at.town.integrations.elsewhere(replace(it, version=it.version + 1, failures=1))

    at.town.script.meanwhile["integrations.change"] = refreshed
    assert end(at).tokens is None
    assert at.house.living() == []


def test_one_that_was_connected_again_meanwhile_is_left_alone(at):
    at.town.script.before["server.revoke"].append(ProviderUnavailable())
    at.town.script.meanwhile["server.revoke"] = at.connect
    it = end(at)
    assert (it.status, it.reason) == ("active", None)
    assert at.town.audit.actions("acme")[-1] == "integration.revocation_failed"


def test_a_grant_that_another_integration_lives_on_is_only_forgotten(at):
    other = at.connect(it=at.add())
    it = end(at)
    assert (it.tokens, it.reason) == (None, "disconnected")
    assert at.town.script.count("server.revoke") == 0
    disconnect("acme", other.id, None, ANN, world(at))
    assert at.town.script.count("server.revoke") == 1


def test_credentials_are_erased_and_can_be_told_again():
    at = stage()
    s3 = at.offer(name="S3", slug="s3", connector="s3", auth_types=("access_key",))
    keys = {"accessKeyId": "a", "secretAccessKey": "b"}
    new = NewIntegration("Keys", "access_key", provider_id=s3.id, container="backup")
    made = add_integration("acme", new, keys, ANN, managing(at.town))
    bare = disconnect("acme", made.id, None, ANN, world(at))
    assert (bare.status, bare.credentials) == ("revoked", None)
    assert at.town.script.count("server.revoke") == 0
    told = change_integration("acme", made.id, IntegrationChanges(), keys, None, ANN, managing(at.town))
    assert (told.status, told.reason) == ("active", None)


def test_whoever_names_a_version_is_told_that_it_is_another(at):
    with pytest.raises(VersionMismatch):
        end(at, expected=1)
    with pytest.raises(VersionMismatch):
        remove(at, expected=1)
    assert at.now().status == "active"
    assert len(at.house.living()) == 1


def test_removing_ends_everything(at):
    remove(at, expected=2)
    assert at.town.integrations.items == {}
    assert at.house.living() == []
    assert at.town.providers.get(at.provider.id, fresh=True).uses == 0
    event = at.town.audit.events("acme")[-1]
    assert (event.action, event.before["tokens"]) == ("integration.removed", "(set, 1)")
    with pytest.raises(NotFound):
        remove(at)


def test_removing_is_done_even_if_the_provider_cannot_be_told(at):
    at.town.script.before["server.revoke"].append(ProviderUnavailable())
    remove(at)
    assert at.town.integrations.items == {}
    last = at.town.audit.events("acme")[-1]
    assert (last.action, last.outcome) == ("integration.revocation_failed", "provider_unavailable")


def test_one_that_a_rule_uses_stays_unless_forced(at):
    for name, target in (("logs", at.integration.id), ("other", "int_other")):
        at.town.rules.elsewhere(Rule(name, "acme", Target(name, target), EPOCH))
    with pytest.raises(InUse, match="logs"):
        remove(at)
    assert at.now().status == "active"
    assert len(at.house.living()) == 1
    remove(at, force=True)
    assert at.town.integrations.items == {}
    assert {rule.id: rule.paused for rule in at.town.rules.items.values()} == {"logs": True, "other": False}
    paused = next(event for event in at.town.audit.events("acme") if event.action == "rule.changed")
    assert (paused.subject, paused.before, paused.after) == ("rule/logs", {"paused": False}, {"paused": True})


def test_a_rule_that_came_while_its_integration_went_is_paused(at):
    late = Rule("late", "acme", Target("late", at.integration.id), EPOCH)
    at.town.script.meanwhile["integrations.remove"] = lambda: at.town.rules.elsewhere(late)
    remove(at)
    assert at.town.integrations.items == {}
    assert at.town.rules.items["acme", "late"].paused


def test_anothers_integration_is_none(at):
    for call in (
        lambda: disconnect("zeta", at.integration.id, None, ANN, world(at)),
        lambda: remove_integration("zeta", at.integration.id, True, None, ANN, world(at)),
    ):
        with pytest.raises(NotFound):
            call()
    assert len(at.house.living()) == 1


@pytest.mark.parametrize(("status", "living"), [("active", 2), ("expired", 1), ("revoked", 1)])
def test_a_grant_is_spared_beside_one_that_lives_and_not_beside_a_dead_one(at, status, living):
    sibling = at.connect(it=at.add())
    due = sibling.refresh_due_at if status == "active" else None
    at.town.integrations.elsewhere(replace(sibling, status=status, refresh_due_at=due, version=sibling.version + 1))
    end(at)
    assert len(at.house.living()) == living
