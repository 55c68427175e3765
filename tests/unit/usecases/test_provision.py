"""Provisioning: what is added is well formed, sealed, allowed and remembered."""

from dataclasses import replace

import pytest

from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.domain.integration import Integration
from shared.domain.rule import Rule, Target
from shared.domain.tenant import Source, Tenant
from shared.usecases.provision import FORMS, Provisioning, add_integration, add_rule, add_tenant
from tests.model.bucket import EPOCH, Clock

SECRET = "canary-secret"
TENANT = Tenant("acme", "Acme", Source("s3", "primary", "acme/"), EPOCH)
INTEGRATION = Integration("s3-eu", "acme", "S3", "s3", "access_key", "backup", EPOCH, EPOCH, {"region": "eu-west-1"})
KEYS = {"accessKeyId": "A", "secretAccessKey": SECRET}
RULE = Rule("all", "acme", Target("backup", "s3-eu"), EPOCH)


class Kept:
    """A table that refuses the same key twice."""

    def __init__(self, key) -> None:
        self.key, self.items = key, {}

    def add(self, item) -> None:
        if self.key(item) in self.items:
            raise Conflict
        self.items[self.key(item)] = item

    def get(self, *key):
        return self.items.get(key if len(key) > 1 else key[0])


class Seals:
    def __init__(self) -> None:
        self.sealed: list = []

    def credentials(self, tenant_id, integration_id, secret) -> bytes:
        self.sealed.append((tenant_id, integration_id, dict(secret)))
        return b"sealed"


class Audit(list):
    append_only = True


@pytest.fixture
def world() -> Provisioning:
    return Provisioning(
        tenants=Kept(lambda it: it.id),
        rules=Kept(lambda it: (it.tenant_id, it.id)),
        integrations=Kept(lambda it: (it.tenant_id, it.id)),
        seals=Seals(),
        audit=Audit(),
        clock=Clock(),
    )


@pytest.fixture
def ready(world: Provisioning) -> Provisioning:
    add_tenant(TENANT, "ann", world)
    add_integration(INTEGRATION, KEYS, "ann", world)
    return world


def test_each_addition_is_written_and_audited(ready):
    add_rule(RULE, "bob", ready)
    assert ready.rules.get("acme", "all") == RULE
    told = [(event.actor, event.action, event.tenant_id, event.subject) for event in ready.audit]
    assert told == [
        ("ann", "tenant.add", "acme", "tenant/acme"),
        ("ann", "integration.add", "acme", "integration/s3-eu"),
        ("bob", "rule.add", "acme", "rule/all"),
    ]


def test_credentials_are_sealed_with_the_settings_they_are_for_and_kept_nowhere_else(ready):
    kept = ready.integrations.get("acme", "s3-eu")
    assert kept.sealed == b"sealed"
    assert ready.seals.sealed == [("acme", "s3-eu", {"region": "eu-west-1", **KEYS})]
    assert SECRET not in repr(kept) + repr(ready.audit)


def test_where_nothing_is_secret_nothing_is_sealed(ready):
    settings = {"accountUrl": "https://x", "directoryId": "d", "clientId": "c"}
    keyless = replace(INTEGRATION, id="az", connector="azure_blob", auth_type="workload_identity", settings=settings)
    assert add_integration(keyless, {}, "ann", ready).sealed is None


def test_a_refused_addition_leaves_no_trace(ready):
    before = list(ready.audit)
    for again in (
        lambda: add_tenant(TENANT, "ann", ready),
        lambda: add_integration(INTEGRATION, KEYS, "ann", ready),
    ):
        with pytest.raises(Conflict):
            again()
    assert list(ready.audit) == before


@pytest.mark.parametrize(("connector", "way"), FORMS)
def test_each_way_of_signing_in_says_what_it_lacks(ready, connector, way):
    form = FORMS[connector, way]
    bare = replace(INTEGRATION, id="new", connector=connector, auth_type=way, settings={})
    with pytest.raises(InvalidInput, match=sorted(form.needs)[0]):
        add_integration(bare, {}, "ann", ready)
    settings = dict.fromkeys(form.needs & form.settings, "v")
    secrets = dict.fromkeys(form.needs & form.secrets, "v")
    assert add_integration(replace(bare, settings=settings), secrets, "ann", ready)


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
        add_integration(replace(INTEGRATION, **{"id": "new", **changes}), credentials, "ann", ready)
    assert SECRET not in str(refused.value)
    assert len(ready.integrations.items) == 1


def test_nothing_is_added_to_a_tenant_that_is_not_there(ready):
    with pytest.raises(NotFound):
        add_integration(replace(INTEGRATION, tenant_id="zeta"), KEYS, "ann", ready)
    with pytest.raises(NotFound):
        add_rule(replace(RULE, tenant_id="zeta"), "ann", ready)


def test_a_rule_goes_to_an_integration_of_its_own_tenant(ready):
    with pytest.raises(NotFound):
        add_rule(replace(RULE, target=Target("backup", "another")), "ann", ready)


@pytest.mark.parametrize(
    ("prefix", "fine"), [("", True), ("acme/", True), ("acme/logs", True), ("ac", True), ("zeta/", False)]
)
def test_a_rule_speaks_of_its_tenants_source(ready, prefix, fine):
    rule = replace(RULE, prefix=prefix)
    if fine:
        assert add_rule(rule, "ann", ready) == rule
    else:
        with pytest.raises(InvalidInput):
            add_rule(rule, "ann", ready)


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
        add_rule(rule, "ann", ready)


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
        add_tenant(tenant, "ann", world)
    assert world.tenants.items == {}
