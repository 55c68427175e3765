"""The whole way of a pull: S3 signs, the SDK writes the URL anew, the puller fetches, S3 checks the signature."""

from collections.abc import Iterator
from contextlib import closing

import boto3
import pytest

from infra.local.azure_pull import AzurePull
from infra.local.emulators import Emulator, ministack
from shared.connectors.azure_blob import AzureBlobConnector
from shared.connectors.s3 import S3Connector
from shared.connectors.transfer.content import BytesContent
from shared.domain.precondition import Any

KEYS = ["plain", "a b", "a+b", "a%2Bb", "a%20b", "ünïcode/日本", "x//y", "q?x#y&z=1", "(p)'*!~", "n" * 1024]


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    with ministack(auth=True) as server:
        yield server


def s3(aws: Emulator, bucket: str) -> S3Connector:
    """A connector to a fresh bucket that keeps versions: a URL can be pinned to nothing else."""
    keys = {"aws_access_key_id": aws.access_key_id, "aws_secret_access_key": aws.secret_access_key}
    with closing(boto3.client("s3", endpoint_url=aws.endpoint, region_name=aws.region, **keys)) as client:
        client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    login = {"access_key_id": aws.access_key_id, "secret_access_key": aws.secret_access_key}
    return S3Connector(bucket, aws.region, endpoint=aws.endpoint, **login)


def test_a_signed_url_arrives_as_it_was_signed(aws: Emulator, pulling: AzurePull, puller: AzureBlobConnector) -> None:
    with closing(s3(aws, "signed")) as source:
        for key in KEYS:
            source.write(key, BytesContent(key.encode()), precondition=Any())
            with source.open(key) as opened:
                assert opened is not None
                assert puller.write(key, opened.content, precondition=Any()).route == "pulled"
            assert pulling.account.blobs[f"backup/{key}"].data == key.encode()


def test_a_url_that_outgrows_azure_is_streamed(aws: Emulator, puller: AzureBlobConnector) -> None:
    with closing(s3(aws, "long")) as source:
        source.write("日" * 341, BytesContent(b"x"), precondition=Any())
        with source.open("日" * 341) as opened:
            assert opened is not None
            assert puller.write("k", opened.content, precondition=Any()).route == "streamed"
