"""Writing to S3: one PutObject, or a multipart upload of parallel parts; every body with its CRC64NVME, every answer proven."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote_plus

from shared.connectors.registry import S3
from shared.connectors.s3.answers import STRANGER, reported_from, tag_from
from shared.connectors.s3.checksums import saying, spoken, whole
from shared.connectors.s3.client import Connection
from shared.connectors.s3.refusals import speaking, understood, unopened
from shared.connectors.transfer.crc import Crc, to_hex, to_s3
from shared.connectors.transfer.parts import LANES, Feed, Part, Receipt, Sent, plan_parts
from shared.connectors.transfer.proof import prove, prove_whole
from shared.domain.errors import ChecksumMismatch, StoreError, StoreUnavailable
from shared.domain.objects import Route, Written
from shared.domain.precondition import Absent, Match, Precondition
from shared.domain.precondition import Any as Anything
from shared.ports.content import Content
from shared.ports.stores import Progress, Sessions, untracked

_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class Place:
    """Where one object goes, and how it is to be stored.

    Attributes:
        stored: parameters of the request that creates it: headers, metadata, encryption.
        precondition: checked by S3 at the moment the object would appear.
        sessions: told of each upload session.
    """

    connection: Connection = field(repr=False)
    bucket: str
    key: str
    stored: dict[str, Any] = field(default_factory=dict)
    precondition: Precondition = field(default_factory=Anything)
    sessions: Sessions = field(default=untracked, repr=False)

    @property
    def target(self) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": self.key}


def condition_of(precondition: Precondition) -> dict[str, Any]:
    """S3's conditional headers."""
    match precondition:
        case Absent():
            return {"IfNoneMatch": "*"}
        case Match(tag):
            return {"IfMatch": f'"{tag.value}"'}
        case Anything():
            return {}


def stream(place: Place, content: Content, progress: Progress, part_size: int) -> Written:
    """Sends the bytes through this process, at most ``part_size`` of them in a request while S3's limits allow."""
    feed = Feed(content, plan_parts(content.size, S3, part=part_size, memory=LANES * part_size))
    part = feed.whole()
    if part is None:
        return _multipart(place, feed, content, progress)
    prove_whole(content.checksums, part.checksums)
    sent = place.stored | condition_of(place.precondition) | _checksum(part)
    answer = place.connection.wire.ask("PutObject", "PUT", place.key, sent, body=part.data)
    prove(part, reported_from(answer.fields))
    progress(part.size)
    return Written(tag_from(answer.fields), part.size, part.checksums, "streamed")


def _multipart(place: Place, feed: Feed, content: Content, progress: Progress) -> Written:
    with upload(place) as session:
        sent = feed.send(lambda part: _upload(place, session.id, part), progress)
        prove_whole(content.checksums, sent.checksums)
        return complete(place, session, sent, "streamed")


def _upload(place: Place, upload_id: str, part: Part) -> str:
    query = f"partNumber={part.number}&uploadId={quote(upload_id, safe='')}"
    answer = place.connection.wire.ask("UploadPart", "PUT", place.key, _checksum(part), query=query, body=part.data)
    prove(part, reported_from(answer.fields))
    return f'"{tag_from(answer.fields).value}"'


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload session. ``whole``: S3 agreed to check the whole object's checksum when it is completed."""

    id: str
    whole: bool
    algorithm: Crc


@contextmanager
def upload(place: Place, algorithm: Crc = "crc64nvme") -> Iterator[Upload]:
    """An upload session, aborted if the block fails; a sweep ends those that even the abort did not reach.

    The register hears of it first. Whether a session was opened that nobody answered for, or one is left that could not be
    aborted, only a sweep can find out: then it never hears of an end.
    """
    place.sessions.begin()
    with speaking():
        begun = place.connection.client.create_multipart_upload(
            **place.target, **place.stored, ChecksumAlgorithm=_named(algorithm), ChecksumType="FULL_OBJECT"
        )
    if "UploadId" not in begun:
        raise StoreUnavailable(STRANGER)
    try:
        yield Upload(begun["UploadId"], begun.get("ChecksumType") == "FULL_OBJECT", algorithm)
    except BaseException:
        with suppress(StoreError):
            abort(place, begun["UploadId"])
            place.sessions.end()
        raise
    place.sessions.end()


def abort(place: Place, upload_id: str) -> bool:
    """Ends a session; whether there still was one. Raises StoreError unless it is surely over."""
    try:
        answer = place.connection.client.abort_multipart_upload(**place.target, UploadId=upload_id)
    except Exception as refusal:
        if unopened(refusal):
            return False
        raise understood(refusal) from None
    if answer["ResponseMetadata"]["HTTPStatusCode"] != _NO_CONTENT:
        raise StoreUnavailable(STRANGER)
    return True


def uploads(place: Place, older_than: datetime) -> list[str]:
    """The ids of sessions on exactly this key that began before then.

    S3 lists by key, and a key comes before all that it begins, so what is on this one is at the front.
    """
    found: list[str] = []
    start: dict[str, Any] = {}
    while True:
        with speaking():
            page = place.connection.client.list_multipart_uploads(
                Bucket=place.bucket, Prefix=place.key, EncodingType="url", **start
            )
        if "IsTruncated" not in page:
            raise StoreUnavailable(STRANGER)  # no listing at all, and not an empty one
        spoken = unquote_plus if page.get("EncodingType") == "url" else str
        ours = [item for item in page.get("Uploads", ()) if spoken(item["Key"]) == place.key]
        found += [item["UploadId"] for item in ours if item["Initiated"] < older_than]
        if not page["IsTruncated"] or len(ours) < len(page.get("Uploads", ())):
            return found
        start = {"KeyMarker": place.key, "UploadIdMarker": page["NextUploadIdMarker"]}


def complete(place: Place, session: Upload, sent: Sent[str], route: Route) -> Written:
    """Makes the object appear. S3 itself refuses if the whole is not of this checksum and size, or the condition fails.

    Look-alikes that make composite checksums only did not agree to the former; the parts are proven one by one anyway.
    """
    checked: dict[str, Any] = (
        saying(session.algorithm, sent.crc) | {"ChecksumType": "FULL_OBJECT"} if session.whole else {}
    )
    with speaking():
        answer = place.connection.client.complete_multipart_upload(
            **place.target,
            **condition_of(place.precondition),
            UploadId=session.id,
            MultipartUpload={"Parts": [_line(receipt, session.algorithm) for receipt in sent.receipts]},
            MpuObjectSize=sent.size,
            **checked,
        )
    told = whole(answer).values.get(session.algorithm)
    if told is not None and told != to_hex(sent.crc, session.algorithm):
        raise ChecksumMismatch
    return Written(tag_from(answer), sent.size, sent.checksums, route)


def _checksum(part: Part) -> dict[str, str]:
    return {"ChecksumAlgorithm": "CRC64NVME", "ChecksumCRC64NVME": to_s3(part.crc)}


def _line(receipt: Receipt[str], algorithm: Crc) -> Any:
    return {"PartNumber": receipt.number, "ETag": receipt.answer} | saying(algorithm, receipt.crc)


def _named(algorithm: Crc) -> Any:
    return spoken(algorithm)
