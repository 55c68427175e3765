"""``farshore connect``: from a name to a connected integration, through a browser, giving its token to nobody else."""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from functions import cli, connect_command, deployment_api

TOKEN, STATE, COOKIE = "canary-token", "the-state", "__Host-farshore-0123456789abcdef=canary-cookie"
OFFER = {"id": "prv_1", "slug": "dropbox", "authTypes": ["oauth2"]}


@dataclass
class Deployment:
    """A deployment's API with one tenant, and what it was asked."""

    address: str = ""
    providers: list[dict[str, Any]] = field(default_factory=lambda: [dict(OFFER)])
    integrations: list[dict[str, Any]] = field(default_factory=list)
    outcome: str = "connected"
    redirect: str | None = None
    started: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def answer(
        self, method: str, path: str, query: Mapping[str, list[str]], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        match method, path.removeprefix("/api/v1/"):
            case "GET", "tenants/acme/providers":
                return 200, self._page(self.providers, query), {}
            case "GET", "tenants/acme/cloud-integrations":
                return 200, self._page(self.integrations, query), {}
            case "POST", "tenants/acme/cloud-integrations":
                self.integrations.append({"id": f"int_{len(self.integrations)}", "status": "pending", **body})
                return 201, self.integrations[-1], {}
            case "GET", "oauth/dropbox/callback":
                return self._callback(query)
            case "POST", start if start.endswith("/oauth/start"):
                self.started = body
                cookie = {"Set-Cookie": f"{COOKIE}; Secure; HttpOnly; SameSite=Lax; Path=/; Max-Age=600"}
                return 200, {"authorizationUrl": self.consent()}, cookie
            case "GET", one if one.startswith("tenants/acme/cloud-integrations/"):
                return 200, next(it for it in self.integrations if one.endswith(it["id"])), {}
        return 404, {"code": "not_found", "detail": "there is no such thing"}, {}

    def consent(self) -> str:
        callback = self.redirect or f"{self.address}/api/v1/oauth/dropbox/callback"
        return f"https://house.example/authorize?{urlencode({'state': STATE, 'redirect_uri': callback})}"

    def _callback(self, query: Mapping[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        if self.outcome == "connected":
            self.integrations[-1]["status"] = "active"
        return 303, None, {"Location": f"{self.address}/api/v1/oauth/done?outcome={self.outcome}"}

    def _page(self, items: list[dict[str, Any]], query: Mapping[str, list[str]]) -> dict[str, Any]:
        """Of one item each, so that more pages than one are asked for."""
        at = int(query.get("cursor", ["0"])[0])
        return {"items": items[at : at + 1], "nextCursor": str(at + 1) if at + 1 < len(items) else None}


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    made = Deployment()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
            made.asked.append((self.command, address.path, dict(self.headers.items())))
            status, said, headers = made.answer(self.command, address.path, parse_qs(address.query), body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(said).encode() if said is not None else b"")

        do_POST = do_GET  # noqa: N815 # http.server's name

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()


@dataclass
class Browser:
    """Opens what it is told to in a thread, and comes back to the loopback address with an answer."""

    deployment: Deployment
    said: list[Mapping[str, str]] = field(default_factory=lambda: [{"state": STATE, "code": "canary-code"}])
    headers: Mapping[str, str] = field(default_factory=dict)
    opened: list[str] = field(default_factory=list)
    pages: list[tuple[int, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.closed = threading.Event()

    def open(self, url: str) -> bool:
        """Returns when it is closed, as some browsers do."""
        self.opened.append(url)
        try:
            self._answer()
        finally:
            self.closed.set()
        return True

    def _answer(self) -> None:
        loopback = urlsplit(self.deployment.started["loopback"])
        for said in self.said:
            connection = HTTPConnection(loopback.netloc, timeout=10)
            connection.request("GET", f"{loopback.path}?{urlencode(said)}", headers=dict(self.headers))
            answer = connection.getresponse()
            self.pages.append((answer.status, answer.getheader("Location")))
            connection.close()


@pytest.fixture
def browser(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Browser:
    made = Browser(deployment)
    monkeypatch.setattr(connect_command.webbrowser, "open", made.open)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("FARSHORE_TOKEN", TOKEN)
    monkeypatch.setenv("FARSHORE_PUBLIC_URL", deployment.address)
    monkeypatch.setenv("FARSHORE_TENANT", "acme")
    return made


def run(*arguments: str, stdin: str = "") -> int:
    return cli.main(["connect", *arguments], stdin=io.StringIO(stdin))


def test_a_first_connection_makes_the_integration_and_shows_it_active(deployment, browser, capsys):
    assert run("dropbox", "--name", "files") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["status"], shown["authType"], shown["providerId"]) == (
        "files",
        "active",
        "oauth2",
        "prv_1",
    )
    assert browser.closed.wait(10)
    assert browser.opened == [deployment.consent()]
    assert browser.pages == [(303, f"{deployment.address}/api/v1/oauth/done?outcome=connected")]


def test_reconnecting_takes_the_integration_of_that_name(deployment, browser, capsys):
    deployment.providers = [{"id": "prv_0", "slug": "box", "authTypes": ["oauth2"]}, dict(OFFER)]
    deployment.integrations = [
        {"id": "int_7", "name": "dropbox", "providerId": "prv_0"},
        {"id": "int_8", "name": "dropbox", "providerId": "prv_1"},
    ]
    assert run("dropbox", "--confirm-account-change") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "int_8"
    assert len(deployment.integrations) == 2
    assert deployment.started["confirmAccountChange"] is True


def test_the_callback_is_called_with_the_cookie_and_as_the_user_who_began(deployment, browser):
    run("dropbox")
    ((_, _, headers),) = [asked for asked in deployment.asked if asked[1].endswith("/callback")]
    assert headers["Cookie"] == COOKIE
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert all(headers["Authorization"] == f"Bearer {TOKEN}" for _, _, headers in deployment.asked)


def test_neither_token_nor_cookie_nor_code_is_shown(deployment, browser, capsys):
    run("dropbox")
    deployment.outcome = "oauth_state_invalid"
    run("dropbox")
    told = capsys.readouterr()
    assert "canary" not in told.out + told.err


@pytest.mark.parametrize("outcome", ["oauth_access_denied", "oauth_account_mismatch"])
def test_a_consent_that_came_to_nothing_says_why(deployment, browser, capsys, outcome):
    deployment.outcome = outcome
    assert run("dropbox") == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"{outcome}: ")


@pytest.mark.parametrize(
    ("outcome", "advice"),
    [
        ("oauth_access_denied", "run this again"),
        ("oauth_account_mismatch", "--confirm-account-change"),
        ("provider_unavailable", "docs/errors.md"),
    ],
)
def test_a_consent_that_came_to_nothing_says_what_to_do(deployment, browser, capsys, outcome, advice):
    deployment.outcome = outcome
    run("dropbox")
    assert advice in capsys.readouterr().err.splitlines()[-1]


def test_a_connection_that_lacks_something_says_so(deployment, browser, capsys):
    deployment.integrations = [{"id": "int_8", "name": "dropbox", "providerId": "prv_1", "reason": "scope_missing"}]
    assert run("dropbox") == 0
    assert "scope_missing" in capsys.readouterr().err


def test_strangers_who_knock_are_turned_away_and_the_true_answer_still_counts(deployment, browser):
    browser.said = [{}, {"state": "guessed", "code": "x"}, {"state": STATE, "code": "x" * 3000}, *browser.said]
    assert run("dropbox") == 0
    assert browser.closed.wait(10)
    assert [status for status, _ in browser.pages] == [400, 400, 400, 303]


def test_a_page_that_reached_the_port_by_another_name_is_turned_away(deployment, browser, monkeypatch):
    browser.headers = {"Host": "evil.example"}
    monkeypatch.setattr(connect_command, "_CONSENT_SECONDS", 0.3)
    assert run("dropbox") == 1
    assert browser.closed.wait(10)
    assert [status for status, _ in browser.pages] == [400]


def test_nobody_answering_ends_it_with_a_sentence(deployment, browser, capsys, monkeypatch):
    monkeypatch.setattr(connect_command, "_CONSENT_SECONDS", 0.05)
    assert run("dropbox", "--no-browser") == 1
    assert browser.opened == []
    told = capsys.readouterr().err
    assert deployment.consent() in told
    assert "consent_timeout: " in told


def test_a_consent_that_leads_elsewhere_is_not_followed(deployment, browser, capsys):
    deployment.redirect = "https://evil.example/callback"
    assert run("dropbox") == 1
    assert browser.opened == []
    assert "--api" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("slug", "types", "code"), [("box", ["oauth2"], "not_found"), ("dropbox", ["access_key"], "invalid_input")]
)
def test_what_cannot_be_connected_so_is_said_before_anything_is_made(deployment, browser, capsys, slug, types, code):
    deployment.providers[0]["authTypes"] = types
    assert run(slug) == 1
    assert capsys.readouterr().err.startswith(f"{code}: ")
    assert deployment.integrations == []


def test_a_provider_that_is_not_offered_is_answered_with_those_that_are(deployment, browser, capsys):
    deployment.providers = [{"id": "prv_0", "slug": "box", "authTypes": ["oauth2"]}, dict(OFFER)]
    run("dropbux")
    deployment.providers = []
    run("dropbox")
    misspelt, none = capsys.readouterr().err.splitlines()
    assert misspelt.endswith("dropbux. Offered: box, dropbox")
    assert "none yet" in none


def test_a_token_that_the_gateway_refuses_is_said_to_be_the_reason(deployment, browser, capsys, monkeypatch):
    monkeypatch.setattr(deployment, "answer", lambda *_: (401, {"message": "Unauthorized"}, {}))
    assert run("dropbox") == 1
    assert capsys.readouterr().err.startswith("unauthenticated: the token ")


def test_the_token_comes_from_a_file_or_standard_input(deployment, browser, monkeypatch, tmp_path):
    monkeypatch.delenv("FARSHORE_TOKEN")
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert run("dropbox", "--token-file", str(file)) == 0
    assert run("dropbox", "--token-file", "-", stdin=TOKEN) == 0
    assert run("dropbox") == 1


def test_a_tenant_that_the_api_does_not_show_is_named(deployment, browser, capsys):
    assert run("dropbox", "--tenant", "other") == 1
    assert capsys.readouterr().err == "not_found: this token knows no tenant other: see --tenant\n"


@pytest.mark.parametrize(
    "address", ["http://farshore.example", "https://a.example/path", "https://u@a.example", "ftp://x"]
)
def test_a_token_goes_out_by_https_to_a_plain_address_only(browser, capsys, address):
    assert run("dropbox", "--api", address) == 1
    assert capsys.readouterr().err.startswith("invalid_input: --api")


def test_an_api_that_does_not_answer_is_one_sentence(browser, capsys):
    assert run("dropbox", "--api", "http://127.0.0.1:9") == 1
    assert capsys.readouterr().err.startswith("api_unreachable: ")


def test_no_redirect_takes_the_token_along(deployment):
    def elsewhere(*_: Any) -> tuple[int, Any, dict[str, str]]:
        return 302, None, {"Location": f"{deployment.address}/stolen"}

    deployment.answer = elsewhere
    with pytest.raises(deployment_api.ApiRefused, match="302"):
        deployment_api.Api(deployment.address, connect_command.Secret(TOKEN)).send("GET", "tenants")
    assert [path for _, path, _ in deployment.asked] == ["/api/v1/tenants"]
