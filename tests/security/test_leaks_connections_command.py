"""The command that connects tells its user where to consent, and nothing else that is secret."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from functions import cli
from infra.local.providers.visitor import follow
from tests.security.leaks_town import API, TENANT, Begun, Town
from tests.security.leaks_trap import listening
from tests.security.test_leaks_connections import GOES


@contextmanager
def _door(town: Town) -> Iterator[str]:
    """The API at an address, for a command that speaks HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            said = town.ask(
                self.command,
                address.path,
                query=address.query,
                who=None,
                body=self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode() or None,
                cookies=[self.headers["Cookie"]] if self.headers["Cookie"] else [],
                headers={name.lower(): value for name, value in self.headers.items()},
                name="" if "callback" not in address.path else "callback" if self.headers["Cookie"] else "hand-over",
            )
            self.send_response(said.status)
            for name, value in (*said.headers.items(), *(("Set-Cookie", each) for each in said.cookies)):
                self.send_header(name, value)
            for each in said.cookies:
                town.keep("cookie", each.partition(";")[0].partition("=")[2])
            body = said.body if isinstance(said.body, str) else json.dumps(said.body)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET  # noqa: N815 # http.server's name

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("level", "allow"),
    [(logging.DEBUG, True), (logging.DEBUG, False), (logging.ERROR, True)],
    ids=["DEBUG", "DEBUG, denied", "ERROR"],
)
def test_the_command_that_connects_shows_a_person_the_state_and_nothing_else(
    open_town: Callable[..., Town],
    level: int,
    allow: bool,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    town = open_town()

    def opened(url: str) -> bool:
        town.keep("state", dict(parse_qsl(urlsplit(url).query))["state"])
        follow(town.agree(Begun(url, ""), allow=allow))
        return True

    monkeypatch.setenv("BROWSER", "one")
    monkeypatch.setattr("webbrowser.open", opened)
    with _door(town) as address, listening(level, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        object.__setattr__(town.farshore.host.settings, "public_url", address)
        town.house.control(register=[f"{address}{API}/oauth/{town.slug}/callback"])
        town.farshore.tenant(TENANT)
        town.add_provider()
        command = ["connect", town.slug, "--tenant", TENANT, "--api", address, "--token-file", "-"]
        assert cli.main(command, stdin=io.StringIO(town.bearer("owner"))) == (0 if allow else 1)
        town.hear_the_rest()
    assert sorted(town.places() - GOES - {("state", "standard error")}) == []
    assert ("state", "standard error") in town.places(), "the consent page's address is shown"
