"""The few requests that every object costs, without botocore's serializers and parsers.

A small object is a HEAD, a GET and a PUT; through botocore's client each costs about 1.1 ms of CPU, here a third of that.
Credentials and their renewal stay botocore's, and so does its ``before-send`` event, by which instrumentation and fakes of
AWS see each request. All else goes through the client.
"""

import hashlib
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from shared.connectors.s3.headers import from_headers, to_headers
from shared.connectors.s3.line import line_to
from shared.connectors.s3.refusals import refused, speaking
from shared.connectors.s3.sigv4 import UNSIGNED, Signer
from shared.domain.errors import CredentialsRefused, LengthMismatch

if TYPE_CHECKING:
    from botocore.compat import HTTPHeaders
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_AGAIN = frozenset({500, 502, 503, 504})
EXPIRED = "ExpiredToken"
"""S3's word for a session that ended. To a HEAD it answers 400 without a word."""

_BACKOFF_SECONDS = 0.5
_PIECE = 1024 * 1024
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")
_PLAIN_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\Z")


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful one; ``fields`` are its headers by botocore's names."""

    fields: Mapping[str, Any]
    body: bytes = field(repr=False)


class Wire:
    """Signed requests about objects of one bucket; thread-safe.

    Args:
        client: whose endpoint, region and configuration count.
        credentials: None is refused when a request is made, as the client does.
        attempts: of one request, on no answer and on 5xx, half a second and then longer apart.
        bundle: of certificates to trust; None means botocore's.
    """

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        credentials: "Credentials | None",
        attempts: int,
        bundle: str | None = None,
    ) -> None:
        config: Any = client.meta.config
        self._events = client.meta.events
        self._base = base_of(client.meta.endpoint_url, bucket)
        self._region = _signing_region(client.meta.region_name)
        self._signer = Signer(self._region)
        self._hashes = bool(config.s3["payload_signing_enabled"])
        self._credentials = credentials
        self._attempts = attempts
        self._http = line_to(self._base, config, bundle)

    def ask(
        self,
        operation: str,
        method: str,
        key: str,
        parameters: Mapping[str, Any],
        *,
        query: str = "",
        body: bytes = b"",
        room: memoryview | None = None,
    ) -> Answer:
        """Sends one request; its body again, if it has to.

        Args:
            operation: S3's name of it (``HeadObject``), for who listens.
            parameters: what goes into headers, by botocore's names.
            query: encoded.
            room: is filled with the answer's body, instead of a new place for it.

        Raises:
            LengthMismatch: the answer's body is not of ``room``'s length.
            FarshoreError: what S3 refuses, or its silence.
        """
        headers = to_headers(parameters)
        for attempt in range(1, self._attempts + 1):
            try:
                with speaking():
                    rights = self._frozen()
                    raw = self._send(operation, method, self.url(key, query), headers, body, rights)
                    if raw.status_code < 300:
                        return Answer(from_headers(raw.headers), _body(raw.raw, room))
                    code = _code_of(raw)
                    refusal = refused(raw.status_code, code, raw.headers.get("retry-after"))
                    expired = attempt == 1 and (code == EXPIRED or (raw.status_code, method) == (400, "HEAD"))
                    again = raw.status_code in _AGAIN or (expired and renewed(self._credentials, rights))
            except Exception as silence:
                refusal, again = silence, not isinstance(silence, CredentialsRefused)
            if not again or attempt == self._attempts:
                break
            time.sleep(random.uniform(0, _BACKOFF_SECONDS * 2**attempt))  # noqa: S311 - jitter, no secret
        raise refusal from None

    def url(self, key: str, query: str = "") -> str:
        """The object's own address."""
        return f"{self._base}/{quote(key, safe='/~')}{'?' * bool(query)}{query}"

    def link(self, key: str, query: str, seconds: int) -> str:
        """An address that carries its own proof for a GET, for so long. A secret. Costs no request."""
        from botocore.auth import S3SigV4QueryAuth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest("GET", self.url(key, query))
        with speaking():
            S3SigV4QueryAuth(self._frozen(), "s3", self._region, expires=seconds).add_auth(request)
            return str(request.prepare().url)

    def close(self) -> None:
        self._http.close()

    def _send(self, operation: str, method: str, url: str, headers: Mapping[str, str], body: bytes, rights: Any) -> Any:
        from botocore.awsrequest import AWSPreparedRequest

        payload = hashlib.sha256(body).hexdigest() if self._hashes else UNSIGNED
        signed = self._signer.sign(method, url, headers, payload, rights, datetime.now(UTC))
        prepared = AWSPreparedRequest(method, url, cast("HTTPHeaders", signed), body, True)
        for _, answer in self._events.emit(f"before-send.s3.{operation}", request=prepared):
            if answer is not None:
                return answer
        return self._http.send(prepared)

    def _frozen(self) -> Any:
        from botocore.exceptions import NoCredentialsError

        if self._credentials is None:
            raise NoCredentialsError
        return self._credentials.get_frozen_credentials()


def base_of(endpoint: str, bucket: str) -> str:
    """Where a bucket's objects are: in AWS a host of its own, of its region; elsewhere a path, which all look-alikes take.

    A bucket with dots in its name has no host, since no certificate would fit (S3 user guide, "Virtual hosting of buckets").
    """
    parts = urlsplit(endpoint)
    if service_of(endpoint) == "s3:aws" and _PLAIN_BUCKET.match(bucket):
        return f"{parts.scheme}://{bucket}.{parts.netloc}"
    return f"{endpoint.rstrip('/')}/{bucket}"


def service_of(endpoint: str) -> str:
    """Names the service behind an endpoint: all of AWS copies within itself, any other endpoint knows only its own."""
    host = urlsplit(endpoint).hostname or ""
    return "s3:aws" if host.endswith(_AWS) else f"s3:{endpoint.rstrip('/')}"


def _body(stream: Any, room: memoryview | None) -> bytes:
    """What is left to read; nothing if it went into ``room``."""
    if room is None:
        return bytes(stream.read())
    at = 0
    while piece := stream.read(_PIECE):
        if at + len(piece) > len(room):
            raise LengthMismatch
        room[at : at + len(piece)] = piece
        at += len(piece)
    if at < len(room):
        raise LengthMismatch
    return b""


def renewed(credentials: Any, used: Any) -> bool:
    """Renews credentials that S3 calls expired, if they are of a kind that can be; whether they were."""
    renew = getattr(credentials, "renew", None)
    if renew is None:
        return False
    renew(used)
    return True


def _code_of(raw: Any) -> str:
    found = _CODE.search(raw.raw.read())
    return found.group(1).decode() if found else ""


def _signing_region(name: str) -> str:
    return "us-east-1" if name == "aws-global" else name
