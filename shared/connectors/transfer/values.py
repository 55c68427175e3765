"""User metadata values as header text, and back.

Headers carry ASCII without edges of white space. Any other value travels as an RFC 2047 encoded word, the form S3 itself
answers with for values outside ASCII (S3 user guide, "User-defined object metadata").
"""

import base64
import binascii
import quopri
import re

_PLAIN = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?\Z")
_WORD = re.compile(r"=\?utf-8\?([bq])\?([^?\s]*)\?=", re.IGNORECASE)
_BETWEEN = re.compile(r"(?<=\?=)\s+(?==\?)")


def to_header(value: str) -> str:
    """A value as a header can carry it; ``from_header`` is its inverse."""
    if _PLAIN.match(value) and not _WORD.search(value):
        return value
    return f"=?UTF-8?B?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="


def from_header(text: str) -> str:
    """Reads encoded words, ours and S3's (base64 or quoted); all other text is returned as it is."""
    return _WORD.sub(_decoded, _BETWEEN.sub("", text)) if _WORD.search(text) else text


def _decoded(word: re.Match[str]) -> str:
    kind, payload = word.groups()
    try:
        if kind.lower() == "b":
            return base64.b64decode(payload, validate=True).decode("utf-8", "surrogatepass")
        return quopri.decodestring(payload.encode().replace(b"_", b" ")).decode()
    except (UnicodeDecodeError, binascii.Error):
        return word.group()
