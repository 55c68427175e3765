"""Inside S3 the service copies, proven all the same; what it cannot prove or may not read goes through us."""

from base64 import b64encode
from hashlib import sha256
from types import SimpleNamespace
from zlib import crc32

import boto3
import pytest
from botocore.config import Config

from shared.connectors.s3 import copying
from shared.connectors.transfer.content import BytesContent
from shared.connectors.transfer.crc import crc64, to_s3
from shared.domain.errors import ChecksumMismatch, DeadlineExceeded, SourceChanged, StoreUnavailable
from shared.domain.objects import Attributes, Checksums
from shared.domain.precondition import Absent
from shared.domain.stamp import Stamp

DATA = bytes(range(256)) * 4
ATTRIBUTES = Attributes(content_type="text/x", metadata={"a": "ü"})
STAMP = Stamp("b" * 32, "v", len(DATA))


def asked(connector, operation: str) -> list[dict]:
    """What the client is asked to do from now on."""
    calls: list[dict] = []
    events = connector._connection.client.meta.events
    events.register(f"provide-client-params.s3.{operation}", lambda params, **_: calls.append(params))
    return calls


def seen(connector, operation: str) -> list[object]:
    """Requests on their way out from now on."""
    requests: list[object] = []
    events = connector._connection.client.meta.events
    events.register_first(f"before-send.s3.{operation}", lambda request, **_: requests.append(request))
    return requests


def refusing(connector, operation: str, status: int, error: dict[str, str]) -> list[object]:
    """Refuses an operation before it reaches moto; gives the requests that were refused."""
    refused: list[object] = []

    def refuse(params, **_):
        refused.append(params)
        return SimpleNamespace(status_code=status), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}

    connector._connection.client.meta.events.register(f"before-call.s3.{operation}", refuse)
    return refused


def answering(connector, operation: str, change) -> None:
    """Lets ``change`` alter the parsed answers to an operation, as a broken service would."""
    events = connector._connection.client.meta.events
    events.register(f"after-call.s3.{operation}", lambda parsed, **_: change(parsed))


def test_a_copy_names_the_version_it_means(aws, one, two):
    aws.put_bucket_versioning(Bucket="one", VersioningConfiguration={"Status": "Enabled"})
    one.write("a b", BytesContent(DATA), precondition=Absent())
    copies = asked(two, "CopyObject")
    reads = seen(one, "GetObject")
    with one.open("a b") as opened:
        written = two.write("c", opened.content, precondition=Absent(), stamp=STAMP)
        head = opened.head
    assert (written.route, written.size, written.checksums) == ("copied", len(DATA), head.checksums)
    assert copies[0]["CopySource"] == f"one/a%20b?versionId={head.version}"
    assert copies[0]["CopySourceIfMatch"] == f'"{head.tag.value}"'
    assert copies[0]["IfNoneMatch"] == "*"
    assert not reads
    assert two.head("c").stamp == STAMP


def test_a_copy_carries_the_attributes(one, two):
    one.write("a", BytesContent(DATA, ATTRIBUTES), precondition=Absent())
    with one.open("a") as opened:
        two.write("b", opened.content, precondition=Absent(), stamp=STAMP)
    assert two.head("b").attributes == ATTRIBUTES


def test_a_source_without_its_own_checksum_is_streamed(old, one, two):
    old.put_object(Bucket="one", Key="old", Body=DATA)
    with one.open("old") as opened:
        assert not opened.head.checksums.values
        assert two.write("new", opened.content, precondition=Absent()).route == "streamed"


@pytest.fixture
def old(aws):
    """An SDK of the time before checksums."""
    client = boto3.client("s3", region_name="us-east-1", config=Config(request_checksum_calculation="when_required"))
    yield client
    client.close()


def test_what_boto3_puts_by_itself_is_copied_and_proven_by_crc32(aws, one, two):
    aws.put_object(Bucket="one", Key="a", Body=DATA)
    copies = asked(two, "CopyObject")
    with one.open("a") as opened:
        written = two.write("b", opened.content, precondition=Absent())
    assert copies[0]["ChecksumAlgorithm"] == "CRC32"
    assert (written.route, written.checksums) == ("copied", Checksums({"crc32": f"{crc32(DATA):08x}"}))


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])  # moto answers CRC32C with a CRC32
def test_a_copy_is_compared_by_the_sources_own_checksum(aws, one, two, algorithm):
    aws.put_object(Bucket="one", Key="a", Body=DATA, ChecksumAlgorithm=algorithm)
    wrong = aws.put_object(Bucket="two", Key="other", Body=b"other", ChecksumAlgorithm=algorithm)[
        f"Checksum{algorithm}"
    ]
    with one.open("a") as opened:
        assert two.write("b", opened.content, precondition=Absent()).route == "copied"
    answering(two, "CopyObject", lambda parsed: parsed["CopyObjectResult"].update({f"Checksum{algorithm}": wrong}))
    with one.open("a") as opened, pytest.raises(ChecksumMismatch):
        two.write("c", opened.content, precondition=Absent())


