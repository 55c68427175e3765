"""Staged blocks: their ids, unique to one writer, and where a write puts its headers and conditions."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, BlobClient

from shared.connectors.azure_blob.faults import faults
from shared.connectors.azure_blob.properties import metadata_of, settings_of
from shared.domain.objects import Attributes, Tag
from shared.domain.precondition import Absent, Match, Precondition
from shared.domain.precondition import Any as Whatever
from shared.domain.stamp import Stamp


@dataclass(frozen=True, slots=True)
class Order:
    """One write as Azure takes it: where, under which condition, and with which headers and metadata."""

    blob: BlobClient = field(repr=False)
    precondition: Precondition
    attributes: Attributes
    stamp: Stamp | None
    writer: str = field(default_factory=lambda: secrets.token_hex(8))

    def block_id(self, number: int) -> str:
        """An id that no other writer of this blob uses: all are of one length, as the service demands."""
        return f"{self.writer}-{number:06d}"

    def dressing(self) -> dict[str, Any]:
        """Headers, metadata and condition, as keywords of the SDK's writing calls."""
        return {
            "content_settings": settings_of(self.attributes),
            "metadata": metadata_of(self.attributes, self.stamp),
            **conditions(self.precondition),
        }

    def commit(self, numbers: range) -> Tag:
        """Makes the blob of its blocks: it appears now, whole, if the condition holds now. Returns its tag.

        The size of an id list is not a size of bytes: prove the blocks before.
        """
        with faults():
            answer = self.blob.commit_block_list(
                [BlobBlock(self.block_id(number)) for number in numbers], **self.dressing()
            )
        return Tag(str(answer["etag"]).strip('"'))


def conditions(precondition: Precondition) -> dict[str, Any]:
    """A precondition as the SDK's keywords."""
    match precondition:
        case Absent():
            return {"match_condition": MatchConditions.IfMissing}
        case Match(tag):
            return {"etag": f'"{tag.value}"', "match_condition": MatchConditions.IfNotModified}
        case Whatever():
            return {}


def md5_header(data: bytes) -> dict[str, str]:
    """Content-MD5 of a body: the service refuses the body if it differs."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"Content-MD5": base64.b64encode(digest).decode()}
