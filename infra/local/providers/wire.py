"""HTTP on loopback for the simulators: a thread for each connection, one request on each, small bodies, one host name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from infra.local.providers.exchange import Answer, Malformed, Request

BODY_MAX = 64 * 1024
_SECONDS = 30.0

type Handle = Callable[[Request], Answer | None]


@dataclass(slots=True)
class Listening:
    """A server that listens; it answers from ``serve`` on."""

    _server: "_Server"

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, handle: Handle) -> None:
        self._server.handle = handle
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self._server.serves = True


@contextmanager
def listening(port: int = 0) -> Iterator[Listening]:
    """Takes a loopback port; gives it back at the end."""
    server = _Server(("127.0.0.1", port), _Handler)
    try:
        yield Listening(server)
    finally:
        if server.serves:
            server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # fifty at once is a test, not an outage
    handle: Handle
    serves = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        self.close_connection = True
        base = f"http://{self.headers.get('Host', '')}"
        # Any other name that leads here is a page's attempt to talk to this computer (DNS rebinding).
        if base not in (f"http://127.0.0.1:{self.server.server_port}", f"http://localhost:{self.server.server_port}"):
            self._send(Answer(421))
            return
        try:
            answer = self.server.handle(self._request())
        except Malformed as wrong:
            answer = Answer(400, str(wrong).encode(), "text/plain")
        if answer is not None:
            self._send(answer)

    def _request(self) -> Request:
        length = int(self.headers.get("Content-Length") or 0)
        if length > BODY_MAX:
            raise Malformed("The body is too large.")
        body = self.rfile.read(length)
        address = urlsplit(self.path)
        typed = self.headers.get("Content-Type", "").partition(";")[0].strip()
        return Request(
            method=self.command,
            path=address.path,
            base=f"http://127.0.0.1:{self.server.server_port}",
            query=_once(address.query),
            form=_once(body.decode("utf-8", "replace"), "scope")
            if typed == "application/x-www-form-urlencoded"
            else {},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in (("Content-Type", answer.content_type), *answer.headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: addresses here hold codes."""


def _once(text: str, *several: str) -> dict[str, str]:
    """Parameters, each once (RFC 6749 3.1); those of our own forms that come several times are joined by spaces."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=100):
        if name in found and name not in several:
            raise Malformed(f"The parameter {name[:40]} is repeated.")
        found[name] = f"{found[name]} {value}" if name in found else value
    return found
