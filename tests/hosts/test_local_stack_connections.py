"""Connections on the real template: through consent pages to active, kept alive by the timer, ended at the provider, told of."""

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from standardwebhooks import Webhook

from infra.local import issuer
from infra.local.deployment import STACK
from infra.local.emulators import ROOT
from infra.local.providers.clients import SLUGS
from infra.local.providers.visitor import consent, follow
from shared.state.moments import text_of
from tests.hosts.stack import Stack, eventually

MANY = 4
"""At once. Each may start a worker of its own, which takes a desk a while; the use case's own tests have fifty."""
HOUSES = {slug: house for house, slugs in SLUGS.items() for slug in slugs}


@dataclass
class Connection:
    """An integration, and the house behind it. Of the demo tenant, unless told otherwise."""

    stack: Stack
    slug: str
    id: str
    tenant: str = "demo"
    token: str | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        return f"tenants/{self.tenant}/cloud-integrations/{self.id}"

    def ask(self, method: str, verb: str = "", body: Any = None) -> httpx.Response:
        return self.stack.ask(method, self.path + verb, body, token=self.token)

    def now(self) -> dict[str, Any]:
        return self.ask("GET").json()

    def post(self, verb: str, body: Any = None) -> httpx.Response:
        return self.ask("POST", f"/{verb}", body)

    def begin(self, **how: Any) -> tuple[str, str]:
        """The consent page's address, and the browser's cookie."""
        started = self.post("oauth/start", how)
        assert started.status_code == 200, started.text
        return started.json()["authorizationUrl"], started.headers["Set-Cookie"].partition(";")[0]

    def connect(self, *, start: Mapping[str, Any] | None = None, **how: Any) -> str:
        """Through the consent page, as a browser; how it ended."""
        url, cookie = self.begin(**(start or {}))
        return outcome(back(consent(url, **how), cookie))

    def house(self, **said: Any) -> Mapping[str, Any]:
        base = self.stack.told["houses"][HOUSES[self.slug]]
        return httpx.post(f"{base}/_control", json=said).raise_for_status().json()


def back(location: str, cookie: str | None, token: str | None = None) -> httpx.Response:
    """The browser comes back to the callback: again, if there were too many of it in this minute."""
    headers = {"Cookie": cookie} if cookie else {}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}

    def answer() -> httpx.Response | None:
        said = httpx.get(location, headers=headers, timeout=60)
        return said if said.status_code != 429 else None

    return eventually(answer, "the next minute")


