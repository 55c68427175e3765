"""A Blob endpoint that can pull: what Azurite lacks, so that Put Block From URL is proved by real requests.

It holds blobs in memory, really fetches the source URL with the range it was asked for, and computes CRC64 over what
arrived. Paths and conditions are those of Azure Storage's REST reference, for the requests Farshore makes: Create Container,
Put Blob, Put Block, Put Block From URL, Put Block List, Get Blob, Get Blob Properties, Delete Blob, List Blobs.

Where it differs from the service:

- it does not check signatures, only that a request carries one; no leases, tags, tiers, snapshots, versions or encryption;
- listings come on one page and name only what the connector reads; it fetches from ``http`` and loopback;
- a body's Content-MD5 is neither checked nor answered: it knows CRC64, which the service prefers as well;
- uncommitted blocks never expire.
"""

import base64
import itertools
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from shared.connectors.transfer.crc import crc64, to_azure

_ACCOUNT = "pullaccount"
_KEY = base64.b64encode(b"farshore's fake of a pulling account").decode()
_URL_MAX = 2048
_FETCH_SECONDS = 10.0
_KEPT = {
    f"x-ms-blob-{name}"
    for name in ("content-type", "content-encoding", "content-language", "content-disposition", "cache-control")
}


type Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


class Refused(Exception):
    """An answer that is an error: status, the service's code, and further headers."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(code)
        self.status, self.code, self.headers = status, code, headers


@dataclass(frozen=True, slots=True)
class Stored:
    """One committed blob."""

    data: bytes
    etag: str
    modified: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived, for tests to look at. Header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    status: int


@dataclass(slots=True)
class Account:
    """The state of the server."""

    containers: set[str] = field(default_factory=set)
    blobs: dict[str, Stored] = field(default_factory=dict)
    blocks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    tags: Iterator[int] = field(default_factory=lambda: itertools.count(0x8DD0000000000))

    def store(self, name: str, data: bytes, headers: Mapping[str, str]) -> Stored:
        """Makes a blob current; its uncommitted blocks are discarded, whoever staged them."""
        kept = {key: value for key, value in headers.items() if key in _KEPT or key.startswith("x-ms-meta-")}
        blob = Stored(data, f'"{next(self.tags):#X}"', formatdate(usegmt=True), kept)
        self.blobs[name] = blob
        self.blocks.pop(name, None)
        return blob

    def check(self, name: str, headers: Mapping[str, str]) -> None:
        """The conditions of a write or delete, against the blob as it is now."""
        blob = self.blobs.get(name)
        if headers.get("if-none-match") == "*" and blob is not None:
            raise Refused(409, "BlobAlreadyExists")
        wanted = headers.get("if-match")
        if wanted is not None and (blob is None or wanted != blob.etag):
            raise Refused(412, "ConditionNotMet")


@dataclass(frozen=True, slots=True)
class AzurePull:
    """The running server."""

    endpoint: str
    connection_string: str = field(repr=False)
    account: Account = field(repr=False)


@contextmanager
def azure_pull() -> Iterator[AzurePull]:
    """Runs the server on a free loopback port, in threads of this process, until the context ends."""
    account = Account()
    handler = type("Bound", (_Handler,), {"account": account})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}/{_ACCOUNT}"
    login = f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};AccountKey={_KEY};BlobEndpoint={endpoint};"
    try:
        yield AzurePull(endpoint, login, account)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetched(url: str, source_range: str | None) -> bytes:
    """The bytes of a source URL, as the service fetches them: one GET, no redirect followed.

    Raises:
        Refused: the URL is too long, the source did not answer with success, or gave other bytes than the range.
    """
    if len(url) > _URL_MAX:
        raise Refused(400, "InvalidHeaderValue")
    headers = {"Range": source_range} if source_range else {}
    try:
        with _OPENER.open(urllib.request.Request(url, headers=headers), timeout=_FETCH_SECONDS) as answer:
            data: bytes = answer.read()
            ranged = answer.status == 206
    except urllib.error.HTTPError as error:
        raise Refused(
            error.code, "CannotVerifyCopySource", **{"x-ms-copy-source-status-code": str(error.code)}
        ) from None
    except OSError:
        raise Refused(400, "CannotVerifyCopySource") from None
    cut = data if ranged or not source_range else _cut(data, source_range)
    if source_range and len(cut) != len(range(*_bounds(source_range))) + 1:
        raise Refused(416, "InvalidRange")
    return cut


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)


def _bounds(source_range: str) -> tuple[int, int]:
    first, _, last = source_range.removeprefix("bytes=").partition("-")
    return int(first), int(last)


def _cut(data: bytes, source_range: str) -> bytes:
    first, last = _bounds(source_range)
    return data[first : last + 1]


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    account: Account
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one packet for status, headers and body

    def log_message(self, *_: object) -> None:
        """Silent: tests read ``Account.requests``."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {key.lower(): value for key, value in self.headers.items()}
        name = unquote(parts.path).removeprefix(f"/{_ACCOUNT}/")
        body = self.rfile.read(int(headers.get("content-length", 0)))
        try:
            if "authorization" not in headers and "sig" not in query:
                raise Refused(401, "NoAuthenticationInformation")
            status, answer, data = self._route(name, query, headers, body)
        except Refused as refusal:
            status, answer, data = refusal.status, {"x-ms-error-code": refusal.code, **refusal.headers}, b""
        self.account.requests.append(Request(self.command, name, query, headers, status))
        self._answer(status, answer, data)

    do_PUT = do_GET = do_HEAD = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _answer(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(data))} | dict(headers)).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def _route(self, name: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Answer:
        container, _, blob = name.partition("/")
        if query.get("restype") == "container" and self.command == "PUT":
            self.account.containers.add(container)
            return 201, {}, b""
        if container not in self.account.containers:
            raise Refused(404, "ContainerNotFound")
        if not blob:
            return 200, {"Content-Type": "application/xml"}, self._listing(container, query.get("prefix", ""))
        if self.command == "PUT":
            return self._write(name, query, headers, body)
        return self._delete(name, headers) if self.command == "DELETE" else self._read(name, headers)

    def _write(self, name: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> Answer:
        match query.get("comp"):
            case "block":
                return self._block(name, query["blockid"], headers, body)
            case "blocklist":
                return self._commit(name, headers, body)
            case None if "x-ms-copy-source" not in headers:
                return self._put(name, headers, body)
        raise Refused(501, "NotImplemented")

    def _block(self, name: str, block_id: str, headers: Mapping[str, str], body: bytes) -> Answer:
        source = headers.get("x-ms-copy-source")
        data = fetched(source, headers.get("x-ms-source-range")) if source else body
        crc = _crc_of(data, headers.get("x-ms-source-content-crc64" if source else "x-ms-content-crc64"))
        with self.account.lock:
            staged = self.account.blocks.setdefault(name, {})
            if any(len(other) != len(block_id) for other in staged):
                raise Refused(400, "InvalidBlobOrBlock")
            staged[block_id] = data
        return 201, {"x-ms-content-crc64": crc}, b""

    def _commit(self, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        ids = [entry.text or "" for entry in ElementTree.fromstring(body)]
        with self.account.lock:
            self.account.check(name, headers)
            staged = self.account.blocks.get(name, {})
            if any(block_id not in staged for block_id in ids):
                raise Refused(400, "InvalidBlockList")
            blob = self.account.store(name, b"".join(staged[block_id] for block_id in ids), headers)
        return 201, {"ETag": blob.etag, "Last-Modified": blob.modified}, b""

    def _put(self, name: str, headers: Mapping[str, str], body: bytes) -> Answer:
        crc = _crc_of(body, headers.get("x-ms-content-crc64"))
        with self.account.lock:
            self.account.check(name, headers)
            blob = self.account.store(name, body, headers)
        return 201, {"ETag": blob.etag, "Last-Modified": blob.modified, "x-ms-content-crc64": crc}, b""

    def _read(self, name: str, headers: Mapping[str, str]) -> Answer:
        blob = self.account.blobs.get(name)
        if blob is None:
            raise Refused(404, "BlobNotFound")
        self.account.check(name, headers)
        wanted = headers.get("x-ms-range") or headers.get("range")
        data = _cut(blob.data, wanted) if wanted else blob.data
        answer = {key.removeprefix("x-ms-blob-"): value for key, value in blob.headers.items()}
        answer |= {"ETag": blob.etag, "Last-Modified": blob.modified, "x-ms-blob-type": "BlockBlob"}
        if wanted:
            first = _bounds(wanted)[0]
            answer["Content-Range"] = f"bytes {first}-{first + len(data) - 1}/{len(blob.data)}"
        return 206 if wanted else 200, answer, data

    def _delete(self, name: str, headers: Mapping[str, str]) -> Answer:
        with self.account.lock:
            if name not in self.account.blobs:
                raise Refused(404, "BlobNotFound")
            self.account.check(name, headers)
            del self.account.blobs[name]
        return 202, {}, b""

    def _listing(self, container: str, prefix: str) -> bytes:
        rows = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{blob.modified}</Last-Modified>"
            f"<Etag>{escape(blob.etag)}</Etag><Content-Length>{len(blob.data)}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for path, blob in sorted(self.account.blobs.items())
            if (name := path.removeprefix(f"{container}/")) != path and name.startswith(prefix)
        )
        xml = f"<EnumerationResults><Blobs>{rows}</Blobs><NextMarker/></EnumerationResults>"
        return f'<?xml version="1.0" encoding="utf-8"?>{xml}'.encode()


def _crc_of(data: bytes, declared: str | None) -> str:
    """The CRC64 of what arrived. Raises Refused if the request declared another."""
    crc = to_azure(crc64(data))
    if declared is not None and declared != crc:
        raise Refused(400, "Crc64Mismatch")
    return crc
