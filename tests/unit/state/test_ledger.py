"""The ledger's promises, on both emulators."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from shared.domain.errors import InvalidCursor, StateUnavailable
from shared.domain.event import Job
from shared.domain.objects import Checksums, Tag
from shared.domain.replica import Failure, Replica
from shared.domain.rule import Rule, Target
from shared.domain.sequencer import Sequencer, sequencer
from shared.state.ledger import DynamoLedger
from shared.state.listing import last_key
from shared.state.models import ReplicaItem
from shared.state.rules import DynamoRules
from shared.state.tables import bound
from tests.model.world import World
from tests.unit.state.conftest import MOTO, create
from tests.unit.state.test_repositories import event

NOW = datetime(2026, 11, 20, 12, 0, 0, 123456, UTC)
LONG = "k" * 1024


def job(key="a.txt", target="s3-backup", seq="05", tenant="acme", rule="r1"):
    return Job(tenant, rule, target, key, NOW - timedelta(seconds=3), sequencer(seq))


def settled(of: Job, status="replicated", at=NOW) -> Replica:
    return Replica(
        of.tenant_id,
        of.key,
        of.target,
        of.rule_id,
        status,
        at,
        of.sequencer,
        source_version="v1",
        source_tag=Tag("s"),
        target_tag=Tag("t"),
        size=7,
        checksums=Checksums({"crc64nvme": "00000000000000ff"}),
        route="streamed",
        lag_seconds=3.25,
        attempts=2,
        replicated_at=at,
    )


@pytest.fixture
def ledger(tables):
    return DynamoLedger(tables)


@pytest.fixture(params=["moto", "ministack", "model"])
def each_ledger(request):
    """The real ones, and the reference model that all other tests trust in their stead."""
    if request.param == "model":
        return World().ledger
    return DynamoLedger(request.getfixturevalue(f"{request.param}_tables"))


def one(ledger, of=None):
    of = of or job()
    return next(row for row in ledger.copies(of.tenant_id, of.key) if row.target == of.target)


def test_a_recorded_row_comes_back_whole(each_ledger):
    row = settled(job())
    each_ledger.record(row)
    assert each_ledger.copies("acme", "a.txt") == [row]


def test_a_failed_row_comes_back_whole(each_ledger):
    row = replace(
        settled(job(), "failed"), failure=Failure("throttled", "slow down"), bytes_done=3, checksums=Checksums()
    )
    each_ledger.record(row)
    assert each_ledger.copies("acme", "a.txt") == [row]


def test_expected_replicas_are_pending_and_keep_what_is_known(each_ledger):
    each_ledger.record(settled(job(seq="01")))
    each_ledger.expect([job(seq="02"), job(target="azure", seq="02")], NOW + timedelta(seconds=1))
    old, new = each_ledger.copies("acme", "a.txt")[::-1]
    assert (old.target, new.target) == ("s3-backup", "azure")
    assert old == replace(settled(job(seq="02")), status="pending", updated_at=NOW + timedelta(seconds=1))
    assert (new.status, new.source_version, new.attempts) == ("pending", None, 0)


def test_an_older_jobs_word_is_dropped_and_an_equal_ones_stands(each_ledger):
    each_ledger.record(settled(job(seq="05")))
    each_ledger.expect([job(seq="04")], NOW)
    each_ledger.fail(job(seq="04"), Failure("x", "y"), attempts=1, final=True, at=NOW)
    each_ledger.copying(job(seq="04"), size=1, bytes_done=0, at=NOW)
    each_ledger.record(settled(job(seq="04"), "deleted"))
    each_ledger.record(settled(replace(job(), sequencer=Sequencer()), "deleted"))
    assert one(each_ledger) == settled(job(seq="05"))
    each_ledger.record(settled(job(seq="05"), "deleted"))
    assert one(each_ledger).status == "deleted"


def test_one_overtaken_target_does_not_silence_the_others(each_ledger):
    each_ledger.record(settled(job(seq="09")))
    each_ledger.expect([job(seq="05"), job(target="azure", seq="05")], NOW)
    assert {row.target: row.status for row in each_ledger.copies("acme", "a.txt")} == {
        "s3-backup": "replicated",
        "azure": "pending",
    }


def test_without_sequencers_the_later_write_stands(each_ledger):
    plain = replace(job(), sequencer=Sequencer())
    each_ledger.expect([plain], NOW)
    each_ledger.record(settled(plain))
    assert one(each_ledger).status == "replicated"


def test_progress_and_failures_are_shown_and_forgotten_when_all_is_well(each_ledger):
    each_ledger.expect([job()], NOW)
    each_ledger.copying(job(), size=100, bytes_done=40, at=NOW)
    assert (one(each_ledger).status, one(each_ledger).bytes_done, one(each_ledger).size) == ("copying", 40, 100)
    each_ledger.fail(job(), Failure("throttled", "slow"), attempts=2, final=False, at=NOW)
    row = one(each_ledger)
    assert (row.status, row.failure, row.attempts, row.bytes_done) == ("pending", Failure("throttled", "slow"), 2, None)
    each_ledger.fail(job(), Failure("throttled", "slow"), attempts=3, final=True, at=NOW)
    assert one(each_ledger).status == "failed"
    each_ledger.record(settled(job()))
    assert one(each_ledger) == settled(job())


def test_a_small_object_on_two_targets_costs_three_calls(ledger, calls):
    jobs = [job(), job(target="azure")]
    ledger.expect(jobs, NOW)
    for each in jobs:
        ledger.record(settled(each))
    assert len(calls) == 3


def test_one_objects_copies_are_one_query(ledger, calls):
    for target in "abc":
        ledger.record(settled(job(target=target)))
    calls.clear()
    assert [row.target for row in ledger.copies("acme", "a.txt")] == ["a", "b", "c"]
    assert calls == ["Query"]


def test_what_is_not_yet_replicated_on_a_target_is_one_query_of_the_sparse_index(ledger, calls):
    for number in range(30):
        ledger.record(settled(job(f"k{number:02}")))
    ledger.expect([job("k07")], NOW)
    ledger.expect([job("k03"), job("k03", target="azure")], NOW)
    ledger.fail(job("k05"), Failure("x", "y"), attempts=1, final=True, at=NOW)
    calls.clear()
    page = ledger.page("acme", target="s3-backup", status="pending")
    assert [row.source_key for row in page.items] == ["k03", "k07"]
    assert page.after is None
    assert calls == ["Query"]
    assert [row.source_key for row in ledger.page("acme", target="s3-backup", status="failed").items] == ["k05"]


def test_a_settled_row_leaves_the_sparse_index(ledger):
    ledger.expect([job()], NOW)
    ledger.record(settled(job()))
    assert ledger.page("acme", target="s3-backup", status="pending").items == []
    partition = ledger._row.by_unsettled.query("acme#s3-backup")
    assert list(partition) == []


def walk(ledger, limit, **filters):
    """All pages, each checked."""
    rows, after = [], None
    while True:
        page = ledger.page("acme", limit=limit, after=after, **filters)
        assert len(page.items) <= limit
        rows += page.items
        after = page.after
        if after is None:
            return [(row.source_key, row.target) for row in rows]


KEYS = ["a", "a/1", "a/10", "a/2", "b", "x//y", "ünï/日本", "日本", "😀", LONG]


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_pages_ascend_by_key_then_target_and_neither_lose_nor_repeat(ledger, limit):
    for key in KEYS:
        for target in ("t2", "t1", "t3"):
            ledger.record(settled(job(key, target)))
    ledger.record(settled(job("a", "t1", tenant="other")))
    expected = sorted((key, target) for key in KEYS for target in ("t1", "t2", "t3"))
    assert walk(ledger, limit) == expected
    assert walk(ledger, limit, key_prefix="a/") == [it for it in expected if it[0].startswith("a/")]
    assert walk(ledger, limit, target="t2") == [it for it in expected if it[1] == "t2"]
    assert walk(ledger, limit, key_prefix="日") == [it for it in expected if it[0].startswith("日")]
    assert walk(ledger, limit, key_prefix="zzz") == []


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_unsettled_rows_of_all_targets_are_merged_in_order(ledger, tables, limit):
    register(tables, "t1", "t2")
    for key in KEYS:
        ledger.expect([job(key, "t1"), job(key, "t2")], NOW)
    ledger.record(settled(job("a/1", "t2")))
    expected = sorted((key, target) for key in KEYS for target in ("t1", "t2") if (key, target) != ("a/1", "t2"))
    assert walk(ledger, limit, status="pending") == expected
    assert walk(ledger, limit, status="pending", key_prefix="a") == [it for it in expected if it[0].startswith("a")]
    assert walk(ledger, limit, status="failed") == []


def test_a_tenant_whose_rules_are_unknown_still_sees_its_unsettled_rows(ledger):
    ledger.expect([job()], NOW)
    assert walk(ledger, 10, status="pending") == [("a.txt", "s3-backup")]


def test_work_for_a_page_is_bounded_and_can_be_continued(ledger, monkeypatch):
    monkeypatch.setattr("shared.state.listing._QUERIES", 2)
    monkeypatch.setattr("shared.state.listing._FILTERED", 5)
    for number in range(40):
        ledger.record(settled(job(f"k{number:02}")))
    ledger.record(settled(job("k39"), "deleted"))
    first = ledger.page("acme", status="deleted", limit=10)
    assert first.items == []
    assert first.after is not None
    assert walk(ledger, 10, status="deleted") == [("k39", "s3-backup")]


KEY = st.text(alphabet="ab/ü日😀\x7f", min_size=1, max_size=4)
ROWS = st.dictionaries(
    st.tuples(KEY, st.sampled_from(["t1", "t2", "t3"])),
    st.sampled_from(["pending", "copying", "failed", "replicated", "deleted"]),
)


@pytest.mark.parametrize("known", [(), ("t1", "t2", "t3")])
@given(rows=ROWS, data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_list_is_walked_whole_in_order_and_once(known, rows, data):
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for name, small in {"_SPARE": 0, "_FILTERED": 2, "_QUERIES": 2}.items():
            patch.setattr(f"shared.state.listing.{name}", small)
        create(MOTO)
        register(MOTO, *known)
        ledger = DynamoLedger(MOTO)
        for (key, target), status in rows.items():
            ledger.record(settled(job(key, target), status))
        status = data.draw(st.sampled_from([None, "pending", "failed", "replicated"]))
        target = data.draw(st.sampled_from([None, "t1"]))
        prefix = data.draw(st.sampled_from(["", "a", "ü", "a/"]))
        expected = sorted(
            place
            for place, found in rows.items()
            if status in (None, found) and target in (None, place[1]) and place[0].startswith(prefix)
        )
        limit = data.draw(st.integers(1, 4))
        assert walk(ledger, limit, status=status, target=target, key_prefix=prefix) == expected


@pytest.mark.parametrize("after", ["", "{}", "[1, 2]", '["a"]', '["' + "x" * 1025 + '", "t"]', "nonsense"])
def test_a_position_that_no_page_gave_is_refused(ledger, after):
    with pytest.raises(InvalidCursor):
        ledger.page("acme", after=after)


def test_a_prefix_longer_than_any_key_matches_nothing(ledger, calls):
    assert ledger.page("acme", key_prefix="x" * 1025).items == ()
    assert calls == []


@pytest.mark.parametrize("prefix", ["", "a", "é" * 510, "k" * 1021, "k" * 1022, "k" * 1023, LONG])
def test_the_last_key_of_a_prefix_fits_and_comes_last(prefix):
    last = last_key(prefix)
    assert last.startswith(prefix)
    assert 1020 < len(last.encode()) <= 1024
    room = 1024 - len(prefix.encode())
    others = ["\U0010ffff" * (room // 4), "\uffff" * (room // 3), "\x7f" * room, "z"[:room]]
    assert all(prefix + rest <= last for rest in others)


def test_of_racing_writers_the_greatest_sequencer_stands(ministack_tables):
    # MiniStack only: moto takes back a refused transaction by restoring a copy of all tables, other threads' writes included.
    ledger = DynamoLedger(ministack_tables)

    def write(number: int) -> None:
        each = job(seq=f"{number:02x}")
        ledger.expect([each, job(target="azure", seq=f"{number:02x}")], NOW)
        ledger.record(settled(each))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, [7, 3, 19, 1, 12, 20, 5, 16] * 2))
    rows = ledger.copies("acme", "a.txt")
    assert [(row.target, row.sequencer, row.status) for row in rows] == [
        ("azure", sequencer("14"), "pending"),
        ("s3-backup", sequencer("14"), "replicated"),
    ]


def test_a_silent_table_is_unavailable_and_quotes_nothing(moto_tables, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    gone = replace(moto_tables, endpoint="http://127.0.0.1:9")
    with pytest.raises(StateUnavailable) as caught:
        DynamoLedger(gone).expect([job("secret-key")], NOW)
    assert "secret-key" not in str(caught.value)
    with pytest.raises(StateUnavailable):
        DynamoLedger(replace(moto_tables, prefix="missing")).copies("acme", "a")


def test_a_row_of_a_newer_release_waits_for_it(ledger):
    ledger.record(settled(job()))
    row = ledger._row("acme#a.txt", "s3-backup")
    row.update([ReplicaItem.v.set(99)])
    with pytest.raises(StateUnavailable):
        ledger.copies("acme", "a.txt")


def test_a_row_of_an_older_release_is_migrated_when_read(moto_tables):
    class Next(ReplicaItem):
        format = 2
        steps: ClassVar = {1: lambda raw: {**raw, "rule": {"S": "migrated-" + raw["rule"]["S"]}}}

    DynamoLedger(moto_tables).record(settled(job()))
    item = bound(Next, moto_tables).get("acme#a.txt", "s3-backup")
    assert (item.v, item.rule) == (2, "migrated-r1")


def register(tables, *names):
    for name in names:
        DynamoRules(tables).add(Rule(f"r-{name}", "acme", Target(name, "i1"), NOW), event())
