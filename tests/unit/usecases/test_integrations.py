"""Integrations: an owner's connections, by credentials that are sealed at once, or begun here and connected by consent."""

import json
from dataclasses import replace
from functools import partial

import pytest

from shared.domain.audit import Actor
from shared.domain.errors import InvalidInput, NotFound, SealBroken, StateUnavailable, VersionMismatch
from shared.domain.integration import Integration, credentials_context
from shared.domain.secret import Secret
from shared.domain.tenant import Source
from shared.outbound.urls import check_url
from shared.usecases.integrations import (
    IntegrationChanges,
    Managing,
    NewIntegration,
    add_integration,
    change_integration,
)
from shared.usecases.providers import Administration, ProviderChanges, add_provider, change_provider
from shared.usecases.tenancy import NewTenant, add_tenant
from tests.unit.usecases.fakes import Town

SECRET = "canary-secret"
ANN = Actor("ann", "192.0.2.1")
KEYS = {"accessKeyId": "A", "secretAccessKey": SECRET}
S3 = NewIntegration("Backup", "access_key", provider_slug="s3", container="backup", settings={"region": "eu-west-1"})
ARN = "arn:aws:iam::123456789012:role/farshore"
ROLE = NewIntegration("Role", "iam_role", provider_slug="s3", container="backup", settings={"roleArn": ARN})


@pytest.fixture
def town() -> Town:
    town = Town()
    root = Actor("root")
    add_tenant(NewTenant("Acme", Source("s3", "primary", "acme/"), "acme"), root, town)
    desk = Administration(town.providers, town.vault, town.clock, town.randomness, lambda url: None)
    add_provider(ProviderChanges(client_id="c"), Secret("s"), root, desk, "dropbox")
    for preset in ("s3", "azure-blob", "google-cloud-storage"):
        add_provider(ProviderChanges(), None, root, desk, preset)
    return town


@pytest.fixture
def world(town: Town) -> Managing:
    check = partial(check_url, lookup=lambda host, port: ["10.0.0.9" if host == "inside.example" else "93.184.216.34"])
    rooms = (town.tenants, town.providers, town.integrations, town.rules, town.vault, town.clock, town.randomness)
    return Managing(*rooms, check)


def opened(town: Town, it: Integration) -> dict[str, str]:
    place = credentials_context(it.tenant_id, it.id, it.credentials.sequence)
    return json.loads(town.vault.open(it.credentials, place).reveal())


def test_credentials_make_an_active_integration_and_are_seen_nowhere(town, world):
    made = add_integration("acme", S3, KEYS, ANN, world)
    assert (made.status, made.connector, made.created_by) == ("active", "s3", "ann")
    assert made.id.startswith("int_")
    assert opened(town, made) == {"region": "eu-west-1", **KEYS}
    assert SECRET not in repr(made) + repr(town.audit.trails)
    (event,) = town.audit.events("acme")
    assert (event.action, event.actor, event.after["credentials"]) == ("integration.added", ANN, "(set, 1)")
    assert town.providers.get(made.provider_id, fresh=True).uses == 1


def test_consent_makes_a_pending_one(town, world):
    made = add_integration("acme", NewIntegration("Box of Ann", "oauth2", provider_slug="dropbox"), None, ANN, world)
    assert (made.status, made.credentials, made.usable) == ("pending", None, False)


def test_a_provider_is_named_once_and_must_be_offered(town, world):
    dropbox = town.providers.by_slug("dropbox")
    by_id = NewIntegration("X", "oauth2", provider_id=dropbox.id)
    assert add_integration("acme", by_id, None, ANN, world).provider_id == dropbox.id
    for both in (NewIntegration("X", "oauth2"), NewIntegration("X", "oauth2", dropbox.id, "dropbox")):
        with pytest.raises(InvalidInput):
            add_integration("acme", both, None, ANN, world)
    desk = Administration(town.providers, town.vault, town.clock, town.randomness, lambda url: None)
    change_provider(dropbox.id, ProviderChanges(enabled=False), None, None, ANN, desk)
    for new in (by_id, NewIntegration("X", "oauth2", provider_slug="ftp"), NewIntegration("X", "oauth2", "prv_nobody")):
        with pytest.raises(NotFound):
            add_integration("acme", new, None, ANN, world)


def test_a_way_of_signing_in_that_is_not_offered_is_refused(town, world):
    desk = Administration(town.providers, town.vault, town.clock, town.randomness, lambda url: None)
    only = ProviderChanges("Azure", "azure-sas", "azure_blob", ("sas_token",))
    made = add_provider(only, None, ANN, desk, None)
    settings = {"accountUrl": "https://a.blob.core.windows.net"}
    new = NewIntegration("A", "account_key", made.id, container="backup", settings=settings)
    with pytest.raises(InvalidInput, match="sas_token"):
        add_integration("acme", new, {"accountKey": "k"}, ANN, world)


def test_nothing_is_added_to_a_tenant_that_is_not_there(world):
    with pytest.raises(NotFound):
        add_integration("zeta", S3, KEYS, ANN, world)


