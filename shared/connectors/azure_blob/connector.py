"""The Azure Blob connector: ``ports.TargetStore`` over one container."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient

from shared.connectors.azure_blob.blocks import Order, conditions
from shared.connectors.azure_blob.client import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Login,
    TokenCredential,
    account_key,
    open_container,
    service_of,
)
from shared.connectors.azure_blob.content import AzureContent
from shared.connectors.azure_blob.faults import absent, faults, translated
from shared.connectors.azure_blob.names import to_blob, to_prefix
from shared.connectors.azure_blob.properties import head_of, summary_of
from shared.connectors.azure_blob.pull import Pulls
from shared.connectors.azure_blob.upload import Uploads
from shared.connectors.registry import AZURE_BLOB
from shared.connectors.transfer.parts import PART
from shared.domain.capabilities import Capabilities
from shared.domain.errors import PreconditionFailed
from shared.domain.objects import ObjectHead, Written
from shared.domain.precondition import Absent, Precondition
from shared.domain.stamp import Stamp
from shared.ports.content import Content
from shared.ports.stores import Opened, Page, Progress, Sessions, silent, untracked


class AzureBlobConnector:
    """One container of one Azure Storage account (flat namespace: hierarchical ones fold ``x//y`` into ``x/y``).

    Logs in by ``connection_string``, or by ``account_url`` with an ``account_key``, a ``sas_token`` or a ``credential``
    (such as ``azure_identity.WorkloadIdentity``: no stored secret). Making one costs no request; the pool of
    ``connections`` opens as it is needed. Thread-safe. ``part_size`` is the largest body of one request, in bytes;
    ``read_seconds`` the longest silence of the service.

    Raises:
        Misconfigured: the login is incomplete or malformed.
    """

    def __init__(
        self,
        container_name: str,
        *,
        connection_string: str | None = None,
        account_url: str | None = None,
        account_key: str | None = None,
        sas_token: str | None = None,
        credential: TokenCredential | None = None,
        connections: int = 16,
        part_size: int = PART,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
    ) -> None:
        login = Login(connection_string, account_url, account_key, sas_token, credential)
        self._container = open_container(
            login, container_name, connections=connections, timeouts=(connect_seconds, read_seconds)
        )
        # Making the SDK's client of a blob costs a tenth of a call; replicating one makes several calls to it.
        self._blob = lru_cache(maxsize=64)(self._open_blob)
        self._pulls = Pulls(self._container.primary_endpoint)
        self._uploads = Uploads(part_size)

    def __repr__(self) -> str:
        return f"AzureBlobConnector({self.container!r})"

    @property
    def capabilities(self) -> Capabilities:
        return AZURE_BLOB

    @property
    def container(self) -> str:
        return self._container.container_name

    @cached_property
    def service(self) -> str:
        return service_of(self._container)

    def head(self, path: str) -> ObjectHead | None:
        try:
            return head_of(path, self._blob(path).get_blob_properties())
        except AzureError as error:
            if absent(error):
                return None
            raise translated(error) from None

    @contextmanager
    def open(self, path: str) -> Iterator[Opened | None]:
        head = self.head(path)
        key = account_key(self._container)
        yield None if head is None else Opened(head, AzureContent(head, self._blob(path), key))

    def write(
        self,
        path: str,
        content: Content,
        *,
        precondition: Precondition,
        stamp: Stamp | None = None,
        progress: Progress = silent,
        sessions: Sessions = untracked,
    ) -> Written:
        del sessions  # Azure has none: see abort_uploads
        order = Order(self._blob(path), precondition, content.attributes, stamp)
        return self._pulls.write(content, order, progress) or self._uploads.write(content, order, progress)

    def delete(self, path: str, *, precondition: Precondition) -> None:
        try:
            if isinstance(precondition, Absent):
                raise PreconditionFailed
            with faults():
                self._delete(path, precondition)
        except PreconditionFailed:
            # What is absent is deleted already; Azure itself says so by 404, emulators by 412.
            if self.head(path) is not None:
                raise

    def _delete(self, path: str, precondition: Precondition) -> None:
        try:
            self._blob(path).delete_blob(**conditions(precondition))
        except AzureError as error:
            if not absent(error):
                raise

    def list(self, prefix: str = "", *, after: str | None = None, limit: int = 1000) -> Page:
        with faults():
            pages: Any = self._container.list_blobs(
                name_starts_with=to_prefix(prefix) or None, results_per_page=limit
            ).by_page(after)
            items = [summary_of(blob) for blob in next(pages, ())]
        return Page(tuple(item for item in items if item.path.startswith(prefix)), pages.continuation_token or None)

    def abort_uploads(self, path: str, *, older_than: datetime) -> int:
        """Zero: blocks belong to no session, and Azure discards uncommitted ones a week after the last (REST: Put Block)."""
        del path, older_than
        return 0

    def close(self) -> None:
        self._container.close()

    def _open_blob(self, path: str) -> BlobClient:
        return self._container.get_blob_client(to_blob(path))
