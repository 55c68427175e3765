"""Tenants, rules, integrations, cursors and the audit trail, on both emulators."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import Conflict, InvalidInput, StateUnavailable
from shared.domain.integration import Integration
from shared.domain.rule import Rule, Target
from shared.domain.seal import Sealed
from shared.domain.tenant import Source, Tenant
from shared.state.answers import ConditionLost
from shared.state.cursors import DynamoCursors
from shared.state.integrations import DynamoIntegrations
from shared.state.rules import DynamoRules
from shared.state.tenants import DynamoTenants

NOW = datetime(2026, 11, 20, 12, 0, 0, 5, UTC)


def event(tenant_id="acme", action="tested.changed"):
    return AuditEvent(tenant_id, NOW, Actor("ada", "192.0.2.1"), action, "thing/1")


class Seconds:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def tenant(name="acme", prefix="acme/", bucket="main"):
    return Tenant(name, name.title(), Source("s3", bucket, prefix), NOW)


def rule(name="r1", target="azure", tenant_id="acme"):
    return Rule(name, tenant_id, Target(target, "i1", "box", "x/{key}"), NOW, "a/", ".txt", "delete", 3, False, 2)


INTEGRATION = Integration(
    "i1",
    "acme",
    "Azure",
    "azure_blob",
    "connection_string",
    "backup",
    NOW,
    NOW,
    {"account": "x"},
    Sealed(b"\x00sealed\xff", 3),
)


def test_a_tenant_comes_back_whole_and_unknown_ones_are_none(tables):
    DynamoTenants(tables).add(tenant(), event())
    assert DynamoTenants(tables).get("acme") == tenant()
    assert DynamoTenants(tables).get("nobody") is None


OWNERS = {
    "acme/x": "acme",
    "acme/zz/deep/er": "acme",
    "acme": None,
    "acme0": None,
    "acma/x": None,
    "beta/x": "beta",
    "zeta/x": None,
    "a": None,
    "beta/" + "ü" * 509: "beta",
    "long/" * 100 + "x" * 524: "long",
}


def test_an_object_belongs_to_the_tenant_whose_prefix_it_has(tables):
    tenants = DynamoTenants(tables)
    for name, prefix in {"acme": "acme/", "beta": "beta/", "long": "long/" * 100, "zed": "zed/"}.items():
        tenants.add(tenant(name, prefix), event())
    for key, owner in OWNERS.items():
        found = DynamoTenants(tables).owner_of("s3", "main", key)
        assert (found.id if found else None) == owner, key
        assert DynamoTenants(tables).owner_of("s3", "other", key) is None
        assert DynamoTenants(tables).owner_of("gcs", "main", key) is None


def test_a_tenant_may_own_a_whole_bucket(tables):
    DynamoTenants(tables).add(tenant(prefix=""), event())
    assert DynamoTenants(tables).owner_of("s3", "main", "any/thing").id == "acme"
    with pytest.raises(Conflict):
        DynamoTenants(tables).add(tenant("beta", "beta/"), event())


@pytest.mark.parametrize("prefix", ["a/b/", "a/", "a/b/c/", ""])
def test_overlapping_sources_are_refused(tables, prefix):
    tenants = DynamoTenants(tables)
    tenants.add(tenant("first", "a/b/"), event())
    tenants.add(tenant("second", "a/c/"), event())
    with pytest.raises(Conflict):
        tenants.add(tenant("third", prefix), event())
    assert tenants.get("third") is None
    tenants.add(tenant("third", prefix, bucket="another"), event())


def test_a_tenants_id_is_taken_once(tables):
    DynamoTenants(tables).add(tenant(), event())
    with pytest.raises(Conflict):
        DynamoTenants(tables).add(tenant(prefix="elsewhere/"), event())
    assert DynamoTenants(tables).get("acme") == tenant()


def test_a_prefix_that_no_sort_key_holds_is_refused(tables):
    with pytest.raises(InvalidInput):
        DynamoTenants(tables).add(tenant(prefix="x" * 1023 + "/"), event())


def test_of_racing_tenants_with_overlapping_sources_one_wins(ministack_tables):
    def add(prefix: str) -> bool:
        try:
            DynamoTenants(ministack_tables).add(tenant(f"t{len(prefix)}", prefix), event())
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(add, ["a/", "a/b/", "a/b/c/", "a/b/c/d/", "a/b/c/d/e/", ""]))
    assert sum(won) == 1


def test_a_bucket_that_never_rests_is_unavailability(moto_tables, monkeypatch):
    def lost(*_):
        raise ConditionLost

    monkeypatch.setattr(DynamoTenants, "_claim", lost)
    with pytest.raises(StateUnavailable):
        DynamoTenants(moto_tables).add(tenant(), event())


def test_tenants_are_paged_ascending_by_id(tables):
    tenants = DynamoTenants(tables)
    for name in ("c", "a", "b", "e", "d"):
        tenants.add(tenant(name, f"{name}/"), event())
    first = tenants.page(limit=2)
    assert [it.id for it in first] == ["a", "b"]
    assert [it.id for it in tenants.page(after="b", limit=2)] == ["c", "d"]
    assert [it.id for it in tenants.page(after="d", limit=2)] == ["e"]
    assert tenants.page(after="e") == []


def test_owners_are_remembered_for_half_a_minute_and_strangers_not_at_all(tables, calls):
    clock = Seconds()
    tenants = DynamoTenants(tables, clock=clock)
    assert tenants.owner_of("s3", "main", "acme/1") is None
    tenants.add(tenant(), event())
    calls.clear()
    assert [tenants.owner_of("s3", "main", f"acme/{n}").id for n in range(5)] == ["acme"] * 5
    assert tenants.get("acme") == tenant()
    assert len(calls) == 1
    clock.now = 30.0
    tenants.owner_of("s3", "main", "acme/1")
    assert len(calls) == 2


def test_a_rule_comes_back_whole_and_rules_are_one_query(tables, calls):
    rules = DynamoRules(tables)
    rules.add(rule(), event())
    rules.add(rule("r2", "s3"), event())
    rules.add(rule("r1", "azure", "other"), event())
    calls.clear()
    assert list(rules.of("acme")) == [rule(), rule("r2", "s3")]
    assert rules.get("acme", "r2") == rule("r2", "s3")
    assert calls == ["Query"]
    assert list(rules.of("nobody")) == []


@pytest.mark.parametrize("taken", [rule("r1", "another"), rule("r2", "azure")])
def test_a_rules_id_and_its_targets_name_are_taken_once(tables, taken):
    rules = DynamoRules(tables)
    rules.add(rule(), event())
    with pytest.raises(Conflict):
        rules.add(taken, event())
    assert list(DynamoRules(tables).of("acme")) == [rule()]


def test_rules_are_at_most_half_a_minute_old_and_a_rule_is_never_denied_from_memory(tables):
    clock = Seconds()
    rules, elsewhere = DynamoRules(tables, clock=clock), DynamoRules(tables)
    elsewhere.add(rule(), event())
    assert len(rules.of("acme")) == 1
    elsewhere.add(rule("r2", "s3"), event())
    assert len(rules.of("acme")) == 1
    assert rules.get("acme", "r2") == rule("r2", "s3")
    elsewhere.add(rule("r3", "s4"), event())
    clock.now = 30.0
    assert len(rules.of("acme")) == 3


def test_an_integration_comes_back_whole_and_is_remembered(tables, calls):
    clock = Seconds()
    integrations = DynamoIntegrations(tables, clock=clock)
    assert integrations.get("acme", "i1") is None
    integrations.add(INTEGRATION, event())
    assert integrations.get("acme", "i1") == INTEGRATION
    assert integrations.get("other", "i1") is None
    calls.clear()
    integrations.get("acme", "i1")
    assert calls == []
    clock.now = 30.0
    integrations.get("acme", "i1")
    assert calls == ["GetItem"]


def test_an_integrations_id_is_taken_once_in_a_tenant(tables):
    integrations = DynamoIntegrations(tables)
    integrations.add(replace(INTEGRATION, credentials=None, settings={}), event())
    integrations.add(replace(INTEGRATION, tenant_id="other"), event())
    with pytest.raises(Conflict):
        integrations.add(INTEGRATION, event())
    assert integrations.get("acme", "i1") == replace(INTEGRATION, credentials=None, settings={})


def test_a_cursor_is_kept_replaced_forgotten_and_expires(tables):
    at = [NOW]
    cursors = DynamoCursors(tables, now=lambda: at[0])
    assert cursors.load("sweep") is None
    cursors.save("sweep", "here")
    cursors.save("sweep", "there")
    assert cursors.load("sweep") == "there"
    at[0] = NOW + timedelta(days=31)
    assert cursors.load("sweep") is None
    cursors.save("sweep", None)
    cursors.save("sweep", None)
    at[0] = NOW
    assert cursors.load("sweep") is None
