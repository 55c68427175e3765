"""What the whole system promises, on the real template: built, deployed, driven from outside, looked at where copies lie."""

import contextlib
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.storage.blob import BlobServiceClient

from infra.local import issuer
from infra.local.emulators import azurite
from infra.local.processes import free_port
from shared.connectors import AzureBlobConnector
from tests.hosts.conftest import PACE
from tests.hosts.stack import Place, Stack, bytes_of, eventually

S3, AZURE = "s3-backup", "azure-backup"
BOTH = (S3, AZURE)
MIB = 1024 * 1024
LONG = bool(os.environ.get("FARSHORE_LONG"))
BURST = 1000 if LONG else 100
KILLS = 20 if LONG else 8
LONG_KEY = "long/" + "k" * (1024 - len("demo/long/"))
ODD = [
    "a b",
    "a+b",
    "a%2Bb",
    "a%20b",
    "ünïcode/日本",
    "x//y",
    "/leading",
    "trailing/",
    "dot.",
    "../up",
    "q?x=1#y",
    "back\\slash",
    LONG_KEY,
]


def test_the_contract_names_everything_a_client_needs(stack: Stack) -> None:
    told = stack.told
    assert {
        "api",
        "console",
        "gateway",
        "houses",
        "hooks",
        "aws",
        "primaryBucket",
        "sourcePrefix",
        "tenantId",
        "azure",
        "issuer",
        "tokens",
        "targets",
    } == set(told)
    assert set(told["aws"]) == {"endpoint", "region", "accessKeyId", "secretAccessKey"}
    assert set(told["tokens"]) == {"superadmin", "owner"}
    assert [set(target) for target in told["targets"]] == [{"name", "connector", "container"}] * 2
    assert stat.S_IMODE(stack.home.contract.stat().st_mode) == 0o600


def test_the_first_drop_has_arrived_byte_for_byte(stack: Stack) -> None:
    key = "demo/first drop.txt"
    assert stack.demo.on_s3(key).body == stack.demo.on_azure(key).body == b"the first object\n" * 1000
    for target in BOTH:
        row = stack.demo.row("first drop.txt", target)
        assert row["status"] == "replicated"
        assert row["size"] == 17_000
        assert row["checksums"]["crc64nvme"]
        assert row["lagSeconds"] >= 0
    assert stack.demo.row("first drop.txt", S3)["path"] == "copied"
    assert stack.demo.row("first drop.txt", AZURE)["path"] == "streamed"


def test_content_type_and_metadata_arrive(stack: Stack) -> None:
    version = stack.demo.put("typed", b"{}", ContentType="application/json", Metadata={"my-note": "kept", "n": "2"})
    stack.demo.replicated({"typed": version}, BOTH)
    for copy in (stack.demo.on_s3("demo/typed"), stack.demo.on_azure("demo/typed")):
        assert copy.content_type == "application/json"
        assert copy.body == b"{}"
    assert stack.demo.on_s3("demo/typed").metadata == {"my-note": "kept", "n": "2"}
    assert sorted(stack.demo.on_azure("demo/typed").metadata.values()) == ["2", "kept"]


def test_an_overwrite_converges_on_the_newest(stack: Stack) -> None:
    versions = [stack.demo.put("overwritten", f"version {number}".encode()) for number in range(5)]
    stack.demo.replicated({"overwritten": versions[-1]}, BOTH)
    assert stack.demo.on_s3("demo/overwritten").body == stack.demo.on_azure("demo/overwritten").body == b"version 4"


def test_odd_keys_arrive_under_a_reversible_name(stack: Stack) -> None:
    versions = {name: stack.demo.put(name, name.encode()) for name in ODD}
    stack.demo.replicated(versions, BOTH)
    blobs = AzureBlobConnector(stack.demo.container, connection_string=stack.demo.azure)
    for name in ODD:
        key = f"demo/{name}"
        assert stack.demo.on_s3(key).body == name.encode()
        with blobs.open(key) as opened:
            assert opened.content.read(0, opened.head.size) == name.encode()
    listed = {summary.path for summary in blobs.list("demo/").items}
    assert {f"demo/{name}" for name in ODD} <= listed
    blobs.close()


