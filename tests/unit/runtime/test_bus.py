"""The event bus: every notice is on it, or the teller hears that not all are."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from shared.domain.errors import Misconfigured, StateUnavailable
from shared.domain.notice import Notice, document
from shared.runtime.bus import EventBridgeBus

NOTICE = Notice("evt_acme_3", "integration.failed", "acme", datetime(2026, 11, 20, tzinfo=UTC), "int_1", "revoked")


class Events:
    """PutEvents, as far as it is used; takes no entry whose id is in ``refuses``, once for each time it is there."""

    def __init__(self) -> None:
        self.taken, self.calls, self.refuses, self.error = [], 0, [], None

    def put_events(self, *, Entries):  # noqa: N803 # boto3's names
        self.calls += 1
        assert 1 <= len(Entries) <= 10
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "canary"}}, "PutEvents")
        answers = [self._one(entry) for entry in Entries]
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    def _one(self, entry):
        name = json.loads(entry["Detail"])["id"]
        if name in self.refuses:
            self.refuses.remove(name)
            return {"ErrorCode": "ThrottlingException", "ErrorMessage": "canary"}
        self.taken.append(entry)
        return {"EventId": "1"}


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def bus(events: Events) -> EventBridgeBus:
    return EventBridgeBus(lambda: events, "farshore")


def numbered(count: int) -> list[Notice]:
    return [replace(NOTICE, id=f"evt_acme_{n}") for n in range(count)]


def test_an_event_says_what_the_notice_says(bus, events):
    bus.announce([NOTICE])
    (entry,) = events.taken
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("farshore", NOTICE.kind, "farshore")
    assert entry["Time"] == NOTICE.at
    assert json.loads(entry["Detail"]) == document(NOTICE)


def test_many_go_ten_to_a_call(bus, events):
    bus.announce(numbered(23))
    assert events.calls == 3
    assert len(events.taken) == 23


def test_what_one_call_left_out_is_put_once_more(bus, events):
    events.refuses = ["evt_acme_1", "evt_acme_2"]
    bus.announce(numbered(4))
    assert sorted(json.loads(entry["Detail"])["id"] for entry in events.taken) == [f"evt_acme_{n}" for n in range(4)]


def test_what_is_left_out_twice_is_told_of(bus, events):
    events.refuses = ["evt_acme_1"] * 2
    with pytest.raises(StateUnavailable):
        bus.announce(numbered(4))


@pytest.mark.parametrize(
    ("code", "meaning"), [("InternalException", StateUnavailable), ("ResourceNotFoundException", Misconfigured)]
)
def test_a_refusal_keeps_its_words_to_itself(bus, events, code, meaning):
    events.error = code
    with pytest.raises(meaning) as refused:
        bus.announce([NOTICE])
    assert "canary" not in str(refused.value)
