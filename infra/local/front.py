"""The front door of the local stack: one address on loopback, known before anything is deployed, that leads to the stack's API.

A public address has to be known when the functions are configured, and its cookies belong to the whole host; the emulator's
own address for the API is neither. In the cloud a domain name in front of the gateway does the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from infra.local.home import Home

FILE = "front.json"
BODY_MAX = 10 * 1024 * 1024  # API Gateway's own
_SECONDS = 35.0  # API Gateway gives a function 30
# RFC 9110 7.6.1: these are between two neighbours only.
_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def lead(home: Home, api: str) -> None:
    """Says where the door leads from now on; it is remembered."""
    home.write(FILE, {"api": api})


@contextmanager
def open_front(home: Home, port: int) -> Iterator[str]:
    """Passes requests on until the block ends; yields the door's URL. Answers 503 until it was told where to lead."""

    def upstream() -> str | None:
        told = home.read(FILE)
        return str(told["api"]) if told else None

    with passing(upstream, port) as url:
        yield url


@contextmanager
def passing(upstream: Callable[[], str | None], port: int = 0) -> Iterator[str]:
    """The same, to wherever ``upstream`` says at each request: a base URL, or None."""
    server = _Front(("127.0.0.1", port), _Handler)
    server.upstream = upstream
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    upstream: Callable[[], str | None]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Front
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def _pass(self) -> None:
        self.close_connection = True
        own = self.server.server_port
        # Any other name that leads here is a page's attempt to talk to this computer (DNS rebinding).
        if self.headers.get("Host") not in (f"127.0.0.1:{own}", f"localhost:{own}"):
            self._say(421, b"")
            return
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > BODY_MAX:
            self._say(413, b"")
            return
        upstream = self.server.upstream()
        if upstream is None:
            self._say(503, b"The stack is not deployed yet.\n")
            return
        self._forward(upstream, self.rfile.read(int(length)))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _pass  # noqa: N815 # http.server's names

    def _forward(self, upstream: str, body: bytes) -> None:
        base = urlsplit(upstream)
        connection = HTTPConnection(base.hostname or "", base.port or 80, timeout=_SECONDS)
        try:
            connection.putrequest(self.command, base.path + self.path, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP | {"host", "content-length"}:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            self._say(answer.status, answer.read(), answer)
        except (OSError, HTTPException):
            self._say(502, b"The stack's API does not answer.\n")
        finally:
            connection.close()

    def _say(self, status: int, body: bytes, answer: HTTPResponse | None = None) -> None:
        """Redirects too go to the client as they are."""
        self.send_response_only(status)
        for name, value in answer.headers.items() if answer else ():
            if name.lower() not in _HOP | {"content-length"}:
                self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: addresses here hold codes."""
