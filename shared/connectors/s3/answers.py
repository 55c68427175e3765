"""S3's answers in the domain's words, and the domain's words in S3's headers."""

import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from shared.connectors.registry import S3
from shared.connectors.s3.checksums import whole
from shared.connectors.transfer.crc import from_s3
from shared.connectors.transfer.names import Naming
from shared.connectors.transfer.proof import Reported
from shared.connectors.transfer.values import from_header, to_header
from shared.domain.errors import InvalidName, StoreUnavailable, UnsupportedAttribute
from shared.domain.objects import Attributes, ObjectHead, ObjectSummary, Tag
from shared.domain.stamp import Stamp, parse

STAMP = "farshore-stamp"

STRANGER = "s3 answered, but not as S3 does"
"""A sign-in page, say, with status 200."""

# Names of header fields, which S3 lower-cases (S3 user guide, "User-defined object metadata"; RFC 9110, tokens).
_METADATA = Naming(re.compile(r"[^a-z0-9!#$&'*+.^_`|~-]"), longest=1024, escape="_x")
_HEADERS = {
    "content_type": "ContentType",
    "content_encoding": "ContentEncoding",
    "content_language": "ContentLanguage",
    "content_disposition": "ContentDisposition",
    "cache_control": "CacheControl",
}
_MD5 = re.compile(r"[0-9a-f]{32}\Z")


def key_of(path: str) -> str:
    """A path as a key. S3 keys are any text of up to 1,024 UTF-8 bytes, so none is ever escaped: each stays reachable.

    Raises:
        InvalidName: it is empty, too long, no UTF-8, or climbs by ``..`` above the root, which S3 refuses.
    """
    depth = 0
    for segment in path.split("/") if ".." in path else ():
        depth += -1 if segment == ".." else 1
        if depth < 0:
            raise InvalidName
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise InvalidName from None
    if not 0 < length <= S3.name_max:
        raise InvalidName
    return path


def head_from(path: str, answer: Mapping[str, Any]) -> ObjectHead:
    """Reads a HEAD's answer. The stamp is kept only if it vouches for these bytes."""
    tag, modified, size = tag_from(answer), answer.get("LastModified"), answer.get("ContentLength")
    if not isinstance(modified, datetime) or size is None:
        raise StoreUnavailable(STRANGER)
    checksums, attributes = whole(answer), attributes_from(answer)
    stamp = parse(answer.get("Metadata", {}).get(STAMP, ""))
    vouched = stamp is not None and stamp.vouches_for(size, checksums.values.get("crc64nvme"))
    return ObjectHead(
        path,
        size,
        tag,
        _version(answer, tag, modified, attributes),
        modified,
        attributes,
        checksums,
        stamp if vouched else None,
    )


def summary_from(item: Mapping[str, Any]) -> ObjectSummary:
    """Reads one line of ListObjectsV2's answer."""
    return ObjectSummary(item["Key"], item["Size"], tag_from(item), item["LastModified"].astimezone(UTC))


def tag_from(answer: Mapping[str, Any]) -> Tag:
    """The ETag.

    Raises:
        StoreUnavailable: there is none: somebody else than S3 answered.
    """
    tag = str(answer.get("ETag", "")).strip('"')
    if not tag:
        raise StoreUnavailable(STRANGER)
    return Tag(tag)


def reported_from(answer: Mapping[str, Any]) -> Reported:
    """What S3 says of what it just stored. An ETag is the body's MD5 unless a KMS key encrypts it (S3 API, "Object")."""
    tag = tag_from(answer).value
    is_md5 = _MD5.match(tag) and not str(answer.get("ServerSideEncryption", "")).startswith("aws:kms")
    return Reported(from_s3(answer.get("ChecksumCRC64NVME")), bytes.fromhex(tag) if is_md5 else None)


def attributes_from(answer: Mapping[str, Any]) -> Attributes:
    """Content headers and the user's metadata, without our stamp."""
    metadata = {
        _METADATA.from_store(name): from_header(value)
        for name, value in answer.get("Metadata", {}).items()
        if name != STAMP
    }
    headers = {ours: answer.get(theirs) or None for ours, theirs in _HEADERS.items()}
    return Attributes(**headers, metadata=MappingProxyType(metadata))


def attributes_to(attributes: Attributes, stamp: Stamp | None) -> dict[str, Any]:
    """Content headers and metadata as parameters of a write.

    Raises:
        UnsupportedAttribute: the metadata is more than S3 holds (2 KB, names and values together), one of it has no name, or
            a header is not printable ASCII.
    """
    if "" in attributes.metadata:
        raise UnsupportedAttribute("s3 holds no metadata without a name")
    metadata = {_METADATA.to_store(name): to_header(value) for name, value in attributes.metadata.items()}
    if stamp is not None:
        metadata[STAMP] = stamp.text()
    if sum(len(name) + len(value) for name, value in metadata.items()) > S3.metadata_max:
        raise UnsupportedAttribute(f"s3 holds {S3.metadata_max} bytes of metadata")
    headers = {theirs: getattr(attributes, ours) for ours, theirs in _HEADERS.items()}
    if any(value and not (value.isascii() and value.isprintable()) for value in headers.values()):
        raise UnsupportedAttribute("s3 holds ASCII headers only")
    return {name: value for name, value in headers.items() if value} | {"Metadata": metadata}


def _version(answer: Mapping[str, Any], tag: Tag, modified: datetime, attributes: Attributes) -> str:
    """The store's own, or what tells versions apart where it keeps none.

    The time alone would not: S3 tells whole seconds, and the same bytes written twice in one have one tag, whatever their
    attributes.
    """
    version = answer.get("VersionId")
    if version and version != "null":
        return str(version)
    said = [getattr(attributes, ours) for ours in _HEADERS], sorted(attributes.metadata.items())
    return f"{tag.value}-{int(modified.timestamp())}-{zlib.crc32(repr(said).encode('utf-8', 'surrogatepass')):08x}"
