"""What is particular to DynamoDB: rows of older releases, races, what is remembered, and what a call costs."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.domain.errors import (
    Conflict,
    VersionMismatch,
)
from shared.domain.provider import SYSTEM
from shared.domain.tenant import Source
from shared.ports.connections import Lease
from shared.state.connection_models import FlowItem, IntegrationItem
from shared.state.tables import bound
from tests.unit.state.conftest import Memory, memory_of
from tests.unit.state.records import (
    ALONE,
    DELIVERY,
    FLOW,
    INTEGRATION,
    NOW,
    PROVIDER,
    TENANT,
    event,
    later,
)


@pytest.fixture
def provided(memory: Memory) -> Memory:
    memory.providers.add(PROVIDER, event(SYSTEM))
    return memory


def test_every_question_on_the_way_of_a_request_is_one_call(memory, elsewhere, calls):
    questions = {
        "PutItem": [lambda: memory.flows.add(FLOW), lambda: memory.webhooks.record(DELIVERY)],
        "GetItem": [
            lambda: memory.flows.look(FLOW.state_hash, NOW),
            lambda: memory.webhooks.get("acme", "w1"),
            lambda: memory.audit.head("acme"),
            lambda: memory.tenants.get("acme", fresh=True),
            lambda: memory.integrations.get("acme", "i1", fresh=True),
            lambda: memory.providers.get("p1", fresh=True),
        ],
        "DeleteItem": [
            lambda: memory.flows.take(FLOW.state_hash, NOW),
            lambda: memory.flows.take(FLOW.state_hash, NOW),
            lambda: memory.leases.free(Lease("x", "one", later(60))),
        ],
        "UpdateItem": [
            lambda: memory.leases.take("x", "one", until=later(60), now=NOW),
            lambda: memory.leases.take("x", "two", until=later(60), now=NOW),
            lambda: memory.leases.free(Lease("x", "one", later(60)), doubtful=True),
            lambda: memory.limits.spend("x", most=2, seconds=60, now=NOW),
        ],
        "Query": [
            lambda: memory.integrations.of("acme"),
            memory.providers.page,
            lambda: memory.webhooks.of("acme"),
            lambda: memory.webhooks.deliveries("acme", "w1"),
            lambda: memory.audit.page("acme"),
            lambda: memory.audit.page("acme", newest_first=True),
            lambda: memory.rules.of("acme", fresh=True),
        ],
    }
    for operation, asked in questions.items():
        for ask in asked:
            calls.clear()
            ask()
            assert calls == [operation]


def test_a_write_that_arrived_though_its_answer_did_not_is_no_mismatch(memory):
    memory.integrations.add(ALONE, event())
    changed = replace(ALONE, name="New", version=2)
    memory.integrations.change(changed)
    memory.integrations.change(changed)  # as botocore sends it again
    with pytest.raises(VersionMismatch):
        memory.integrations.change(replace(changed, name="Other"))
    with pytest.raises(VersionMismatch):
        memory.integrations.change(changed, event())  # a transaction knows itself when it is sent again


def test_providers_are_remembered_unless_asked_freshly(provided, elsewhere, calls):
    assert elsewhere.providers.by_slug("box").version == 1
    provided.providers.change(replace(PROVIDER, version=2), event(SYSTEM))
    calls.clear()
    assert elsewhere.providers.get("p1").version == 1
    assert elsewhere.providers.by_slug("box").version == 1
    assert calls == []
    assert elsewhere.providers.get("p1", fresh=True).version == 2
    assert elsewhere.providers.get("p1").version == 2
    assert calls == ["GetItem"]


def test_a_lost_provider_does_not_keep_an_integrations_secrets(provided, tables):
    provided.integrations.add(INTEGRATION, event())
    provided.providers._row("providers", "p1").delete()
    provided.integrations.remove(INTEGRATION, event())
    assert list(bound(IntegrationItem, tables).scan()) == []
    assert provided.providers.get("p1") is None


def test_an_integration_asked_freshly_is_as_it_is_now(memory, elsewhere, calls):
    memory.integrations.add(ALONE, event())
    assert elsewhere.integrations.get("acme", "i1").version == 1
    memory.integrations.change(replace(ALONE, version=2))
    assert elsewhere.integrations.get("acme", "i1").version == 1
    assert elsewhere.integrations.get("acme", "i1", fresh=True).version == 2
    calls.clear()
    assert elsewhere.integrations.get("acme", "i1").version == 2
    assert calls == []


def test_of_racing_changes_to_one_integration_one_wins(ministack_tables):
    memory = memory_of(ministack_tables)
    memory.integrations.add(ALONE, event())

    def change(number: int) -> bool:
        told = event() if number % 2 else None
        try:
            memory.integrations.change(replace(ALONE, name=str(number), version=2), told)
        except VersionMismatch:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(change, range(8))) == 1


def test_a_providers_slug_stays(provided):
    with pytest.raises(VersionMismatch):
        provided.providers.change(replace(PROVIDER, slug="new", version=2), event(SYSTEM))
    assert provided.providers.by_slug("box") == PROVIDER


def test_uses_are_counted_whoever_adds_at_once(ministack_tables):
    memory = memory_of(ministack_tables)
    memory.providers.add(PROVIDER, event(SYSTEM))

    def add(number: int) -> None:
        tenant = f"t{number % 4}"
        it = replace(INTEGRATION, id=f"i{number}", tenant_id=tenant)
        memory.integrations.add(it, event(tenant))
        if number % 3 == 0:
            memory.integrations.remove(it, event(tenant))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(12)))
    assert memory.providers.get("p1", fresh=True).uses == 8


def test_a_row_of_the_first_release_is_read_and_changed(memory, elsewhere, tables):
    raw = {
        "v": {"N": "1"},
        "tenant": {"S": "acme"},
        "id": {"S": "i1"},
        "name": {"S": "Azure"},
        "connector": {"S": "azure_blob"},
        "auth_type": {"S": "connection_string"},
        "container": {"S": "backup"},
        "settings": {"S": '{"account": "x"}'},
        "sealed": {"B": b"\x00old"},
        "status": {"S": "active"},
        "is_active": {"BOOL": True},
        "version": {"N": "1"},
        "created_at": {"S": "2026-11-20T12:00:00.000005+0000"},
        "updated_at": {"S": "2026-11-20T12:00:00.000005+0000"},
    }
    table = bound(IntegrationItem, tables)
    client = table._get_connection().connection.client
    client.put_item(TableName=table.Meta.table_name, Item=raw)
    old = memory.integrations.get("acme", "i1")
    assert (old.credentials.box, old.credentials.sequence, old.tokens, old.generation) == (b"\x00old", 1, None, 0)
    assert (old.provider_id, old.created_at, old.settings) == (None, NOW, {"account": "x"})
    memory.integrations.change(replace(old, version=2), event())
    assert elsewhere.integrations.get("acme", "i1") == replace(old, version=2)
    stored = client.get_item(TableName=table.Meta.table_name, Key={"tenant": raw["tenant"], "id": raw["id"]})["Item"]
    assert "sealed" not in stored


def test_a_consent_is_deleted_by_the_store_a_little_after_it_is_over(memory, tables):
    memory.flows.add(FLOW)
    (item,) = bound(FlowItem, tables).scan()
    assert 0 < (item.expires - FLOW.expires_at).total_seconds() <= 61


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