@pytest.mark.parametrize(
    ("new", "credentials"),
    [
        (NewIntegration("B", "access_key", provider_slug="s3", container="backup"), {}),
        (NewIntegration("B", "access_key", provider_slug="s3", container="backup"), None),
        (NewIntegration("B", "access_key", provider_slug="s3", container="../x"), KEYS),
        (NewIntegration("B", "access_key", provider_slug="s3", container=""), KEYS),
        (NewIntegration("", "access_key", provider_slug="s3", container="backup"), KEYS),
        (NewIntegration("B", "account_key", provider_slug="s3", container="backup"), KEYS),
        (NewIntegration("B", "access_key", provider_slug="s3", container="backup", settings=KEYS), {}),
        (NewIntegration("B", "oauth2", provider_slug="dropbox"), {"accessToken": SECRET}),
        (NewIntegration("B", "oauth2", provider_slug="dropbox", container="../x"), None),
    ],
)
def test_an_integration_that_is_not_well_formed_is_refused_and_not_repeated(town, world, new, credentials):
    with pytest.raises(InvalidInput) as refused:
        add_integration("acme", new, credentials, ANN, world)
    assert SECRET not in str(refused.value)
    assert town.integrations.items == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://s3.example",
        "https://127.0.0.1",
        "https://169.254.169.254",
        "https://[::ffff:10.0.0.1]",
        "https://inside.example",
        "https://user@s3.example",
        "file:///etc/passwd",
    ],
)
def test_no_setting_leads_to_a_private_network(town, world, url):
    s3 = NewIntegration("B", "access_key", provider_slug="s3", container="backup", settings={"endpoint": url})
    azure = NewIntegration("B", "connection_string", provider_slug="azure-blob", container="backup")
    for new, credentials in (
        (s3, KEYS),
        (azure, {"connectionString": f"AccountName=a;AccountKey=x;BlobEndpoint={url}"}),
    ):
        with pytest.raises(InvalidInput):
            add_integration("acme", new, credentials, ANN, world)
    made = add_integration("acme", S3, KEYS, ANN, world)
    with pytest.raises(InvalidInput):
        change_integration("acme", made.id, IntegrationChanges(settings={"endpoint": url}), KEYS, None, ANN, world)


def test_new_credentials_are_the_next_value_and_mend_the_integration(town, world):
    made = add_integration("acme", S3, KEYS, ANN, world)
    town.integrations.elsewhere(replace(made, status="error", reason="credentials_refused", failures=3, version=2))
    changed = change_integration("acme", made.id, IntegrationChanges(), KEYS | {"accessKeyId": "B"}, 2, ANN, world)
    assert (changed.status, changed.reason, changed.failures, changed.version) == ("active", None, 0, 3)
    assert opened(town, changed)["accessKeyId"] == "B"
    with pytest.raises(SealBroken):
        town.vault.open(made.credentials, credentials_context("acme", made.id, changed.credentials.sequence))
    event = town.audit.events("acme")[-1]
    assert event.before == {"status": "error", "reason": "credentials_refused", "credentials": "(set, 1)"}
    assert event.after == {"status": "active", "reason": None, "credentials": "(set, 2)"}


def test_settings_are_sealed_with_credentials_and_change_only_with_them(town, world):
    made = add_integration("acme", S3, KEYS, ANN, world)
    moved = IntegrationChanges(settings={"region": None, "encryption": "AES256"})
    with pytest.raises(InvalidInput, match="credentials"):
        change_integration("acme", made.id, moved, None, None, ANN, world)
    changed = change_integration("acme", made.id, moved, KEYS, None, ANN, world)
    assert dict(changed.settings) == {"encryption": "AES256"}
    assert opened(town, changed) == {"encryption": "AES256", **KEYS}


def test_where_nothing_is_secret_settings_change_alone(town, world):
    settings = {"accountUrl": "https://a.blob.core.windows.net", "directoryId": "d"}
    keyless = NewIntegration("A", "user_ms_identity", provider_slug="azure-blob", container="backup", settings=settings)
    made = add_integration("acme", keyless, None, ANN, world)
    assert made.credentials is None
    changed = change_integration(
        "acme", made.id, IntegrationChanges(settings={"directoryId": "e"}), None, 1, ANN, world
    )
    assert changed.settings["directoryId"] == "e"
    with pytest.raises(InvalidInput):
        change_integration("acme", made.id, IntegrationChanges(settings={"accountUrl": None}), None, None, ANN, world)


def test_a_role_is_assumed_by_the_external_id_that_farshore_gives_the_tenant(town, world):
    made = add_integration("acme", ROLE, None, ANN, world)
    assert opened(town, made) == {**ROLE.settings, "externalId": "farshore-acme"}
    other = IntegrationChanges(settings={"roleArn": "arn:aws:iam::123456789012:role/other"})
    changed = change_integration("acme", made.id, other, None, None, ANN, world)
    assert opened(town, changed) == {"roleArn": other.settings["roleArn"], "externalId": "farshore-acme"}
    assert changed.credentials.sequence == 2


