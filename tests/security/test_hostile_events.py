"""Whatever arrives on a queue: it is refused with a reason, and the rest of its batch succeeds."""

import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local.emulators import Emulator, ministack
from tests.security.leaks_events import created, notified
from tests.security.leaks_stage import ATTEMPTS, Stage, stage
from tests.security.leaks_trap import listening

CANARY = "hostile-canary-0b5e"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with ministack() as running:
        yield running


@pytest.fixture
def farshore(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Two tenants in one bucket, each with a prefix and a backup of its own name."""
    with stage(emulator, monkeypatch) as made:
        for tenant in ("acme", "zeta"):
            made.tenant(tenant, prefix=f"{tenant}/")
            made.target(
                tenant,
                f"{tenant}-backup",
                "s3",
                made.buckets["backup"],
                "access_key",
                settings={"endpoint": emulator.endpoint, "region": "us-east-1"},
                secret={"accessKeyId": "target-key", "secretAccessKey": "target-secret"},
            )
        yield made


def good(farshore: Stage, count: int) -> list[str]:
    return [created(farshore.buckets["primary"], f"acme/good-{n}") for n in range(count)]


def jobs(farshore: Stage) -> list[dict[str, Any]]:
    return [json.loads(message["Body"]) for message in farshore.messages("jobs")]


def causes(farshore: Stage, queue: str) -> list[str]:
    return [message["MessageAttributes"]["cause"]["StringValue"] for message in farshore.messages(queue)]


# ---- events --------------------------------------------------------------------------------------------------------
def _event(bucket: str, **changed: Any) -> str:
    """An event of EventBridge's with some parts of its detail changed."""
    event = json.loads(created(bucket, "acme/x"))
    for path, value in changed.items():
        where = event
        *steps, last = path.split("__")
        for step in steps:
            where = where[step]
        where[last] = value
    return json.dumps(event)


HANDSHAKE = [
    {
        "id": "1",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "topic": CANARY,
        "data": {"validationCode": CANARY},
    }
]

REFUSED: dict[str, tuple[str, str]] = {
    # name: (cause, body); BUCKET stands for the tenants' bucket
    "another's bucket": ("foreign_event", created("somebody-elses-bucket", f"acme/{CANARY}")),
    "no tenant's prefix": ("foreign_event", created("BUCKET", f"nobody/{CANARY}")),
    "prefix of another case": ("foreign_event", created("BUCKET", f"ACME/{CANARY}")),
    "prefix with an encoded slash": ("foreign_event", created("BUCKET", f"acme%2F{CANARY}")),
    "above the prefix": ("foreign_event", created("BUCKET", f"../acme/{CANARY}")),
    "bucket of another kind": ("malformed_event", _event("BUCKET", detail__bucket__name={"name": CANARY})),
    "bucket that names a partition": ("malformed_event", _event("BUCKET", detail__bucket__name="BUCKET#acme")),
    "notification of another's bucket": ("foreign_event", notified("somebody-elses-bucket", f"acme/{CANARY}")),
    "not JSON": ("malformed_event", f"<xml>{CANARY}</xml>"),
    "nothing": ("malformed_event", " "),
    "JSON null": ("malformed_event", "null"),
    "JSON text": ("malformed_event", f'"{CANARY}"'),
    "JSON list, as Event Grid's handshake": ("malformed_event", json.dumps(HANDSHAKE)),
    "Event Grid's handshake": ("malformed_event", json.dumps(HANDSHAKE[0])),
    "a cloud event": (
        "malformed_event",
        json.dumps({"specversion": "1.0", "type": "Microsoft.Storage.BlobCreated", "data": CANARY}),
    ),
    "another source": ("malformed_event", _event("BUCKET", source="aws.s3.evil")),
    "no detail": (
        "malformed_event",
        json.dumps({"source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-20T12:00:00Z"}),
    ),
    "detail of another kind": ("malformed_event", _event("BUCKET", detail=[CANARY])),
    "key of another kind": ("malformed_event", _event("BUCKET", detail__object__key=["acme/x"])),
    "empty key": ("malformed_event", _event("BUCKET", detail__object__key="")),
    "key too long": ("malformed_event", _event("BUCKET", detail__object__key="acme/" + "x" * 1020)),
    "key too long in UTF-8 only": ("malformed_event", _event("BUCKET", detail__object__key="acme/" + "日" * 340)),
    "key that is no Unicode": ("malformed_event", created("BUCKET", "acme/\ud800")),
    "notification key that is no UTF-8": ("malformed_event", notified("BUCKET", "acme/%ff%fe")),
    "time without a zone": ("malformed_event", _event("BUCKET", time="2026-11-20T12:00:00")),
    "time that is none": ("malformed_event", _event("BUCKET", time=CANARY)),
    "record of another service": ("malformed_event", notified("BUCKET", "acme/x", eventSource="aws:sqs")),
    "record of another version": ("malformed_event", notified("BUCKET", "acme/x", eventVersion="3.0")),
    "record of another kind": ("malformed_event", json.dumps({"Records": [CANARY]})),
    "records of another kind": ("malformed_event", json.dumps({"Records": {"s3": CANARY}})),
    "64 KB of letters": ("malformed_event", "A" * 65_536),
    "64 KB of brackets": ("malformed_event", "[" * 65_536),
    "a number of 64 KB": ("malformed_event", "9" * 65_536),
}


def _body(text: str, farshore: Stage) -> str:
    return text.replace("BUCKET", farshore.buckets["primary"])


def test_each_hostile_event_is_refused_with_its_reason_and_the_event_beside_it_succeeds(
    farshore: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    with listening(logging.INFO, capfd) as trap:
        for name, (expected, text) in REFUSED.items():
            answer = farshore.plan(_body(text, farshore), *good(farshore, 1))
            assert (len(answer["given"]), answer["back"]) == (2, set()), name
            assert [job["key"] for job in jobs(farshore)] == ["acme/good-0"], name
            assert causes(farshore, "events-dlq") == [expected], name
            farshore.forget("events-dlq", "jobs")
    trap.secrets = {"what was refused": CANARY}
    assert trap.leaks() == []
    assert trap.output.count('"event refused"') == len(REFUSED)


@pytest.mark.parametrize("poison", ["not JSON", "another's bucket", "64 KB of brackets"])
def test_beside_a_poison_message_the_other_nine_of_ten_succeed(farshore: Stage, poison: str) -> None:
    answer = farshore.plan(_body(REFUSED[poison][1], farshore), *good(farshore, 9))
    assert (len(answer["given"]), answer["back"]) == (10, set())
    assert sorted(job["key"] for job in jobs(farshore)) == [f"acme/good-{n}" for n in range(9)]
    assert causes(farshore, "events-dlq") == [REFUSED[poison][0]]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(
            {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-20T12:00:00Z", "Bucket": "BUCKET"}
        ),
        json.dumps({"Records": []}),
        _event("BUCKET", **{"detail-type": "Object Tags Added"}),
        notified("BUCKET", "acme/x", eventName="ObjectTagging:Put"),
    ],
    ids=["test event", "no records", "tags", "tags in a notification"],
)
def test_what_is_true_but_no_change_is_let_go(farshore: Stage, text: str) -> None:
    answer = farshore.plan(_body(text, farshore))
    assert (len(answer["given"]), answer["back"]) == (1, set())
    assert jobs(farshore) == []
    assert farshore.messages("events-dlq") == []


def test_keys_are_decoded_exactly_once_in_both_languages(farshore: Stage) -> None:
    bucket = farshore.buckets["primary"]
    plain = [
        "acme/a b",
        "acme/a+b",
        "acme/a%2Bb",
        "acme/a%20b",
        "acme/a%252Bb",
        "acme/%",
        "acme/../zeta/x",
        "acme//x",
        "acme/\0",
    ]
    encoded = [
        "acme/a+b",
        "acme/a%2Bb",
        "acme/a%252Bb",
        "acme/a%2520b",
        "acme/a%25252Bb",
        "acme/%25",
        "acme/../zeta/x",
        "acme//x",
        "acme/%00",
    ]
    farshore.plan(*(created(bucket, key) for key in plain))
    assert sorted(job["key"] for job in jobs(farshore)) == sorted(plain)
    farshore.forget("jobs")
    farshore.plan(*(notified(bucket, key) for key in encoded))
    assert sorted(job["key"] for job in jobs(farshore)) == sorted(plain)


def test_a_good_event_inside_64_kb_of_padding_is_still_one_event(farshore: Stage) -> None:
    body = created(farshore.buckets["primary"], "acme/x", padding="x" * 65_536)
    farshore.plan(body)
    assert [job["key"] for job in jobs(farshore)] == ["acme/x"]


def test_an_event_reaches_only_the_tenant_whose_object_it_names(farshore: Stage) -> None:
    bucket = farshore.buckets["primary"]
    farshore.plan(created(bucket, "acme/zeta/x"), created(bucket, "zeta/../acme/x"), created(bucket, "acme/zeta"))
    found = {(job["key"], job["tenant"], job["target"]) for job in jobs(farshore)}
    assert found == {
        ("acme/zeta/x", "acme", "acme-backup"),
        ("zeta/../acme/x", "zeta", "zeta-backup"),
        ("acme/zeta", "acme", "acme-backup"),
    }


def test_odd_times_and_sequencers_end_in_a_job_or_a_refusal(farshore: Stage) -> None:
    times = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "2026-11-20T12:00:00+00:00")
    sequencers = ("f" * 64, "F" * 65, "-1", "", 7, None, "0x1", "٣")
    bucket = farshore.buckets["primary"]
    odd = [
        _event(bucket, time=time, detail__object__key=f"acme/{n}", detail__object__sequencer=sequencer)
        for n, (time, sequencer) in enumerate(itertools.product(times, sequencers))
    ]
    answer = farshore.plan(*odd)
    assert (len(answer["given"]), answer["back"]) == (24, set())
    planned, refused = len(jobs(farshore)), len(farshore.messages("events-dlq"))
    assert planned + refused == 24
    assert planned >= 8, "the plain time is good with any sequencer"


