"""Provisioning: what is added is well formed, sealed, allowed and remembered."""

import json
from dataclasses import replace

import pytest

from shared.domain.audit import Actor
from shared.domain.errors import Conflict, InvalidInput, NotFound, StateUnavailable
from shared.domain.integration import Integration, credentials_context
from shared.domain.provider import SYSTEM
from shared.domain.rule import Rule, Target
from shared.domain.tenant import Source, Tenant
from shared.usecases.forms import FORMS
from shared.usecases.provision import add_integration, add_rule, add_tenant
from tests.model.bucket import EPOCH
from tests.unit.usecases.fakes import Town

SECRET = "canary-secret"
ANN = Actor("ann")
TENANT = Tenant("acme", "Acme", Source("s3", "primary", "acme/"), EPOCH)
INTEGRATION = Integration("s3-eu", "acme", "S3", "s3", "access_key", "backup", EPOCH, EPOCH, {"region": "eu-west-1"})
KEYS = {"accessKeyId": "A", "secretAccessKey": SECRET}
RULE = Rule("all", "acme", Target("backup", "s3-eu"), EPOCH)
SERVICE_ACCOUNT = {
    "type": "service_account",
    "client_email": "robot@example.iam.gserviceaccount.com",
    "private_key": SECRET,
    "token_uri": "https://oauth2.googleapis.com/token",
}


@pytest.fixture
def world() -> Town:
    return Town()


@pytest.fixture
def ready(world: Town) -> Town:
    add_tenant(TENANT, ANN, world)
    add_integration(INTEGRATION, KEYS, ANN, world)
    return world


def test_each_addition_is_written_and_audited(ready):
    add_rule(RULE, Actor("bob", "192.0.2.1"), ready)
    assert ready.rules.get("acme", "all") == RULE
    events = ready.audit.events(SYSTEM) + ready.audit.events("acme")
    assert [(event.actor, event.action, event.subject) for event in events] == [
        (ANN, "tenant.added", "tenant/acme"),
        (ANN, "integration.added", "integration/s3-eu"),
        (Actor("bob", "192.0.2.1"), "rule.added", "rule/all"),
    ]


def test_credentials_are_sealed_with_the_settings_they_are_for_and_kept_nowhere_else(ready):
    kept = ready.integrations.get("acme", "s3-eu")
    assert kept.credentials.sequence == 1
    opened = ready.vault.open(kept.credentials, credentials_context("acme", "s3-eu", 1))
    assert json.loads(opened.reveal()) == {"region": "eu-west-1", **KEYS}
    assert SECRET not in repr(kept) + repr(ready.audit.trails)


def test_nothing_is_written_where_its_audit_event_cannot_be(world):
    world.down("tenants.add")
    with pytest.raises(StateUnavailable):
        add_tenant(TENANT, ANN, world)
    assert world.tenants.items == {}
    assert world.audit.events(SYSTEM) == []


def test_where_nothing_is_secret_nothing_is_sealed(ready):
    settings = {"accountUrl": "https://x", "directoryId": "d", "clientId": "c"}
    keyless = replace(INTEGRATION, id="az", connector="azure_blob", auth_type="workload_identity", settings=settings)
    assert add_integration(keyless, {}, ANN, ready).credentials is None


def test_a_refused_addition_leaves_no_trace(ready):
    before = ready.audit.events("acme")
    for again in (
        lambda: add_tenant(TENANT, ANN, ready),
        lambda: add_integration(INTEGRATION, KEYS, ANN, ready),
    ):
        with pytest.raises(Conflict):
            again()
    assert ready.audit.events("acme") == before
    assert ready.audit.actions(SYSTEM) == ["tenant.added"]


@pytest.mark.parametrize(("connector", "way"), FORMS)
def test_each_way_of_signing_in_says_what_it_lacks(ready, connector, way):
    form = FORMS[connector, way]
    bare = replace(INTEGRATION, id="new", connector=connector, auth_type=way, settings={})
    assert form.needs
    with pytest.raises(InvalidInput, match=sorted(form.needs)[0]):
        add_integration(bare, {}, ANN, ready)
    settings = dict.fromkeys(form.needs & form.settings, "v")
    secrets = dict.fromkeys(form.needs & form.secrets, json.dumps(SERVICE_ACCOUNT))
    assert add_integration(replace(bare, settings=settings), secrets, ANN, ready)


@pytest.mark.parametrize(
    ("changes", "credentials"),
    [
        ({"auth_type": "sas_token"}, KEYS),
        ({"connector": "ftp"}, KEYS),
        ({}, {"accessKeyId": "A"}),
        ({}, KEYS | {"more": "x"}),
        ({"settings": KEYS}, {}),
        ({"settings": {"region": ""}}, KEYS),
        ({}, KEYS | {"sessionToken": "x" * 9000}),
        ({"container": "a"}, KEYS),
        ({"container": "../other"}, KEYS),
        ({"id": "a b"}, KEYS),
        ({"name": ""}, KEYS),
        ({"name": "line\nbreak"}, KEYS),
    ],
)
def test_an_integration_that_is_not_well_formed_is_refused_and_not_repeated(ready, changes, credentials):
    with pytest.raises(InvalidInput) as refused:
        add_integration(replace(INTEGRATION, **{"id": "new", **changes}), credentials, ANN, ready)
    assert SECRET not in str(refused.value)
    assert len(ready.integrations.items) == 1


def test_nothing_is_added_to_a_tenant_that_is_not_there(ready):
    with pytest.raises(NotFound):
        add_integration(replace(INTEGRATION, tenant_id="zeta"), KEYS, ANN, ready)
    with pytest.raises(NotFound):
        add_rule(replace(RULE, tenant_id="zeta"), ANN, ready)


def test_a_rule_goes_to_an_integration_of_its_own_tenant(ready):
    with pytest.raises(NotFound):
        add_rule(replace(RULE, target=Target("backup", "another")), ANN, ready)


def test_a_rule_whose_integration_goes_meanwhile_is_paused(ready):
    ready.script.meanwhile["rules.add"] = ready.integrations.items.clear
    with pytest.raises(NotFound, match="paused"):
        add_rule(RULE, ANN, ready)
    assert ready.rules.items["acme", RULE.id].paused
    assert ready.audit.actions("acme")[-2:] == ["rule.added", "rule.changed"]


@pytest.mark.parametrize(
    ("prefix", "fine"), [("", True), ("acme/", True), ("acme/logs", True), ("ac", True), ("zeta/", False)]
)
def test_a_rule_speaks_of_its_tenants_source(ready, prefix, fine):
    rule = replace(RULE, prefix=prefix)
    if fine:
        assert add_rule(rule, ANN, ready) == rule
    else:
        with pytest.raises(InvalidInput):
            add_rule(rule, ANN, ready)


@pytest.mark.parametrize(
    "rule",
    [
        replace(RULE, id="a b"),
        replace(RULE, target=Target("a b", "s3-eu")),
        replace(RULE, target=Target("backup", "s3-eu", "a")),
    ],
)
def test_a_rule_that_is_not_well_formed_is_refused(ready, rule):
    with pytest.raises(InvalidInput):
        add_rule(rule, ANN, ready)


@pytest.mark.parametrize(
    "tenant",
    [
        replace(TENANT, id="a b"),
        replace(TENANT, name=""),
        replace(TENANT, source=Source("s3", "a")),
        replace(TENANT, id=""),
    ],
)
def test_a_tenant_that_is_not_well_formed_is_refused(world, tenant):
    with pytest.raises(InvalidInput):
        add_tenant(tenant, ANN, world)
    assert world.tenants.items == {}