def test_a_burst_converges(stack: Stack) -> None:
    began = time.monotonic()
    versions = {
        f"burst/{number:04}": stack.demo.put(f"burst/{number:04}", bytes_of(4096, str(number)))
        for number in range(BURST)
    }
    stack.demo.replicated(versions, BOTH, patience=60 + BURST)
    print(f"\n{BURST} objects, {2 * BURST} verified copies: {time.monotonic() - began:.1f} s")
    rows = stack.demo.rows(keyPrefix="demo/burst/")
    assert len(rows) == 2 * BURST
    assert {row["status"] for row in rows} == {"replicated"}
    for number in range(0, BURST, 17):
        body = bytes_of(4096, str(number))
        assert (
            stack.demo.on_s3(f"demo/burst/{number:04}").body
            == stack.demo.on_azure(f"demo/burst/{number:04}").body
            == body
        )


def test_events_delivered_twice_and_backwards_change_nothing(stack: Stack) -> None:
    names = [f"twice/{number}" for number in range(6)]
    old = {name: stack.demo.put(name, b"old") for name in names}
    versions = {name: stack.demo.put(name, b"new " + name.encode()) for name in names}
    stack.demo.replicated(versions, BOTH)
    before = {name: (stack.demo.on_s3(f"demo/{name}"), stack.demo.on_azure(f"demo/{name}")) for name in names}
    events = [_event(stack, f"demo/{name}", sequencer) for sequencer in ("00FF", "00AA") for name in reversed(names)]
    _send(stack, [json.dumps(event) for event in events + events])
    version = stack.demo.put("twice/after", b"after")
    stack.demo.replicated({"twice/after": version}, BOTH)
    eventually(lambda: _idle(stack), "queues run dry")
    assert {name: (stack.demo.on_s3(f"demo/{name}"), stack.demo.on_azure(f"demo/{name}")) for name in names} == before
    stack.demo.replicated(versions, BOTH)
    assert old.keys() == versions.keys()


def test_a_delete_follows_the_rules_policy(stack: Stack, strict: Place) -> None:
    for place in (stack.demo, strict):
        place.replicated({"gone": place.put("gone", b"here today")}, _targets(place))
        place.delete("gone")
    eventually(lambda: _all(strict, "gone", "deleted"), "the strict tenant's copies are deleted")
    assert strict.on_s3("strict/gone") is None
    assert strict.on_azure("strict/gone") is None
    eventually(lambda: _idle(stack), "queues run dry")
    assert stack.demo.on_s3("demo/gone").body == stack.demo.on_azure("demo/gone").body == b"here today"


def test_forged_events_are_refused_and_the_rest_of_their_batch_succeeds(stack: Stack) -> None:
    version = stack.demo.put("among thieves", b"honest")
    forged = [
        "not json",
        json.dumps({"Records": "many"}),
        json.dumps(
            _event(stack, "demo/x", "01")
            | {"detail": {"bucket": {"name": "somebody-elses"}, "object": {"key": "demo/x"}}}
        ),
        json.dumps(_event(stack, "nobodys/x", "01")),
    ]
    known = {message["MessageId"] for message in stack.dead("events")}
    _send(stack, [*forged[:2], json.dumps(_event(stack, "demo/among thieves", "02")), *forged[2:]])
    stack.demo.replicated({"among thieves": version}, BOTH)

    def buried() -> list[dict[str, Any]]:
        found = [message for message in stack.dead("events") if message["MessageId"] not in known]
        return found if len(found) == len(forged) else []

    causes = {
        message["Body"]: message["MessageAttributes"]["cause"]["StringValue"]
        for message in eventually(buried, "forged events are buried")
    }
    assert causes == dict(
        zip(forged, ["malformed_event", "malformed_event", "foreign_event", "foreign_event"], strict=True)
    )


