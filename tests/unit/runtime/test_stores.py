"""Opening stores: by whose rights, made once, closed when nobody uses them, and nothing of a secret in a refusal."""

import gc
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from weakref import ref

import pytest

from shared.connectors import registry
from shared.crypto.vault import EnvelopeVault
from shared.domain.errors import InvalidInput, Misconfigured, NotSupported, SealBroken
from shared.domain.integration import Integration, credentials_context
from shared.domain.secret import Secret
from shared.domain.tenant import Source
from shared.runtime.stores import OpenStores

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SECRET = "canary-secret"


class Keys:
    """Data keys that are 'wrapped' by remembering them."""

    def __init__(self) -> None:
        self.made: dict[bytes, tuple[bytes, dict]] = {}
        self.unwrapped = 0

    def data_key(self, context):
        name = os.urandom(16)
        self.made[name] = (os.urandom(32), dict(context))
        return self.made[name][0], name

    def unwrap(self, wrapped, context):
        self.unwrapped += 1
        key, known = self.made.get(wrapped, (b"", {}))
        if known != dict(context):
            raise SealBroken
        return key


class Connector:
    """A connector that remembers what it was told."""

    made: list["Connector"]

    def __init__(self, **told) -> None:
        if "unknown" in told:
            raise TypeError(f"unexpected {told}")
        self.told, self.closed = told, 0
        type(self).made.append(self)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Connector]:
    Connector.made = []
    real = registry.entry
    monkeypatch.setattr(registry, "load", lambda name: real(name) and Connector)
    return Connector.made


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def stores(keys: Keys, made: list) -> OpenStores:
    return OpenStores(EnvelopeVault(lambda: keys), limit=3)


def integration(keys: Keys, secret: Mapping[str, str] | None = None, **of) -> Integration:
    told = {"accessKeyId": "A", "secretAccessKey": SECRET} if secret is None else secret
    made = Integration("i", "acme", "I", "s3", "access_key", "backup", NOW, NOW, {"region": "eu-west-1"})
    made = replace(made, **of)
    sealed = put(json.dumps({**made.settings, **told}), made, keys) if told else None
    return replace(made, credentials=of.get("credentials", sealed))


def put(plain: str, at: Integration, keys: Keys, sequence: int = 1):
    """Sealed as this integration's credentials."""
    return EnvelopeVault(lambda: keys).seal(Secret(plain), credentials_context(at.tenant_id, at.id, sequence))


def test_the_primary_is_opened_by_our_own_rights(stores, made):
    stores.source(Source("s3", "primary", "acme/"))
    assert made[0].told == {"bucket_name": "primary"}


def test_the_primary_is_opened_once_for_all_tenants(stores, made):
    assert stores.source(Source("s3", "primary", "a/")) is stores.source(Source("s3", "primary", "b/"))
    assert len(made) == 1


def test_a_backup_is_opened_by_what_its_integration_sealed(stores, keys, made):
    stores.target(integration(keys))
    assert made[0].told == {
        "bucket_name": "backup",
        "region": "eu-west-1",
        "access_key_id": "A",
        "secret_access_key": SECRET,
    }


def test_azure_calls_its_container_a_container(stores, keys, made):
    azure = integration(
        keys, {"connectionString": "c"}, connector="azure_blob", auth_type="connection_string", settings={}
    )
    stores.target(azure, "other")
    assert made[0].told == {"container_name": "other", "connection_string": "c"}


def test_a_role_is_assumed_with_its_external_id(stores, keys, made):
    role = integration(keys, {"externalId": "x"}, auth_type="iam_role", settings={"roleArn": "arn:r"})
    stores.target(role)
    assert made[0].told == {"bucket_name": "backup", "role_arn": "arn:r", "external_id": "x"}


def test_a_role_can_be_tried_without_its_external_id(stores, keys, made):
    role = integration(keys, {"externalId": "x"}, auth_type="iam_role", settings={"roleArn": "arn:r"})
    assert stores.unproven(role) is not stores.unproven(role)
    assert made[0].told == {"bucket_name": "backup", "role_arn": "arn:r"}
    assert stores.target(role).told["external_id"] == "x"


def test_a_workload_identity_proves_itself_without_a_secret(keys, made):
    class Sts:
        def get_web_identity_token(self, **_):
            return {"WebIdentityToken": "t"}

    settings = {"accountUrl": "https://x.blob.core.windows.net", "directoryId": "dir", "clientId": "app"}
    keyless = integration(keys, {}, connector="azure_blob", auth_type="workload_identity", settings=settings)
    vault = EnvelopeVault(lambda: keys)
    OpenStores(vault, sts=Sts).target(keyless)
    told = made[0].told
    assert repr(told.pop("credential")) == "WorkloadIdentity(client_id='app')"
    assert told == {"container_name": "backup", "account_url": "https://x.blob.core.windows.net"}
    with pytest.raises(Misconfigured):
        OpenStores(vault).target(keyless)


