"""Copying inside S3: the bytes never leave the service, and both ends' checksums are compared all the same.

S3 is asked for the checksum that the source has, whichever its writer chose. Of a large object the parts' CRCs combine to that
of the whole; the parts' SHAs do not, so such an object is streamed.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from shared.connectors.registry import S3
from shared.connectors.s3.answers import STRANGER, tag_from
from shared.connectors.s3.checksums import best, said, spoken, whole
from shared.connectors.s3.refusals import speaking
from shared.connectors.s3.writing import Place, Upload, complete, condition_of, upload
from shared.connectors.transfer.crc import Crc, combined, from_hex, to_hex
from shared.connectors.transfer.parts import MIB, Receipt, Sent, plan_parts
from shared.domain.errors import ChecksumMismatch, IntegrityUnproven, StoreUnavailable
from shared.domain.objects import Algorithm, Checksums, Tag, Written
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


def copy(place: Place, content: Content, inside: Inside, algorithm: Algorithm, progress: Progress) -> Written:
    """Lets S3 copy, by the target's rights, the version that ``inside`` names.

    Args:
        algorithm: of ``provable``.

    Raises:
        SourceChanged: that version is gone.
        Unproven: the service does not report the checksum of its copy.
        StoreError: as S3 refuses; ``CredentialsRefused`` may only mean that the target's owner cannot read the source.
    """
    size, source, known = content.size or 0, _source(inside), content.checksums.values[algorithm]
    match algorithm:
        case "crc64nvme" | "crc32c" | "crc32" if size > PART:
            return _by_parts(place, content, source, algorithm, progress)
    tag = _at_once(place, source, algorithm, known)
    progress(size)
    return Written(tag, size, Checksums(MappingProxyType({algorithm: known})), "copied")


def provable(content: Content) -> Algorithm | None:
    """By which checksum a copy of this content can be proven; None if it has to be streamed.

    The source has to have one beforehand, and of a large object one that combines.
    """
    algorithm = best(content.checksums)
    large = (content.size or 0) > PART
    combines = algorithm is not None and algorithm.startswith("crc")
    return None if content.size is None or (large and not combines) else algorithm


def _source(inside: Inside) -> dict[str, Any]:
    version = {} if inside.version is None else {"VersionId": inside.version}
    return {
        "CopySource": {"Bucket": inside.container, "Key": inside.path} | version,
        "CopySourceIfMatch": f'"{inside.tag}"',
    }


def _at_once(place: Place, source: Mapping[str, Any], algorithm: Algorithm, known: str) -> Tag:
    asked: Any = spoken(algorithm)
    with speaking():
        answer = place.connection.client.copy_object(
            **place.target,
            **place.stored,
            **condition_of(place.precondition),
            **source,
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
            ChecksumAlgorithm=asked,
        )
    result = answer.get("CopyObjectResult")
    if not result:
        raise StoreUnavailable(STRANGER)
    tag = tag_from(result)
    told = whole(result).values.get(algorithm) or _told_by_head(place, tag, algorithm)
    _prove(told, known, tag)
    return tag


def _told_by_head(place: Place, tag: Tag, algorithm: Algorithm) -> str | None:
    with speaking():
        head = place.connection.client.head_object(**place.target, IfMatch=f'"{tag.value}"', ChecksumMode="ENABLED")
    return whole(head).values.get(algorithm)


def _by_parts(place: Place, content: Content, source: Mapping[str, Any], algorithm: Crc, progress: Progress) -> Written:
    size, known = content.size or 0, content.checksums.values[algorithm]
    step = plan_parts(size, S3, part=PART, memory=PART).part_size
    spans = [(number, offset, min(step, size - offset)) for number, offset in enumerate(range(0, size, step), 1)]
    with upload(place, algorithm) as session:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="copy") as pool:
            receipts = tuple(pool.map(lambda span: _part(place, content, source, session, span, progress), spans))
        crc = combined(((receipt.crc, receipt.size) for receipt in receipts), algorithm)
        _prove(to_hex(crc, algorithm), known)
        sent = Sent(receipts, size, crc, Checksums(MappingProxyType({algorithm: known})))
        return complete(place, session, sent, "copied")


def _part(
    place: Place,
    content: Content,
    source: Mapping[str, Any],
    session: Upload,
    span: tuple[int, int, int],
    progress: Progress,
) -> Receipt[str]:
    number, offset, size = span
    content.inside()  # still? It says so until its reader's time is over
    with speaking():
        answer = place.connection.client.upload_part_copy(
            **place.target,
            **source,
            UploadId=session.id,
            PartNumber=number,
            CopySourceRange=f"bytes={offset}-{offset + size - 1}",
        )
    result = answer.get("CopyPartResult", {})
    told = said(result, session.algorithm)
    if told is None:
        raise Unproven
    progress(size)
    return Receipt(number, offset, size, from_hex(told), f'"{tag_from(result).value}"')


def _prove(told: str | None, known: str, made: Tag | None = None) -> None:
    if told is None:
        raise Unproven(made)
    if told != known:
        raise ChecksumMismatch
