"""One version of one blob, read by ranges."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from azure.storage.blob import BlobClient, BlobSasPermissions, generate_blob_sas

from shared.connectors.azure_blob.blocks import conditions
from shared.connectors.azure_blob.faults import reading_faults
from shared.connectors.transfer.content import in_ranges
from shared.domain.errors import LengthMismatch
from shared.domain.objects import Attributes, Checksums, ObjectHead
from shared.domain.precondition import Match
from shared.ports.content import Fetchable, Inside

_LINK_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class AzureContent:
    """Every range is asked for with If-Match: what is replaced meanwhile raises SourceChanged."""

    head: ObjectHead
    blob: BlobClient = field(repr=False)
    account_key: str | None = field(default=None, repr=False)
    ranged: bool = True

    @property
    def size(self) -> int:
        return self.head.size

    @property
    def attributes(self) -> Attributes:
        return self.head.attributes

    @property
    def checksums(self) -> Checksums:
        return self.head.checksums

    def read(self, offset: int, length: int) -> bytes:
        if not length:
            return b""
        with reading_faults():
            data: bytes = self.blob.download_blob(offset, length, **conditions(Match(self.head.tag))).readall()
        if len(data) != length:
            raise LengthMismatch
        return data

    def stream(self, chunk: int) -> Iterator[bytes]:
        return in_ranges(self.read, self.size, chunk)

    def inside(self) -> Inside | None:
        """None: inside Azure the way is ``fetchable``; there is no other copy that can be verified."""
        return None

    def fetchable(self) -> Fetchable | None:
        """A read-only SAS URL of one hour, if this login signs with an account key; pins no version, so verify."""
        if not self.account_key:
            return None
        token = generate_blob_sas(
            self.blob.account_name or "",
            self.blob.container_name,
            self.blob.blob_name,
            account_key=self.account_key,
            permission=BlobSasPermissions(read=True),
            expiry=datetime.now(UTC) + timedelta(seconds=_LINK_SECONDS),
        )
        return Fetchable(f"{self.blob.url.partition('?')[0]}?{token}", _LINK_SECONDS)
