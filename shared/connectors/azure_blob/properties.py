"""What Azure says of a blob, and what we tell it, in the domain's words and back."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from azure.storage.blob import BlobProperties, ContentSettings

from shared.connectors.azure_blob.names import STAMP, from_blob, from_metadata, to_metadata
from shared.connectors.transfer.values import from_header, to_header
from shared.domain.errors import StoreUnavailable, UnsupportedAttribute
from shared.domain.objects import Attributes, Checksums, ObjectHead, ObjectSummary, Tag
from shared.domain.stamp import Stamp, parse

_EMPTY = "=?UTF-8?B??="
"""An empty value as an encoded word: a header without a value may be lost on the way."""

METADATA_MAX = 8192
"""Bytes of all metadata names and values (Azure Storage REST reference, "Set Blob Metadata")."""


def head_of(path: str, blob: BlobProperties) -> ObjectHead:
    """A blob's properties as a head.

    Raises:
        StoreUnavailable: they lack what every blob has: something else than Blob Storage answered.
    """
    if not blob.etag or blob.last_modified is None:
        raise StoreUnavailable("azure_blob answered without an ETag: not a Blob Storage endpoint")
    tag = Tag(blob.etag.strip('"'))
    return ObjectHead(
        path=path,
        size=blob.size,
        tag=tag,
        version=str(blob.version_id or f"{tag.value}-{int(blob.last_modified.timestamp())}"),
        modified=blob.last_modified,
        attributes=_attributes(blob),
        checksums=_checksums(blob),
        stamp=_stamp(blob),
    )


def summary_of(blob: BlobProperties) -> ObjectSummary:
    """One line of a listing."""
    return ObjectSummary(from_blob(blob.name), blob.size, Tag((blob.etag or "").strip('"')), blob.last_modified)


def settings_of(attributes: Attributes) -> ContentSettings:
    """The headers to store. Content-MD5 is left to the service, which sets it where it knows it.

    Raises:
        UnsupportedAttribute: a value is not ASCII; headers carry nothing else.
    """
    settings: dict[str, Any] = {
        "content_type": attributes.content_type,
        "content_encoding": attributes.content_encoding,
        "content_language": attributes.content_language,
        "content_disposition": attributes.content_disposition,
        "cache_control": attributes.cache_control,
    }
    if any(value and not (value.isascii() and value.isprintable()) for value in settings.values()):
        raise UnsupportedAttribute("azure_blob keeps ASCII headers only")
    return ContentSettings(**settings)


def metadata_of(attributes: Attributes, stamp: Stamp | None) -> dict[str, str]:
    """The metadata to store: the user's, mapped, and the stamp.

    Raises:
        UnsupportedAttribute: it is more than Azure keeps.
    """
    if "" in attributes.metadata:
        raise UnsupportedAttribute("azure_blob keeps no metadata without a name")
    entries = {to_metadata(name): to_header(value) or _EMPTY for name, value in attributes.metadata.items()}
    if stamp is not None:
        entries[STAMP] = stamp.text()
    if sum(len(name) + len(value) for name, value in entries.items()) > METADATA_MAX:
        raise UnsupportedAttribute("azure_blob keeps 8 KiB of metadata")
    return entries


def _attributes(blob: BlobProperties) -> Attributes:
    said = blob.content_settings
    return Attributes(
        content_type=said.content_type or None,
        content_encoding=said.content_encoding or None,
        content_language=said.content_language or None,
        content_disposition=said.content_disposition or None,
        cache_control=said.cache_control or None,
        metadata=_user_metadata(blob.metadata or {}),
    )


def _user_metadata(entries: Mapping[str, str]) -> Mapping[str, str]:
    users = {name: value for name, value in entries.items() if name.lower() != STAMP}
    return MappingProxyType({from_metadata(name): from_header(value) for name, value in users.items()})


def _checksums(blob: BlobProperties) -> Checksums:
    """The MD5 of a block blob, where known. Of page and append blobs it may be that of earlier bytes."""
    md5 = blob.content_settings.content_md5
    if md5 is None or blob.blob_type != "BlockBlob":
        return Checksums()
    return Checksums(MappingProxyType({"md5": bytes(md5).hex()}))


def _stamp(blob: BlobProperties) -> Stamp | None:
    texts = (value for name, value in (blob.metadata or {}).items() if name.lower() == STAMP)
    stamp = parse(next(texts, ""))
    return stamp if stamp and stamp.vouches_for(blob.size, None) else None
