"""One rig per connector: how to make a fresh root on its server, connect to it, and look behind the connector's back.

A new connector joins the suite with one more class here and its row in ``conftest.RIGS``.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from shared.domain.capabilities import Capabilities
from shared.ports.stores import TargetStore
from tests.conformance.proxy import Forward, Matches, Proxy, Request, Response

SERIAL = itertools.count(1)
PART = 64 * 1024
"""Bytes of one part here: small, so that an upload of many parts is quick."""
SINGLE = PART
"""Largest write in one request here: what fits one part needs no session."""


class Rig(Protocol):
    """What the suite needs to know of one store.

    Attributes:
        name: the connector's name in the registry.
        endpoint: of its server, ``http://host:port``.
        secrets: what must never be seen: what this rig gives its connectors as credentials.
        single, part, commit, listing, body: which requests are a whole write, one part of a write, the completion of one,
            a page of a listing, a read of bytes.
        denials, quota, slow: answers of this store (status, body, headers) that mean: expired credentials, revoked ones, a
            full account, slow down.
    """

    name: str
    endpoint: str
    secrets: tuple[str, ...]

    @property
    def capabilities(self) -> Capabilities: ...

    def root(self) -> str: ...
    def connect(self, root: str, *, endpoint: str | None = None, **options: Any) -> TargetStore: ...
    def sessions(self, root: str) -> int: ...
    def names(self, root: str) -> list[str]: ...
    def put(self, root: str, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> None: ...
    def metadata(self, root: str, name: str) -> Mapping[str, str]: ...
    def expiring(self, root: str, wire: Proxy, patch: Any) -> tuple[TargetStore, Callable[[], int]]: ...
    def error(self, kind: str) -> Response: ...
    def wrong(self, secret: str, root: str) -> TargetStore: ...
    def strict(self, wire: Proxy) -> None: ...
    def logins(self, root: str) -> Mapping[str, tuple[dict[str, str], tuple[str, ...]]]: ...
    def close(self) -> None: ...

    single: Matches
    part: Matches
    commit: Matches
    listing: Matches
    body: Matches


def _timeout(options: dict[str, Any]) -> None:
    """``timeout``: seconds for either of the two that connectors know."""
    if seconds := options.pop("timeout", None):
        options |= {"connect_seconds": seconds, "read_seconds": seconds}


XML = (("Content-Type", "application/xml"),)


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

        _timeout(options)
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


def azure_error(status: int, code: str) -> Response:
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<Error><Code>{code}</Code><Message>{code}</Message></Error>'
    return Response(status, (*XML, ("x-ms-error-code", code)), text.encode())


class AzureRig:
    """Azure Blob Storage as Azurite has it."""

    name = "azure_blob"

    def __init__(self, blob_endpoint: str, account: str, key: str) -> None:
        from azure.storage.blob import BlobServiceClient

        where = urlsplit(blob_endpoint)
        self.endpoint = f"{where.scheme}://{where.netloc}"
        self.account, self.key = account, key
        self.secrets = (key,)
        self._service = BlobServiceClient(blob_endpoint, credential={"account_name": account, "account_key": key})

    @property
    def capabilities(self) -> Capabilities:
        from shared.connectors import registry

        return registry.entry("azure_blob").capabilities

    def root(self) -> str:
        name = f"conformance-{next(SERIAL)}"
        self._service.create_container(name)
        return name

    def connect(self, root: str, *, endpoint: str | None = None, **options: Any) -> TargetStore:
        from shared.connectors import AzureBlobConnector

        _timeout(options)
        settings = {"part_size": PART, **options}
        if not {"account_key", "credential", "sas_token", "connection_string"} & settings.keys():
            settings["account_key"] = self.key
        if "connection_string" not in settings:
            settings["account_url"] = f"{endpoint or self.endpoint}/{self.account}"
        return AzureBlobConnector(container_name=root, **settings)

    def sessions(self, root: str) -> int:
        """Azure has no sessions, only uncommitted blocks, which nobody sees and which expire."""
        return 0

    def names(self, root: str) -> list[str]:
        return list(self._service.get_container_client(root).list_blob_names())

    def put(self, root: str, name: str, data: bytes, metadata: Mapping[str, str] | None = None) -> None:
        blob = self._service.get_blob_client(root, name)
        blob.upload_blob(data, overwrite=True, metadata=dict(metadata or {}))

    def metadata(self, root: str, name: str) -> Mapping[str, str]:
        return self._service.get_blob_client(root, name).get_blob_properties().metadata

    def error(self, kind: str) -> Response:
        return {
            "expired": azure_error(401, "InvalidAuthenticationInfo"),
            "revoked": azure_error(403, "AuthenticationFailed"),
            "quota": azure_error(507, "InsufficientStorage"),
            "slow": azure_error(503, "ServerBusy"),
            "broken": azure_error(500, "InternalError"),
        }[kind]

    def expiring(self, root: str, wire: Proxy, patch: Any) -> tuple[TargetStore, Callable[[], int]]:
        """Tokens travel over TLS only, by the SDK's own rule, and the emulator that the proxy can read has none."""
        pytest.skip("azure_blob: the SDK sends tokens over TLS only; keys and SAS tokens cannot be refreshed")

    def wrong(self, secret: str, root: str) -> TargetStore:
        return self.connect(root, account_key=secret)

    def logins(self, root: str) -> Mapping[str, tuple[dict[str, str], tuple[str, ...]]]:
        """Other ways to log in, each with the secrets that it brings."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        sas = generate_container_sas(
            self.account,
            root,
            account_key=self.key,
            permission=ContainerSasPermissions.from_string("racwdl"),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )
        return {"key": ({}, self.secrets), "token": ({"sas_token": sas}, (sas, parse_qs(sas)["sig"][0]))}

    def strict(self, wire: Proxy) -> None:
        """It is already."""

    def close(self) -> None:
        self._service.close()

    @staticmethod
    def single(request: Request) -> bool:
        return request.method == "PUT" and "comp" not in request.query

    @staticmethod
    def part(request: Request) -> bool:
        return request.method == "PUT" and request.query.get("comp") == ["block"]

    @staticmethod
    def commit(request: Request) -> bool:
        return request.method == "PUT" and request.query.get("comp") == ["blocklist"]

    @staticmethod
    def listing(request: Request) -> bool:
        return request.method == "GET" and request.query.get("comp") == ["list"]

    @staticmethod
    def body(request: Request) -> bool:
        return request.method == "GET" and "comp" not in request.query