def test_a_checksum_of_parts_is_compared_with_nothing(aws, one, two):
    """boto3's own for multipart uploads."""
    begun = aws.create_multipart_upload(Bucket="one", Key="a", ChecksumAlgorithm="CRC32", ChecksumType="COMPOSITE")
    at = {"Bucket": "one", "Key": "a", "UploadId": begun["UploadId"]}
    part = aws.upload_part(**at, PartNumber=1, Body=DATA, ChecksumAlgorithm="CRC32")
    lines = [{"PartNumber": 1, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}]
    aws.complete_multipart_upload(**at, MultipartUpload={"Parts": lines}, ChecksumType="COMPOSITE")
    with one.open("a") as opened:
        assert not opened.head.checksums.values
        assert two.write("b", opened.content, precondition=Absent()).route == "streamed"


def test_another_service_is_streamed(one, two, monkeypatch):
    one.write("a", BytesContent(DATA), precondition=Absent())
    monkeypatch.setattr(type(two), "service", property(lambda self: f"s3:{self.container}"))
    with one.open("a") as opened:
        assert two.write("b", opened.content, precondition=Absent()).route == "streamed"


def test_a_refused_copy_is_streamed_and_not_tried_again(one, two):
    one.write("a", BytesContent(DATA), precondition=Absent())
    tries = refusing(two, "CopyObject", 403, {"Code": "AccessDenied"})
    for name in ("b", "c"):
        with one.open("a") as opened:
            assert two.write(name, opened.content, precondition=Absent()).route == "streamed"
    assert len(tries) == 1


def test_an_archived_object_waits_and_leaves_the_others_their_copies(one, two):
    one.write("a", BytesContent(DATA), precondition=Absent())
    tries = refusing(two, "CopyObject", 403, {"Code": "InvalidObjectState"})
    for name in ("b", "c"):
        with one.open("a") as opened, pytest.raises(StoreUnavailable):
            two.write(name, opened.content, precondition=Absent())
    assert len(tries) == 2


def test_a_copy_of_a_replaced_source_says_so(one, two):
    one.write("a", BytesContent(DATA), precondition=Absent())
    condition = {"Code": "PreconditionFailed", "Condition": "x-amz-copy-source-If-Match"}
    refusing(two, "CopyObject", 412, condition)  # as S3 answers; moto ignores the header
    with one.open("a") as opened, pytest.raises(SourceChanged):
        two.write("b", opened.content, precondition=Absent())


def test_a_copy_that_came_out_otherwise_is_a_mismatch(one, two):
    one.write("a", BytesContent(DATA), precondition=Absent())
    answering(two, "CopyObject", lambda parsed: parsed["CopyObjectResult"].update(ChecksumCRC64NVME="AAAAAAAAAAE="))
    with one.open("a") as opened, pytest.raises(ChecksumMismatch):
        two.write("b", opened.content, precondition=Absent())


def test_an_unproven_copy_is_replaced_by_a_streamed_one(one, two):
    one.write("a", BytesContent(DATA), precondition=Absent())
    answering(two, "CopyObject", lambda parsed: parsed["CopyObjectResult"].pop("ChecksumCRC64NVME", None))
    answering(two, "HeadObject", lambda parsed: parsed.pop("ChecksumCRC64NVME", None))
    with one.open("a") as opened:
        written = two.write("b", opened.content, precondition=Absent())
    assert written.route == "streamed"
    assert two.head("b").size == len(DATA)


@pytest.fixture
def tiny_parts(monkeypatch):
    """Copies by parts of ten bytes, and a moto that takes them."""
    monkeypatch.setattr(copying, "PART", 10)
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)


