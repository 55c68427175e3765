"""Azure Blob Storage, on Azurite."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.domain.capabilities import Capabilities
from shared.ports.stores import TargetStore
from tests.conformance.proxy import Proxy, Request, Response
from tests.conformance.rigs import PART, SERIAL, XML, timeouts


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

        timeouts(options)
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
        pytest.skip("azure_blob: keys and SAS tokens cannot be refreshed; tokens are, in test_azure_tokens.py")

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