@pytest.mark.parametrize("chosen", ["farshore-zeta", "farshore-acme", ""])
def test_nobody_chooses_the_external_id_of_a_tenant(town, world, chosen):
    with pytest.raises(InvalidInput, match="farshore-acme"):
        add_integration("acme", ROLE, {"externalId": chosen}, ANN, world)
    assert town.integrations.items == {}
    made = add_integration("acme", ROLE, None, ANN, world)
    with pytest.raises(InvalidInput, match="farshore-acme"):
        change_integration("acme", made.id, IntegrationChanges(), {"externalId": chosen}, None, ANN, world)


def test_a_role_that_was_disconnected_is_used_again_when_its_owner_says_so(town, world):
    made = add_integration("acme", ROLE, None, ANN, world)
    town.integrations.elsewhere(replace(made, credentials=None, status="revoked", reason="disconnected", version=2))
    changed = change_integration("acme", made.id, IntegrationChanges(), {}, None, ANN, world)
    assert (changed.status, changed.reason) == ("active", None)
    assert opened(town, changed)["externalId"] == "farshore-acme"


def test_how_an_operators_role_signs_in_no_owner_changes(town, world):
    made = add_integration("acme", ROLE, None, ANN, world)
    town.integrations.elsewhere(replace(made, provider_id=None))
    for changes, credentials in (
        (IntegrationChanges(settings={"roleArn": "arn:other"}), None),
        (IntegrationChanges(), {}),
    ):
        with pytest.raises(InvalidInput, match="operator"):
            change_integration("acme", made.id, changes, credentials, None, ANN, world)
    assert change_integration("acme", made.id, IntegrationChanges(name="X"), None, None, ANN, world).name == "X"


@pytest.mark.parametrize(
    ("slug", "settings", "instead"),
    [
        (
            "azure-blob",
            {"accountUrl": "https://a.blob.core.windows.net", "directoryId": "d", "clientId": "c"},
            "service_principal",
        ),
        ("google-cloud-storage", {"audience": "a"}, "service_account"),
    ],
)
def test_a_store_that_cannot_tell_tenants_apart_is_an_operators_to_add(town, world, slug, settings, instead):
    new = NewIntegration("A", "workload_identity", provider_slug=slug, container="backup", settings=settings)
    with pytest.raises(InvalidInput, match=f"operator.*{instead}"):
        add_integration("acme", new, None, ANN, world)
    assert town.integrations.items == {}


@pytest.mark.parametrize("size", [8193, 4097])
def test_a_setting_has_a_size(town, world, size):
    long = replace(S3, settings={"region": ("x" if size > 8192 else "\u00e4") * size})
    with pytest.raises(InvalidInput, match="8192 bytes"):
        add_integration("acme", long, KEYS, ANN, world)


def test_credentials_that_follow_erased_ones_are_a_later_value(town, world):
    made = add_integration("acme", S3, KEYS, ANN, world)
    town.integrations.elsewhere(replace(made, credentials=None, status="revoked", version=2))
    changed = change_integration("acme", made.id, IntegrationChanges(), KEYS, None, ANN, world)
    assert changed.credentials.sequence > made.credentials.sequence
    assert changed.status == "active"


def test_the_rest_changes_without_secrets(town, world):
    made = add_integration("acme", S3, KEYS, ANN, world)
    seals = town.script.count("vault.seal")
    changes = IntegrationChanges(name="Other", container="second", is_active=False)
    changed = change_integration("acme", made.id, changes, None, None, ANN, world)
    assert (changed.name, changed.container, changed.is_active) == ("Other", "second", False)
    assert changed.credentials == made.credentials
    assert town.script.count("vault.seal") == seals
    assert set(town.audit.events("acme")[-1].after) == {"name", "container", "isActive", "status", "reason"}


def test_a_change_beside_another_loses_neither(town, world):
    made = add_integration("acme", S3, KEYS, ANN, world)

    def rename():
        change_integration("acme", made.id, IntegrationChanges(name="Other"), None, None, ANN, world)

    town.script.meanwhile["integrations.change"] = rename
    changed = change_integration("acme", made.id, IntegrationChanges(is_active=False), None, None, ANN, world)
    assert (changed.name, changed.is_active, changed.version) == ("Other", False, 3)
    town.script.meanwhile["integrations.change"] = rename
    with pytest.raises(VersionMismatch):
        change_integration("acme", made.id, IntegrationChanges(is_active=True), None, 3, ANN, world)


def test_anothers_integration_is_none(town, world):
    made = add_integration("acme", S3, KEYS, ANN, world)
    with pytest.raises(NotFound):
        change_integration("zeta", made.id, IntegrationChanges(name="Mine"), None, None, ANN, world)


@pytest.mark.parametrize("call", ["vault.seal", "integrations.add"])
def test_a_failure_leaves_nothing_behind(town, world, call):
    town.down(call)
    with pytest.raises(StateUnavailable):
        add_integration("acme", S3, KEYS, ANN, world)
    assert town.integrations.items == {}
    assert town.audit.events("acme") == []
