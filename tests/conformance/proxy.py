"""A loopback reverse proxy that stands between a connector and an emulator and makes faults over real HTTP.

It passes every header through, ``Host`` too, so that signatures still verify. Whole bodies are held in memory: what is
tested through it is small. A fault is a function of the request and of a way to forward it; it returns the answer, or None
to reset the connection without one.
"""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. ``promised`` is the Content-Length to send if it is not to be the truth."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    promised: int | None = None


type Forward = Callable[..., Response | None]
type Fault = Callable[[Request, Forward], Response | None]
type Matches = Callable[[Request], bool]


def anything(_: Request) -> bool:
    return True


@dataclass
class Rule:
    """A fault for the next ``times`` matching requests after the first ``skip`` of them; None: for all."""

    matches: Matches
    fault: Fault
    times: int | None = 1
    skip: int = 0
    hits: int = 0

    def takes(self, request: Request) -> bool:
        if self.times == 0 or not self.matches(request):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        self.hits += 1
        return True


@dataclass
class Proxy:
    """A running proxy.

    Attributes:
        url: where connectors find it.
        requests: every request it has seen.
        live: connections from connectors that are open now.
        accepted: connections there ever were.
    """

    upstream: tuple[str, int] | None
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    live: set[Any] = field(default_factory=set)
    accepted: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _late: list[threading.Thread] = field(default_factory=list)
    _released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._server = _Server((self.host, 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def when(self, matches: Matches, fault: Fault, *, times: int | None = 1, skip: int = 0) -> Rule:
        rule = Rule(matches, fault, times, skip)
        with self._lock:
            self.rules.append(rule)
        return rule

    def heal(self) -> None:
        """Forgets every fault."""
        with self._lock:
            self.rules.clear()

    def count(self, matches: Matches = anything) -> int:
        with self._lock:
            return sum(map(matches, self.requests))

    def late(self) -> Fault:
        """A fault that resets the connection at once and lands the request when ``release`` is called."""

        def fault(_: Request, forward: Forward) -> None:
            thread = threading.Thread(target=lambda: self._released.wait(30) and forward(), daemon=True)
            self._late.append(thread)
            thread.start()

        return fault

    def release(self) -> None:
        """Lands what was held back; returns when the server has answered it."""
        self._released.set()
        for thread in self._late:
            thread.join(10)

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.live):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def fault_for(self, request: Request) -> Fault | None:
        with self._lock:
            self.requests.append(request)
            return next((rule.fault for rule in self.rules if rule.takes(request)), None)


@contextmanager
def proxy(upstream: str | None, host: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy before ``upstream`` (``http://host:port``); None: a host that only ever answers 404 and remembers."""
    where = urlsplit(upstream) if upstream else None
    running = Proxy((where.hostname or "", where.port or 80) if where else None, host)
    try:
        yield running
    finally:
        running.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], owner: Proxy) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connector that hangs up in the middle is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.live.add(self.connection)
        self.server.owner.accepted += 1

    def finish(self) -> None:
        self.server.owner.live.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _serve(self) -> None:
        body = self._body()
        if len(body) < int(self.headers.get("Content-Length") or 0):
            self._reset()  # whoever asked hung up in the middle: no request at all
            return
        request = Request(self.command, self.path, tuple(self.headers.items()), body)
        owner = self.server.owner

        def forward(cut: int = 0) -> Response | None:
            return _forward(owner.upstream, request, cut)

        fault = owner.fault_for(request)
        answer = fault(request, forward) if fault else forward()
        if answer is None:
            self._reset()
        else:
            self._answer(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the server looks for these names

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            self.connection.close()

    def _answer(self, answer: Response) -> None:
        self.send_response_only(answer.status)
        sized = False
        for name, value in answer.headers:
            sized = sized or name.lower() == "content-length"
            if name.lower() not in {"connection", "transfer-encoding", "keep-alive"} | (
                {"content-length"} if self.command != "HEAD" else set()
            ):
                self.send_header(name, value)
        if self.command != "HEAD" or not sized:
            self.send_header("Content-Length", str(len(answer.body) if answer.promised is None else answer.promised))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.wfile.flush()
        if answer.promised is not None and answer.promised != len(answer.body):
            self._reset()


def _forward(upstream: tuple[str, int] | None, request: Request, cut: int) -> Response | None:
    """Sends the request on; with ``cut``, all but the last so many bytes of its body, and hangs up."""
    if upstream is None:
        return Response(404)
    connection = http.client.HTTPConnection(*upstream, timeout=30)
    try:
        connection.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        _head(connection, request)
        if cut:
            connection.send(request.body[:-cut])
            return None
        if request.body:
            connection.send(request.body)
        answer = connection.getresponse()
        return Response(answer.status, tuple(answer.getheaders()), answer.read())
    finally:
        connection.close()


def _head(connection: http.client.HTTPConnection, request: Request) -> None:
    for name, value in request.headers:
        if name.lower() not in {"expect", "connection", "transfer-encoding", "content-length"}:
            connection.putheader(name, value.encode("latin-1"))
    if request.body or request.header("Content-Length") is not None:
        connection.putheader("Content-Length", str(len(request.body)))
    connection.putheader("Connection", "close")
    connection.endheaders()
