"""S3 as a source and as a target (ports: ``TargetStore``)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from shared.connectors.registry import S3
from shared.connectors.s3.answers import STRANGER, attributes_to, head_from, key_of, summary_from
from shared.connectors.s3.client import Access, Connection, connect
from shared.connectors.s3.content import S3Content
from shared.connectors.s3.copying import Unproven, copy, provable
from shared.connectors.s3.refusals import absent, speaking, understood
from shared.connectors.s3.wire import service_of
from shared.connectors.s3.writing import Place, abort, condition_of, stream, uploads
from shared.connectors.transfer.parts import PART
from shared.domain.capabilities import Capabilities
from shared.domain.errors import (
    ContainerMissing,
    CredentialsRefused,
    NotFound,
    PreconditionFailed,
    StoreUnavailable,
)
from shared.domain.objects import ObjectHead, Written
from shared.domain.precondition import Absent, Precondition
from shared.domain.stamp import Stamp
from shared.ports.content import Content
from shared.ports.stores import Opened, Page, Progress, Sessions, silent, untracked

_NO_CONTENT = 204


class S3Connector:
    """One bucket.

    Without ``s3:ListBucket`` S3 answers 403 for an object that is not there (S3 API reference, "HeadObject"): grant it, or
    absence looks like a refusal.

    Args:
        bucket_name: of a general purpose bucket.
        region: of the bucket.
        encryption: ``aws:kms`` or ``AES256``; None leaves it to the bucket's default.
        part_size: largest body of one request, bytes; S3 itself takes no parts below 5 MiB.
        kms_key_id: with ``aws:kms``; None means the account's own key for S3.
        **access: rights and endpoint, as ``client.Access`` names them.
    """

    capabilities: Capabilities = S3

    def __init__(
        self,
        bucket_name: str,
        region: str | None = None,
        *,
        encryption: str | None = None,
        kms_key_id: str | None = None,
        part_size: int = PART,
        **access: Any,
    ) -> None:
        self._bucket = bucket_name
        self._part_size = part_size
        self._access = Access(region, **access)
        wanted = {"ServerSideEncryption": encryption, "SSEKMSKeyId": kms_key_id}
        self._encryption = {name: value for name, value in wanted.items() if value}
        self._lock = threading.Lock()
        self._made: Connection | None = None
        self._uncopyable: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"S3Connector({self._bucket!r})"

    @property
    def service(self) -> str:
        return service_of(self._connection.client.meta.endpoint_url)

    @property
    def container(self) -> str:
        return self._bucket

    def head(self, path: str) -> ObjectHead | None:
        return self._head(path)[0]

    @contextmanager
    def open(self, path: str) -> Iterator[Opened | None]:
        head, version_id = self._head(path)
        if head is None:
            self._demand_bucket()
            yield None
        else:
            yield Opened(head, S3Content(self._connection.wire, self.service, self._bucket, head, version_id))

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
        stored = attributes_to(content.attributes, stamp) | self._encryption
        place = Place(self._connection, self._bucket, key_of(path), stored, precondition, sessions)
        try:
            return self._copied(place, content, progress) or stream(place, content, progress, self._part_size)
        except Unproven as made:
            # This service cannot prove its own copies, so the bytes go through us, over what it made.
            return stream(made.over(place), content, progress, self._part_size)

    def delete(self, path: str, *, precondition: Precondition) -> None:
        if isinstance(precondition, Absent):
            if self.head(path) is not None:
                raise PreconditionFailed
            return
        try:
            answer = self._connection.client.delete_object(
                Bucket=self._bucket, Key=key_of(path), **condition_of(precondition)
            )
            if answer["ResponseMetadata"]["HTTPStatusCode"] != _NO_CONTENT:
                raise StoreUnavailable(STRANGER)
        except Exception as refusal:
            if not absent(refusal):
                raise understood(refusal) from None

    def list(self, prefix: str = "", *, after: str | None = None, limit: int = 1000) -> Page:
        start: dict[str, Any] = {"StartAfter": after} if after else {}
        with speaking():
            answer = self._connection.client.list_objects_v2(
                Bucket=self._bucket, Prefix=prefix, MaxKeys=min(limit, 1000), **start
            )
            if "IsTruncated" not in answer:
                raise StoreUnavailable(STRANGER)  # no listing at all, and not an empty one
            items = tuple(summary_from(item) for item in answer.get("Contents", ()))
        return Page(items, items[-1].path if items and answer.get("IsTruncated") else None)

    def abort_uploads(self, path: str, *, older_than: datetime) -> int:
        place = Place(self._connection, self._bucket, key_of(path))
        return sum(abort(place, upload_id) for upload_id in uploads(place, older_than))

    def close(self) -> None:
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    @property
    def _connection(self) -> Connection:
        with self._lock:
            if self._made is None:
                self._made = connect(self._access, self._bucket)
            return self._made

    def _head(self, path: str) -> tuple[ObjectHead | None, str | None]:
        key = key_of(path)
        try:
            answer = self._connection.wire.ask("HeadObject", "HEAD", key, {"ChecksumMode": "ENABLED"})
        except NotFound:
            return None, None
        version = answer.fields.get("VersionId")
        return head_from(path, answer.fields), version if version != "null" else None

    def _demand_bucket(self) -> None:
        """A HEAD's 404 may also mean that the bucket is gone; to take that for a deleted object would delete replicas."""
        try:
            self._connection.client.head_bucket(Bucket=self._bucket)
        except Exception as refusal:
            raise ContainerMissing if absent(refusal) else understood(refusal) from None

    def _copied(self, place: Place, content: Content, progress: Progress) -> Written | None:
        """The write as a copy inside S3, or None if it has to be streamed."""
        inside, algorithm = content.inside(), provable(content)
        if inside is None or inside.service != self.service or algorithm is None:
            return None
        source = (inside.service, inside.container)
        if source in self._uncopyable:
            return None
        try:
            return copy(place, content, inside, algorithm, progress)
        except CredentialsRefused:
            # Perhaps only of the source: what the target's owner may not read we still may.
            self._uncopyable.add(source)
            return None
