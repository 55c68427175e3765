"""Secrets move to a new master key while the system runs, whatever happens meanwhile, and nothing is opened on the way.

In memory every position is tried: a crash before and after each call, a refresh at each call, a re-wrap at each call of a
refresh. On DynamoDB and KMS (moto) it is shown that the real parts do the same.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shared.crypto import envelope
from shared.crypto.cache import CachedKeys
from shared.crypto.kms import KmsKeys
from shared.crypto.rewrapper import EnvelopeRewrapper
from shared.crypto.vault import EnvelopeVault
from shared.domain.audit import Actor, AuditEvent
from shared.domain.errors import Misconfigured, SealBroken, StateUnavailable, VersionMismatch
from shared.domain.integration import (
    Account,
    Integration,
    Tokens,
    access_context,
    credentials_context,
    refresh_context,
)
from shared.domain.notice import Webhook, webhook_context
from shared.domain.provider import Endpoints, Provider, secret_context
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret
from shared.domain.tenant import Source, Tenant
from shared.runtime.world import After, SystemClock, SystemRandomness
from shared.usecases.refresh import Refreshing, refresh_one
from shared.usecases.rewrap import Progress, Rewrapping, rewrap
from tests.counts import note
from tests.model.bucket import Gate, Until
from tests.model.memory import Cursors
from tests.security.key_rings import FaithfulKms, Master, Ring
from tests.unit.usecases.authorization import Agreement, Servers
from tests.unit.usecases.fakes import Metrics, Room, Town, gated

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
OPERATOR = Actor("operator")
TENANTS = ("acme", "zeta")
VALUES = 1 + len(TENANTS) * (1 + 2 + 2)


class Killed(BaseException):
    """The process is gone."""


class Nth(Gate):
    """Does something at one call, or nothing; counts them."""

    def __init__(self) -> None:
        self.reset()

    def reset(self, at: int = 0, what: Callable[[], None] = lambda: None, *, after: bool = False) -> None:
        self.calls: list[str] = []
        self.at, self.what, self.after, self.busy = at, what, after, False

    def around(self, call: str, action: Callable[[], Any]) -> Any:
        if self.busy:
            return action()
        self.calls.append(call)
        mine = len(self.calls) == self.at
        if mine and not self.after:
            self._do()
        answer = action()
        if mine and self.after:
            self._do()
        return answer

    def _do(self) -> None:
        self.busy = True
        try:
            self.what()
        finally:
            self.busy = False


def die() -> None:
    raise Killed


# ---- what is sealed, wherever it is kept ---------------------------------------------------------------------------
def provider(seal: Callable[[str, SealContext], Sealed], rotation: str = "strict") -> Provider:
    return Provider(
        id="prv_1",
        name="Box",
        slug="box",
        connector="box",
        auth_types=("oauth2",),
        created_by="root",
        created_at=AT,
        updated_at=AT,
        endpoints=Endpoints("https://box.example/authorize", "https://box.example/token"),
        client_id="client",
        secret=seal("client-secret", secret_context("prv_1", 3)),
        rotation=rotation,
    )


def by_key(tenant: str, seal: Callable[[str, SealContext], Sealed]) -> Integration:
    made = Integration("int_key", tenant, "keys", "s3", "access_key", "bucket", AT, AT)
    return replace(made, credentials=seal(f"credentials of {tenant}", credentials_context(tenant, "int_key", 2)))


def by_consent(tenant: str, seal: Callable[[str, SealContext], Sealed], tokens: tuple[str, str]) -> Integration:
    access, refresh = tokens
    made = Integration("int_oauth", tenant, "consent", "box", "oauth2", "", AT, AT, provider_id="prv_1", generation=5)
    held = Tokens(
        5,
        seal(access, access_context(tenant, "int_oauth", 5)),
        seal(refresh, refresh_context(tenant, "int_oauth", 5)),
        AT,
    )
    return replace(made, tokens=held, account=Account("acc-1"), refresh_due_at=AT, connected_at=AT)


def webhook(tenant: str, seal: Callable[[str, SealContext], Sealed]) -> Webhook:
    secret, former = (seal(f"key {n} of {tenant}", webhook_context(tenant, "whk_1", n)) for n in (2, 1))
    return Webhook("whk_1", tenant, "https://hooks.example", (), secret, "anna", AT, AT, former=former, former_until=AT)


def everything(world: Any) -> Iterator[tuple[Sealed, SealContext]]:
    """Every sealed value that is stored, and its place."""
    for one in world.providers.page():
        yield one.secret, secret_context(one.id, one.secret.sequence)
    for tenant in TENANTS:
        for it in world.integrations.of(tenant):
            place = tenant, it.id
            if it.credentials:
                yield it.credentials, credentials_context(*place, it.credentials.sequence)
            if it.tokens:
                yield it.tokens.access, access_context(*place, it.tokens.access.sequence)
                yield it.tokens.refresh, refresh_context(*place, it.tokens.refresh.sequence)
        for hook in world.webhooks.of(tenant):
            for sealed in (hook.secret, hook.former):
                yield sealed, webhook_context(tenant, hook.id, sealed.sequence)


# ---- in memory -----------------------------------------------------------------------------------------------------
class Rewrapper(Room):
    """The real one, through the gate."""

    def __init__(self, keys: Ring, *wiring: Any) -> None:
        super().__init__(*wiring)
        self.real = EnvelopeRewrapper(lambda: keys)

    @gated
    def rewrap(self, sealed: Sealed, context: SealContext) -> Sealed:
        return self.real.rewrap(sealed, context)


class House(Town):
    """A town whose secrets are sealed by one master key, while another one is already the present key."""

    def __init__(self, rotation: str = "strict") -> None:
        self.gate = Nth()
        super().__init__(self.gate)
        self.old, self.new = Master(1), Master(2)
        self.ring = Ring(self.new, self.old)
        self.vault.keys = Ring(self.old)
        self.cursors = Cursors(self.gate)
        self._fill(rotation)
        self.before = self.opened(self.vault.keys)
        self.vault.keys = self.ring
        self.world = Rewrapping(
            self.tenants,
            self.providers,
            self.integrations,
            self.webhooks,
            Rewrapper(self.ring, self.gate, self.lock),
            self.cursors,
            self.clock,
            "new",
        )
        self.gate.reset()

    def _fill(self, rotation: str) -> None:
        house = self.servers.house("prv_1")
        self.providers.elsewhere(provider(self.seal, rotation))
        for tenant in TENANTS:
            source = Source("s3", "main", f"{tenant}/")
            self.tenants.elsewhere(Tenant(tenant, tenant, source, AT))
            agreement = Agreement(Account("acc-1"), frozenset())
            grant = house.issue(agreement, house.new_refresh(agreement))
            tokens = grant.access.reveal(), grant.refresh.reveal()
            self.integrations.elsewhere(by_key(tenant, self.seal))
            self.integrations.elsewhere(by_consent(tenant, self.seal, tokens))
            self.webhooks.elsewhere(webhook(tenant, self.seal))

    def seal(self, text: str, place: SealContext) -> Sealed:
        return self.vault.seal(Secret(text), place)

    def opened(self, keys: Any) -> list[str]:
        return [envelope.unseal(it.box, place, keys).reveal().decode() for it, place in everything(self)]

    def rewrap(self, **how: Any) -> Progress:
        return rewrap(OPERATOR, self.world, **how)

    def refresh(self, tenant: str = "acme") -> Integration:
        parts = (self.integrations, self.providers, self.leases, self.vault, self.servers)
        world = Refreshing(*parts, self.clock, self.randomness, self.metrics)
        return refresh_one(tenant, "int_oauth", world, Until(), force=True)

    def shut(self) -> None:
        self.old.on = False
        self.ring.masters = (self.new,)


@pytest.fixture
def house() -> House:
    return House()


def test_all_is_moved_and_opens_without_the_old_key(house):
    done = house.rewrap()
    assert (done.seen, done.moved, done.broken) == (VALUES, VALUES, ())
    house.shut()
    assert house.opened(house.ring) == house.before


def test_nothing_is_opened_on_the_way(house):
    before = house.new.calls["unwrap"] + house.old.calls["unwrap"]
    house.gate.reset()
    house.rewrap()
    assert not [call for call in house.gate.calls if call.startswith("vault.")]
    assert house.ring.rewraps == VALUES, "one call to the key service a value, and no other"
    assert house.old.calls["data_key"] + house.new.calls["data_key"] == VALUES, "those of the first seals"
    assert before <= house.new.calls["unwrap"] + house.old.calls["unwrap"]


def test_only_the_wrapped_keys_differ(house):
    before = [envelope._parse(it.box) for it, _ in everything(house)]
    house.rewrap()
    after = [envelope._parse(it.box) for it, _ in everything(house)]
    for old, new in zip(before, after, strict=True):
        assert replace(old, wrapped=b"") == replace(new, wrapped=b"")
        assert old.wrapped != new.wrapped


def test_a_second_run_changes_nothing(house):
    house.rewrap()
    house.gate.reset()
    rows = (dict(house.integrations.items), dict(house.providers.items), dict(house.webhooks.items))
    done = house.rewrap()
    assert (done.seen, done.moved) == (VALUES, 0)
    assert (house.integrations.items, house.providers.items, house.webhooks.items) == rows
    assert not [call for call in house.gate.calls if call.endswith(".change")]


def test_a_dry_run_counts_and_changes_nothing(house):
    rows = dict(house.integrations.items)
    assert house.rewrap(dry_run=True).moved == VALUES
    assert house.integrations.items == rows
    assert not house.cursors.saved
    house.rewrap()
    assert house.rewrap(dry_run=True).moved == 0


def test_each_moved_record_is_in_the_trail_and_shows_no_secret(house):
    house.rewrap()
    assert house.audit.actions("*") == ["provider.rewrapped"]
    assert sorted(house.audit.actions("acme")) == ["integration.rewrapped"] * 2 + ["webhook.rewrapped"]
    told = {event.subject: event.after for event in house.audit.events("acme")}
    assert told["integration/int_oauth"] == {"rewrapped": ["accessToken", "refreshToken"]}
    assert told["webhook/whk_1"] == {"rewrapped": ["secret", "formerSecret"]}
    text = repr(house.audit.trails)
    assert not [secret for secret in house.before if secret in text]


def test_progress_is_told(house):
    told = []
    rewrap(OPERATOR, house.world, tell=told.append)
    assert [one.seen for one in told] == [1, 6, 11]


def test_a_value_that_is_not_ours_is_named_left_alone_and_does_not_stop_the_rest(house):
    one = house.integrations.items["acme", "int_key"]
    foreign = house.integrations.items["zeta", "int_key"].credentials
    house.integrations.elsewhere(replace(one, credentials=foreign))
    done = house.rewrap()
    assert done.broken == ("acme/integrations/int_key/credentials",)
    assert done.moved == VALUES - 1
    assert house.integrations.items["acme", "int_key"].credentials == foreign


@pytest.mark.parametrize("rubbish", [b"", b"\1\1", b"plain text", b"\2" + bytes(200)])
def test_what_is_no_seal_is_never_given_to_the_key_service(house, rubbish):
    with pytest.raises(SealBroken):
        envelope.rewrapped(rubbish, SealContext("t", "x", "r", "f", "p"), house.ring)
    assert house.ring.rewraps == 0


def test_a_value_of_another_sequence_is_refused(house):
    sealed, place = next(everything(house))
    with pytest.raises(SealBroken):
        house.world.keys.rewrap(sealed, replace(place, sequence=place.sequence + 1))


def test_with_the_old_key_switched_off_too_early_it_says_so_and_loses_nothing(house):
    house.old.on = False
    with pytest.raises(Misconfigured):
        house.rewrap()
    house.old.on = True
    house.rewrap()
    house.shut()
    assert house.opened(house.ring) == house.before


# ---- crashes -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_it_loses_nothing_and_the_next_run_ends_it(after):
    house = House()
    house.rewrap()
    calls = len(house.gate.calls)
    for at in range(1, calls + 1):
        house = House()
        house.gate.reset(at, die, after=after)
        with pytest.raises(Killed):
            house.rewrap()
        house.gate.reset()
        assert house.opened(house.ring) == house.before, "under one key or the other"
        again = house.rewrap()
        assert not again.broken
        assert house.rewrap(dry_run=True).moved == 0
        house.shut()
        assert house.opened(house.ring) == house.before
    note(f"re-wrap, killed {'after' if after else 'before'} a call", f"{calls} positions, every secret opens")


def test_it_goes_on_after_the_last_tenant_that_was_done(house):
    house.gate.reset(1, lambda: None)
    saves = [n for n, call in enumerate(_calls_of_a_run(), 1) if call == "cursors.save"]
    house.gate.reset(saves[0], die, after=True)
    with pytest.raises(Killed):
        house.rewrap()
    house.gate.reset()
    done = house.rewrap()
    assert (done.begun_after, done.seen, done.moved) == ("acme", 5, 5)
    assert house.rewrap().begun_after is None, "once it is through, the next run begins at the beginning"


def test_a_run_with_yet_another_key_does_not_take_up_where_one_with_the_last_key_stopped(house):
    house.cursors.saved["rewrap:new"] = "zeta"
    world = replace(house.world, current="newer")
    assert rewrap(OPERATOR, world).seen == VALUES


def test_a_store_that_does_not_answer_ends_the_run_and_the_next_one_ends_it(house):
    def down() -> None:
        raise StateUnavailable

    for at in range(1, len(_calls_of_a_run()) + 1):
        house = House()
        house.gate.reset(at, down)
        with pytest.raises(StateUnavailable):
            house.rewrap()
        house.gate.reset()
        house.rewrap()
        house.shut()
        assert house.opened(house.ring) == house.before


def _calls_of_a_run() -> list[str]:
    house = House()
    house.rewrap()
    return house.gate.calls


# ---- while the system runs -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("rotation", ["static", "sliding", "strict"])
def test_a_refresh_beside_it_at_any_call_keeps_its_tokens(rotation):
    calls = len(_calls_of_a_run())
    for at in range(1, calls + 1):
        house = House(rotation)
        house.gate.reset(at, house.refresh)
        house.rewrap()
        house.gate.reset()
        _fresh(house, generation=6)
    note(f"re-wrap with a refresh at any call ({rotation})", f"{calls} positions")


@pytest.mark.parametrize("rotation", ["static", "sliding", "strict"])
def test_a_rewrap_at_any_call_of_a_refresh_keeps_its_tokens(rotation):
    house = House(rotation)
    house.refresh()
    calls = len(house.gate.calls)
    for at in range(1, calls + 1):
        house = House(rotation)
        house.gate.reset(at, house.rewrap)
        house.refresh()
        house.gate.reset()
        _fresh(house, generation=6)
    note(f"refresh with a re-wrap at any call ({rotation})", f"{calls} positions")


def _fresh(house: House, generation: int) -> None:
    """The tokens are the last ones that the provider gave, all is under the new key, and the connection goes on living."""
    found = house.integrations.items["acme", "int_oauth"]
    assert (found.generation, found.status, found.reason) == (generation, "active", None)
    assert house.rewrap(dry_run=True).moved == 0, "nothing went back to the old key"
    house.shut()
    token = found.tokens.refresh
    text = house.vault.open(token, refresh_context("acme", "int_oauth", token.sequence)).reveal()
    assert house.servers.house("prv_1").refreshers[text].current == text
    house.clock.sleep(7200)
    assert house.refresh().generation == generation + 1


def test_whoever_changes_a_record_meanwhile_wins_and_it_is_looked_at_again(house):
    def elsewhere() -> None:
        found = house.integrations.items["acme", "int_key"]
        house.integrations.elsewhere(replace(found, name="renamed", version=found.version + 1))

    at = _calls_of_a_run().index("integrations.change") + 1
    house.gate.reset(at, elsewhere)
    house.rewrap()
    found = house.integrations.items["acme", "int_key"]
    assert (found.name, found.version) == ("renamed", 3)
    assert house.rewrap(dry_run=True).moved == 0


def test_a_record_that_is_removed_meanwhile_needs_nothing(house):
    at = _calls_of_a_run().index("integrations.change") + 1
    house.gate.reset(at, lambda: house.integrations.items.pop(("acme", "int_key")))
    done = house.rewrap()
    assert done.seen == VALUES - 1
    assert ("acme", "int_key") not in house.integrations.items


def test_a_record_that_never_stands_still_ends_the_run_and_not_the_computer(house, monkeypatch):
    def restless(*_: Any) -> None:
        raise VersionMismatch

    monkeypatch.setattr(house.integrations, "change", restless)
    with pytest.raises(VersionMismatch):
        house.rewrap()


# ---- on DynamoDB and KMS -------------------------------------------------------------------------------------------
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
