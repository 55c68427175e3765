"""Whatever fails, and whatever those who fail say of it: no secret is in what we say of it then."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conformance.faults import answer, reset_after, reset_before
from tests.conformance.proxy import Fault, Forward, Matches, Request, Response, anything
from tests.security.leaks_house import FAULTS
from tests.security.leaks_town import API, CLIENT_SECRET, HOME, PROVIDER_SAYS, TENANT, Town
from tests.security.leaks_trap import listening
from tests.security.leaks_watch import calls
from tests.security.test_leaks_connections import ELSEWHERE, GOES

MAY = {"google": GOES, **{house: GOES | more for house, more in ELSEWHERE.items()}}


@contextmanager
def heard(town: Town, capfd: pytest.CaptureFixture[str], house: str = "google") -> Iterator[None]:
    """Listens, and finds nothing where it does not belong."""
    with listening(logging.DEBUG, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        yield
        town.hear_the_rest()
    assert sorted(town.places() - MAY[house]) == []
    assert town.errors, "errors were raised and looked at"


@contextmanager
def failing(town: Town, endpoint: str, name: str) -> Iterator[None]:
    """While the house fails so; and it did."""
    before, town.line.faults[endpoint] = town.line.hits, FAULTS[name]
    yield
    del town.line.faults[endpoint]
    assert town.line.hits > before, (endpoint, name)


def _mended(town: Town, path: str) -> None:
    """Connected anew if it has to be."""
    if town.ask("GET", path).body["status"] != "active":
        assert town.outcome(path) == "connected"


# ---- the provider ----------------------------------------------------------------------------------------------------------
SOUND = {"odd ID token", "hung up afterwards"}
"""Faults after which there may be a connection all the same, or that are none to everybody."""
FEW = (
    "broken",
    "refused",
    "refused client",
    "refused in no known word",
    "a form",
    "bad headers",
    "odd fields",
    "odd ID token",
)
"""Those that differ by the client library, or by who asks."""


@pytest.mark.parametrize("house", ["google", "microsoft"])
def test_what_a_provider_says_when_it_fails_is_not_repeated(
    open_town: Callable[..., Town], house: str, capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town(house)
    with heard(town, capfd, house):
        town.farshore.tenant(TENANT)
        town.add_provider()
        pending, path = town.add_connection(), town.connected()
        ends: dict[str, list[Any]] = {}
        for name in FAULTS if house == "google" else FEW:
            town.later(minutes=2)
            with failing(town, "token", name):
                ends[name] = [town.outcome(pending)]
            with failing(town, "refresh", name):
                told = town.ask("POST", f"{path}/refresh").body
                ends[name].append(told.get("code", told.get("reason")))
            town.ask("GET", f"{path}/health")
            _mended(town, path)
            if house == "google" and name in {*FEW, "a redirect", "no HTTP", "too long", "hung up"}:
                with failing(town, "api", name):
                    ends[name].append(town.ask("POST", f"{path}/test").body["code"])
                with failing(town, "revoke", name):
                    assert town.ask("POST", f"{path}/disconnect").status == 200
                _mended(town, path)
    codes = {code for found in ends.values() for code in found}
    assert "internal" not in codes, ends
    assert {"provider_unavailable", "grant_revoked", "provider_misconfigured"} <= codes, ends
    assert all(found[0] != "connected" for name, found in ends.items() if name not in SOUND), ends


def test_neither_is_it_when_the_timer_refreshes(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    with heard(town, capfd):
        town.farshore.tenant(TENANT)
        town.add_provider()
        path = town.connected()
        for name in FEW:
            town.later(minutes=70)
            with failing(town, "refresh", name):
                town.trap.hear("handler's answer", town.farshore.refresh())
            _mended(town, path)
        assert town.farshore.notify() == {"batchItemFailures": []}
        town.trap.hear("handler's answer", town.farshore.deliver())


# ---- webhooks --------------------------------------------------------------------------------------------------------------
def _said(request: Request) -> bytes:
    return f"{PROVIDER_SAYS} {request.target} {request.headers} ".encode() + request.body


def _echo(status: int, content_type: str = "application/json") -> Fault:
    """An error that tells the request, in headers too."""

    def fault(request: Request, _: Forward) -> Response:
        told = _said(request)
        header = told.decode("latin-1").replace("\n", " ")[:1500]
        body = b'{"__type": "ValidationException", "message": ' + repr(told.decode("latin-1")).encode() + b"}"
        return Response(
            status,
            (("Content-Type", content_type), ("Location", f"http://127.0.0.1:9/{PROVIDER_SAYS}"), ("X-Debug", header)),
            body,
        )

    return fault


ADDRESS = "webhook-address-canary-2b4d6f8a0c"


def test_a_receiver_that_fails_is_not_quoted_and_its_address_is_not_logged(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    received = {200: _echo(200), 302: _echo(302), 400: _echo(400), 410: _echo(410), 500: _echo(500), None: reset_before}
    with listening(logging.DEBUG, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        town.keep("webhook address", ADDRESS)
        town.farshore.tenant(TENANT)
        made = town.ask("POST", f"{HOME}/webhooks", body={"url": f"{town.hooks.url}/{ADDRESS}"}, name="POST webhooks")
        town.keep("webhook secret", made.body["secret"])
        town.add_provider()
        town.connected()
        assert town.farshore.notify() == {"batchItemFailures": []}
        for fault in received.values():
            town.hooks.heal()
            town.hooks.when(anything, fault, times=None)
            town.later(minutes=2)
            town.ask("POST", f"{HOME}/webhooks/{made.body['id']}/test")
            town.trap.hear("handler's answer", town.farshore.deliver())
        log = town.ask("GET", f"{HOME}/webhooks/{made.body['id']}/deliveries").body["items"]
        town.hear_the_rest()
    assert {entry["answer"] for entry in log} >= received.keys()
    shown = {("webhook address", "body of POST webhooks")}
    shown |= {
        ("webhook address", place) for place in ("request to the webhook", "request to DynamoDB", "stored row", "repr")
    }
    assert sorted(town.places() - GOES - shown) == []


# ---- AWS -------------------------------------------------------------------------------------------------------------------
def _writes(request: Request) -> bool:
    target = request.header("x-amz-target") or ""
    return calls("DynamoDB")(request) and target.endswith(("Items", "PutItem", "UpdateItem", "DeleteItem"))


def _cut(request: Request, forward: Forward) -> Response | None:
    """Half of the real answer, as if that were all."""
    whole = forward()
    return whole and Response(whole.status, whole.headers, whole.body[: len(whole.body) * 3 // 4])


AILMENTS: dict[str, Fault] = {
    "refuses": _echo(400, "application/x-amz-json-1.0"),
    "breaks": _echo(500, "application/x-amz-json-1.0"),
    "shows a page": answer(200, f"<html>{PROVIDER_SAYS}</html>".encode(), Content_Type="text/html"),
    "answers in part": _cut,
    "hangs up afterwards": reset_after,
}
SERVICES: dict[str, Matches] = {
    "DynamoDB": calls("DynamoDB"),
    "DynamoDB's writes": _writes,
    "KMS": calls("KMS"),
    "the queues and the bus": lambda request: calls("SQS")(request) or calls("EventBridge")(request),
    "S3": calls("S3"),
}
KEYS = {"secretAccessKey": "s3-secret-canary/4f1c+9d2a77e05b", "sessionToken": "s3-session-canary//Qk9+e1d5c3b7a9f0"}


def _errands(town: Town, who: str, path: str, store: str, hook: str) -> list[Callable[[], Any]]:
    """Everything that needs that service, each on its own."""
    if who == "S3":
        return [lambda: town.ask("POST", f"{store}/test")]
    if who == "the queues and the bus":
        return [town.farshore.refresh, town.farshore.notify, town.farshore.deliver]
    settings = {"region": "us-east-1", "endpoint": town.aws.url}
    keys = {"authType": "access_key", "settings": settings, "credentials": {"accessKeyId": "000000000000", **KEYS}}
    begun = town.start(path)
    sent = town.agree(begun)
    return [
        lambda: town.finish(sent, begun.cookie),
        lambda: town.ask(
            "PATCH",
            f"{API}/cloud-providers/{town.provider}",
            who="superadmin",
            body={"clientSecret": CLIENT_SECRET},
        ),
        lambda: town.ask("POST", f"{HOME}/cloud-integrations", body={"providerSlug": "s3", "name": "more", **keys}),
        lambda: town.ask("PATCH", store, body={"credentials": keys["credentials"]}),
        lambda: town.ask("POST", f"{store}/test"),
        lambda: town.ask("POST", f"{path}/test"),
        lambda: town.ask("POST", f"{path}/oauth/start", body={}),
        lambda: town.ask("POST", f"{path}/refresh"),
        lambda: town.ask("POST", f"{HOME}/webhooks/{hook}/test"),
        town.farshore.refresh,
        town.farshore.notify,
        town.farshore.deliver,
        lambda: town.ask("POST", f"{HOME}/webhooks", body={"url": town.hooks.url}),
        lambda: town.ask("POST", f"{HOME}/webhooks/{hook}/rotate"),
        lambda: town.ask("POST", f"{path}/disconnect"),
    ]


@pytest.mark.parametrize("who", SERVICES)
def test_what_aws_says_when_it_fails_is_not_repeated(
    open_town: Callable[..., Town], who: str, capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    statuses: set[int] = set()
    with heard(town, capfd):
        town.farshore.tenant(TENANT)
        town.add_provider()
        town.ask("POST", f"{API}/cloud-providers", who="superadmin", body={"preset": "s3"})
        for value in KEYS.values():
            town.keep("credential", value)
        hook = town.ask("POST", f"{HOME}/webhooks", body={"url": town.hooks.url}).body["id"]
        path, store = town.add_connection(), ""
        for name, fault in AILMENTS.items():
            town.later(minutes=70)
            assert town.outcome(path) == "connected"
            store = store or _store(town)
            played = 0
            for errand in _errands(town, who, path, store, hook):
                rule = town.aws.when(SERVICES[who], fault, times=None)
                town.aws.rules.insert(0, town.aws.rules.pop())
                try:
                    said = errand()
                    statuses |= {said.status} if hasattr(said, "status") else set()
                except Exception as error:
                    town.trap.hear("exception of a handler", error)
                town.aws.rules.remove(rule)
                played += rule.hits
            assert played, name
    assert 503 in statuses or who in ("S3", "the queues and the bus"), statuses


def _store(town: Town) -> str:
    settings = {"region": "us-east-1", "endpoint": town.aws.url}
    keys = {
        "settings": settings,
        "credentials": {"accessKeyId": "000000000000", **KEYS},
        "container": town.farshore.buckets["backup"],
    }
    told = {"providerSlug": "s3", "name": "store", "authType": "access_key", **keys}
    made = town.ask("POST", f"{HOME}/cloud-integrations", body=told)
    assert made.status == 201, made
    return f"{HOME}/cloud-integrations/{made.body['id']}"
