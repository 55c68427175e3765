"""Re-wrapping on the real repositories and the real key service's client, over moto; and beside refreshes at full speed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shared.crypto import envelope
from shared.crypto.cache import CachedKeys
from shared.crypto.kms import KmsKeys
from shared.crypto.rewrapper import EnvelopeRewrapper
from shared.crypto.vault import EnvelopeVault
from shared.domain.audit import AuditEvent
from shared.domain.errors import SealBroken
from shared.domain.integration import (
    Account,
    Integration,
    refresh_context,
)
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret
from shared.domain.tenant import Source, Tenant
from shared.runtime.world import After, SystemClock, SystemRandomness
from shared.usecases.refresh import Refreshing, refresh_one
from shared.usecases.rewrap import Progress, Rewrapping, rewrap
from tests.security.key_rings import FaithfulKms
from tests.security.rewrap_house import (
    AT,
    OPERATOR,
    TENANTS,
    VALUES,
    Killed,
    by_consent,
    by_key,
    everything,
    provider,
    webhook,
)
from tests.unit.usecases.authorization import Agreement, Servers
from tests.unit.usecases.fakes import Metrics


class Ahead(SystemClock):
    def __init__(self, minutes: int) -> None:
        self.ahead = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return super().now() + self.ahead


class Cloud:
    """The real repositories and the real key service's client, on moto."""

    def __init__(self, tables: Any, kms: FaithfulKms) -> None:
        from shared.state.cursors import DynamoCursors
        from shared.state.integrations import DynamoIntegrations
        from shared.state.leases import DynamoLeases
        from shared.state.providers import DynamoProviders
        from shared.state.tenants import DynamoTenants
        from shared.state.webhooks import DynamoWebhooks

        self.kms = kms
        self.old, self.new = (kms.client.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
        self.tenants, self.providers = DynamoTenants(tables), DynamoProviders(tables)
        self.integrations, self.webhooks = DynamoIntegrations(tables), DynamoWebhooks(tables)
        self.cursors, self.leases, self.clock = DynamoCursors(tables), DynamoLeases(tables), SystemClock()
        self._fill(EnvelopeVault(lambda: KmsKeys(lambda: kms, self.old)))
        self.keys = CachedKeys(KmsKeys(lambda: kms, self.new, [self.old]))
        self.rewrapper = EnvelopeRewrapper(lambda: self.keys)
        self.before = self.opened(self.keys)

    def _fill(self, vault: EnvelopeVault) -> None:
        self.servers = Servers(self.clock)
        house = self.servers.house("prv_1")

        def seal(text: str, place: SealContext) -> Sealed:
            return vault.seal(Secret(text), place)

        self.providers.add(provider(seal), _event("*"))
        for tenant in TENANTS:
            self.tenants.add(Tenant(tenant, tenant, Source("s3", "main", f"{tenant}/"), AT), _event(tenant))
            self.integrations.add(by_key(tenant, seal), _event(tenant))
            agreement = Agreement(Account("acc-1"), frozenset())
            grant = house.issue(agreement, house.new_refresh(agreement))
            tokens = grant.access.reveal(), grant.refresh.reveal()
            self.integrations.add(by_consent(tenant, seal, tokens), _event(tenant))
            self.webhooks.add(webhook(tenant, seal), _event(tenant))

    def opened(self, keys: Any) -> list[str]:
        return [envelope.unseal(it.box, place, keys).reveal().decode() for it, place in everything(self)]

    def rewrap(self, **how: Any) -> Progress:
        rooms = (self.tenants, self.providers, self.integrations, self.webhooks)
        return rewrap(OPERATOR, Rewrapping(*rooms, self.rewrapper, self.cursors, self.clock, self.new), **how)

    def refresh(self, tenant: str, minutes: int) -> Integration:
        """That many minutes from now: what was just done is not done again."""
        vault, parts = EnvelopeVault(lambda: self.keys), (self.integrations, self.providers, self.leases)
        world = Refreshing(*parts, vault, self.servers, Ahead(minutes), SystemRandomness(), Metrics())
        return refresh_one(tenant, "int_oauth", world, After(60), force=True)


def _event(tenant: str) -> AuditEvent:
    return AuditEvent(tenant, AT, OPERATOR, "test.added", "test/1")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    from shared.state.models import MODELS
    from shared.state.tables import Tables, bound

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    tables = Tables("rewrap", "us-east-1")
    with mock_aws():
        for model in MODELS:
            bound(model, tables).create_table(billing_mode="PAY_PER_REQUEST")
        yield Cloud(tables, FaithfulKms(boto3.client("kms", region_name="us-east-1")))


def test_on_kms_all_is_moved_and_opens_once_the_old_key_is_disabled(cloud):
    done = cloud.rewrap()
    assert (done.seen, done.moved, done.broken) == (VALUES, VALUES, ())
    cloud.kms.client.disable_key(KeyId=cloud.old)
    cloud.kms.client.schedule_key_deletion(KeyId=cloud.old, PendingWindowInDays=7)
    assert cloud.opened(KmsKeys(lambda: cloud.kms, cloud.new)) == cloud.before


def test_on_kms_it_costs_one_reencrypt_a_value_beside_the_look_for_its_key_and_opens_nothing(cloud):
    cloud.kms.calls.clear()
    cloud.rewrap()
    assert cloud.kms.calls == ["ReEncrypt"] * VALUES
    cloud.kms.calls.clear()
    assert cloud.rewrap().moved == 0
    assert cloud.kms.calls == ["ReEncrypt"] * VALUES


def test_on_kms_killed_ever_further_on_it_ends_all_the_same(cloud):
    """Each run is killed one call to KMS later than the one before; what earlier runs moved is not moved again."""
    runs, last = 0, 0
    while True:
        runs += 1
        left = iter(range(runs))

        def around(call: str, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise Killed

        cloud.kms.around = around
        try:
            last = cloud.rewrap().moved
        except Killed:
            cloud.kms.around = lambda call: None
            assert cloud.opened(cloud.keys) == cloud.before
            continue
        break
    cloud.kms.around = lambda call: None
    assert 1 < runs <= VALUES + 1
    assert last < VALUES
    cloud.kms.client.disable_key(KeyId=cloud.old)
    assert cloud.opened(KmsKeys(lambda: cloud.kms, cloud.new)) == cloud.before
    assert cloud.rewrap(dry_run=True).moved == 0


def test_on_kms_a_key_of_another_deployment_moves_nothing(cloud):
    stranger = cloud.kms.client.create_key()["KeyMetadata"]["KeyId"]
    cloud.rewrapper = EnvelopeRewrapper(lambda: KmsKeys(lambda: cloud.kms, cloud.new, [stranger]))
    done = cloud.rewrap()
    assert (done.moved, len(done.broken)) == (0, VALUES)
    assert cloud.opened(cloud.keys) == cloud.before


def test_on_kms_a_value_moved_to_another_place_is_not_rewrapped_there(cloud):
    sealed, place = next(everything(cloud))
    with pytest.raises(SealBroken):
        cloud.rewrapper.rewrap(sealed, replace(place, record="prv_2"))
    assert "ReEncrypt" in cloud.kms.calls, "the key service itself refused"


def test_on_kms_it_runs_beside_refreshes_and_ends_with_their_last_tokens_under_the_new_key(cloud):
    """Both at full speed, on one table: whoever loses a compare-and-swap looks again."""
    with ThreadPoolExecutor(len(TENANTS)) as pool:
        turns = range(5)
        running = [pool.submit(lambda name=tenant: [cloud.refresh(name, turn) for turn in turns]) for tenant in TENANTS]
        runs = 0
        while not runs or not all(one.done() for one in running):
            assert not cloud.rewrap().broken
            runs += 1
        last = [one.result()[-1] for one in running]
    assert cloud.rewrap(dry_run=True).moved == 0
    cloud.kms.client.disable_key(KeyId=cloud.old)
    vault = EnvelopeVault(lambda: KmsKeys(lambda: cloud.kms, cloud.new))
    for tenant, refreshed in zip(TENANTS, last, strict=True):
        found = cloud.integrations.get(tenant, "int_oauth", fresh=True)
        assert (found.generation, found.status) == (refreshed.generation, "active") == (10, "active")
        token = vault.open(found.tokens.refresh, refresh_context(tenant, "int_oauth", found.generation)).reveal()
        assert cloud.servers.house("prv_1").refreshers[token].current == token
    assert len(cloud.opened(KmsKeys(lambda: cloud.kms, cloud.new))) == VALUES
