"""Servers for the Azure connector's tests: Azurite, the fake that pulls, and a source to pull from."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import pytest

from infra.local.azure_pull import AzurePull, azure_pull
from infra.local.emulators import Azurite, azurite
from shared.connectors.azure_blob import AzureBlobConnector
from shared.connectors.transfer.content import BytesContent
from shared.connectors.transfer.crc import crc64, to_hex
from shared.domain.objects import Attributes, Checksums
from shared.ports.content import Fetchable


@dataclass
class SourceServer:
    """Serves bytes by path, with ranges, and remembers what it was asked."""

    base: str
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    status: int | None = None


@dataclass(frozen=True)
class Remote(BytesContent):
    """Bytes in memory that another service could fetch too."""

    url: str = ""
    streamed: list[int] = field(default_factory=list)

    def read(self, offset: int, length: int) -> bytes:
        self.streamed.append(length)
        return super().read(offset, length)

    def fetchable(self) -> Fetchable | None:
        return Fetchable(self.url, 60.0)


@pytest.fixture
def source() -> Iterator[SourceServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            served.asked.append((self.path, wanted))
            data = served.objects.get(unquote(self.path.partition("?")[0]).lstrip("/"))
            if served.status or data is None:
                self.send_response(served.status or 404)
                body = b""
            else:
                first, _, last = (wanted or f"bytes=0-{len(data) - 1}").removeprefix("bytes=").partition("-")
                body = data[int(first) : int(last) + 1]
                self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = SourceServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def pulling() -> Iterator[AzurePull]:
    with azure_pull() as server:
        yield server


@pytest.fixture
def puller(pulling: AzurePull) -> Iterator[AzureBlobConnector]:
    """A connector to a fresh container of the account that pulls."""
    pulling.account.containers.add("backup")
    connector = AzureBlobConnector("backup", connection_string=pulling.connection_string)
    yield connector
    connector.close()


@pytest.fixture(scope="session")
def azurite_server() -> Iterator[Azurite]:
    with azurite() as server:
        yield server


def known(data: bytes) -> Checksums:
    """What a source that knows its CRC64 reports."""
    return Checksums({"crc64nvme": to_hex(crc64(data))})


def remote(source: SourceServer, path: str, data: bytes, attributes: Attributes = Attributes()) -> Remote:
    """``data`` as an object of the source server."""
    source.objects[path] = data
    return Remote(data, attributes, known(data), url=f"{source.base}/{path}?X-Amz-Signature=canary")


def at_url(content: Remote, url: str) -> Remote:
    """The same bytes, said to be elsewhere."""
    return replace(content, url=url)
