"""AWS Signature Version 4, as far as S3's objects need it: headers signed, the body by its hash or left to its checksum.

(AWS IAM user guide, "Create a signed AWS API request".) botocore signs any request of any service; this one knows its service
and its region, keeps the day's key, and costs a third. The tests hold it against botocore's.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

UNSIGNED = "UNSIGNED-PAYLOAD"
_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}


class Rights(Protocol):
    """Frozen credentials, as botocore gives them."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


class Signer:
    """Signs requests to one region's S3. Thread-safe: what it keeps is replaced whole."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._kept: tuple[tuple[str, str], bytes] | None = None

    def sign(
        self, method: str, url: str, headers: Mapping[str, str], payload: str, rights: Rights, at: datetime
    ) -> dict[str, str]:
        """``headers`` and those that prove them.

        Args:
            url: as it will be sent: encoded, its query without repeated names.
            headers: names in lower case, values without line breaks.
            payload: the body's SHA-256 in hexadecimal, or ``UNSIGNED``.
            at: aware.
        """
        moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        parts = urlsplit(url)
        signed = {
            **headers,
            "host": parts.netloc.removesuffix(_DEFAULT_PORTS.get(parts.scheme, "")),
            "x-amz-content-sha256": payload,
            "x-amz-date": moment,
        }
        if rights.token:
            signed["x-amz-security-token"] = rights.token
        names = sorted(signed)
        listed = ";".join(names)
        lines = [f"{name}:{' '.join(signed[name].split())}" for name in names]
        query = "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in parts.query.split("&") if pair))
        canonical = "\n".join((method, parts.path, query, *lines, "", listed, payload))
        scope = f"{moment[:8]}/{self._region}/s3/aws4_request"
        text = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
        proof = hmac.digest(self._key(rights.secret_key, moment[:8]), text.encode(), "sha256").hex()
        signed["authorization"] = (
            f"{_ALGORITHM} Credential={rights.access_key}/{scope}, SignedHeaders={listed}, Signature={proof}"
        )
        return signed

    def _key(self, secret: str, day: str) -> bytes:
        kept = self._kept
        if kept is None or kept[0] != (secret, day):
            key = f"AWS4{secret}".encode()
            for step in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, step.encode(), "sha256")
            self._kept = kept = ((secret, day), key)
        return kept[1]
