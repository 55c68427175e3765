"""The short way to S3: what is retried, what is signed, where requests go, and that no secret shows."""

import logging
import re

import pytest

from shared.connectors.s3 import S3Connector, client, wire
from shared.connectors.s3.client import Access, connect
from shared.connectors.s3.wire import base_of, service_of
from shared.connectors.transfer.content import BytesContent
from shared.domain.errors import (
    ContainerMissing,
    CredentialsRefused,
    LengthMismatch,
    PreconditionFailed,
    SourceChanged,
    StoreUnavailable,
    Throttled,
)
from shared.domain.precondition import Absent, Any, Match
from shared.domain.retry import Later
from tests.unit.connectors.s3.conftest import KEYS


class Raw:
    """What arrives from the wire."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.status_code, self.headers, self.raw, self.left = status, headers or {}, self, body

    def read(self, size: int = -1) -> bytes:
        piece, self.left = (self.left, b"") if size < 0 else (self.left[:size], self.left[size:])
        return piece


def scripted(connector: S3Connector, monkeypatch: pytest.MonkeyPatch, *answers: object) -> list[object]:
    """Has the next requests answered so; an exception is raised. Gives what was sent."""
    sent: list[object] = []
    left = list(answers)

    def send(request):
        sent.append(request)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    connection = connector._connection
    monkeypatch.setattr(connection.wire._http, "send", send)
    monkeypatch.setattr(wire, "_BACKOFF_SECONDS", 0)
    return sent


GOOD = {"etag": '"t"', "last-modified": "Fri, 20 Nov 2026 12:00:00 GMT", "content-length": "1"}


@pytest.fixture
def lone() -> S3Connector:
    return S3Connector("bucket", "eu-west-1", endpoint="http://127.0.0.1:9", **KEYS)


def test_passing_trouble_is_tried_again(lone, monkeypatch):
    sent = scripted(lone, monkeypatch, Raw(503), OSError("reset"), Raw(200, GOOD))
    assert lone.head("k").tag.value == "t"
    assert len(sent) == 3


def test_lasting_trouble_ends_within_its_budget(lone, monkeypatch):
    sent = scripted(lone, monkeypatch, *[Raw(500)] * 9)
    with pytest.raises(StoreUnavailable):
        lone.head("k")
    assert len(sent) == 3


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", CredentialsRefused),
        (412, "PreconditionFailed", PreconditionFailed),
        (409, "ConditionalRequestConflict", PreconditionFailed),
        (404, "NoSuchBucket", ContainerMissing),
        (404, "NoSuchKey", PreconditionFailed),
    ],
)
def test_a_refusal_is_not_asked_twice(lone, monkeypatch, status, code, kind):
    sent = scripted(lone, monkeypatch, Raw(status, {}, f"<Error><Code>{code}</Code></Error>".encode()))
    with pytest.raises(kind):
        lone.write("k", BytesContent(b"x"), precondition=Match(lone_tag()))
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(301, ""), (301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")],
)
def test_a_bucket_of_another_region_is_told_as_such(lone, monkeypatch, status, code):
    body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
    sent = scripted(lone, monkeypatch, Raw(status, {}, body))
    with pytest.raises(ContainerMissing, match="region"):
        lone.head("k")
    assert len(sent) == 1


def lone_tag():
    from shared.domain.objects import Tag

    return Tag("t")


def test_slow_down_says_how_long(lone, monkeypatch):
    slow = Raw(503, {"retry-after": "9"}, b"<Error><Code>SlowDown</Code></Error>")
    scripted(lone, monkeypatch, slow, slow, slow)
    with pytest.raises(Throttled) as caught:
        lone.write("k", BytesContent(b"x"), precondition=Any())
    assert caught.value.retry == Later(9.0)


def test_a_read_of_a_replaced_object_says_so(lone, monkeypatch):
    scripted(lone, monkeypatch, Raw(200, GOOD), Raw(412, {}, b"<Error><Code>PreconditionFailed</Code></Error>"))
    with lone.open("k") as opened, pytest.raises(SourceChanged):
        opened.content.read(0, 1)


def test_an_html_page_with_status_200_is_no_answer_of_s3(lone, monkeypatch):
    page = Raw(200, {"content-type": "text/html"}, b"<html>login</html>")
    scripted(lone, monkeypatch, page, page)
    with pytest.raises(StoreUnavailable):
        lone.head("k")
    with pytest.raises(StoreUnavailable):
        lone.write("k", BytesContent(b"x"), precondition=Absent())


def test_a_write_carries_its_checksum_signed_and_its_condition(lone, monkeypatch):
    answer = Raw(200, {"etag": '"t"', "x-amz-checksum-crc64nvme": "rosUhgp5mIg="})
    sent = scripted(lone, monkeypatch, answer)
    lone.write("a b/ü", BytesContent(b"123456789"), precondition=Absent())
    request = sent[0]
    assert request.url == "http://127.0.0.1:9/bucket/a%20b/%C3%BC"
    assert request.headers["x-amz-checksum-crc64nvme"] in ("rosUhgp5mIg=", b"rosUhgp5mIg=")
    signed = re.search(r"SignedHeaders=([^,]+)", text(request.headers["authorization"])).group(1).split(";")
    assert {"x-amz-checksum-crc64nvme", "if-none-match", "host"} <= set(signed)


def text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("endpoint", "payload"),
    [
        ("http://127.0.0.1:9", "UNSIGNED-PAYLOAD"),
        ("https://s3.example", "UNSIGNED-PAYLOAD"),
        ("http://s3.example", None),
    ],
)
def test_a_body_is_hashed_only_where_nothing_else_protects_it(monkeypatch, endpoint, payload):
    connector = S3Connector("bucket", "eu-west-1", endpoint=endpoint, **KEYS)
    sent = scripted(connector, monkeypatch, Raw(200, {"etag": '"t"', "x-amz-checksum-crc64nvme": "rosUhgp5mIg="}))
    connector.write("k", BytesContent(b"123456789"), precondition=Any())
    stated = text(sent[0].headers["x-amz-content-sha256"])
    assert stated == (payload or "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225")


@pytest.mark.parametrize(
    ("endpoint", "bucket", "base", "service"),
    [
        ("https://s3.eu-west-1.amazonaws.com", "abc", "https://abc.s3.eu-west-1.amazonaws.com", "s3:aws"),
        ("https://s3.eu-west-1.amazonaws.com", "a.b.c", "https://s3.eu-west-1.amazonaws.com/a.b.c", "s3:aws"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "abc", "https://abc.s3.cn-north-1.amazonaws.com.cn", "s3:aws"),
        ("http://127.0.0.1:4566/", "abc", "http://127.0.0.1:4566/abc", "s3:http://127.0.0.1:4566"),
        ("https://amazonaws.com.evil.example", "abc", "https://amazonaws.com.evil.example/abc", None),
    ],
)
def test_a_bucket_has_one_address(endpoint, bucket, base, service):
    assert base_of(endpoint, bucket) == base
    assert service_of(endpoint) == (service or f"s3:{endpoint}")


def test_a_missing_bucket_is_not_an_absent_object(aws):
    missing = S3Connector("nobody-has-this", "us-east-1", **KEYS)
    with pytest.raises(ContainerMissing), missing.open("k"):
        pass


def test_encryption_is_asked_for_on_every_way_to_write(aws):
    connector = S3Connector(
        "one", "us-east-1", encryption="aws:kms", kms_key_id="alias/mine", part_size=5 * 2**20, **KEYS
    )
    connector.write("small", BytesContent(b"x"), precondition=Absent())
    connector.write("large", BytesContent(b"x" * (6 * 2**20)), precondition=Absent())
    for name in ("small", "large"):
        stored = aws.head_object(Bucket="one", Key=name)
        assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", "alias/mine")


def test_a_link_pins_the_version_and_nothing_unpinned_is_given_out(aws, one):
    one.write("k", BytesContent(b"x"), precondition=Absent())
    with one.open("k") as opened:
        assert opened.content.fetchable() is None
    aws.put_bucket_versioning(Bucket="one", VersioningConfiguration={"Status": "Enabled"})
    one.write("k", BytesContent(b"y"), precondition=Any())
    with one.open("k") as opened:
        link = opened.content.fetchable()
    assert f"versionId={opened.head.version}" in link.url
    assert "X-Amz-Signature=" in link.url
    assert link.url not in repr(link)


def test_a_role_is_assumed_with_the_tenants_external_id(aws):
    import boto3

    boto3.client("iam", region_name="us-east-1").create_role(
        RoleName="backup", AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}'
    )
    arn = "arn:aws:iam::123456789012:role/backup"
    connection = connect(Access("us-east-1", role_arn=arn, external_id="tenant-7", **KEYS), "one")
    rights = connection.wire._credentials.get_frozen_credentials()
    assert rights.token
    assert rights.access_key != KEYS["access_key_id"]


def test_a_role_is_assumed_where_this_process_is_at_home(aws, monkeypatch):
    """Not in the bucket's region, which this process's own account may not have switched on."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    client._own_session.cache_clear()
    monkeypatch.setattr(client._own_session(), "create_client", lambda *_, **place: pytest.fail(place["region_name"]))
    try:
        connection = connect(Access("me-south-1", role_arn="arn:aws:iam::123456789012:role/backup"), "one")
        with pytest.raises(pytest.fail.Exception, match="eu-west-1"):
            connection.wire._credentials.get_frozen_credentials()
    finally:
        client._own_session.cache_clear()


