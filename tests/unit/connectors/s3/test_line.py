"""Requests leave straight for the bucket's host, or through the proxy that the environment names."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from shared.connectors.s3.line import Direct, line_to

CONFIG = Config(connect_timeout=1, read_timeout=2, max_pool_connections=2)


@pytest.fixture
def targets():
    """A server that only notes which request targets reach it; yields its base and the notes."""
    seen: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Noting)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def get(line, url: str) -> int:
    answer = line.send(AWSPreparedRequest("GET", url, {}, b"", True))
    answer.raw.read()
    line.close()
    return answer.status_code


@pytest.mark.parametrize("target", ["/b/a/../c", "/b//x", "/b/./y?partNumber=1", "/b/%C3%BC%2F"])
def test_a_key_goes_over_the_line_as_it_was_signed(targets, target):
    base, seen = targets
    assert get(line_to(f"{base}/b", CONFIG, None), base + target) == 200
    assert seen == [target]


def test_a_proxy_is_used_where_one_is_named(targets, monkeypatch):
    proxy, seen = targets
    monkeypatch.setenv("HTTP_PROXY", proxy)
    line = line_to("http://s3.example", CONFIG, None)
    assert not isinstance(line, Direct)
    assert get(line, "http://s3.example/k") == 200
    assert seen == ["http://s3.example/k"]