def test_a_service_principal_signs_in_by_its_secret_which_does_not_show(stores, keys, made):
    settings = {"accountUrl": "https://x.blob.core.windows.net", "directoryId": "dir", "clientId": "app"}
    named = {"connector": "azure_blob", "auth_type": "service_principal", "settings": settings}
    stores.target(integration(keys, {"clientSecret": SECRET}, **named))
    told = made[0].told
    assert repr(told.pop("credential")) == "ServicePrincipal(client_id='app')"
    assert told == {"container_name": "backup", "account_url": "https://x.blob.core.windows.net"}


@pytest.mark.parametrize(
    "changes",
    [
        {"auth_type": "oauth2"},
        {"connector": "azure_blob", "auth_type": "user_ms_identity"},
        {"connector": "gcs", "auth_type": "service_account"},
    ],
)
def test_what_no_connector_can_do_yet_is_said_to_be_so(stores, keys, made, changes):
    with pytest.raises(NotSupported):
        stores.target(replace(integration(keys), **changes))
    assert made == []


def test_an_integration_is_unsealed_and_opened_once_until_it_changes(stores, keys, made):
    first = integration(keys)
    assert stores.target(first) is stores.target(first)
    stores.target(first, "other")
    changed = replace(first, version=2)
    assert stores.target(changed) is not stores.target(first)
    assert len(made) == 3


def test_what_falls_out_of_the_cache_is_closed_only_when_nobody_works(stores, keys, made):
    first = stores.target(integration(keys), "c0")
    for n in range(1, 4):
        stores.target(integration(keys), f"c{n}")
    assert first.closed == 0
    stores.tidy()
    stores.tidy()
    assert [connector.closed for connector in made] == [1, 0, 0, 0]
    assert stores.target(integration(keys), "c0") is not first


def test_what_nobody_uses_any_more_is_not_kept_until_then(stores, keys, made):
    gone = [ref(stores.target(integration(keys), f"c{n}")) for n in range(10)]
    made.clear()
    gc.collect()
    assert sum(one() is not None for one in gone) == 3


def test_what_was_used_last_stays(stores, keys, made):
    kept = stores.target(integration(keys), "c0")
    for n in range(1, 6):
        stores.target(integration(keys), f"c{n}")
        assert stores.target(integration(keys), "c0") is kept


def test_closing_closes_everything_once(stores, keys, made):
    stores.source(Source("s3", "primary"))
    stores.target(integration(keys))
    stores.close()
    stores.close()
    assert [connector.closed for connector in made] == [1, 1]


def test_many_threads_open_one_connector(stores, keys, made):
    same, found = integration(keys), []
    gate = threading.Barrier(8)

    def work():
        gate.wait()
        found.append(stores.target(same))

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len({id(each) for each in found}) == 1
    assert len(made) == 1


def test_another_tenants_seal_does_not_open(stores, keys):
    with pytest.raises(SealBroken):
        stores.target(replace(integration(keys), tenant_id="zeta"))
    with pytest.raises(SealBroken):
        stores.target(replace(integration(keys), id="j"))


def test_an_earlier_seal_put_back_does_not_open(stores, keys):
    now = integration(keys)
    later = put("{}", now, keys, sequence=2)
    with pytest.raises(SealBroken):
        stores.target(replace(now, credentials=replace(now.credentials, sequence=later.sequence)))


@pytest.mark.parametrize("plain", ["not json", "[1]", '"text"'])
def test_what_was_not_sealed_by_us_does_not_open(stores, keys, plain):
    ours = integration(keys)
    with pytest.raises(SealBroken):
        stores.target(replace(ours, credentials=put(plain, ours, keys)))


@pytest.mark.parametrize(
    "changes",
    [{"credentials": None}, {"auth_type": "sas_token"}, {"auth_type": "iam_role"}, {"connector": "azure_blob"}],
)
def test_a_target_never_falls_back_on_our_own_rights(stores, keys, made, changes):
    with pytest.raises(Misconfigured):
        stores.target(replace(integration(keys), **changes))
    assert made == []


def test_an_unknown_store_is_refused(stores, keys):
    with pytest.raises((InvalidInput, Misconfigured)):
        stores.target(replace(integration(keys), connector="ftp"))


def test_settings_that_do_not_fit_are_refused_without_repeating_them(stores, keys):
    odd = integration(keys, {"accessKeyId": "A", "secretAccessKey": SECRET, "unknown": "u"})
    with pytest.raises(Misconfigured) as refused:
        stores.target(odd)
    assert SECRET not in repr(refused.value) + json.dumps(str(refused.value))
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