def outcome(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    location = urlsplit(answer.headers["Location"])
    assert "code" not in location.query.replace("outcome", "")
    return parse_qs(location.query)["outcome"][0]


def connection(stack: Stack, slug: str, tenant: str = "demo", token: str | None = None) -> Connection:
    body = {"providerSlug": slug, "name": f"{slug} {secrets.token_hex(4)}", "authType": "oauth2"}
    made = stack.ask("POST", f"tenants/{tenant}/cloud-integrations", body, token=token)
    assert made.status_code == 201, made.text
    return Connection(stack, slug, made.json()["id"], tenant, token)


@pytest.fixture(scope="module", autouse=True)
def due(stack: Stack) -> tuple[Connection, dict[str, Any]]:
    """One that fell due before all else here: refreshes are spread over a minute, and others need not wait for it."""
    made = connection(stack, "box")
    assert made.connect() == "connected"
    before = made.now()
    _make_due(made)
    stack.invoke("refresh", json.loads((ROOT / "events/refresh-schedule.json").read_text()))
    return made, before


@pytest.fixture(scope="module", params=sorted(HOUSES))
def connected(request: pytest.FixtureRequest, stack: Stack) -> Connection:
    """One that was connected by consent, at each house."""
    made = connection(stack, request.param)
    assert made.connect() == "connected"
    return made


def test_consent_makes_an_integration_active_with_its_account_scopes_and_expiry(connected: Connection) -> None:
    now = connected.now()
    assert (now["status"], now["reason"]) == ("active", None)
    assert now["accountId"]
    assert now["tokenExpiresAt"]
    assert set(now["scopesGranted"]) >= set(now["scopesRequested"])


def test_its_token_works_at_the_house(connected: Connection) -> None:
    tested = connected.post("test").json()
    assert (tested["tokenValid"], tested["apiReachable"], tested["scopesValid"]) == (True, True, True)


def test_a_refresh_on_demand_brings_a_new_token(connected: Connection) -> None:
    before = connected.now()
    refreshed = connected.post("refresh")
    assert refreshed.status_code == 200, refreshed.text
    after = refreshed.json()
    assert after["tokenExpiresAt"] > before["tokenExpiresAt"]
    assert after["lastRefreshedAt"] != before["lastRefreshedAt"]
    assert connected.post("test").json()["tokenValid"] is True


@pytest.mark.parametrize("slug", ["google-drive", "box"])
def test_reconnecting_keeps_the_integration_and_another_account_has_to_be_confirmed(stack: Stack, slug: str) -> None:
    made = connection(stack, slug)
    assert made.connect() == "connected"
    first = made.now()["accountId"]
    assert made.connect(person=1) == "oauth_account_mismatch"
    assert made.now()["accountId"] == first
    assert made.connect() == "connected"
    assert made.connect(person=1, start={"confirmAccountChange": True}) == "connected"
    assert made.now()["accountId"] != first


def test_a_client_with_a_redirect_uri_for_each_integration_is_served_too(stack: Stack) -> None:
    made = connection(stack, "dropbox")
    made.house(register=[f"{stack.contract.api}/api/v1/{made.path}/oauth/callback"])
    assert made.connect(start={"callback": "integration"}) == "connected"
    assert made.now()["status"] == "active"


def test_saying_no_leaves_it_pending_and_says_so_to_people(stack: Stack) -> None:
    made = connection(stack, "dropbox")
    url, cookie = made.begin()
    answer = back(consent(url, allow=False), cookie)
    assert outcome(answer) == "oauth_access_denied"
    page = httpx.get(answer.headers["Location"])
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert made.now()["status"] == "pending"


def test_another_browser_cannot_finish_and_the_right_one_still_can(stack: Stack) -> None:
    made = connection(stack, "dropbox")
    url, cookie = made.begin()
    location = consent(url)
    assert outcome(back(location, None)) != "connected"
    assert outcome(back(location, "__Host-farshore-0000000000000000=guessed")) != "connected"
    assert outcome(back(location, cookie)) == "connected"
    assert outcome(back(location, cookie)) == "oauth_state_invalid"


def test_a_box_left_unticked_connects_with_a_reason(stack: Stack) -> None:
    made = connection(stack, "google-drive")
    assert made.connect(without=["https://www.googleapis.com/auth/drive.file"]) == "scope_missing"
    assert (made.now()["status"], made.now()["reason"]) == ("error", "scope_missing")
    assert made.post("test").json()["scopesValid"] is False


def test_the_timer_refreshes_what_is_due(stack: Stack, due: tuple[Connection, dict[str, Any]]) -> None:
    made, before = due
    eventually(lambda: made.now()["lastRefreshedAt"] != before["lastRefreshedAt"], "the queue has it refreshed")
    after = made.now()
    assert after["status"] == "active"
    assert after["tokenExpiresAt"] > before["tokenExpiresAt"]
    assert made.post("test").json()["tokenValid"] is True
    assert stack.dead("refresh") == []


def test_refreshes_asked_for_at_once_leave_a_strict_connection_alive(stack: Stack) -> None:
    made = connection(stack, "box")
    assert made.connect() == "connected"
    before = made.house()["calls"].get("refresh", 0)
    answers: list[int] = []

    def refresh() -> None:
        answers.append(made.post("refresh").status_code)

    threads = [threading.Thread(target=refresh) for _ in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * MANY
    assert made.now()["status"] == "active"
    assert made.post("test").json()["tokenValid"] is True
    calls = made.house()["calls"]["refresh"] - before
    assert 1 <= calls <= MANY
    print(f"\n{MANY} refreshes asked for at once: {calls} calls to the house")


@pytest.mark.parametrize("slug", ["dropbox", "google-drive", "box"])
def test_disconnecting_ends_the_grant_at_the_house_and_erases_it_here(stack: Stack, slug: str) -> None:
    tenant = f"leaver-{slug}"  # of its own: a grant is not ended while another connection of the tenant lives by it
    stack.farshore("tenant", "add", tenant, "--bucket", stack.primary, "--prefix", f"{tenant}/")
    made = connection(stack, slug, tenant, _owner(stack, tenant))
    made.house(revoke=True)
    assert made.connect() == "connected"
    assert made.house()["live"]["refresh"] == 1
    gone = made.post("disconnect").json()
    assert (gone["status"], gone["reason"], gone["tokenExpiresAt"]) == ("revoked", "disconnected", None)
    assert made.house()["live"] == {"access": 0, "refresh": 0}
    assert made.ask("DELETE").status_code == 204
    assert made.ask("GET").status_code == 404


class Receiver:
    """A tenant's own server, for webhooks."""

    def __init__(self, port: int) -> None:
        self.got: list[tuple[Mapping[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.url = f"http://127.0.0.1:{port}/farshore"


@dataclass
class Ears:
    """A webhook and a queue on the bus, and what they heard."""

    stack: Stack
    receiver: Receiver
    secret: str
    queue: str
    heard: list[dict[str, Any]] = field(default_factory=list)

    def webhook(self, integration: str, kind: str) -> dict[str, Any] | None:
        """What the webhook was told of it, its signature verified by somebody else's library."""
        for headers, body in self.receiver.got:
            told = Webhook(self.secret).verify(body, dict(headers))
            if told["type"] == kind and integration in body.decode():
                return told
        return None

    def bus(self, integration: str, kind: str) -> dict[str, Any] | None:
        answer = self.stack.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        self.heard += [json.loads(message["Body"]) for message in answer.get("Messages", ())]
        found = [event for event in self.heard if event["detail-type"] == kind and integration in json.dumps(event)]
        return found[0] if found else None


@pytest.fixture(scope="module")
def ears(stack: Stack) -> Iterator[Ears]:
    for left in stack.ask("GET", "tenants/demo/webhooks").json()["items"]:
        stack.ask("DELETE", f"tenants/demo/webhooks/{left['id']}")
    receiver = Receiver(urlsplit(stack.told["hooks"]).port)
    made = stack.ask("POST", "tenants/demo/webhooks", {"url": receiver.url})
    assert made.status_code == 201, made.text
    queue = stack.sqs.create_queue(QueueName="ears")["QueueUrl"]
    arn = stack.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events, bus = stack.contract.account.client("events"), stack.settings["FARSHORE_EVENT_BUS"]
    events.put_rule(Name="ears", EventBusName=bus, EventPattern=json.dumps({"source": [{"prefix": "farshore"}]}))
    events.put_targets(Rule="ears", EventBusName=bus, Targets=[{"Id": "ears", "Arn": arn}])
    yield Ears(stack, receiver, made.json()["secret"], queue)
    receiver.server.shutdown()
    receiver.server.server_close()


def test_a_connection_that_dies_is_told_on_the_bus_and_to_a_webhook(stack: Stack, ears: Ears) -> None:
    made = connection(stack, "onedrive")
    assert made.connect() == "connected"
    made.house(revoke=True)
    made.post("refresh")
    assert (made.now()["status"], made.now()["reason"]) == ("revoked", "grant_revoked")
    told = eventually(lambda: ears.webhook(made.id, "integration.failed"), "the webhook is told")
    assert "grant_revoked" in json.dumps(told)
    event = eventually(lambda: ears.bus(made.id, "integration.failed"), "the bus is told")
    assert event["detail"]["data"]["reason"] == "grant_revoked"
    assert made.connect() == "connected"
    eventually(lambda: ears.webhook(made.id, "integration.connected"), "the webhook is told of the way back")
    deliveries = stack.ask("GET", f"tenants/demo/webhooks/{_hook(stack)}/deliveries").json()["items"]
    assert {row["status"] for row in deliveries} == {"delivered"}


def test_every_change_is_in_a_trail_that_verifies_here_and_offline(stack: Stack, tmp_path: Any) -> None:
    verified = stack.ask("GET", "tenants/demo/audit-events/verify").json()
    assert verified["sound"] is True
    export = tmp_path / "trail.ndjson"
    export.write_bytes(stack.ask("GET", "tenants/demo/audit-events/export").content)
    assert stack.farshore("audit", "verify", str(export))["sound"] is True
    lines = export.read_text().splitlines()
    export.write_text("\n".join(lines[:2] + lines[3:]) + "\n")
    with pytest.raises(AssertionError, match="audit_broken"):
        stack.farshore("audit", "verify", str(export))


def test_the_command_connects_through_a_browser(stack: Stack) -> None:
    """As README has it; the browser is a program that clicks Allow."""
    local = f"{sys.executable} -m infra.local --home {stack.home.folder}"
    done = subprocess.run(
        [*local.split(), "farshore", "connect", "google-drive", "--name", "by command"],
        cwd=ROOT,
        env={**os.environ, "BROWSER": f"{local} consent %s", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["name"], shown["status"]) == ("by command", "active")
    assert "outcome=connected" in done.stderr


def test_a_command_s_consent_is_finished_by_the_user_who_began_it_only(stack: Stack) -> None:
    made = connection(stack, "dropbox")
    url, cookie = made.begin(loopback="http://127.0.0.1:9999/farshore")
    location = consent(url)
    handed = back(location, None)
    assert handed.status_code == 303
    assert handed.headers["Location"].startswith("http://127.0.0.1:9999/farshore?")
    assert outcome(back(location, cookie)) != "connected"
    assert outcome(back(location, cookie, _owner(stack, "demo"))) != "connected"
    assert outcome(back(location, cookie, stack.contract.owner_token)) == "connected"


def test_what_the_provider_page_leads_to_is_a_page_for_people(stack: Stack) -> None:
    page = follow(f"{stack.contract.api}/api/v1/oauth/done?outcome=connected")
    assert page.endswith("outcome=connected")


def _make_due(made: Connection) -> None:
    """Brings its next refresh forward, to now."""
    made.stack.contract.account.client("dynamodb").update_item(
        TableName=f"{STACK}-integrations",
        Key={"tenant": {"S": made.tenant}, "id": {"S": made.id}},
        UpdateExpression="SET due_at = :now",
        ConditionExpression="attribute_exists(due_shard)",
        ExpressionAttributeValues={":now": {"S": text_of(datetime.now(UTC))}},
    )


def _hook(stack: Stack) -> str:
    (hook,) = stack.ask("GET", "tenants/demo/webhooks").json()["items"]
    return str(hook["id"])


def _owner(stack: Stack, tenant: str) -> str:
    """A token of an owner of a tenant; somebody else each time."""
    key = issuer.signing_key(stack.home.folder / "issuer.pem")
    claims = {"farshore/role": "owner", "farshore/tenants": [tenant]}
    return issuer.mint(key, stack.told["issuer"], f"somebody-{time.time_ns()}", claims)
