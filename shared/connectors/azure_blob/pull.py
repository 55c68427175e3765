"""Server-side pull: Azure fetches the bytes itself, and none pass through us.

Put Block From URL, then Put Block List, for every size: Put Blob From URL would save a call, but shows the blob before
anybody could compare checksums. The CRC64 of each block, in Azure's answer, combine to that of the whole (Azure Storage REST
reference, "Put Block From URL").
"""

import ipaddress
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError

from shared.connectors.azure_blob.blocks import Order
from shared.connectors.azure_blob.faults import code_of, status_of, translated
from shared.connectors.registry import AZURE_BLOB
from shared.connectors.transfer.crc import combined, from_azure, from_hex
from shared.connectors.transfer.parts import MIB, plan_parts
from shared.domain.errors import ChecksumMismatch, IntegrityUnproven
from shared.domain.objects import Checksums, Written
from shared.ports.content import Content
from shared.ports.stores import Progress

URL_MAX = 2048
"""Longest source URL (Azure Storage REST reference, "Put Block From URL": 2 KiB)."""

_BLOCK = 64 * MIB
_LANES = 8
_ANSWER_SECONDS = 300.0
_REST_SECONDS = 600.0

_CANNOT_PULL = {"APINotImplemented", "FeatureNotSupported", "NotImplemented", "UnsupportedHeader"}
_CANNOT_FETCH = {"CannotVerifyCopySource", "InvalidHeaderValue", "InvalidInput", "InvalidSourceUri", "OutOfRangeInput"}
_GONE = {"404", "412"}
_BROKEN = 500
"""Whatever broke while fetching need not break a plain upload; a service that is busy says 503."""


class _CannotPullError(Exception):
    """Not this way; nothing was shown. The bytes can still be streamed."""


@dataclass(frozen=True, slots=True)
class _Block:
    number: int
    offset: int
    size: int


class Pulls:
    """Writes contents that Azure can fetch, and remembers what it cannot, so as not to ask for every object.

    Args:
        endpoint: of the target. A source on this computer or its network is offered to no endpoint beyond it.
    """

    def __init__(self, endpoint: str) -> None:
        self._near = _near(urlsplit(endpoint).hostname)
        self._able = True
        self._resting: dict[str, float] = {}
        self._lock = threading.Lock()

    def write(self, content: Content, order: Order, progress: Progress) -> Written | None:
        """Pulls ``content``; None, and nothing shown, if it has to be streamed: no URL that Azure could fetch, no CRC64NVME
        from the source to compare with, or the first block was refused.

        Raises:
            ChecksumMismatch: the blocks are not what the source reports of itself.
            StoreError: anything else that failed, after the first block or at the commit.
        """
        expected, size = content.checksums.values.get("crc64nvme"), content.size
        if not (self._able and expected and size) or self._url(content) is None:
            return None
        order.dressing()  # refuses what Azure cannot keep before any byte moves
        first, *rest = _blocks(size)
        try:
            pulled = [self._first(first, content, order)]
        except _CannotPullError:
            return None
        progress(first.size)
        pulled += _parallel(rest, content, order, progress)
        if combined(zip(pulled, (block.size for block in (first, *rest)), strict=True)) != from_hex(expected):
            raise ChecksumMismatch
        tag = order.commit(range(1, len(pulled) + 1))
        return Written(tag, size, Checksums({"crc64nvme": expected}), "pulled")

    def _url(self, content: Content) -> str | None:
        """A URL worth offering."""
        fetchable = content.fetchable()
        if fetchable is None or len(fetchable.url) > URL_MAX:
            return None
        parts = urlsplit(fetchable.url)
        reachable = self._near or (parts.scheme == "https" and not _near(parts.hostname))
        with self._lock:
            resting = self._resting.get(parts.netloc, 0.0) > time.monotonic()
        return fetchable.url if reachable and not resting else None

    def _first(self, block: _Block, content: Content, order: Order) -> int:
        """Pulls the first block, which shows whether pulling works at all."""
        url = self._url(content)
        if url is None:
            raise _CannotPullError
        try:
            return _pull(block, url, order)
        except IntegrityUnproven:
            self._able = False
        except AzureError as error:
            self._remember(error, url)
        raise _CannotPullError

    def _remember(self, error: AzureError, url: str) -> None:
        code = code_of(error)
        if code in _CANNOT_PULL:
            self._able = False
        elif code not in _CANNOT_FETCH and status_of(error) != _BROKEN:
            raise translated(error) from None
        elif code not in _CANNOT_FETCH or (code == "CannotVerifyCopySource" and _source_status(error) not in _GONE):
            with self._lock:  # it broke down, or its network or policy keeps Azure out: ask again after a while
                self._resting[urlsplit(url).netloc] = time.monotonic() + _REST_SECONDS


def _blocks(size: int) -> list[_Block]:
    step = plan_parts(size, AZURE_BLOB, part=_BLOCK).part_size
    return [_Block(index + 1, offset, min(step, size - offset)) for index, offset in enumerate(range(0, size, step))]


def _parallel(blocks: list[_Block], content: Content, order: Order, progress: Progress) -> list[int]:
    """The rest of the blocks, several at a time: each costs us a request and no bandwidth. The first failure ends it."""

    def one(block: _Block) -> int:
        fetchable = content.fetchable()  # signed anew, so that no URL expires before its turn
        if fetchable is None:
            raise IntegrityUnproven
        try:
            crc = _pull(block, fetchable.url, order)
        except AzureError as error:
            raise translated(error) from None
        progress(block.size)
        return crc

    with ThreadPoolExecutor(_LANES, thread_name_prefix="pull") as pool:
        try:
            return list(pool.map(one, blocks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _pull(block: _Block, url: str, order: Order) -> int:
    """Asks for one block; the CRC64 that Azure computed of it."""
    answer: Mapping[str, Any] = order.blob.stage_block_from_url(
        order.block_id(block.number), url, block.offset, block.size, read_timeout=_ANSWER_SECONDS
    )
    crc = from_azure(answer.get("content_crc64"))
    if crc is None:
        raise IntegrityUnproven
    return crc


def _source_status(error: AzureError) -> str:
    """What the source answered to Azure, as far as Azure says."""
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", {})
    return str(headers.get("x-ms-copy-source-status-code") or status_of(error))


def _near(host: str | None) -> bool:
    """Whether a host is this computer or its own network, by its name or address."""
    if not host or host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host
