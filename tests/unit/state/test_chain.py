"""How a trail's chain is kept while others write to it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shared.domain.audit import GENESIS, first_break
from shared.domain.errors import (
    StateUnavailable,
)
from shared.state.answers import ConditionLost, Contended
from shared.state.audit import DynamoAudit, recorded
from shared.state.chain import Chain
from shared.state.connection_models import AuditItem, HeadItem, WebhookItem
from shared.state.tables import bound
from shared.state.transactions import Delete, Save, Update, together
from tests.unit.state.conftest import memory_of
from tests.unit.state.records import (
    ALONE,
    TOLD,
    documents,
    event,
)


def test_a_change_costs_one_read_and_one_transaction(memory, calls):
    memory.integrations.add(ALONE, event())
    memory.integrations.change(replace(ALONE, version=2), event())
    assert calls == ["GetItem", "TransactWriteItems"] * 2


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
    told = documents(memory)
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
    assert first_break(documents(elsewhere)) is None


def test_a_transaction_in_the_way_is_waited_for(moto_tables, monkeypatch):
    pauses, busy = [], [Contended(), Contended()]

    def together_after_others(*transaction) -> None:
        if busy:
            raise busy.pop()
        together(*transaction)

    monkeypatch.setattr("shared.state.chain.together", together_after_others)
    assert Chain(moto_tables, sleep=pauses.append).commit(event()).sequence == 1
    assert len(pauses) == 2


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
