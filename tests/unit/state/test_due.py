"""Which tokens are due for a refresh: found without looking at those that are not."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import batched

import pytest

from shared.domain.integration import Integration
from shared.state.connection_models import IntegrationItem
from shared.state.integration_rows import SHARDS, item_of, shard_of
from shared.state.tables import Tables, bound
from tests.counts import note
from tests.unit.state.conftest import memory_of
from tests.unit.state.records import ALONE, NOW, event, later


def integration(number: int, due: datetime | None, tenant="acme"):
    return replace(ALONE, id=f"i{number:05}", tenant_id=tenant, refresh_due_at=due)


def fill(tables: Tables, rows: Iterable[Integration]) -> None:
    """Raw batches: a transaction each would take minutes."""
    model = bound(IntegrationItem, tables)
    client = model._get_connection().connection.client
    for some in batched(rows, 25, strict=False):
        puts = [{"PutRequest": {"Item": item_of(model, row).serialize()}} for row in some]
        client.batch_write_item(RequestItems={model.Meta.table_name: puts})


@dataclass
class Reads:
    """What a connection reads: the operations, and how many items they looked at."""

    operations: list[str]
    items: int = 0

    def heard(self, parsed, model, **_: object) -> None:
        self.operations.append(model.name)
        self.items += parsed.get("ScannedCount", 0)


@pytest.fixture
def reads(moto_tables: Tables) -> Iterator[Reads]:
    events, heard = bound(IntegrationItem, moto_tables)._get_connection().connection.client.meta.events, Reads([])
    events.register("after-call.dynamodb", heard.heard)
    yield heard
    events.unregister("after-call.dynamodb", heard.heard)


def test_what_is_due_is_told_the_longest_due_first_and_no_more_than_asked_for(memory):
    dues = {1: 30, 2: 10, 3: 20, 4: 40.000001, 5: None, 6: 40}
    for number, due in dues.items():
        memory.integrations.add(integration(number, later(due) if due else None), event())
    assert [*memory.integrations.due(later(40))] == [("acme", f"i{number:05}") for number in (2, 3, 1, 6)]
    assert [*memory.integrations.due(later(40), limit=2)] == [("acme", "i00002"), ("acme", "i00003")]
    assert memory.integrations.due(NOW) == []


def test_what_is_no_longer_due_leaves_the_index(memory):
    due = integration(1, NOW)
    memory.integrations.add(due, event())
    memory.integrations.change(replace(due, refresh_due_at=later(100), version=2))
    assert memory.integrations.due(later(99)) == []
    memory.integrations.change(replace(due, refresh_due_at=None, version=3))
    assert memory.integrations.due(later(1000)) == []
    assert memory.integrations.get("acme", "i00001", fresh=True).refresh_due_at is None


def test_a_hundred_due_among_ten_thousand_cost_one_query_a_shard(moto_tables, reads):
    rows = (integration(n, later(0 if n % 100 == 7 else 9000) if n % 2 else None, f"t{n % 50}") for n in range(10_000))
    fill(moto_tables, rows)
    memory = memory_of(moto_tables)
    reads.operations.clear()
    due = memory.integrations.due(later(1))
    assert {it[1] for it in due} == {f"i{n:05}" for n in range(7, 10_000, 100)}
    assert reads.operations == ["Query"] * 16
    assert reads.items == 100
    note(
        "due index", f"10,000 integrations, 100 due: {len(reads.operations)} queries that looked at {reads.items} rows"
    )


def test_shards_share_evenly_and_are_the_same_in_every_process():
    counts = dict.fromkeys(SHARDS, 0)
    for number in range(16_000):
        counts[shard_of(f"tenant{number % 97}", f"int_{number}")] += 1
    assert len(SHARDS) == 16
    assert all(850 < count < 1150 for count in counts.values())
    assert shard_of("acme", "i1") == "due#11"


def test_the_index_holds_keys_only(moto_tables):
    assert json.dumps(bound(IntegrationItem, moto_tables)._get_schema()).count("KEYS_ONLY") == 1