def test_a_target_that_is_down_waits_alone_and_catches_up(stack: Stack, flaky: "Flaky") -> None:
    version = flaky.place.put("patient", b"some bytes")
    flaky.place.replicated({"patient": version}, ["sturdy"])
    waiting = eventually(
        lambda: (row := flaky.place.row("patient", "shaky")) and row["attempts"] >= 2 and row, "it was tried twice"
    )
    assert waiting["status"] == "pending"
    assert waiting["error"]["code"] == "store_unavailable"
    with azurite(state_dir=flaky.folder, port=flaky.port):
        flaky.make_container()
        flaky.place.replicated({"patient": version}, ["shaky"])
        assert flaky.place.on_azure("flaky/patient").body == b"some bytes"
        assert flaky.place.row("patient", "shaky")["error"] is None


def test_what_exhausts_its_retries_is_buried_shown_and_sent_round_again(stack: Stack, flaky: "Flaky") -> None:
    version = flaky.place.put("given up", b"eventually")
    failed = eventually(
        lambda: (row := flaky.place.row("given up", "shaky")) and row["status"] == "failed" and row, "it is failed"
    )
    assert failed["error"]["code"] == "store_unavailable"
    assert failed["attempts"] == int(PACE["JobAttempts"])
    letters = eventually(
        lambda: [m for m in stack.dead("jobs") if "given up" in m["Body"]], "its job is among the dead"
    )
    assert letters[0]["MessageAttributes"]["cause"]["StringValue"] == "store_unavailable"
    with azurite(state_dir=flaky.folder, port=flaky.port):
        flaky.make_container()
        assert stack.farshore("redrive")["redriven"] >= 1
        flaky.place.replicated({"given up": version}, ["shaky"])
        assert flaky.place.on_azure("flaky/given up").body == b"eventually"
    assert stack.dead("jobs") == []


def test_workers_killed_in_mid_copy_lose_nothing_and_leave_nothing_partial(stack: Stack) -> None:
    size = 32 * MIB
    bodies, versions = dict[str, bytes](), dict[str, str]()
    for turn in range(KILLS):
        name = f"killed/{turn % 4}"
        bodies[name] = bytes_of(size + turn, f"killed {turn}")
        versions[name] = stack.demo.put(name, bodies[name])
        _kill_a_busy_worker(stack, after=0.02 * turn)
        _nothing_partial(stack, size)
    stack.demo.replicated(versions, BOTH)
    for name, body in bodies.items():
        assert stack.demo.on_s3(f"demo/{name}").body == body
        assert stack.demo.on_azure(f"demo/{name}").body == body


def test_the_api_tells_owners_only(stack: Stack) -> None:
    here = stack.told
    assert stack.get("health") == (200, {"status": "ok"})
    assert stack.get("openapi.json")[1]["openapi"].startswith("3.1")
    path = f"tenants/{here['tenantId']}/replicas"
    assert stack.get(path)[0] == 401
    assert stack.get(path, "a.b.c")[0] == 401
    foreign = stack.get("tenants/somebody/replicas", here["tokens"]["owner"])
    assert foreign[0] == 404
    stranger = issuer.mint(
        issuer.signing_key(stack.home.folder / "issuer.pem"),
        here["issuer"],
        "stranger",
        {"farshore/role": "owner", "farshore/tenants": ["somebody"]},
    )
    assert stack.get(path, stranger)[0] == 404
    status, page = stack.get(path, here["tokens"]["owner"], limit=1)
    assert status == 200
    assert len(page["items"]) == 1
    assert stack.get(path, here["tokens"]["owner"], limit=1, cursor=page["nextCursor"])[0] == 200
    assert stack.get(path, here["tokens"]["owner"], limit=2, cursor=page["nextCursor"] + "x")[0] in (400, 422)


# ---- other tenants -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(stack: Stack) -> Place:
    """A tenant whose rules delete."""
    return _tenant(stack, "strict", stack.told["azure"]["connectionString"], ("strict-s3", "strict-azure"), "delete")