def test_one_bad_record_among_good_ones_is_told_and_the_good_ones_are_planned(farshore: Stage) -> None:
    bucket = farshore.buckets["primary"]
    records = [json.loads(notified(bucket, key))["Records"][0] for key in ("acme/1", "acme/2")]
    farshore.plan(json.dumps({"Records": [records[0], {"eventSource": CANARY}, records[1]]}))
    assert sorted(job["key"] for job in jobs(farshore)) == ["acme/1", "acme/2"]
    assert causes(farshore, "events-dlq") == ["malformed_event"]


# ---- jobs ----------------------------------------------------------------------------------------------------------
def _job(**changed: Any) -> str:
    job = {
        "v": 1,
        "tenant": "acme",
        "rule": "to-acme-backup",
        "target": "acme-backup",
        "key": "acme/x",
        "since": "2026-11-20T12:00:00+00:00",
        "sequencer": "",
    }
    return json.dumps({name: value for name, value in (job | changed).items() if value is not ...})


FORGED: dict[str, tuple[str, str]] = {
    "not JSON": ("malformed_event", CANARY),
    "a list": ("malformed_event", "[]"),
    "another version": ("malformed_event", _job(v=2)),
    "a field missing": ("malformed_event", _job(rule=...)),
    "a tenant that is a path": ("malformed_event", _job(tenant="acme/../zeta")),
    "a tenant that is a joined key": ("malformed_event", _job(tenant="acme#x")),
    "a tenant of another kind": ("malformed_event", _job(tenant={"id": "acme"})),
    "a key of another kind": ("malformed_event", _job(key=["acme/x"])),
    "a key that is no Unicode": ("malformed_event", _job(key="acme/\ud800")),
    "an empty key": ("malformed_event", _job(key="")),
    "a key too long": ("malformed_event", _job(key="x" * 1025)),
    "a time without a zone": ("malformed_event", _job(since="2026-11-20T12:00:00")),
    "no such tenant": ("not_found", _job(tenant="nobody")),
    "no such rule": ("not_found", _job(rule="nothing")),
    "another target than the rule's": ("not_found", _job(target="zeta-backup")),
    "another tenant's rule": ("not_found", _job(rule="to-zeta-backup", target="zeta-backup")),
    "another tenant's object": ("foreign_event", _job(key="zeta/x")),
    "an object above the prefix": ("foreign_event", _job(key="../zeta/x")),
}


