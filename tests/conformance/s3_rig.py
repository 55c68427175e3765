"""S3, on MiniStack."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from shared.domain.capabilities import Capabilities
from shared.ports.stores import TargetStore
from tests.conformance.proxy import Forward, Proxy, Request, Response
from tests.conformance.rigs import PART, SERIAL, XML, timeouts


def _policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def s3_error(status: int, code: str) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(status, XML, text.encode())


class S3Rig:
    """S3 as MiniStack has it, with signatures verified."""

    name = "s3"

    def __init__(self, endpoint: str, access_key_id: str, secret_access_key: str, region: str) -> None:
        import boto3

        self.endpoint = endpoint
        self.region = region
        self._keys = {"access_key_id": access_key_id, "secret_access_key": secret_access_key}
        self.secrets = (secret_access_key,)
        self._client = boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id=access_key_id,
            aws_secret_access_key=secret_access_key,
        )

    @property
    def capabilities(self) -> Capabilities:
        from shared.connectors import registry

        return registry.entry("s3").capabilities

    def root(self) -> str:
        name = f"conformance-{next(SERIAL)}"
        self._client.create_bucket(Bucket=name)
        return name

    def connect(self, root: str, *, endpoint: str | None = None, **options: Any) -> TargetStore:
        from shared.connectors import S3Connector

        timeouts(options)
        settings = {"part_size": PART, "region": self.region, **self._keys, **options}
        return S3Connector(bucket_name=root, endpoint=endpoint or self.endpoint, **settings)

    def sessions(self, root: str) -> int:
        return len(self._client.list_multipart_uploads(Bucket=root).get("Uploads", []))

    def names(self, root: str) -> list[str]:
        return [row["Key"] for row in self._client.list_objects_v2(Bucket=root).get("Contents", [])]

    def versioned(self, root: str) -> None:
        """Keeps old versions from now on; only then can a signed address pin one."""
        self._client.put_bucket_versioning(Bucket=root, VersioningConfiguration={"Status": "Enabled"})

    def put(self, root: str, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> None:
        self._client.put_object(Bucket=root, Key=name, Body=data, Metadata=dict(metadata or {}))

    def metadata(self, root: str, name: str) -> Mapping[str, str]:
        return self._client.head_object(Bucket=root, Key=name)["Metadata"]

    def error(self, kind: str) -> Response:
        return {
            "expired": s3_error(400, "ExpiredToken"),
            "revoked": s3_error(403, "InvalidAccessKeyId"),
            "quota": s3_error(403, "QuotaExceeded"),
            "slow": s3_error(503, "SlowDown"),
            "broken": s3_error(500, "InternalError"),
        }[kind]

    def expiring(self, root: str, wire: Proxy, patch: Any) -> tuple[TargetStore, Callable[[], int]]:
        """A connector by an assumed role, through ``wire``, and how often the role was assumed."""
        patch.setenv("AWS_ENDPOINT_URL", wire.url)  # where botocore finds STS
        connector = self.connect(root, endpoint=wire.url, role_arn=self._role(), external_id="tenant-1")
        return connector, lambda: wire.count(lambda request: b"Action=AssumeRole" in request.body)

    def _role(self) -> str:
        """A role that may do all in S3, and that this account may assume."""
        import boto3

        keys = {
            "aws_access_key_id": self._keys["access_key_id"],
            "aws_secret_access_key": self._keys["secret_access_key"],
        }
        iam = boto3.client("iam", endpoint_url=self.endpoint, region_name=self.region, **keys)
        name = f"conformance-{next(SERIAL)}"
        trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        rights = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
        iam.put_role_policy(RoleName=name, PolicyName="s3", PolicyDocument=_policy(rights))
        return str(role["Role"]["Arn"])

    def wrong(self, secret: str, root: str) -> TargetStore:
        return self.connect(root, secret_access_key=secret)

    def logins(self, root: str) -> Mapping[str, tuple[dict[str, str], tuple[str, ...]]]:
        """Other ways to log in, each with the secrets that it brings."""
        token = "canary/Session+token=of-the-S3-rig"
        return {"key": ({}, self.secrets), "token": ({"session_token": token}, (token, *self.secrets))}

    def strict(self, wire: Proxy) -> None:
        """Has ``wire`` refuse copies whose condition does not hold, as S3 does (S3 API reference, "CopyObject").

        The emulator (and moto too) only looks at the conditions on the copy's source.
        """
        wire.when(lambda request: bool(request.header("x-amz-copy-source")), self._conditional_copy, times=None)

    def _conditional_copy(self, request: Request, forward: Forward) -> Response | None:
        bucket, key = unquote(request.path).lstrip("/").split("/", 1)
        tags = [
            row["ETag"] for row in self._client.list_objects_v2(Bucket=bucket).get("Contents", []) if row["Key"] == key
        ]
        if (request.header("if-none-match") == "*" and tags) or request.header("if-match") not in (None, *tags):
            return s3_error(412, "PreconditionFailed")
        return forward()

    def close(self) -> None:
        self._client.close()

    @staticmethod
    def single(request: Request) -> bool:
        return request.method == "PUT" and "uploadId" not in request.query and request.path.count("/") > 1

    @staticmethod
    def part(request: Request) -> bool:
        return request.method == "PUT" and "partNumber" in request.query

    @staticmethod
    def commit(request: Request) -> bool:
        return request.method == "POST" and "uploadId" in request.query

    @staticmethod
    def listing(request: Request) -> bool:
        return request.method == "GET" and "list-type" in request.query

    @staticmethod
    def body(request: Request) -> bool:
        return request.method == "GET" and "list-type" not in request.query
