"""S3 again, on moto, where MiniStack is more lenient than S3: part sizes, and versions in every answer.

It is not run through the whole suite: moto ignores conditions on a copy's source, accepts wrong checksums and makes two events
of one completion. What it refuses rightly is what is asked of it here.
"""

import secrets
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from shared.connectors import S3Connector
from shared.domain.errors import PreconditionFailed, StoreError
from shared.domain.precondition import Absent, Match
from shared.domain.precondition import Any as Anyhow
from tests.conformance.contents import Bytes, pattern
from tests.conformance.store import crc_of

MIB = 1024 * 1024
KEYS = {"access_key_id": "moto-key", "secret_access_key": secrets.token_hex(20)}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str) -> str:
    """A fresh versioned bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS["access_key_id"],
        aws_secret_access_key=KEYS["secret_access_key"],
    )
    name = f"moto-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.close()
    return name


def connect(endpoint: str, bucket: str, part_size: int) -> S3Connector:
    return S3Connector(bucket, "us-east-1", endpoint=endpoint, part_size=part_size, **KEYS)


def test_the_smallest_parts_that_s3_takes_are_taken(endpoint: str, bucket: str) -> None:
    connector, data = connect(endpoint, bucket, 5 * MIB), pattern(10 * MIB + 1)
    written = connector.write("object", Bytes(data), precondition=Absent())
    assert (written.size, written.checksums.values["crc64nvme"]) == (len(data), crc_of(data))
    with connector.open("object") as opened:
        assert opened is not None
        assert b"".join(opened.content.stream(4 * MIB)) == data
    connector.close()


def test_parts_too_small_for_s3_leave_nothing(endpoint: str, bucket: str) -> None:
    connector = connect(endpoint, bucket, MIB)
    with pytest.raises(StoreError):
        connector.write("object", Bytes(pattern(3 * MIB)), precondition=Absent())
    assert connector.head("object") is None
    assert connector.list().items == ()
    connector.close()


def test_each_write_of_a_versioned_bucket_is_a_version(endpoint: str, bucket: str) -> None:
    connector = connect(endpoint, bucket, 5 * MIB)
    tags = [connector.write("object", Bytes(b"%d" % number), precondition=Anyhow()).tag for number in range(2)]
    first = connector.head("object")
    connector.write("object", Bytes(b"1"), precondition=Match(tags[1]))
    second = connector.head("object")
    assert first is not None
    assert second is not None
    assert first.tag == second.tag, "the bytes are the same, and so is S3's tag"
    assert first.version != second.version, "the version tells them apart"
    with pytest.raises(PreconditionFailed):
        connector.write("object", Bytes(b"3"), precondition=Match(tags[0]))
    connector.delete("object", precondition=Match(tags[1]))
    assert connector.head("object") is None
    connector.write("object", Bytes(b"4"), precondition=Absent())
    connector.close()
