"""Connections that end in time. A socket's own time-out starts anew with each byte that arrives; these keep to one end for the
whole answer, headers included.
"""

import http.client
import io
import socket
import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from shared.outbound.addresses import is_public


@dataclass(slots=True)
class Call:
    """One request under way.

    Attributes:
        until: when it has to be over, on the monotonic clock.
        connected: whether there is a connection, TLS included: from here on the other side may act.
    """

    until: float
    connected: bool = False

    def left(self) -> float:
        """Seconds left; at least a moment, since a socket takes 0 for "do not wait"."""
        return max(self.until - time.monotonic(), 0.001)


CALL: ContextVar[Call] = ContextVar("CALL")


class _Until(io.RawIOBase):
    """Reads a socket until the call's end."""

    def __init__(self, raw: Any, sock: socket.socket, call: Call) -> None:
        self._raw, self._sock, self._call = raw, sock, call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Any:
        if time.monotonic() >= self._call.until:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(self._call.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *rest: Any, **named: Any) -> None:
        super().__init__(sock, *rest, **named)
        self.fp = io.BufferedReader(_Until(self.fp.detach(), sock, CALL.get()))

    def begin(self) -> None:
        super().begin()
        self.will_close = True  # so that the connection serves no second call: it might be dead by then, unknown to us


class _Http(HTTPConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        CALL.get().connected = True


class _Https(HTTPSConnection):
    response_class = _Response

    def connect(self) -> None:
        super().connect()
        CALL.get().connected = True


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


@cache
def _trust() -> ssl.SSLContext:
    """The certificate authorities that requests trusts, read once: that takes more than all the rest of a call."""
    context = create_urllib3_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


class ListedAdapter(HTTPAdapter):
    """To hosts that the operator listed: wherever they are."""

    def init_poolmanager(self, *rest: Any, **named: Any) -> None:
        super().init_poolmanager(*rest, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify is True and host["scheme"] == "https":
            pool["ssl_context"] = _trust()
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        if verify is not True:  # else requests would have the same authorities read anew for each call
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]  # requests has few types


class PublicAdapter(ListedAdapter, IPFilterAdapter):  # type: ignore[misc]  # requests-hardened has no types
    """To the public internet: the name is resolved once, the address checked, and that very address connected to."""

    def __init__(self) -> None:
        IPFilterAdapter.__init__(self, is_https_proto=True)

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if not is_public(host["host"].strip("[]")):
            raise InvalidIPAddress("the address is not public")
        return host, pool
