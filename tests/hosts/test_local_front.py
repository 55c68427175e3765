"""The front door passes on what came, to the byte, and nothing that it makes up itself."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import pytest

from infra.local import front
from infra.local.home import Home


class Behind(BaseHTTPRequestHandler):
    """Says what it was asked, with two cookies and a redirect."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        said = json.dumps({"path": self.path, "headers": self.headers.items(), "body": body}).encode()
        self.send_response(303)
        for name, value in (
            ("Location", "http://127.0.0.1:1/elsewhere"),
            ("Set-Cookie", "a=1; Path=/"),
            ("Set-Cookie", "b=2; Path=/"),
            ("Keep-Alive", "timeout=5"),
            ("Content-Length", str(len(said))),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def behind() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/base"
    server.shutdown()
    server.server_close()


@contextmanager
def asked(url: str, path: str, body: str = "", **headers: str) -> Iterator[HTTPResponse]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        connection.request("POST", path, body, headers)
        yield connection.getresponse()
    finally:
        connection.close()


def test_path_query_headers_and_body_arrive_as_they_were_sent(behind: str) -> None:
    path = "/api/v1/x%2Fy/%C3%A4?a=1&a=2&b=%20+"
    with (
        front.passing(lambda: behind) as door,
        asked(door, path, "the body", Authorization="Bearer t", Cookie="c=3") as answer,
    ):
        said = json.load(answer)
    assert said["path"] == f"/base{path}"
    assert said["body"] == "the body"
    headers = dict(said["headers"])
    assert (headers["Authorization"], headers["Cookie"]) == ("Bearer t", "c=3")
    assert headers["Host"] == urlsplit(behind).netloc


def test_status_redirect_and_every_cookie_come_back(behind: str) -> None:
    with front.passing(lambda: behind) as door, asked(door, "/") as answer:
        assert answer.status == 303
        assert answer.getheader("Location") == "http://127.0.0.1:1/elsewhere"
        assert answer.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]
        assert "Keep-Alive" not in answer.headers


def test_another_host_name_is_not_served(behind: str) -> None:
    with front.passing(lambda: behind) as door, asked(door, "/", Host="evil.example") as answer:
        assert answer.status == 421


def test_it_says_that_the_stack_is_not_there_and_finds_it_once_it_is(tmp_path: Path, behind: str) -> None:
    home = Home(tmp_path)
    with front.open_front(home, 0) as door:
        with asked(door, "/") as answer:
            assert answer.status == 503
        front.lead(home, "http://127.0.0.1:1")
        with asked(door, "/") as answer:
            assert answer.status == 502
        front.lead(home, behind)
        with asked(door, "/") as answer:
            assert answer.status == 303


def test_too_large_a_body_is_refused_unread(behind: str) -> None:
    with front.passing(lambda: behind) as door, asked(door, "/", **{"Content-Length": str(11 * 1024 * 1024)}) as answer:
        assert answer.status == 413
