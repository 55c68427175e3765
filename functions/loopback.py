"""Waits on a loopback port for the end of a consent (RFC 8252 7.3): one answer, on an address that only its browser was told."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from threading import Event, Thread
from urllib.parse import parse_qsl, urlsplit

from shared.domain.errors import FarshoreError

_NAMES = ("state", "code", "iss", "error")
_VALUE_MAX = 2048
_SHOW_SECONDS = 90.0
_SECONDS = 10.0

type Accepts = Callable[[Mapping[str, str]], bool]


class NoConsent(FarshoreError):
    """Nobody answered in time."""

    code = "consent_timeout"


@dataclass(slots=True)
class Handed:
    """The answer, while the browser still waits for a page."""

    said: Mapping[str, str] = field(repr=False)
    _page: str | None = None
    _done: Event = field(default_factory=Event)

    def show(self, url: str) -> None:
        """Where the browser goes now; without, it is told to look at the terminal."""
        self._page = url

    def end(self) -> None:
        self._done.set()

    def page(self) -> str | None:
        self._done.wait(_SHOW_SECONDS)
        return self._page


@dataclass(slots=True)
class Loopback:
    """A port that listens."""

    _server: "_Server"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{self._server.path}"

    def expect(self, accepts: Accepts) -> None:
        """Turns away all but the first answer that is accepted; before this, all."""
        self._server.accepts = accepts

    @contextmanager
    def answer(self, seconds: float) -> Iterator[Handed]:
        """The answer; the browser is told how it ended when the block ends.

        Raises:
            NoConsent: there was none in time.
        """
        try:
            handed = self._server.answers.get(timeout=seconds)
        except Empty:
            raise NoConsent("nobody gave or refused consent in time; begin again") from None
        try:
            yield handed
        finally:
            handed.end()


@contextmanager
def listening() -> Iterator[Loopback]:
    """Takes a free port of this computer, which no other computer reaches, until the block ends."""
    server = _Server(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield Loopback(server)
    finally:
        server.shutdown()
        server.server_close()  # waits for the page that a browser is being sent
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.path = f"/farshore-{secrets.token_hex(16)}"
        self.answers: Queue[Handed] = Queue()
        self.accepts: Accepts = lambda said: False
        self.answered = Event()
        super().__init__(address, handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SECONDS

    def do_GET(self) -> None:
        said = self._said()
        if said is None or self.server.answered.is_set() or not self.server.accepts(said):
            self._send(400, "This is not the end of a consent that somebody waits for.")
            return
        self.server.answered.set()
        handed = Handed(said)
        self.server.answers.put(handed)
        page = handed.page()
        if page is None:
            self._send(200, "See your terminal for how it ended. You can close this page.")
        else:
            self._send(303, "", page)

    def _said(self) -> Mapping[str, str] | None:
        """What the address says, if it is ours, said once and not too long."""
        address = urlsplit(self.path)
        host = f"127.0.0.1:{self.server.server_port}"
        if self.headers.get("Host") != host or not secrets.compare_digest(address.path, self.server.path):
            return None
        pairs = parse_qsl(address.query, keep_blank_values=True)
        said = {name: value for name, value in pairs if name in _NAMES}
        long = any(len(value) > _VALUE_MAX for value in said.values())
        return None if long or len(said) != sum(name in _NAMES for name, _ in pairs) else said

    def _send(self, status: int, words: str, location: str | None = None) -> None:
        body = f"<!doctype html><title>Farshore</title><p>{escape(words)}".encode()
        self.send_response_only(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: the address holds a code."""
