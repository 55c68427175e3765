"""Lambda's Runtime API on loopback, for one event, and a function run against it by Amazon's own runtime client.

(AWS Lambda Developer Guide, "Using the Lambda runtime API".) The function sees its package, the runtime client and Python's
standard library; nothing else that happens to be installed here.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_REQUEST = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
_CLIENT = ("awslambdaric", "simplejson", "snapshot_restore_py", "runtime_client")
_BOOT = "import sys; sys.path[:0] = sys.argv[1:3]; from awslambdaric.__main__ import main; main(['', sys.argv[3]])"


@dataclass
class Outcome:
    """What the function said: an answer, or an error."""

    answer: Any = None
    error: Any = None
    log: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


def invoke(
    package: Path, handler: str, event: Mapping[str, Any], environment: Mapping[str, str], folder: Path
) -> Outcome:
    """One cold start and one invocation; the process is stopped by its pid."""
    with _runtime_api(event) as (address, outcome):
        log = folder / f"{handler}.log"
        command = [sys.executable, "-I", "-S", "-c", _BOOT, str(package), str(_client(folder)), handler]
        variables = {
            "AWS_LAMBDA_RUNTIME_API": address,
            "LAMBDA_TASK_ROOT": str(package),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=package, env={**environment, **variables}, stdout=output, stderr=subprocess.STDOUT
            )
            try:
                while not outcome.ended.wait(0.05) and process.poll() is None:
                    pass
            finally:
                process.kill()
                process.wait()
        outcome.log = log.read_text()
        return outcome


def _client(folder: Path) -> Path:
    """The runtime client alone, out of the environment that it is installed in."""
    place = folder / "runtime-client"
    place.mkdir(exist_ok=True)
    for name in _CLIENT:
        origin = Path(find_spec(name).origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        if not (place / origin.name).exists():
            (place / origin.name).symlink_to(origin)
    return place


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, event: Mapping[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.event, self.outcome = event, Outcome()
        self.given, self.closing = threading.Event(), threading.Event()

    def handle_error(self, *_: Any) -> None:
        """The function was killed in the middle of its request for more work."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: a second one would wait for an acknowledgement
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.server.given.is_set():  # one event only: the next one never comes
            self.server.closing.wait()
            self.close_connection = True
            return
        self.server.given.set()
        headers = {
            "Content-Type": "application/json",  # without it the runtime client crashes
            "Lambda-Runtime-Aws-Request-Id": _REQUEST,
            "Lambda-Runtime-Deadline-Ms": "99999999999999",
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:111122223333:function:farshore",
            "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        }
        self._answer(200, json.dumps(self.server.event).encode(), headers)

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        if self.path.endswith("/error"):
            self.server.outcome.error = said
        else:
            self.server.outcome.answer = said
        self._answer(202, b"{}", {})
        self.server.outcome.ended.set()

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def _runtime_api(event: Mapping[str, Any]) -> Iterator[tuple[str, Outcome]]:
    with _Server(event) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", server.outcome
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