def test_no_secret_shows(caplog, monkeypatch, lone):
    with caplog.at_level(logging.INFO):
        scripted(lone, monkeypatch, Raw(403, {}, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"))
        with pytest.raises(CredentialsRefused) as caught:
            lone.write("k", BytesContent(b"x"), precondition=Any())
    for shown in (repr(lone), repr(lone._access), repr(lone._connection), str(caught.value), caplog.text):
        assert KEYS["secret_access_key"] not in shown


def test_closing_twice_is_closing_once(lone):
    lone.close()
    _ = lone.service
    lone.close()
    lone.close()


@pytest.mark.parametrize("length", [3, 9])
def test_a_read_fills_the_callers_memory_exactly(aws, one, length):
    one.write("k", BytesContent(b"123456789"), precondition=Absent())
    room = bytearray(b"-" * length)
    with one.open("k") as opened:
        opened.content.read_into(0, memoryview(room))
    assert bytes(room) == b"123456789"[:length]


@pytest.mark.parametrize("body", [b"12", b"1234"])
def test_a_body_of_another_length_is_a_length_mismatch(lone, monkeypatch, body):
    scripted(lone, monkeypatch, Raw(200, GOOD | {"content-length": "9"}), *[Raw(206, GOOD, body)] * 3)
    with lone.open("k") as opened, pytest.raises(LengthMismatch):
        opened.content.read_into(0, memoryview(bytearray(3)))