class Flaky:
    """A tenant whose Azure account is off unless a test switches it on."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        with azurite(state_dir=folder, port=self.port) as once:
            self._connection = once.connection_string
            self.place = _tenant(stack, "flaky", self._connection, ("sturdy", "shaky"), "keep")

    def make_container(self) -> None:
        with BlobServiceClient.from_connection_string(self._connection) as service:
            if not service.get_container_client(self.place.container).exists():
                service.create_container(self.place.container)


@pytest.fixture(scope="module")
def flaky(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Flaky:
    return Flaky(stack, tmp_path_factory.mktemp("flaky"))


def _tenant(stack: Stack, name: str, azure: str, targets: tuple[str, str], on_delete: str) -> Place:
    """Adds a tenant with two backups by the operator's command."""
    key = issuer.signing_key(stack.home.folder / "issuer.pem")
    token = issuer.mint(
        key, stack.told["issuer"], f"{name}-owner", {"farshore/role": "owner", "farshore/tenants": [name]}
    )
    place = Place(stack, name, f"{name}/", f"farshore-{name}-backup", f"{name}-backup", azure, token)
    stack.s3.create_bucket(Bucket=place.bucket)
    place.blobs.create_container()
    account = stack.contract.account
    stack.farshore("tenant", "add", name, "--bucket", stack.primary, "--prefix", place.prefix)
    keys = {"accessKeyId": account.access_key_id, "secretAccessKey": account.secret_access_key}
    for target, connector, auth, container, secrets in (
        (targets[0], "s3", "access_key", place.bucket, keys),
        (targets[1], "azure_blob", "connection_string", place.container, {"connectionString": azure}),
    ):
        way = ["--connector", connector, "--auth", auth, "--container", container, "--credentials", "-"]
        stack.farshore("integration", "add", name, target, *way, secrets=secrets)
        stack.farshore(
            "rule", "add", name, f"to-{target}", "--target", target, "--integration", target, "--on-delete", on_delete
        )
    return place


# ---- what tests do to the stack --------------------------------------------------------------------------------------


def _targets(place: Place) -> tuple[str, str]:
    return BOTH if place.tenant == "demo" else (f"{place.tenant}-s3", f"{place.tenant}-azure")


def _all(place: Place, name: str, status: str) -> bool:
    rows = place.rows(key=place.prefix + name)
    return len(rows) == 2 and {row["status"] for row in rows} == {status}


def _event(stack: Stack, key: str, sequencer: str) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "000000000000",
        "time": "2026-11-20T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{stack.primary}"],
        "detail": {
            "version": "0",
            "bucket": {"name": stack.primary},
            "object": {"key": key, "size": 3, "etag": "0", "sequencer": sequencer},
            "request-id": "C3D13FE58DE4C810",
            "requester": "000000000000",
            "reason": "PutObject",
        },
    }


def _send(stack: Stack, bodies: list[str]) -> None:
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
        answer = stack.sqs.send_message_batch(QueueUrl=stack.settings["FARSHORE_EVENTS_QUEUE_URL"], Entries=entries)
        assert not answer.get("Failed")


def _idle(stack: Stack) -> bool:
    """Whether nothing waits and nothing is under way in either queue."""
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    urls = [stack.settings[f"FARSHORE_{queue}_QUEUE_URL"] for queue in ("EVENTS", "JOBS")]
    answers = [stack.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"] for url in urls]
    return all(int(answer[count]) == 0 for answer in answers for count in counts)


def _workers(stack: Stack) -> dict[psutil.Process, float]:
    """The processes in which the emulator runs the worker function, and the CPU time each has used."""
    found = {}
    for process in psutil.Process(stack.servers.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any("-ReplicateFunction-" in word for word in process.cmdline()):
                found[process] = sum(process.cpu_times()[:2])
    return found


def _kill_a_busy_worker(stack: Stack, after: float) -> None:
    """Kills a worker ``after`` seconds after it was seen at work."""

    def busy() -> psutil.Process | None:
        before = _workers(stack)
        time.sleep(0.05)
        grown = [process for process, used in _workers(stack).items() if used > before.get(process, used)]
        return grown[0] if grown else None

    process = eventually(busy, "a worker is busy")
    time.sleep(after)
    process.kill()


def _nothing_partial(stack: Stack, size: int) -> None:
    listed = stack.s3.list_objects_v2(Bucket=stack.demo.bucket, Prefix="demo/killed/").get("Contents", [])
    assert all(size <= found["Size"] < size + 20 for found in listed)
    assert all(size <= found.size < size + 20 for found in stack.demo.blobs.list_blobs("demo/killed/"))