def test_each_forged_job_is_buried_with_its_reason_and_the_job_beside_it_succeeds(
    farshore: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    for tenant in ("acme", "zeta"):
        farshore.put(f"{tenant}/x", f"{tenant} bytes".encode())
    with listening(logging.INFO, capfd) as trap:
        for name, (expected, text) in FORGED.items():
            for body in (text, _job()):
                farshore.aws("sqs").send_message(QueueUrl=farshore.queues["jobs"], MessageBody=body)
            answer = farshore.replicate()
            assert (len(answer["given"]), answer["back"]) == (2, set()), name
            assert causes(farshore, "jobs-dlq") == [expected], name
            farshore.forget("jobs-dlq")
    listing = farshore.aws("s3").list_objects_v2(Bucket=farshore.buckets["backup"])
    assert [found["Key"] for found in listing["Contents"]] == ["acme/x"], "nothing of zeta's moved"
    trap.secrets = {"what was refused": CANARY}
    assert trap.leaks() == []


def test_a_job_that_cannot_succeed_yet_comes_back_until_its_last_attempt_and_is_then_buried(farshore: Stage) -> None:
    farshore.put("acme/x", b"bytes")
    farshore.aws("s3").delete_bucket(Bucket=farshore.buckets["backup"])
    farshore.aws("sqs").send_message(QueueUrl=farshore.queues["jobs"], MessageBody=_job())
    answer = farshore.replicate(receives=ATTEMPTS)
    assert answer["back"] == set()
    assert causes(farshore, "jobs-dlq") == ["container_missing"]


def test_a_target_without_credentials_is_refused_and_never_served_by_the_functions_own_rights(farshore: Stage) -> None:
    settings = {"endpoint": farshore.emulator.endpoint, "region": "us-east-1"}
    for name, secret in (
        ("none", {}),
        ("half", {"accessKeyId": "target-key"}),
        ("empty", {"accessKeyId": "", "secretAccessKey": ""}),
    ):
        tenant = farshore.tenant(name, prefix=f"{name}/")
        farshore.target(
            tenant, f"to-{name}", "s3", farshore.buckets["backup"], "access_key", settings=settings, secret=secret
        )
        farshore.put(f"{name}/x", b"bytes")
        farshore.plan(created(farshore.buckets["primary"], f"{name}/x"))
        farshore.replicate()
        assert causes(farshore, "jobs-dlq") == ["misconfigured"], name
    assert "Contents" not in farshore.aws("s3").list_objects_v2(Bucket=farshore.buckets["backup"])