@pytest.mark.usefixtures("tiny_parts")
@pytest.mark.parametrize("size", [25, 30])
def test_a_large_copy_goes_by_parts_each_with_its_checksum(one, two, size):
    data = DATA[:size]
    one.write("a", BytesContent(data), precondition=Absent())
    pieces = [(offset, data[offset : offset + 10]) for offset in range(0, size, 10)]
    sums = {f"bytes={o}-{o + len(p) - 1}": to_s3(crc64(p)) for o, p in pieces}
    ranges = asked(two, "UploadPartCopy")
    # moto reports no checksum of a copied part
    events = two._connection.client.meta.events
    events.register(
        "after-call.s3.UploadPartCopy",
        lambda parsed, context=None, **_: parsed["CopyPartResult"].update(
            ChecksumCRC64NVME=sums[ranges_by_tag(parsed, pieces)]
        ),
    )
    told: list[int] = []
    with one.open("a") as opened:
        written = two.write("b", opened.content, precondition=Absent(), progress=told.append)
    assert (written.route, written.size, sum(told)) == ("copied", size, size)
    assert written.checksums == Checksums({"crc64nvme": f"{crc64(data):016x}"})
    assert sorted(call["CopySourceRange"] for call in ranges) == sorted(sums)


def ranges_by_tag(parsed, pieces) -> str:
    """Which range an answer is about, by the MD5 that its ETag is."""
    from hashlib import md5

    tag = parsed["CopyPartResult"]["ETag"].strip('"')
    offset, piece = next((o, p) for o, p in pieces if md5(p).hexdigest() == tag)
    return f"bytes={offset}-{offset + len(piece) - 1}"


@pytest.mark.usefixtures("tiny_parts")
def test_a_large_copy_is_proven_by_the_sources_crc32(aws, one, two):
    data = DATA[:25]
    aws.put_object(Bucket="one", Key="a", Body=data)
    pieces = [(offset, data[offset : offset + 10]) for offset in range(0, 25, 10)]
    sums = {f"bytes={o}-{o + len(p) - 1}": b64encode(crc32(p).to_bytes(4, "big")).decode() for o, p in pieces}
    begun, completed = asked(two, "CreateMultipartUpload"), asked(two, "CompleteMultipartUpload")
    answering(
        two,
        "UploadPartCopy",
        lambda parsed: parsed["CopyPartResult"].update(ChecksumCRC32=sums[ranges_by_tag(parsed, pieces)]),
    )
    answering(two, "CreateMultipartUpload", lambda parsed: parsed.update(ChecksumType="FULL_OBJECT"))
    with one.open("a") as opened:
        written = two.write("b", opened.content, precondition=Absent())
    assert (written.route, written.checksums) == ("copied", Checksums({"crc32": f"{crc32(data):08x}"}))
    assert (begun[0]["ChecksumAlgorithm"], begun[0]["ChecksumType"]) == ("CRC32", "FULL_OBJECT")
    assert completed[0]["ChecksumCRC32"] == b64encode(crc32(data).to_bytes(4, "big")).decode()
    assert [line["ChecksumCRC32"] for line in completed[0]["MultipartUpload"]["Parts"]] == list(sums.values())


@pytest.mark.usefixtures("tiny_parts")
def test_a_large_source_with_a_sha_only_is_streamed(aws, one, two):
    aws.put_object(Bucket="one", Key="a", Body=DATA, ChecksumAlgorithm="SHA256")
    with one.open("a") as opened:
        written = two.write("b", opened.content, precondition=Absent())
    assert (written.route, written.checksums.values["sha256"]) == ("streamed", sha256(DATA).hexdigest())


@pytest.mark.usefixtures("tiny_parts")
def test_a_copy_by_parts_that_differs_leaves_nothing(aws, one, two):
    one.write("a", BytesContent(DATA[:20]), precondition=Absent())
    answering(two, "UploadPartCopy", lambda parsed: parsed["CopyPartResult"].update(ChecksumCRC64NVME="AAAAAAAAAAE="))
    with one.open("a") as opened, pytest.raises(ChecksumMismatch):
        two.write("b", opened.content, precondition=Absent())
    assert two.head("b") is None
    assert not aws.list_multipart_uploads(Bucket="two").get("Uploads")


@pytest.mark.usefixtures("tiny_parts")
def test_a_copy_by_parts_ends_with_its_time_and_leaves_nothing(aws, one, two):
    one.write("a", BytesContent(DATA), precondition=Absent())
    answering(two, "UploadPartCopy", lambda parsed: parsed["CopyPartResult"].update(ChecksumCRC64NVME="AAAAAAAAAAE="))
    with one.open("a") as opened, pytest.raises(DeadlineExceeded):
        two.write("b", Expiring(opened.content, asks=5), precondition=Absent())
    assert two.head("b") is None
    assert not aws.list_multipart_uploads(Bucket="two").get("Uploads")


class Expiring:
    """A content whose reader has no more time after so many questions."""

    def __init__(self, content, asks: int) -> None:
        self._content, self._asks = content, asks

    def __getattr__(self, name: str):
        return getattr(self._content, name)

    def inside(self):
        self._asks -= 1
        if self._asks < 0:
            raise DeadlineExceeded
        return self._content.inside()
