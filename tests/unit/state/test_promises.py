"""What the repositories' ports promise: of the real ones on both emulators, and of the fakes that use cases are tested with."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import pytest

from shared.domain.audit import GENESIS, first_break
from shared.domain.errors import (
    AlreadyExists,
    Conflict,
    InUse,
    NotFound,
    TooManyRequests,
    VersionMismatch,
)
from shared.domain.integration import Integration
from shared.domain.provider import SYSTEM
from shared.domain.tenant import Source
from tests.unit.state.conftest import Memory, memory_of
from tests.unit.state.records import (
    ALONE,
    DELIVERY,
    FLOW,
    INTEGRATION,
    NOTICE,
    NOW,
    PROVIDER,
    RULE,
    TENANT,
    TOLD,
    WEBHOOK,
    documents,
    event,
    later,
)
from tests.unit.usecases.fakes import Town


def fakes() -> Memory:
    town = Town()
    return Memory(**{field.name: getattr(town, field.name) for field in fields(Memory)})


@pytest.fixture(params=["moto", "ministack", "fakes"])
def processes(request) -> tuple[Memory, Memory]:
    """Two that share their tables. Fakes are one process, which is its own other."""
    if request.param == "fakes":
        fake = fakes()
        return fake, fake
    tables = request.getfixturevalue(f"{request.param}_tables")
    return memory_of(tables), memory_of(tables)


@pytest.fixture
def memory(processes) -> Memory:
    return processes[0]


@pytest.fixture(params=["ministack", "fakes"])
def raced(request) -> Memory:
    """For races. Not moto, whose updates read, compare and write without a lock when its callers are threads."""
    if request.param == "fakes":
        return fakes()
    return memory_of(request.getfixturevalue("ministack_tables"))


@pytest.fixture
def elsewhere(processes) -> Memory:
    return processes[1]


@pytest.fixture
def provided(memory: Memory) -> Memory:
    memory.providers.add(PROVIDER, event(SYSTEM))
    return memory


def plain(record):
    """A record without anything that it may lack."""
    optional = {field.name: field.default for field in fields(record) if field.default is None or field.default == ()}
    return replace(record, **optional)


def test_a_provider_comes_back_whole_by_id_and_by_slug(provided, elsewhere):
    assert elsewhere.providers.get("p1") == PROVIDER
    assert elsewhere.providers.by_slug("box") == PROVIDER
    assert elsewhere.providers.get("box") is None
    assert elsewhere.providers.by_slug("p1") is None


def test_a_provider_without_anything_optional_comes_back_whole(memory, elsewhere):
    memory.providers.add(plain(PROVIDER), event(SYSTEM))
    assert elsewhere.providers.get("p1") == plain(PROVIDER)


@pytest.mark.parametrize("taken", [replace(PROVIDER, slug="another"), replace(PROVIDER, id="p2")])
def test_a_providers_id_and_slug_are_taken_once(provided, elsewhere, taken):
    with pytest.raises(AlreadyExists):
        provided.providers.add(taken, event(SYSTEM))
    assert [*elsewhere.providers.page()] == [PROVIDER]
    assert provided.audit.head(SYSTEM)[0] == 1


def test_providers_are_paged_ascending_by_id(memory):
    for name in ("c", "a", "b"):
        memory.providers.add(replace(PROVIDER, id=name, slug=f"s-{name}"), event(SYSTEM))
    assert [it.id for it in memory.providers.page(limit=2)] == ["a", "b"]
    assert [it.id for it in memory.providers.page(after="b", limit=2)] == ["c"]


def test_a_changed_provider_is_whole_loses_what_it_lost_and_keeps_its_uses(provided, elsewhere):
    provided.integrations.add(INTEGRATION, event())
    changed = replace(plain(PROVIDER), name="Box 2", version=2, uses=0)
    provided.providers.change(changed, event(SYSTEM))
    assert provided.providers.get("p1") == elsewhere.providers.get("p1") == replace(changed, uses=1)


@pytest.mark.parametrize(
    "stale",
    [
        replace(PROVIDER, version=1),
        replace(PROVIDER, version=3),
        replace(PROVIDER, id="p2", version=2),
    ],
)
def test_a_provider_that_moved_or_is_gone_is_not_written(provided, elsewhere, stale):
    with pytest.raises(VersionMismatch):
        provided.providers.change(stale, event(SYSTEM))
    assert [*elsewhere.providers.page()] == [PROVIDER]
    assert provided.audit.head(SYSTEM)[0] == 1


def test_a_provider_in_use_is_not_removed_and_says_so(provided):
    provided.integrations.add(INTEGRATION, event())
    with pytest.raises(InUse):
        provided.providers.remove(PROVIDER, event(SYSTEM))
    provided.integrations.remove(INTEGRATION, event())
    provided.providers.remove(PROVIDER, event(SYSTEM))
    assert provided.providers.get("p1") is None
    assert provided.providers.by_slug("box") is None
    provided.providers.add(replace(PROVIDER, id="p2"), event(SYSTEM))
    assert provided.providers.by_slug("box").id == "p2"


def test_only_this_very_version_of_a_provider_is_removed(provided):
    for stale in (replace(PROVIDER, version=2), replace(PROVIDER, id="p2")):
        with pytest.raises(VersionMismatch):
            provided.providers.remove(stale, event(SYSTEM))
    assert provided.providers.get("p1") == PROVIDER


@pytest.mark.parametrize("integration", [INTEGRATION, ALONE, plain(INTEGRATION)])
def test_an_integration_comes_back_whole(provided, elsewhere, integration: Integration):
    provided.integrations.add(integration, event())
    assert elsewhere.integrations.get("acme", "i1") == integration
    assert [*elsewhere.integrations.of("acme")] == [integration]


def test_an_integration_needs_a_provider_that_is_there_and_enabled(provided, elsewhere):
    with pytest.raises(NotFound):
        provided.integrations.add(replace(INTEGRATION, provider_id="p2"), event())
    provided.providers.change(replace(PROVIDER, enabled=False, version=2), event(SYSTEM))
    with pytest.raises(NotFound):
        provided.integrations.add(INTEGRATION, event())
    assert elsewhere.integrations.of("acme") == []
    assert provided.audit.head("acme")[0] == 0
    assert elsewhere.providers.get("p1").uses == 0


def test_a_second_integration_of_an_id_is_refused_and_not_counted(provided, elsewhere):
    provided.integrations.add(INTEGRATION, event())
    with pytest.raises(AlreadyExists):
        provided.integrations.add(INTEGRATION, event())
    assert elsewhere.providers.get("p1").uses == 1


def test_a_tenants_integrations_are_paged_ascending_by_id(memory):
    for name in ("c", "a", "b"):
        memory.integrations.add(replace(ALONE, id=name), event())
    memory.integrations.add(replace(ALONE, tenant_id="other"), event("other"))
    assert [it.id for it in memory.integrations.of("acme", limit=2)] == ["a", "b"]
    assert [it.id for it in memory.integrations.of("acme", after="b", limit=2)] == ["c"]


@pytest.mark.parametrize("told", [event(), None])
def test_a_changed_integration_is_written_over_the_version_before_only(memory, elsewhere, told):
    memory.integrations.add(ALONE, event())
    changed = replace(plain(ALONE), name="New", version=2)
    memory.integrations.change(changed, told)
    assert memory.integrations.get("acme", "i1") == elsewhere.integrations.get("acme", "i1") == changed
    for stale in (replace(changed, name="Newer"), replace(changed, version=4), replace(changed, id="i2", version=3)):
        with pytest.raises(VersionMismatch):
            memory.integrations.change(stale, told)
    assert [*elsewhere.integrations.of("acme")] == [changed]
    assert memory.audit.head("acme")[0] == (2 if told else 1)


def test_a_removed_integration_is_gone_with_its_secrets(memory, elsewhere):
    memory.integrations.add(ALONE, event())
    with pytest.raises(VersionMismatch):
        memory.integrations.remove(replace(ALONE, version=2), event())
    assert elsewhere.integrations.get("acme", "i1") == ALONE
    memory.integrations.remove(ALONE, event())
    assert memory.integrations.get("acme", "i1") is None
    assert elsewhere.integrations.get("acme", "i1", fresh=True) is None
    assert elsewhere.integrations.get("acme", "i1") is None
    with pytest.raises(VersionMismatch):
        memory.integrations.remove(ALONE, event())


@pytest.mark.attack(3)
def test_a_consent_is_kept_looked_at_and_taken_once_and_then_gone(memory):
    memory.flows.add(FLOW)
    assert memory.flows.look(FLOW.state_hash, NOW) == FLOW
    assert memory.flows.take("0" * 64, NOW) is None
    assert memory.flows.take(FLOW.state_hash, NOW) == FLOW
    assert memory.flows.take(FLOW.state_hash, NOW) is None
    assert memory.flows.look(FLOW.state_hash, NOW) is None


@pytest.mark.attack(4)
def test_a_consent_that_is_over_is_neither_seen_nor_taken_though_it_is_stored(memory):
    memory.flows.add(FLOW)
    for moment in (later(600), later(600.000001), later(10_000)):
        assert memory.flows.look(FLOW.state_hash, moment) is None
        assert memory.flows.take(FLOW.state_hash, moment) is None
    assert memory.flows.take(FLOW.state_hash, later(599.999999)) == FLOW


@pytest.mark.attack(18)
def test_of_twenty_takers_at_once_exactly_one_gets_the_consent(memory):
    for turn in range(5):
        flow = replace(FLOW, state_hash=f"{turn:064}")
        memory.flows.add(flow)
        with ThreadPoolExecutor(20) as pool:
            taken = list(pool.map(lambda _, state=flow.state_hash: memory.flows.take(state, NOW), range(20)))
        assert [it for it in taken if it] == [flow]


def take(memory, holder="one", until=60.0, now=0.0, name="x"):
    return memory.leases.take(name, holder, until=later(until), now=later(now))


def test_a_lease_is_one_holders_until_it_is_over(memory):
    lease = take(memory)
    assert (lease.name, lease.holder, lease.until, lease.doubtful) == ("x", "one", later(60), False)
    assert take(memory, "two", now=59.9) is None
    assert take(memory, "two", name="y") is not None
    assert take(memory, "two", now=60, until=120).holder == "two"
    assert take(memory, "one", now=60) is None


def test_a_lease_that_was_freed_is_anybodys_and_without_doubt(memory):
    lease = take(memory)
    memory.leases.free(lease)
    assert take(memory, "two").doubtful is False


def test_a_lease_whose_holder_ended_without_a_word_is_doubtful_until_someone_frees_it_well(memory):
    take(memory)
    second = take(memory, "two", now=60, until=120)
    assert second.doubtful
    third = take(memory, "three", now=120, until=180)
    assert third.doubtful
    memory.leases.free(third)
    assert take(memory, "four").doubtful is False


def test_doubt_that_is_told_is_handed_on_at_once(memory):
    lease = take(memory)
    memory.leases.free(lease, doubtful=True)
    assert take(memory, "two", now=1).doubtful


@pytest.mark.parametrize("doubtful", [True, False])
def test_a_lease_that_somebody_else_holds_by_now_is_not_freed(memory, doubtful):
    lease = take(memory)
    take(memory, "two", now=60, until=120)
    memory.leases.free(lease, doubtful=doubtful)
    assert take(memory, "three", now=61) is None


@pytest.mark.parametrize("doubtful", [True, False])
def test_freeing_a_lease_twice_is_harmless(memory, doubtful):
    lease = take(memory)
    memory.leases.free(lease)
    memory.leases.free(lease, doubtful=doubtful)
    assert take(memory, "two").doubtful is False


def test_a_holder_may_take_its_own_lease_again(memory):
    take(memory)
    assert take(memory, until=90, now=30).until == later(90)
    assert take(memory, "two", now=80) is None


def test_of_twenty_takers_at_once_exactly_one_gets_the_lease(raced):
    for turn in range(3):
        with ThreadPoolExecutor(20) as pool:
            got = list(pool.map(lambda n, name=str(turn): take(raced, str(n), name=name), range(20)))
        assert len([lease for lease in got if lease]) == 1


def spend(memory, name="start/i1", now=0.0, most=3, seconds=60) -> float:
    """Seconds to wait, 0 if it was allowed. ``NOW`` is the beginning of a window but for 5 microseconds."""
    try:
        memory.limits.spend(name, most=most, seconds=seconds, now=later(now))
    except TooManyRequests as error:
        return error.after
    return 0


def test_a_limit_allows_so_many_in_a_window_and_says_when_the_next_begins(memory):
    assert [spend(memory, now=second) for second in (0, 10, 20)] == [0, 0, 0]
    assert spend(memory, now=50) == pytest.approx(10, abs=0.001)
    assert spend(memory, now=59) == pytest.approx(1, abs=0.001)
    assert [spend(memory, now=60) for _ in range(4)] == [0, 0, 0, pytest.approx(60, abs=0.001)]


def test_of_many_at_once_a_limit_allows_exactly_as_many_as_it_says(raced):
    with ThreadPoolExecutor(20) as pool:
        waits = list(pool.map(lambda _: spend(raced, most=7), range(40)))
    assert waits.count(0) == 7


def test_limits_of_different_names_are_apart_and_not_leases(memory):
    assert spend(memory, most=1) == 0
    assert spend(memory, "start/i2", most=1) == 0
    assert spend(memory, most=1) > 0
    assert take(memory, name="start/i1").doubtful is False


@pytest.mark.parametrize("webhook", [WEBHOOK, plain(WEBHOOK)])
def test_a_webhook_comes_back_whole_alone_and_with_its_tenants_others(memory, webhook):
    for each in (replace(webhook, id="w2"), webhook):
        memory.webhooks.add(each, event())
    memory.webhooks.add(replace(webhook, tenant_id="other"), event("other"))
    assert [*memory.webhooks.of("acme")] == [webhook, replace(webhook, id="w2")]
    assert memory.webhooks.get("acme", "w1") == webhook
    assert memory.webhooks.get("third", "w1") is None


def test_a_webhook_is_added_once_and_changed_and_removed_by_version(memory):
    memory.webhooks.add(WEBHOOK, event())
    with pytest.raises(AlreadyExists):
        memory.webhooks.add(WEBHOOK, event())
    changed = replace(WEBHOOK, url="https://hooks.example/new", version=2)
    memory.webhooks.change(changed, event())
    for stale in (changed, replace(changed, id="w2", version=3)):
        with pytest.raises(VersionMismatch):
            memory.webhooks.change(stale, event())
    with pytest.raises(VersionMismatch):
        memory.webhooks.remove(WEBHOOK, event())
    assert [*memory.webhooks.of("acme")] == [changed]
    memory.webhooks.remove(changed, event())
    assert memory.webhooks.of("acme") == []
    assert memory.audit.head("acme")[0] == 3


def test_deliveries_are_told_newest_first_page_by_page_and_each_once(memory):
    told = [replace(DELIVERY, attempt=number, at=later(number)) for number in range(1, 6)]
    for each in [*told, told[0], replace(DELIVERY, webhook_id="w2")]:
        memory.webhooks.record(each)
    first, after = memory.webhooks.deliveries("acme", "w1", limit=2)
    second, further = memory.webhooks.deliveries("acme", "w1", after=after, limit=2)
    third, end = memory.webhooks.deliveries("acme", "w1", after=further, limit=2)
    assert [*first, *second, *third] == told[::-1]
    assert end is None
    assert memory.webhooks.deliveries("other", "w1") == ([], None)
    assert memory.webhooks.of("acme") == []


def test_a_delivery_without_answer_comes_back_whole(memory):
    bare = replace(DELIVERY, answer=None, status="failed", notice=replace(plain(NOTICE), kind="webhook.test"))
    memory.webhooks.record(bare)
    assert memory.webhooks.deliveries("acme", "w1") == ([bare], None)


def test_an_entry_comes_back_to_the_letter_and_the_trail_is_sound(memory):
    first, second = memory.audit.append(TOLD), memory.audit.append(event())
    assert [*memory.audit.page("acme")] == [first, second]
    assert (first.event, first.sequence, first.previous) == (TOLD, 1, GENESIS)
    assert (second.sequence, second.previous) == (2, first.hash)
    assert memory.audit.head("acme") == (2, second.hash)
    assert first_break(documents(memory)) is None


def test_trails_are_apart_and_an_empty_one_begins_with_zeros(memory):
    memory.audit.append(event())
    memory.audit.append(event(SYSTEM))
    assert memory.audit.head("acme")[0] == memory.audit.head(SYSTEM)[0] == 1
    assert memory.audit.head("other") == (0, GENESIS)
    assert memory.audit.page("other") == []


def test_entries_are_paged_from_either_end(memory):
    for _ in range(5):
        memory.audit.append(event())

    def page(**how):
        return [it.sequence for it in memory.audit.page("acme", **how)]

    assert page(limit=2) == [1, 2]
    assert page(after=2, limit=2) == [3, 4]
    assert page(after=4) == [5]
    assert page(after=5) == []
    assert page(newest_first=True, limit=2) == [5, 4]
    assert page(newest_first=True, after=4, limit=2) == [3, 2]
    assert page(newest_first=True, after=2) == [1]
    assert page(newest_first=True, after=1) == []
    assert page(after=10**13) == []
    assert page(after=10**13, newest_first=True, limit=1) == [5]


def test_every_change_carries_its_event_and_no_refused_one_does(memory):
    memory.tenants.add(TENANT, event(action="tenant.added"))
    memory.rules.add(RULE, event(action="rule.added"))
    with pytest.raises(AlreadyExists):
        memory.rules.add(RULE, event(action="never"))
    with pytest.raises(Conflict):
        memory.tenants.add(replace(TENANT, id="beta"), event(action="never"))
    with pytest.raises(VersionMismatch):
        memory.rules.change(replace(RULE, version=3), event(action="never"))
    memory.rules.change(replace(RULE, version=2), event(action="rule.changed"))
    memory.tenants.change(replace(TENANT, version=2), event(action="tenant.changed"))
    memory.tenants.remove(replace(TENANT, version=2), event(action="tenant.removed"))
    told = [it.event.action for it in memory.audit.page("acme")]
    assert told == ["tenant.added", "rule.added", "rule.changed", "tenant.changed", "tenant.removed"]
    assert first_break(documents(memory)) is None


def test_a_tenant_comes_back_whole_and_is_changed_by_version(memory, elsewhere):
    memory.tenants.add(TENANT, event())
    assert elsewhere.tenants.get("acme") == TENANT
    changed = replace(TENANT, name="New", owners=frozenset(), updated_at=None, version=2)
    memory.tenants.change(changed, event())
    assert memory.tenants.get("acme") == elsewhere.tenants.get("acme", fresh=True) == changed
    assert memory.tenants.owner_of("s3", "main", "acme/x") == changed
    for stale in (changed, replace(changed, version=4), replace(changed, id="beta", source=ELSEWHERE, version=3)):
        with pytest.raises(VersionMismatch):
            memory.tenants.change(stale, event())
    assert [*elsewhere.tenants.page()] == [changed]


ELSEWHERE = Source("s3", "else", "beta/")

PLACES = [
    Source("s3", "main", "new/"),
    Source("s3", "main", ""),
    Source("s3", "main", "acme/below/"),
    Source("s3", "else", "acme/"),
    Source("gcs", "main", "acme/"),
]


@pytest.mark.parametrize("place", PLACES)
def test_a_source_moves_and_its_old_place_is_free(memory, elsewhere, place):
    memory.tenants.add(TENANT, event())
    assert (
        memory.tenants.owner_of("s3", "main", "acme/x") == elsewhere.tenants.owner_of("s3", "main", "acme/x") == TENANT
    )
    moved = replace(TENANT, source=place, version=2)
    memory.tenants.change(moved, event())
    assert memory.tenants.owner_of(place.connector, place.bucket, place.prefix + "x") == moved
    if not place.overlaps(TENANT.source):
        assert memory.tenants.owner_of("s3", "main", "acme/x") is None
        memory.tenants.add(replace(TENANT, id="beta"), event("beta"))
        assert memory.tenants.owner_of("s3", "main", "acme/x").id == "beta"


@pytest.mark.parametrize("place", ["", "beta/", "beta/below/", "b/", "b/c/d/"])
def test_a_source_does_not_move_onto_anothers(memory, place):
    memory.tenants.add(TENANT, event())
    memory.tenants.add(replace(TENANT, id="beta", source=Source("s3", "main", "beta/")), event("beta"))
    memory.tenants.add(replace(TENANT, id="c", source=Source("s3", "main", "b/c/")), event("c"))
    with pytest.raises(Conflict):
        memory.tenants.change(replace(TENANT, source=Source("s3", "main", place), version=2), event())
    assert memory.tenants.get("acme", fresh=True) == TENANT
    assert memory.tenants.owner_of("s3", "main", "acme/x").id == "acme"


def test_a_removed_tenant_leaves_its_place_and_its_trail(memory):
    memory.tenants.add(TENANT, event())
    with pytest.raises(VersionMismatch):
        memory.tenants.remove(replace(TENANT, version=2), event())
    memory.tenants.remove(TENANT, event())
    assert memory.tenants.get("acme") is None
    assert memory.tenants.owner_of("s3", "main", "acme/x") is None
    memory.tenants.add(TENANT, event())
    assert memory.audit.head("acme")[0] == 3


def test_a_changed_rule_is_written_over_the_version_before_only_and_seen(memory, elsewhere):
    memory.rules.add(RULE, event())
    assert [*elsewhere.rules.of("acme")] == [RULE]
    changed = replace(RULE, paused=False, priority=9, version=2)
    memory.rules.change(changed, event())
    assert [*memory.rules.of("acme")] == [*elsewhere.rules.of("acme", fresh=True)] == [changed]
    for stale in (changed, replace(changed, id="r2", version=3)):
        with pytest.raises(VersionMismatch):
            memory.rules.change(stale, event())
    assert changed.created_at == NOW
