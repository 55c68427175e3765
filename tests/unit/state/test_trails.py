"""The audit trail: a chain of hashes, written together with each change or not at all."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.domain.audit import GENESIS, document, first_break
from shared.domain.errors import AlreadyExists, Conflict, StateUnavailable, VersionMismatch
from shared.domain.provider import SYSTEM
from shared.domain.tenant import Source
from shared.state.answers import ConditionLost
from shared.state.audit import DynamoAudit, recorded
from shared.state.chain import Chain
from shared.state.connection_models import AuditItem, HeadItem, WebhookItem
from shared.state.tables import bound
from shared.state.transactions import Delete, Save, Update
from tests.unit.state.conftest import memory_of
from tests.unit.state.records import INTEGRATION, NOW, RULE, TENANT, event, later

ALONE = replace(INTEGRATION, provider_id=None)
TOLD = event(
    outcome="grant_revoked",
    before={"status": "active", "n": 1, "scopes": ["b", "a"]},
    after={"status": "revoked", "reason": None, "ratio": 0.5, "name": 'ü"\\日本😀'},
)


def documents(audit, tenant_id="acme"):
    return [
        {**document(it.event, it.sequence, it.previous), "hash": it.hash} for it in audit.page(tenant_id, limit=1000)
    ]


def test_an_entry_comes_back_to_the_letter_and_the_trail_is_sound(memory):
    first, second = memory.audit.append(TOLD), memory.audit.append(event())
    assert [*memory.audit.page("acme")] == [first, second]
    assert (first.event, first.sequence, first.previous) == (TOLD, 1, GENESIS)
    assert (second.sequence, second.previous) == (2, first.hash)
    assert memory.audit.head("acme") == (2, second.hash)
    assert first_break(documents(memory.audit)) is None


def test_trails_are_apart_and_an_empty_one_begins_with_zeros(memory):
    memory.audit.append(event())
    memory.audit.append(event(SYSTEM))
    assert memory.audit.head("acme")[0] == memory.audit.head(SYSTEM)[0] == 1
    assert memory.audit.head("other") == (0, GENESIS)
    assert memory.audit.page("other") == []


def test_entries_are_paged_from_either_end_in_one_query_each(memory, calls):
    for _ in range(5):
        memory.audit.append(event())
    calls.clear()

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
    assert calls == ["Query"] * 8
    assert page(after=10**13) == page(after=10**13, newest_first=True) == []


def test_a_change_costs_one_read_and_one_transaction(memory, calls):
    memory.integrations.add(ALONE, event())
    memory.integrations.change(replace(ALONE, version=2), event())
    assert calls == ["GetItem", "TransactWriteItems"] * 2


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
    assert first_break(documents(memory.audit)) is None


def test_forty_writers_of_one_tenant_at_once_all_succeed_and_the_chain_is_sound(ministack_tables):
    # MiniStack only: moto takes back a refused transaction by restoring a copy of all tables, other threads' writes included.
    memory = memory_of(ministack_tables)

    def write(number: int) -> None:
        if number % 2:
            memory.audit.append(event(action=f"attempt.{number}"))
        else:
            memory.integrations.add(replace(ALONE, id=f"i{number}"), event(action=f"added.{number}"))

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(write, range(40)))
    told = documents(memory.audit)
    assert len({each["action"] for each in told}) == len(told) == 40
    assert first_break(told) is None
    assert len(memory.integrations.of("acme")) == 20


class Elsewhere:
    """Another process that appends in between: so many times, right before each of ours."""

    def __init__(self, tables, times: int) -> None:
        self.audit, self.times, self.pauses = DynamoAudit(tables), times, []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.interfere()

    def interfere(self) -> None:
        if self.times:
            self.times -= 1
            self.audit.append(event(action="elsewhere"))


def behind(chain: Chain, elsewhere: Elsewhere, monkeypatch) -> None:
    """The chain's next look at the head is one entry old."""
    stale = chain.head

    def head(tenant_id: str):
        seen = stale(tenant_id)
        elsewhere.interfere()
        return seen

    monkeypatch.setattr(chain, "head", head)


def test_an_entry_that_came_first_is_built_upon(tables, monkeypatch):
    elsewhere = Elsewhere(tables, 3)
    chain = Chain(tables, sleep=elsewhere.pauses.append, fraction=lambda: 1.0)
    behind(chain, elsewhere, monkeypatch)
    assert chain.commit(event()).sequence == 4
    assert elsewhere.pauses == [0.02, 0.04, 0.08]
    assert first_break(documents(elsewhere.audit)) is None


