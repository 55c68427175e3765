"""Reading S3's events: keys decoded exactly once, and every refusal with a reason that repeats nothing."""

import json
from datetime import UTC, datetime
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.aws.s3_events import SIZE_MAX, read
from shared.domain.errors import MalformedEvent
from shared.domain.event import ObjectChanged
from shared.domain.sequencer import Sequencer
from tests.unit.functions.stand import EVENTS, sample

CANARY = "canary-5d3e"
KEY = "acme/a+b c%2Bd ünïcode/日本.txt"


def eventbridge(**changes) -> dict:
    event = sample("s3-eventbridge-created.json")
    event["detail"]["object"] |= changes
    return event


def notification(**changes) -> dict:
    event = sample("s3-notification.json")
    event["Records"] = event["Records"][:1]
    event["Records"][0]["s3"]["object"] |= changes
    return event


def keys(message: dict) -> list[str]:
    return [found.key for found in read(json.dumps(message))]


def test_an_eventbridge_event_is_read_as_it_is():
    found = read((EVENTS / "s3-eventbridge-created.json").read_text())
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    order = Sequencer("617f08299329d189".ljust(64, "0"))
    assert found == [ObjectChanged("s3", "primary-example", KEY, at, order)]


def test_a_deletion_is_a_change_too_and_comes_after():
    created, deleted = (
        read((EVENTS / f"s3-eventbridge-{what}.json").read_text())[0] for what in ("created", "deleted")
    )
    assert deleted.key == created.key
    assert deleted.sequencer > created.sequencer


def test_a_notification_gives_each_of_its_records_decoded_once():
    found = read((EVENTS / "s3-notification.json").read_text())
    assert [it.key for it in found] == [KEY, "acme/old.txt"]
    assert found[0].at == datetime(2026, 11, 20, 12, microsecond=123_000, tzinfo=UTC)
    assert found[0].sequencer.value.startswith("0055aed6dcd90281e5")


def test_the_test_message_of_s3_says_nothing():
    assert read((EVENTS / "s3-test-event.json").read_text()) == []


@pytest.mark.parametrize("key", ["a b", "a+b", "a%2Bb", "a%20b", "%", "%%zz", "日本", "x//y", "\x01", "k" * 1024])
def test_odd_keys_arrive_unchanged_in_both_languages(key):
    assert keys(eventbridge(key=key)) == [key]
    assert keys(notification(key=quote_plus(key))) == [key]


@given(st.text(min_size=1, max_size=300).filter(lambda key: 0 < len(key.encode("utf-8", "ignore")) <= 1024))
def test_every_key_arrives_unchanged_in_both_languages(key):
    try:
        key.encode()
    except UnicodeEncodeError:
        return
    assert keys(eventbridge(key=key)) == [key]
    assert keys(notification(key=quote_plus(key))) == [key]


@pytest.mark.parametrize(
    "kind", ["Object Tags Added", "Object ACL Updated", "Object Restore Completed", "Object Storage Class Changed"]
)
def test_what_changes_no_bytes_is_passed_over(kind):
    assert read(json.dumps(eventbridge() | {"detail-type": kind})) == []
    assert keys({"Records": []}) == []
    told = notification()
    told["Records"][0]["eventName"] = "ObjectTagging:Put"
    assert read(json.dumps(told)) == []


def test_lifecycle_expiry_is_a_change():
    told = notification()
    told["Records"][0]["eventName"] = "LifecycleExpiration:Delete"
    assert keys(told) == [KEY]


def test_no_sequencer_or_a_strange_one_is_as_good_as_none():
    for value in (None, "zz", 7, ""):
        assert read(json.dumps(eventbridge(sequencer=value)))[0].sequencer == Sequencer()


def _without(path: str) -> dict:
    event = eventbridge()
    *steps, last = path.split(".")
    at = event
    for step in steps:
        at = at[step]
    del at[last]
    return event


REFUSED = {
    "no JSON": f"{{{CANARY}",
    "no object": json.dumps([CANARY]),
    "a number": "7",
    "nothing": "",
    "nested too deep": "[" * 100_000,
    "too large": json.dumps({"source": "aws.s3", "pad": "x" * SIZE_MAX}),
    "another service": json.dumps(eventbridge() | {"source": f"aws.{CANARY}"}),
    "no source": json.dumps({"hello": CANARY}),
    "no kind": json.dumps(_without("detail-type")),
    "no detail": json.dumps(_without("detail")),
    "no bucket": json.dumps(_without("detail.bucket")),
    "no time": json.dumps(_without("time")),
    "no key": json.dumps(_without("detail.object.key")),
    "empty key": json.dumps(eventbridge(key="")),
    "key of another kind": json.dumps(eventbridge(key=[CANARY])),
    "key too long": json.dumps(eventbridge(key=CANARY + "x" * 1024)),
    "key of broken text": '{"source":"aws.s3","detail-type":"Object Created","time":"2026-11-20T12:00:00Z",'
    '"detail":{"bucket":{"name":"abc"},"object":{"key":"\\ud800"}}}',
    "detail of another kind": json.dumps(eventbridge() | {"detail": CANARY}),
    "bucket's name": json.dumps(
        eventbridge() | {"detail": {"bucket": {"name": f"{CANARY}/#"}, "object": {"key": "k"}}}
    ),
    "time without a zone": json.dumps(eventbridge() | {"time": "2026-11-20T12:00:00"}),
    "time of another kind": json.dumps(eventbridge() | {"time": 7}),
    "no time at all": json.dumps(eventbridge() | {"time": CANARY}),
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_s3_never_sends_is_refused_and_not_repeated(body):
    (refusal,) = read(body)
    assert isinstance(refusal, MalformedEvent)
    assert CANARY not in str(refusal)
    assert refusal.__cause__ is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("eventSource", f"aws:{CANARY}"),
        ("eventVersion", "3.0"),
        ("eventName", 7),
        ("s3", CANARY),
        ("eventTime", "soon"),
    ],
)
def test_a_forged_record_is_refused_and_its_neighbours_are_not(field, value):
    told = sample("s3-notification.json")
    told["Records"][0][field] = value
    refusal, neighbour = read(json.dumps(told))
    assert isinstance(refusal, MalformedEvent)
    assert CANARY not in str(refusal)
    assert neighbour.key == "acme/old.txt"


def test_form_encoding_that_is_no_text_is_refused():
    assert isinstance(read(json.dumps(notification(key="%FF%FE")))[0], MalformedEvent)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "Records",
                        "source",
                        "detail",
                        "detail-type",
                        "bucket",
                        "object",
                        "key",
                        "name",
                        "s3",
                        "eventSource",
                    ]
                ),
                inner,
            )
        ),
    )
)
def test_nothing_makes_the_reader_raise(said):
    for found in read(json.dumps(said)):
        assert isinstance(found, MalformedEvent | ObjectChanged)
