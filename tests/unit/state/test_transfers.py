"""The register of upload sessions, on both emulators."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shared.domain.errors import Conflict
from shared.ports.state import Transfer
from shared.state.transfers import DynamoTransfers

NOW = datetime(2026, 11, 20, 12, 0, 0, 5, UTC)
LONGEST = "ü" * 512
OURS = Transfer("acme", "azure", "in/a b", NOW)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.fixture
def transfers(tables) -> DynamoTransfers:
    return DynamoTransfers(tables)


def stale(transfers: DynamoTransfers, than: datetime, **how) -> list[Transfer]:
    return list(transfers.stale("acme", "azure", older_than=than, **how))


def test_what_begun_is_stale_once_it_is_older_and_gone_once_it_ended(transfers):
    transfers.begun(OURS)
    assert stale(transfers, NOW) == []
    assert stale(transfers, NOW + timedelta(microseconds=1)) == [OURS]
    transfers.ended(OURS)
    transfers.ended(OURS)
    assert stale(transfers, NOW + minutes(1)) == []


def test_the_oldest_come_first_and_no_more_than_asked_for(transfers):
    each = [replace(OURS, begun_at=NOW + minutes(count)) for count in (3, 0, 2, 1)]
    for transfer in each:
        transfers.begun(transfer)
    assert stale(transfers, NOW + minutes(3)) == [each[1], each[3], each[2]]
    assert stale(transfers, NOW + minutes(3), limit=2) == [each[1], each[3]]


def test_tenants_targets_paths_and_moments_are_told_apart(transfers):
    others = [
        replace(OURS, tenant_id="bolt"),
        replace(OURS, target="other"),
        replace(OURS, path="in/a"),
        replace(OURS, path=LONGEST),
        replace(OURS, begun_at=NOW + timedelta(microseconds=1)),
    ]
    for transfer in [OURS, *others]:
        transfers.begun(transfer)
    transfers.ended(OURS)
    found = stale(transfers, NOW + minutes(1))
    assert sorted(found, key=repr) == sorted(others[2:], key=repr)


def test_one_session_is_registered_once(transfers):
    transfers.begun(OURS)
    with pytest.raises(Conflict):
        transfers.begun(OURS)


def test_a_moment_is_the_same_in_every_zone(transfers):
    transfers.begun(replace(OURS, begun_at=NOW.astimezone(timezone(timedelta(hours=-9)))))
    assert stale(transfers, NOW + minutes(1)) == [OURS]
    transfers.ended(OURS)
    assert stale(transfers, NOW + minutes(1)) == []


def test_each_question_is_one_call(transfers, calls):
    transfers.begun(OURS)
    transfers.stale("acme", "azure", older_than=NOW + minutes(1), limit=1)
    transfers.ended(OURS)
    assert calls == ["PutItem", "Query", "DeleteItem"]
