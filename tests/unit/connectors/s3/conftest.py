"""S3 in this process: moto stands in behind botocore's own seam, so that no socket opens."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from shared.connectors.s3 import S3Connector

KEYS = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "canary-of-a-secret"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A fresh AWS with two buckets."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        for bucket in ("one", "two"):
            client.create_bucket(Bucket=bucket)
        yield client


@pytest.fixture
def one(aws: object) -> S3Connector:
    return S3Connector("one", "us-east-1", **KEYS)


@pytest.fixture
def two(aws: object) -> S3Connector:
    return S3Connector("two", "us-east-1", **KEYS)
