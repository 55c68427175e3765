"""``tenants/{t}/replicas``."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.api.schemas import replicas as schemas
from shared.domain import replica
from shared.domain.errors import StateUnavailable
from shared.domain.objects import Checksums, Tag
from shared.domain.replica import Failure, Replica
from tests.unit.api.fakes import NOW, Api

PATH = "/api/v1/tenants/acme/replicas"
ROW = Replica(
    "acme",
    "acme/ünï c.txt",
    "azure",
    "r1",
    "replicated",
    NOW,
    source_version="v1",
    source_tag=Tag("s"),
    target_tag=Tag("t"),
    size=7,
    checksums=Checksums({"crc64nvme": "00000000000000ff"}),
    route="streamed",
    lag_seconds=1.5,
    attempts=2,
    bytes_done=3,
    replicated_at=NOW,
)
NONE_YET = Replica("acme", "acme/new", "azure", "r1", "failed", NOW, failure=Failure("throttled", "slow down"))


@pytest.fixture
def api():
    return Api()


def test_an_item_says_what_is_known_of_a_copy_and_nothing_else(api):
    api.ledger.rows = [ROW, NONE_YET]
    answer = api.get(PATH)
    assert answer.status == 200
    assert answer.json == {
        "items": [
            {
                "sourceKey": "acme/ünï c.txt",
                "target": "azure",
                "status": "replicated",
                "sourceVersion": "v1",
                "size": 7,
                "checksums": {"crc64nvme": "00000000000000ff"},
                "path": "streamed",
                "lagSeconds": 1.5,
                "attempts": 2,
                "error": None,
                "replicatedAt": "2026-11-20T12:00:00Z",
                "updatedAt": "2026-11-20T12:00:00Z",
            },
            {
                "sourceKey": "acme/new",
                "target": "azure",
                "status": "failed",
                "sourceVersion": None,
                "size": None,
                "checksums": {},
                "path": None,
                "lagSeconds": None,
                "attempts": 0,
                "error": {"code": "throttled", "message": "slow down"},
                "replicatedAt": None,
                "updatedAt": "2026-11-20T12:00:00Z",
            },
        ],
        "nextCursor": None,
    }


def test_filters_reach_the_ledger_and_blank_ones_are_none(api):
    api.get(PATH, status="pending", target="azure", keyPrefix="a/b,c d+é", limit=1000)
    api.get(PATH, query="status=&target=&keyPrefix=&limit=&cursor=")
    given, blank = (filters for _, _, filters in api.ledger.asked)
    assert given == {"status": "pending", "target": "azure", "key_prefix": "a/b,c d+é", "limit": 1000, "after": None}
    assert blank == {"status": None, "target": None, "key_prefix": "", "limit": 100, "after": None}


def test_the_words_on_the_wire_are_the_domains():
    assert set(schemas.Status.__args__) == set(replica.ReplicaStatus.__value__.__args__)
    assert set(schemas.Route.__args__) == set(replica.Route.__value__.__args__)


def test_a_list_is_continued_where_it_ended(api):
    api.ledger.after = '["acme/ünï", "azure"]'
    cursor = api.get(PATH, status="failed").json["nextCursor"]
    api.ledger.after = None
    answer = api.get(PATH, status="failed", cursor=cursor, limit=5)
    assert answer.json["nextCursor"] is None
    assert api.ledger.asked[-1][2]["after"] == '["acme/ünï", "azure"]'


@pytest.mark.parametrize(
    "changed", [{"status": "pending"}, {}, {"status": "failed", "target": "x"}, {"status": "failed", "keyPrefix": "a"}]
)
def test_a_cursor_serves_only_the_list_it_was_given_for(api, changed):
    api.ledger.after = "here"
    cursor = api.get(PATH, status="failed").json["nextCursor"]
    answer = api.get(PATH, cursor=cursor, **changed)
    assert (answer.status, answer.json["code"]) == (422, "invalid_cursor")
    assert len(api.ledger.asked) == 1


def test_a_cursor_lasts_a_day(api):
    api.ledger.after = "here"
    cursor = api.get(PATH).json["nextCursor"]
    api.now += timedelta(hours=24)
    assert api.get(PATH, cursor=cursor).status == 422


def test_a_key_asks_for_the_copies_of_one_object(api):
    api.ledger.rows = [ROW, replace(ROW, target="s3"), replace(ROW, target="old", status="failed"), NONE_YET]
    assert [item["target"] for item in api.get(PATH, key=ROW.source_key).json["items"]] == ["azure", "s3", "old"]
    assert [item["target"] for item in api.get(PATH, key=ROW.source_key, status="failed").json["items"]] == ["old"]
    assert [item["target"] for item in api.get(PATH, key=ROW.source_key, target="s3").json["items"]] == ["s3"]
    assert api.get(PATH, key="acme/none").json == {"items": [], "nextCursor": None}
    assert {call[0] for call in api.ledger.asked} == {"copies"}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=1001", "/query/limit"),
        ("limit=secret", "/query/limit"),
        ("limit=1&limit=2", "/query/limit"),
        ("status=secret", "/query/status"),
        ("target=a%20secret", "/query/target"),
        ("target=" + "x" * 65, "/query/target"),
        ("keyPrefix=" + "x" * 1025, "/query/keyPrefix"),
        ("cursor=" + "x" * 5000, "/query/cursor"),
        ("cursor=secret", "/query/cursor"),
        ("keyPrefix=" + "%C3%A9" * 513, None),
        ("key=" + "%C3%A9" * 513, None),
        ("key=a&keyPrefix=a", None),
        ("key=a&cursor=secret", None),
        ("keyPrefix=%ff", None),
        ("keyPrefix=\ud800", "/query/keyPrefix"),
        ("keyPrefix=%ED%A0%80", None),
        ("key_prefix=secret", None),
        ("status=failed&status=pending", "/query/status"),
        ("keyPrefix=a&keyPrefix=b", "/query/keyPrefix"),
        ("&".join(f"a{n}=1" for n in range(100)), None),
    ],
)
def test_values_not_as_described_are_refused_by_place_and_never_repeated(api, query, pointer):
    answer = api.get(PATH, query=query)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json.get("errors", [])] == ([pointer] if pointer else [])
    assert "secret" not in answer.text
    assert api.ledger.asked == []


def test_a_ledger_that_does_not_answer_is_told_as_such_and_reported(api):
    api.ledger.error = StateUnavailable("the state store refused or did not answer")
    answer = api.get(PATH)
    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "state_unavailable", "1")
    assert api.reported == [api.ledger.error]
