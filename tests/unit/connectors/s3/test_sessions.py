"""Upload sessions: registered before they exist, forgotten when they are surely over, and never anybody else's."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.connectors.s3 import S3Connector, copying
from shared.connectors.s3.writing import Place, uploads
from shared.domain.errors import ContainerMissing, PreconditionFailed, StateUnavailable, StoreUnavailable
from shared.domain.precondition import Absent
from shared.domain.precondition import Any as Anyhow
from tests.conformance.contents import Bytes

LATER = datetime.now(UTC) + timedelta(days=1)
PART = 5 * 1024 * 1024
LARGE = b"x" * (PART + 1)


class Register:
    """Notes what it is told, and what lies at the store at that moment."""

    def __init__(self, aws, broken: bool = False) -> None:
        self.aws, self.broken = aws, broken
        self.told: list[tuple[str, int]] = []

    def begin(self) -> None:
        self._note("begin")
        if self.broken:
            raise StateUnavailable

    def end(self) -> None:
        self._note("end")

    def _note(self, what: str) -> None:
        self.told.append((what, len(opened(self.aws))))


def opened(aws, bucket: str = "one") -> list[str]:
    return [item["Key"] for item in aws.list_multipart_uploads(Bucket=bucket).get("Uploads", ())]


def begin(aws, key: str) -> None:
    aws.create_multipart_upload(Bucket="one", Key=key)


def refuse(connector: S3Connector, operation: str, **answer) -> None:
    """Has every such call answered so, without any request."""

    def fail(**_):
        raise StoreUnavailable

    connector._connection.client.meta.events.register(f"before-call.s3.{operation}", fail)


@pytest.fixture
def parts(aws):
    from tests.unit.connectors.s3.conftest import KEYS

    connector = S3Connector("one", "us-east-1", part_size=PART, **KEYS)
    yield connector
    connector.close()


# ---- the register ----------------------------------------------------------------------------------------------------
def test_a_session_is_registered_before_it_is_opened_and_forgotten_after_the_object_is_there(aws, parts):
    register = Register(aws)
    parts.write("k", Bytes(LARGE), precondition=Anyhow(), sessions=register)
    assert register.told == [("begin", 0), ("end", 0)]
    assert parts.head("k").size == len(LARGE)


def test_what_fits_one_request_is_not_registered(aws, parts):
    register = Register(aws)
    parts.write("k", Bytes(b"small"), precondition=Anyhow(), sessions=register)
    assert register.told == []


def test_nothing_is_opened_without_the_register(aws, parts):
    register = Register(aws, broken=True)
    with pytest.raises(StateUnavailable):
        parts.write("k", Bytes(LARGE), precondition=Anyhow(), sessions=register)
    assert opened(aws) == []
    assert register.told == [("begin", 0)]


def test_a_session_that_was_aborted_is_forgotten(aws, parts):
    parts.write("k", Bytes(b"there"), precondition=Anyhow())
    register = Register(aws)
    with pytest.raises(PreconditionFailed):
        parts.write("k", Bytes(LARGE), precondition=Absent(), sessions=register)
    assert register.told == [("begin", 0), ("end", 0)]


def test_a_session_that_could_not_be_aborted_stays_registered(aws, parts):
    refuse(parts, "CompleteMultipartUpload")
    refuse(parts, "AbortMultipartUpload")
    register = Register(aws)
    with pytest.raises(StoreUnavailable):
        parts.write("k", Bytes(LARGE), precondition=Anyhow(), sessions=register)
    assert register.told == [("begin", 0)]
    assert opened(aws) == ["k"]


def test_a_session_whose_opening_was_not_answered_stays_registered(aws, parts):
    refuse(parts, "CreateMultipartUpload")
    register = Register(aws)
    with pytest.raises(StoreUnavailable):
        parts.write("k", Bytes(LARGE), precondition=Anyhow(), sessions=register)
    assert register.told == [("begin", 0)]


def test_a_session_that_is_gone_already_is_forgotten(aws, parts):
    def lost(**_):
        for item in aws.list_multipart_uploads(Bucket="one")["Uploads"]:
            aws.abort_multipart_upload(Bucket="one", Key=item["Key"], UploadId=item["UploadId"])
        raise StoreUnavailable

    parts._connection.client.meta.events.register("before-call.s3.CompleteMultipartUpload", lost)
    register = Register(aws)
    with pytest.raises(StoreUnavailable):
        parts.write("k", Bytes(LARGE), precondition=Anyhow(), sessions=register)
    assert register.told == [("begin", 0), ("end", 0)]


@pytest.mark.parametrize("abortable", [True, False])
def test_a_copy_inside_s3_registers_its_session_too(aws, one, two, monkeypatch, abortable):
    """moto reports no checksum of a copied part, so the copy is given up, and the bytes go through us in one request."""
    monkeypatch.setattr(copying, "PART", 10)
    one.write("k", Bytes(b"x" * 25), precondition=Anyhow())
    if not abortable:
        refuse(two, "AbortMultipartUpload")
    register = Register(aws)
    with one.open("k") as source:
        written = two.write("k", source.content, precondition=Anyhow(), sessions=register)
    assert written.route == "streamed"
    assert [what for what, _ in register.told] == ["begin", "end"][: 1 + abortable]
    assert opened(aws, "two") == ["k"][abortable:]


# ---- the sweep's tidying ---------------------------------------------------------------------------------------------
NAMES = ["k", "a b", "a+b", "ü/日本", "%41"]


@pytest.mark.parametrize("key", NAMES)
def test_all_sessions_on_a_path_are_ended_and_those_beside_it_live(aws, one, key):
    beside = [f"{key}/theirs", f"{key}2", "theirs"]
    for name in [key, key, *beside]:
        begin(aws, name)
    assert one.abort_uploads(key, older_than=LATER) == 2
    assert sorted(opened(aws)) == sorted(beside)
    assert one.abort_uploads(key, older_than=LATER) == 0


def test_what_began_since_then_lives(aws, one):
    begin(aws, "k")
    assert one.abort_uploads("k", older_than=datetime(2010, 1, 1, tzinfo=UTC)) == 0
    assert opened(aws) == ["k"]


def test_a_session_that_cannot_be_ended_is_an_error(aws, one):
    begin(aws, "k")
    refuse(one, "AbortMultipartUpload")
    with pytest.raises(StoreUnavailable):
        one.abort_uploads("k", older_than=LATER)


def test_a_bucket_that_is_gone_is_an_error(aws):
    from tests.unit.connectors.s3.conftest import KEYS

    with pytest.raises(ContainerMissing):
        S3Connector("gone", "us-east-1", **KEYS).abort_uploads("k", older_than=LATER)


class Pages:
    """A client whose listing has these pages."""

    def __init__(self, *pages: list[str]) -> None:
        self.pages, self.asked = list(pages), []

    def list_multipart_uploads(self, **how):
        self.asked.append((how.get("KeyMarker"), how.get("UploadIdMarker")))
        keys = self.pages.pop(0)
        began = LATER - timedelta(days=2)
        items = [{"Key": key, "UploadId": f"{key}-{len(self.asked)}", "Initiated": began} for key in keys]
        return {"IsTruncated": bool(self.pages), "Uploads": items, "NextUploadIdMarker": f"m{len(self.asked)}"}


def listed(*pages: list[str]) -> tuple[list[str], list]:
    client = Pages(*pages)
    connection = type("Connection", (), {"client": client})()
    return uploads(Place(connection, "one", "k"), LATER), client.asked


def test_a_listing_is_followed_as_far_as_it_speaks_of_the_path():
    assert listed(["k"], ["k", "k2"], ["k3"]) == (["k-1", "k-2"], [(None, None), ("k", "m1")])
    assert listed(["k2"], ["k3"]) == ([], [(None, None)])


def test_an_answer_that_is_no_listing_is_an_error():
    connection = type(
        "Connection", (), {"client": type("Client", (), {"list_multipart_uploads": lambda _, **__: {}})()}
    )
    with pytest.raises(StoreUnavailable):
        uploads(Place(connection(), "one", "k"), LATER)
