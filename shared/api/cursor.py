"""Cursors of lists: a position that only we could have given out, for this tenant, list and filters, and not for ever.

Form: ``base64url(version | expiry | HMAC-SHA-256 | position)``. The tag covers version, expiry, the scope's parts and the
position, each with its length before it, so that no two scopes share a text. The position itself is not secret: it is a key
the caller has just been shown.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from shared.domain.errors import InvalidCursor

LIFE_SECONDS = 24 * 3600
_VERSION = b"\x01"
_PURPOSE = b"farshore list cursor 1"
_HEAD = 1 + 8
_TAG = 32
_LONGEST = 4096  # characters; the longest position is far shorter

type Scope = Sequence[str]
"""What a cursor is good for: tenant, list, and every filter in a fixed order."""


class CursorCodec:
    """Seals and opens cursors.

    Args:
        keys: asked when first needed; the first seals, all open, so that a key can be rotated. At least 32 bytes each.
        now: UTC.
    """

    def __init__(
        self, keys: Callable[[], Sequence[bytes]], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._keys = keys
        self._now = now

    def seal(self, scope: Scope, position: str) -> str:
        """The cursor that continues a list at ``position`` for the next 24 hours."""
        expiry = int(self._now().timestamp()) + LIFE_SECONDS
        head = _VERSION + expiry.to_bytes(8, "big")
        raw = head + _tag(self._keys()[0], head, scope, position.encode()) + position.encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def open(self, scope: Scope, cursor: str) -> str:
        """The position behind a cursor.

        Raises:
            InvalidCursor: altered, expired, or given for anything else. It never says which.
        """
        raw = _decoded(cursor)
        head, tag, position = raw[:_HEAD], raw[_HEAD : _HEAD + _TAG], raw[_HEAD + _TAG :]
        genuine = [hmac.compare_digest(tag, _tag(key, head, scope, position)) for key in self._keys()]
        expiry = int.from_bytes(head[1:], "big")
        if head[:1] != _VERSION or not any(genuine) or expiry <= self._now().timestamp():
            raise InvalidCursor
        return position.decode()


def _tag(key: bytes, head: bytes, scope: Scope, position: bytes) -> bytes:
    own = hmac.digest(key, _PURPOSE, hashlib.sha256)
    parts = (head, *(part.encode("utf-8", "surrogatepass") for part in scope), position)
    return hmac.digest(own, b"".join(len(part).to_bytes(4, "big") + part for part in parts), hashlib.sha256)


def _decoded(cursor: str) -> bytes:
    if len(cursor) > _LONGEST:
        raise InvalidCursor
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCursor from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != cursor:  # one position, one text
        raise InvalidCursor
    return raw
