"""Copying inside S3: the bytes never leave the service, and both ends' CRC64NVME are compared all the same."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from shared.connectors.registry import S3
from shared.connectors.s3.answers import STRANGER, tag_from
from shared.connectors.s3.refusals import speaking
from shared.connectors.s3.writing import Place, complete, condition_of, upload
from shared.connectors.transfer.crc import combined, from_hex, from_s3
from shared.connectors.transfer.parts import MIB, Receipt, Sent, plan_parts
from shared.domain.errors import ChecksumMismatch, IntegrityUnproven, StoreUnavailable
from shared.domain.objects import Tag, Written
from shared.domain.precondition import Match
from shared.ports.content import Content, Inside
from shared.ports.stores import Progress

PART = 512 * MIB
"""Largest copy in one request. S3 would take 5 GB, but one request of minutes is one that time-outs break."""

WORKERS = 8


class Unproven(IntegrityUnproven):
    """The service copied and cannot say what; ``tag`` is of the object it made, if it made one already."""

    def __init__(self, tag: Tag | None = None) -> None:
        super().__init__()
        self.tag = tag

    def over(self, place: Place) -> Place:
        """The same place, for a write that replaces what was made."""
        return place if self.tag is None else replace(place, precondition=Match(self.tag))


def copy(place: Place, content: Content, inside: Inside, progress: Progress) -> Written:
    """Lets S3 copy, by the target's rights, the version that ``inside`` names.

    Args:
        content: of a known size and CRC64NVME; without them a copy could not be proven (see ``copyable``).

    Raises:
        SourceChanged: that version is gone.
        Unproven: the service does not report the checksum of its copy.
        StoreError: as S3 refuses; ``CredentialsRefused`` may only mean that the target's owner cannot read the source.
    """
    crc = from_hex(content.checksums.values["crc64nvme"])
    size = content.size or 0
    if size > PART:
        return _by_parts(place, content, _source(inside), crc, progress)
    written = _at_once(place, _source(inside), size, crc)
    progress(size)
    return Written(written, size, content.checksums, "copied")


def copyable(content: Content) -> bool:
    """Whether a copy could be proven: S3 must know the source's own checksum beforehand."""
    return content.size is not None and "crc64nvme" in content.checksums.values


def _source(inside: Inside) -> dict[str, Any]:
    version = {} if inside.version is None else {"VersionId": inside.version}
    return {
        "CopySource": {"Bucket": inside.container, "Key": inside.path} | version,
        "CopySourceIfMatch": f'"{inside.tag}"',
    }


def _at_once(place: Place, source: Mapping[str, Any], size: int, crc: int) -> Tag:
    with speaking():
        answer = place.connection.client.copy_object(
            **place.target,
            **place.stored,
            **condition_of(place.precondition),
            **source,
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
            ChecksumAlgorithm="CRC64NVME",
        )
    result = answer.get("CopyObjectResult")
    if not result:
        raise StoreUnavailable(STRANGER)
    tag = tag_from(result)
    told = from_s3(result.get("ChecksumCRC64NVME"))
    _prove(_told_by_head(place, tag) if told is None else told, crc, tag)
    return tag


def _told_by_head(place: Place, tag: Tag) -> int | None:
    with speaking():
        head = place.connection.client.head_object(**place.target, IfMatch=f'"{tag.value}"', ChecksumMode="ENABLED")
    return from_s3(head.get("ChecksumCRC64NVME"))


def _by_parts(place: Place, content: Content, source: Mapping[str, Any], crc: int, progress: Progress) -> Written:
    size = content.size or 0
    step = plan_parts(size, S3, part=PART, memory=PART).part_size
    spans = [(number, offset, min(step, size - offset)) for number, offset in enumerate(range(0, size, step), 1)]
    with upload(place) as session:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="copy") as pool:
            receipts = tuple(pool.map(lambda span: _part(place, content, source, session.id, span, progress), spans))
        sent = Sent(receipts, size, combined((receipt.crc, receipt.size) for receipt in receipts))
        _prove(sent.crc, crc)
        return complete(place, session, sent, "copied")


def _part(
    place: Place,
    content: Content,
    source: Mapping[str, Any],
    upload_id: str,
    span: tuple[int, int, int],
    progress: Progress,
) -> Receipt[str]:
    number, offset, size = span
    content.inside()  # still? It says so until its reader's time is over
    with speaking():
        answer = place.connection.client.upload_part_copy(
            **place.target,
            **source,
            UploadId=upload_id,
            PartNumber=number,
            CopySourceRange=f"bytes={offset}-{offset + size - 1}",
        )
    result = answer.get("CopyPartResult", {})
    crc = from_s3(result.get("ChecksumCRC64NVME"))
    if crc is None:
        raise Unproven
    progress(size)
    return Receipt(number, offset, size, crc, f'"{tag_from(result).value}"')


def _prove(told: int | None, known: int, made: Tag | None = None) -> None:
    if told is None:
        raise Unproven(made)
    if told != known:
        raise ChecksumMismatch
