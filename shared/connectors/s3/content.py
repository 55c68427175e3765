"""An S3 object's bytes, pinned to one version."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from shared.connectors.s3.answers import tag_from
from shared.connectors.s3.wire import Wire
from shared.connectors.transfer.content import in_ranges
from shared.domain.errors import LengthMismatch, PreconditionFailed, SourceChanged, StoreUnavailable
from shared.domain.objects import Attributes, Checksums, ObjectHead
from shared.ports.content import Fetchable, Inside

LINK_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class S3Content:
    """Reads by range, each only if the object still has the tag it was opened with.

    The version id, where there is one, is left to those who cannot say If-Match: to finish reading a version that was
    replaced meanwhile would be work for nothing, and would need a permission more (``s3:GetObjectVersion``).

    Attributes:
        version_id: None in a bucket without versions.
    """

    wire: Wire = field(repr=False)
    service: str
    bucket: str
    head: ObjectHead
    version_id: str | None
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
        data = self._get(offset, length) if length else b""
        if len(data) != length:
            raise LengthMismatch
        return data

    def read_into(self, offset: int, room: memoryview) -> None:
        if len(room):
            self._get(offset, len(room), room)

    def stream(self, chunk: int) -> Iterator[bytes]:
        return in_ranges(self.read, self.head.size, chunk)

    def inside(self) -> Inside:
        return Inside(self.service, self.bucket, self.head.path, self.version_id, self.head.tag.value)

    def fetchable(self) -> Fetchable | None:
        """A signed URL; only of a version with an id, since nothing else in a URL pins one."""
        if self.version_id is None:
            return None
        query = f"versionId={quote(self.version_id, safe='')}"
        return Fetchable(self.wire.link(self.head.path, query, LINK_SECONDS), LINK_SECONDS)

    def _get(self, offset: int, length: int, room: memoryview | None = None) -> bytes:
        asked = {"IfMatch": f'"{self.head.tag.value}"'}
        if (offset, length) != (0, self.head.size):
            asked["Range"] = f"bytes={offset}-{offset + length - 1}"
        try:
            answer = self.wire.ask("GetObject", "GET", self.head.path, asked, room=room)
        except PreconditionFailed:
            raise SourceChanged from None
        if tag_from(answer.fields) != self.head.tag:
            raise StoreUnavailable("s3 answered with another object")
        return answer.body
