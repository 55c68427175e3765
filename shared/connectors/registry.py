"""Which stores there are: a row of data for each. Its code, and its SDK with it, is imported on first use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import cast

from shared.domain.capabilities import Capabilities
from shared.domain.errors import InvalidInput, Misconfigured
from shared.ports.stores import TargetStore

_MIB = 1024 * 1024

S3 = Capabilities(
    connector="s3",
    operations=frozenset({"head", "open", "write", "delete", "list", "copy"}),
    tag_strength="content",
    conditional_write=True,
    conditional_delete=True,
    reports=frozenset({"crc64nvme"}),
    part_min=5 * _MIB,
    part_max=5 * 1024 * _MIB,
    parts_max=10_000,
    single_max=5 * 10**9,
)
"""Amazon S3 (S3 API reference and user guide, "Amazon S3 multipart upload limits")."""

AZURE_BLOB = Capabilities(
    connector="azure_blob",
    operations=frozenset({"head", "open", "write", "delete", "list", "pull"}),
    tag_strength="unique",
    conditional_write=True,
    conditional_delete=True,
    reports=frozenset({"md5"}),
    part_min=1,
    part_max=4_000 * _MIB,
    parts_max=50_000,
    single_max=5_000 * _MIB,
    metadata_max=8_192,
)
"""Azure Blob Storage, block blobs (Azure Storage REST reference, "Scalability and performance targets for Blob storage")."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One store.

    Attributes:
        module: where its connector lives, and
        name: what it is called there.
        container: what its constructor calls the bucket or container.
        hint: what to install if its SDK is missing.
    """

    module: str
    name: str
    container: str
    capabilities: Capabilities
    hint: str


CONNECTORS: Mapping[str, Entry] = MappingProxyType(
    {
        "s3": Entry("shared.connectors.s3", "S3Connector", "bucket_name", S3, "pip install boto3 awscrt"),
        "azure_blob": Entry(
            "shared.connectors.azure_blob",
            "AzureBlobConnector",
            "container_name",
            AZURE_BLOB,
            "pip install azure-storage-blob awscrt",
        ),
    }
)


def entry(connector: str) -> Entry:
    """The row of a store, without loading any of its code.

    Raises:
        InvalidInput: there is no such store.
    """
    try:
        return CONNECTORS[connector]
    except KeyError:
        raise InvalidInput(f"connectors are {', '.join(sorted(CONNECTORS))}") from None


def load(connector: str) -> Callable[..., TargetStore]:
    """The connector's class.

    Raises:
        InvalidInput: there is no such store.
        Misconfigured: its SDK is not installed.
    """
    row = entry(connector)
    try:
        found = getattr(import_module(row.module), row.name)
    except ImportError as missing:
        raise Misconfigured(f"the {connector} connector needs its SDK: {row.hint}") from missing
    return cast("Callable[..., TargetStore]", found)
