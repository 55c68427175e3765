"""HTTP for the Azure SDK over urllib3 alone.

The SDK's own transport goes through requests, which costs about as much CPU per call as all the rest of the SDK together and
cuts downloads into 64 KiB pieces. Small objects and ranged reads are what replication does all day, hence this one. It
follows no redirect (a redirect to another host never carries credentials) and leaves retries to the SDK's policy.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

import urllib3
from azure.core.exceptions import (
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport
from urllib3 import exceptions as wire

_PIECE = 1 << 20
"""Bytes per piece of a streamed answer."""


class _Queryless(logging.Filter):
    """Cuts the query off every URL that urllib3 logs at DEBUG: a SAS token is one."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return True


_QUERYLESS = _Queryless()


class Urllib3Transport(HttpTransport[HttpRequest, HttpResponse]):
    """One connection pool per connector; thread-safe.

    Args:
        connections: kept open per host; more threads than that wait for one.
        connect_timeout, read_timeout: seconds; the latter between two packets, not for a whole answer.
    """

    def __init__(self, *, connections: int, connect_timeout: float, read_timeout: float) -> None:
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        logging.getLogger("urllib3.connectionpool").addFilter(_QUERYLESS)  # once, however often it is added
        self._pool = urllib3.PoolManager(maxsize=connections, block=True, retries=False)

    def send(
        self, request: HttpRequest, *, stream: bool = False, read_timeout: float | None = None, **_: Any
    ) -> HttpResponse:
        """Sends once. Raises azure-core's ServiceRequestError (nothing was sent) or ServiceResponseError (it may have been)."""
        try:
            answer = self._pool.urlopen(
                request.method,
                request.url,
                body=request.body,
                headers=request.headers,
                timeout=urllib3.Timeout(connect=self._connect_timeout, read=read_timeout or self._read_timeout),
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
            )
            return _Answer(request, answer, None if stream else answer.read())
        except wire.HTTPError as error:
            _translate(error)

    def open(self) -> None:
        """Nothing to do: connections open as they are needed."""

    def close(self) -> None:
        """Closes idle connections; those in use close when they are given back."""
        for place in self._pool.pools.keys():  # noqa: SIM118 - the container refuses to be iterated over
            with suppress(KeyError):
                self._pool.pools[place].close()
        self._pool.clear()

    def __enter__(self) -> "Urllib3Transport":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Answer(HttpResponse):
    """One answer, read whole at once unless the SDK asked for a stream."""

    def __init__(self, request: HttpRequest, answer: urllib3.BaseHTTPResponse, body: bytes | None) -> None:
        super().__init__(request, answer)
        self.status_code = answer.status
        self.headers = answer.headers
        self.reason = answer.reason
        self.content_type = answer.headers.get("content-type")
        self._body = body
        if body is not None:
            answer.release_conn()

    def body(self) -> bytes:
        if self._body is None:
            self._body = b"".join(self.stream_download(None))
        return self._body

    def read(self) -> bytes:
        """As ``body``: the SDK asks this way for the body of a refusal that was to be streamed."""
        return self.body()

    def stream_download(self, pipeline: Any, **_: Any) -> Iterator[bytes]:
        return _Pieces(self)


class _Pieces:
    """The body piece by piece. The SDK looks for ``response`` and ``content_length`` on the iterator."""

    def __init__(self, response: _Answer) -> None:
        self.response = response
        self.request = response.request
        self.content_length = int(response.headers.get("Content-Length", 0))
        self._pieces = self._read()

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def __next__(self) -> bytes:
        return next(self._pieces)

    def _read(self) -> Iterator[bytes]:
        answer = self.response.internal_response
        try:
            while piece := answer.read(_PIECE):
                yield piece
        except wire.HTTPError as error:
            answer.close()
            _translate(error)
        finally:
            answer.release_conn()


def _translate(error: wire.HTTPError) -> NoReturn:
    match error:
        case wire.ConnectTimeoutError():
            raise ServiceRequestTimeoutError(error, error=error) from error
        case wire.NewConnectionError() | wire.LocationValueError() | wire.EmptyPoolError():
            raise ServiceRequestError(error, error=error) from error
        case wire.ReadTimeoutError():
            raise ServiceResponseTimeoutError(error, error=error) from error
        case wire.IncompleteRead():
            raise IncompleteReadError(error, error=error) from error
        case _:
            raise ServiceResponseError(error, error=error) from error
