"""Tenants: an administrator says who owns them and what is theirs."""

import pytest

from shared.domain.audit import Actor
from shared.domain.errors import AlreadyExists, Conflict, InUse, InvalidInput, NotFound, VersionMismatch
from shared.domain.integration import Integration
from shared.domain.provider import SYSTEM
from shared.domain.rule import Rule, Target
from shared.domain.tenant import Source, Tenant
from shared.usecases import provision
from shared.usecases.tenancy import (
    NewTenant,
    TenantChanges,
    add_tenant,
    change_tenant,
    move_source,
    remove_tenant,
)
from shared.usecases.webhooks import Hooks, WebhookChanges, add_webhook
from tests.model.bucket import EPOCH
from tests.unit.usecases.fakes import Town

ROOT = Actor("root")
SOURCE = Source("s3", "primary", "acme/")


@pytest.fixture
def town() -> Town:
    town = Town()
    add_tenant(NewTenant("Acme", SOURCE, "acme", frozenset({"ann"})), ROOT, town)
    return town


def test_a_tenant_gets_an_id_unless_it_brings_one(town):
    made = add_tenant(NewTenant("Zeta", Source("s3", "primary", "zeta/")), ROOT, town)
    assert made.id.startswith("ten_")
    assert town.tenants.get("acme").owners == {"ann"}
    assert town.audit.actions(SYSTEM) == ["tenant.added", "tenant.added"]


def test_neither_ids_nor_sources_are_shared(town):
    with pytest.raises(AlreadyExists):
        add_tenant(NewTenant("Again", Source("s3", "other"), "acme"), ROOT, town)
    with pytest.raises(Conflict):
        add_tenant(NewTenant("Inside", Source("s3", "primary", "acme/in/")), ROOT, town)
    add_tenant(NewTenant("Zeta", Source("s3", "primary", "zeta/"), "zeta"), ROOT, town)
    with pytest.raises(Conflict):
        move_source("zeta", SOURCE, None, ROOT, town)


def test_its_owners_see_in_their_own_trail_what_changed(town):
    changed = change_tenant("acme", TenantChanges(owners=frozenset({"bob"})), 1, ROOT, town)
    assert (changed.owners, changed.name, changed.version) == ({"bob"}, "Acme", 2)
    (event,) = town.audit.events("acme")
    assert (event.action, event.before, event.after) == ("tenant.changed", {"owners": ["ann"]}, {"owners": ["bob"]})


def test_a_source_moves_unless_a_rule_speaks_of_the_old_one(town):
    town.rules.elsewhere(Rule("logs", "acme", Target("t", "i"), EPOCH, prefix="acme/logs/"))
    with pytest.raises(InUse, match="logs"):
        move_source("acme", Source("s3", "primary", "new/"), None, ROOT, town)
    moved = move_source("acme", Source("s3", "second", "acme/"), None, ROOT, town)
    assert moved.source.bucket == "second"


def test_a_tenant_with_anything_left_stays(town):
    town.integrations.elsewhere(Integration("i", "acme", "I", "s3", "iam_role", "bucket", EPOCH, EPOCH))
    with pytest.raises(InUse):
        remove_tenant("acme", None, ROOT, town)
    town.integrations.items.clear()
    town.rules.elsewhere(Rule("all", "acme", Target("t", "i"), EPOCH))
    with pytest.raises(InUse):
        remove_tenant("acme", None, ROOT, town)
    town.rules.items.clear()
    remove_tenant("acme", 1, ROOT, town)
    assert town.tenants.items == {}
    assert town.audit.actions(SYSTEM) == ["tenant.added", "tenant.removed"]
    for call in (
        lambda: remove_tenant("acme", None, ROOT, town),
        lambda: move_source("acme", SOURCE, None, ROOT, town),
    ):
        with pytest.raises(NotFound):
            call()


def test_its_webhooks_go_with_it_keys_and_all(town):
    hooks = Hooks(town.webhooks, town.vault, town.clock, town.randomness, lambda url: None)
    add_webhook("acme", WebhookChanges("https://hooks.acme.example/"), ROOT, hooks)
    remove_tenant("acme", None, ROOT, town)
    assert town.webhooks.items == {}
    assert town.audit.actions("acme") == ["webhook.added", "webhook.removed"]


def test_an_id_is_not_given_to_another_customer_once_anything_was_done_under_it(town):
    change_tenant("acme", TenantChanges(name="Acme & Sons"), None, ROOT, town)
    remove_tenant("acme", None, ROOT, town)
    with pytest.raises(AlreadyExists, match="not given out again"):
        add_tenant(NewTenant("Acme", SOURCE, "acme"), ROOT, town)
    with pytest.raises(AlreadyExists):
        provision.add_tenant(Tenant("acme", "Acme", SOURCE, EPOCH), ROOT, town)
    assert town.tenants.items == {}


def test_whoever_names_a_version_is_told_that_it_is_another(town):
    change_tenant("acme", TenantChanges(name="New"), 1, ROOT, town)
    with pytest.raises(VersionMismatch):
        change_tenant("acme", TenantChanges(name="Late"), 1, ROOT, town)
    with pytest.raises(VersionMismatch):
        remove_tenant("acme", 1, ROOT, town)


@pytest.mark.parametrize(
    "new",
    [
        NewTenant("", SOURCE, "z"),
        NewTenant(" ", SOURCE, "z"),
        NewTenant("Z", Source("s3", "a"), "z"),
        NewTenant("Z", Source("s3", "primary", "x" * 1000 + "/"), "z"),
        NewTenant("Z", Source("s3", "primary", "z/"), "*"),
        NewTenant("Z", Source("s3", "primary", "z/"), "z", frozenset({""})),
        NewTenant("Z", Source("s3", "primary", "z/"), "z", frozenset(map(str, range(101)))),
        NewTenant("Z", Source("s3", "primary", "z/"), "z", members=frozenset({"a\nb"})),
        NewTenant("Z", Source("s3", "primary", "z/"), "z", members=frozenset({"\u00e4" * 129})),
        NewTenant("Z", Source("s3", "primary", "z/"), "z", members=frozenset(map(str, range(101)))),
    ],
)
def test_a_tenant_that_is_not_well_formed_is_refused(town, new):
    with pytest.raises(InvalidInput):
        add_tenant(new, ROOT, town)
    assert list(town.tenants.items) == ["acme"]