def test_a_trail_that_never_rests_is_unavailability_after_a_bounded_time(moto_tables, monkeypatch):
    elsewhere = Elsewhere(moto_tables, 1000)
    chain = Chain(moto_tables, sleep=elsewhere.pauses.append, fraction=lambda: 1.0)
    behind(chain, elsewhere, monkeypatch)
    with pytest.raises(StateUnavailable):
        chain.commit(event())
    assert len(elsewhere.pauses) == 40
    assert sum(elsewhere.pauses) < 20


def test_a_lost_row_is_told_by_its_place_whatever_the_kinds_of_writes(tables):
    row = bound(WebhookItem, tables)
    chain = Chain(tables, sleep=lambda _: None)
    there, gone = row.id.exists(), row.id.does_not_exist()
    writes = [
        Update(row("a", "1"), [row.url.set("x")], there),
        Save(bound(HeadItem, tables)("a", "2", sequence=1, digest="")),
        Delete(row("a", "3"), gone),
        Delete(row("a", "4"), there),
    ]
    with pytest.raises(ConditionLost) as caught:
        chain.commit(event(), writes)
    assert caught.value.lost == {0, 3}
    assert chain.head("acme") == (0, GENESIS)


def test_a_lost_row_is_not_tried_again_though_the_head_moved_too(tables, monkeypatch):
    elsewhere = Elsewhere(tables, 1)
    chain = Chain(tables, sleep=elsewhere.pauses.append)
    behind(chain, elsewhere, monkeypatch)
    row = bound(WebhookItem, tables)
    with pytest.raises(ConditionLost):
        chain.commit(event(), [Delete(row("a", "1"), row.id.exists())])
    assert elsewhere.pauses == []


def test_rows_from_before_the_chain_are_not_listed_and_do_not_disturb(memory, tables):
    table = bound(AuditItem, tables)
    old = {"tenant": "acme", "id": "2026-11-20T12:00:00.000005#0123456789abcdef", "actor": "cli", "action": "x"}
    raw = {"v": {"N": "1"}} | {name: {"S": value} for name, value in old.items()}
    table._get_connection().connection.client.put_item(TableName=table.Meta.table_name, Item=raw)
    made = memory.audit.append(event())
    assert [*memory.audit.page("acme")] == [*memory.audit.page("acme", newest_first=True)] == [made]
    assert recorded(raw) is None


def test_the_streams_images_of_entries_are_read_and_those_of_heads_passed_over(memory, tables):
    made = memory.audit.append(TOLD)
    table = bound(AuditItem, tables)
    images = table._get_connection().connection.client.scan(TableName=table.Meta.table_name)["Items"]
    assert sorted((recorded(image) for image in images), key=bool) == [None, made]


def test_a_tenant_comes_back_whole_and_is_changed_by_version(memory, elsewhere):
    memory.tenants.add(TENANT, event())
    assert elsewhere.tenants.get("acme") == TENANT
    changed = replace(TENANT, name="New", owners=frozenset(), updated_at=None, version=2)
    memory.tenants.change(changed, event())
    assert memory.tenants.get("acme") == elsewhere.tenants.get("acme", fresh=True) == changed
    assert memory.tenants.owner_of("s3", "main", "acme/x") == changed
    for stale in (changed, replace(changed, version=4), replace(changed, id="beta", version=3)):
        with pytest.raises(VersionMismatch):
            memory.tenants.change(stale, event())
    assert [*elsewhere.tenants.page()] == [changed]


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
    assert elsewhere.tenants.owner_of("s3", "main", "acme/x")
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


def test_of_racing_moves_to_overlapping_places_one_wins(ministack_tables):
    memory = memory_of(ministack_tables)
    for number in range(6):
        memory.tenants.add(replace(TENANT, id=f"t{number}", source=Source("s3", "main", f"old{number}/")), event("t"))

    def move(number: int) -> bool:
        try:
            place = Source("s3", "main", "a/" * (number + 1))
            memory.tenants.change(replace(TENANT, id=f"t{number}", source=place, version=2), event(f"t{number}"))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(move, range(6))) == 1


def test_a_tenant_of_the_first_release_is_read_and_changed(memory, elsewhere, tables):
    memory.tenants.add(TENANT, event())
    table = memory.tenants._row
    for item in table.scan(table.name.exists()):
        item.update(
            [table.v.set(1), *[getattr(table, it).remove() for it in ("owners", "members", "version", "updated_at")]]
        )
    bare = replace(TENANT, owners=frozenset(), members=frozenset(), updated_at=None)
    assert elsewhere.tenants.get("acme") == bare
    assert elsewhere.tenants.owner_of("s3", "main", "acme/x") == bare
    changed = replace(bare, owners=frozenset({"ada"}), updated_at=later(1), version=2)
    memory.tenants.change(changed, event())
    assert elsewhere.tenants.get("acme", fresh=True) == changed
    memory.tenants.remove(changed, event())
    assert memory.tenants.page() == []


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
