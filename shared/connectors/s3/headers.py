"""S3's HTTP headers and botocore's names for them: one table, both ways (S3 API reference, GetObject and PutObject)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any

_NAMES = MappingProxyType(
    {
        "CacheControl": "cache-control",
        "ChecksumAlgorithm": "x-amz-sdk-checksum-algorithm",
        "ChecksumCRC32": "x-amz-checksum-crc32",
        "ChecksumCRC32C": "x-amz-checksum-crc32c",
        "ChecksumCRC64NVME": "x-amz-checksum-crc64nvme",
        "ChecksumMode": "x-amz-checksum-mode",
        "ChecksumSHA1": "x-amz-checksum-sha1",
        "ChecksumSHA256": "x-amz-checksum-sha256",
        "ChecksumSHA512": "x-amz-checksum-sha512",
        "ChecksumType": "x-amz-checksum-type",
        "ContentDisposition": "content-disposition",
        "ContentEncoding": "content-encoding",
        "ContentLanguage": "content-language",
        "ContentType": "content-type",
        "ETag": "etag",
        "IfMatch": "if-match",
        "IfNoneMatch": "if-none-match",
        "Range": "range",
        "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
        "ServerSideEncryption": "x-amz-server-side-encryption",
        "VersionId": "x-amz-version-id",
    }
)
_FIELDS = MappingProxyType({header: name for name, header in _NAMES.items()})
_METADATA = "x-amz-meta-"


def to_headers(parameters: Mapping[str, Any]) -> dict[str, str]:
    """A request's parameters as headers."""
    metadata = parameters.get("Metadata", {})
    headers = {_NAMES[name]: value for name, value in parameters.items() if name != "Metadata"}
    return headers | {f"{_METADATA}{name}": value for name, value in metadata.items()}


def from_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    """An answer's headers as botocore would name and type them, as far as we read them."""
    fields: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for header, value in headers.items():
        lowered = header.lower()
        if lowered.startswith(_METADATA):
            metadata[lowered.removeprefix(_METADATA)] = value
        elif lowered in _FIELDS:
            fields[_FIELDS[lowered]] = value
        elif lowered == "content-length" and value.isdigit():
            fields["ContentLength"] = int(value)
        elif lowered == "last-modified":
            fields["LastModified"] = _moment(value)
    return fields | {"Metadata": metadata}


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
