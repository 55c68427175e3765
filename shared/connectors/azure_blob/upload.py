"""Streaming: the bytes go through us, each request proven by what the service computed of it."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobClient

from shared.connectors.azure_blob.blocks import Order, md5_header
from shared.connectors.azure_blob.faults import code_of, status_of, translated
from shared.connectors.registry import AZURE_BLOB
from shared.connectors.transfer.crc import from_azure, to_azure
from shared.connectors.transfer.parts import LANES, PART, Feed, Part, plan_parts
from shared.connectors.transfer.proof import Reported, prove, prove_whole
from shared.domain.errors import ChecksumMismatch, IntegrityUnproven, PreconditionFailed, StoreError
from shared.domain.objects import Tag, Written
from shared.domain.precondition import Absent
from shared.ports.content import Content
from shared.ports.stores import Progress

type Send = Callable[[Mapping[str, str]], Mapping[str, Any]]
"""One upload request with these extra headers; gives the answer's headers. Raises AzureError."""


class Uploads:
    """Writes contents to one account, and remembers which checksums its endpoint takes.

    Azure takes ``x-ms-content-crc64`` with a body, refuses the body if it differs, and answers with what it computed.
    Emulators know only ``Content-MD5``, and some do not answer with it: such an endpoint is trusted once it has refused,
    before our eyes, a body whose Content-MD5 was wrong.
    """

    def __init__(self, part_size: int = PART) -> None:
        self._part_size = part_size
        self._crc = True
        self._refuses: bool | None = None
        self._lock = threading.Lock()

    def write(self, content: Content, order: Order, progress: Progress) -> Written:
        """Puts a small content in one request, a large one in parallel blocks that appear at their commit."""
        feed = Feed(content, plan_parts(content.size, AZURE_BLOB, part=self._part_size, memory=LANES * self._part_size))
        order.dressing()  # refuses what Azure cannot keep before any byte moves
        part = feed.whole()
        if part is None:
            return self._blocks(feed, content, order, progress)
        prove_whole(content.checksums, part.checksums)
        try:
            tag = self._put(part, order)
        except PreconditionFailed:
            if not isinstance(order.precondition, Absent):
                raise
            tag = self._beside_leavings(part, order)
        progress(part.size)
        return Written(tag, part.size, part.checksums, "streamed")

    def _put(self, part: Part, order: Order) -> Tag:
        dressing = order.dressing()

        def send(checksum: Mapping[str, str]) -> Mapping[str, Any]:
            return order.blob.upload_blob(part.data, overwrite=True, headers=dict(checksum), **dressing)

        answer = self._proven(part, send, order.blob, repeatable=False)
        return Tag(str(answer["etag"]).strip('"'))

    def _beside_leavings(self, part: Part, order: Order) -> Tag:
        """A small content as one block and its commit, which says again whether a blob is there.

        Blocks that a killed worker left uncommitted can make an endpoint answer Put Blob as if a blob existed (Azurite does).
        A commit discards them and sees only what is really there.
        """
        self._stage(part, order)
        return order.commit(range(1, 2))

    def _blocks(self, feed: Feed, content: Content, order: Order, progress: Progress) -> Written:
        sent = feed.send(lambda part: self._stage(part, order), progress)
        prove_whole(content.checksums, sent.checksums)
        tag = order.commit(range(1, len(sent.receipts) + 1))
        return Written(tag, sent.size, sent.checksums, "streamed")

    def _stage(self, part: Part, order: Order) -> None:
        def send(checksum: Mapping[str, str]) -> Mapping[str, Any]:
            return order.blob.stage_block(order.block_id(part.number), part.data, headers=dict(checksum))

        self._proven(part, send, order.blob, repeatable=True)

    def _proven(self, part: Part, send: Send, blob: BlobClient, *, repeatable: bool) -> Mapping[str, Any]:
        """Sends one body and proves it. ``repeatable``: sending it again is invisible, as a block is until its commit."""
        if self._crc:
            answer = self._with_crc(part, send)
            if answer is not None and (_reported(answer) or not repeatable):
                return _checked(part, answer, blob, visible=not repeatable)
        if not self._refuses_wrong_md5(blob):
            raise IntegrityUnproven
        answer = _sent(send, md5_header(part.data))
        return _checked(part, answer, blob, visible=not repeatable) if _reported(answer) else answer

    def _with_crc(self, part: Part, send: Send) -> Mapping[str, Any] | None:
        """The answer, or None if this endpoint does not know CRC64, which is remembered."""
        try:
            answer = send({"x-ms-content-crc64": to_azure(part.crc)})
        except AzureError as error:
            if code_of(error) != "FeatureNotSupported":
                raise translated(error) from None
            self._crc = False
            return None
        self._crc = bool(_reported(answer))
        return answer

    def _refuses_wrong_md5(self, blob: BlobClient) -> bool:
        """Whether the endpoint compares Content-MD5 with the body. Asked once, with a block that is never committed."""
        with self._lock:
            if self._refuses is None:
                self._refuses = _refused(lambda headers: blob.stage_block("0" * 23, b"a", headers=dict(headers)))
            return self._refuses


def _refused(send: Send) -> bool:
    try:
        send(md5_header(b"b"))
    except AzureError as error:
        if status_of(error) != 400:
            raise translated(error) from None
        return True
    return False


def _sent(send: Send, headers: Mapping[str, str]) -> Mapping[str, Any]:
    """Sends with a Content-MD5; an endpoint that refuses it, by whatever word, says that the body is not what was meant."""
    try:
        return send(headers)
    except AzureError as error:
        # Azurite says InvalidOperation where the service says Md5Mismatch.
        raise ChecksumMismatch if code_of(error) == "InvalidOperation" else translated(error) from None


def _reported(answer: Mapping[str, Any]) -> Reported | None:
    crc, md5 = from_azure(answer.get("content_crc64")), answer.get("content_md5")
    return Reported(crc, bytes(md5) if md5 else None) if crc is not None or md5 else None


def _checked(part: Part, answer: Mapping[str, Any], blob: BlobClient, *, visible: bool) -> Mapping[str, Any]:
    """Proves a part by its answer. What is visible already and unproven is taken away again, if it is still ours."""
    try:
        prove(part, _reported(answer) or Reported())
    except StoreError:
        if visible:
            _take_back(blob, str(answer["etag"]))
        raise
    return answer


def _take_back(blob: BlobClient, etag: str) -> None:
    from azure.core import MatchConditions

    try:
        blob.delete_blob(etag=etag, match_condition=MatchConditions.IfNotModified)
    except AzureError:
        return  # the caller is about to raise why; somebody else's newer blob stays
