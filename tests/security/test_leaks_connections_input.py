"""What a caller says wrongly is repeated to nobody: secrets in odd shapes, callbacks of all kinds, each way to sign in."""

import base64
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from shared.usecases.forms import FORMS
from tests.security.leaks_town import API, HOME, PUBLIC, TENANT, Town
from tests.security.leaks_trap import listening
from tests.security.leaks_watch import Said
from tests.security.test_leaks_connections import GOES

ASKED = "asked-canary-3c5e7a9b1d-and-more"
"""Stands for a secret that a caller put where it does not belong."""


@contextmanager
def heard(town: Town, capfd: pytest.CaptureFixture[str], *goes: tuple[str, str]) -> Iterator[None]:
    """Listens, and finds nothing where it does not belong. ``goes``: where else what may be heard."""
    with listening(logging.DEBUG, capfd) as trap:
        town.trap, trap.secrets = trap, town.secrets
        town.keep("asked", ASKED)
        yield
        town.hear_the_rest()
    assert sorted(town.places() - GOES - set(goes)) == []


# ---- bodies ----------------------------------------------------------------------------------------------------------------
ODD: Mapping[str, Any] = {
    "a list": [ASKED],
    "an object": {"value": ASKED},
    "too long": ASKED * 400,
    "an object in a list": [{ASKED: ASKED}],
    "a control character": f"{ASKED}\0\n",
    "half of a character": f"{ASKED}\ud800",
}
STORE = {
    "providerSlug": "s3",
    "name": "odd",
    "authType": "access_key",
    "container": "backups",
    "settings": {"region": "us-east-1"},
}


def _bodies(town: Town, path: str, hook: str) -> Iterator[tuple[str, str, str, Any]]:
    """Method, path, who and a body that no route takes."""
    providers, places = f"{API}/cloud-providers", f"{HOME}/cloud-integrations"
    for odd in (*ODD.values(), 7.5):
        yield "POST", providers, "superadmin", {"preset": "box", "slug": "odd", "clientSecret": odd}
        yield "PATCH", f"{providers}/{town.provider}", "superadmin", {"clientSecret": odd, "name": [ASKED]}
        keys = {"accessKeyId": "AK", "secretAccessKey": odd}
        yield "POST", places, "owner", {**STORE, "credentials": keys | {"odd": ASKED}}
        yield "POST", places, "owner", {**STORE, "credentials": odd}
        yield "POST", places, "owner", {**STORE, "settings": {"secretAccessKey": odd}}
        yield "PATCH", path, "owner", {"credentials": {"secretAccessKey": odd}}
        yield "POST", f"{path}/oauth/start", "owner", {"returnTo": odd, "loopback": odd, "scopes": odd}
    for method, place, who in (
        ("POST", providers, "superadmin"),
        ("PATCH", f"{providers}/{town.provider}", "superadmin"),
        ("POST", places, "owner"),
        ("PATCH", path, "owner"),
        ("POST", f"{path}/oauth/start", "owner"),
        ("POST", f"{HOME}/webhooks", "owner"),
        ("PATCH", f"{HOME}/webhooks/{hook}", "owner"),
    ):
        yield method, place, who, {ASKED: ASKED}
        yield method, place, who, [ASKED]
        yield method, place, who, json.dumps({"clientSecret": ASKED})[:-1]
        yield method, place, who, ASKED
        yield method, place, who, json.dumps({"name": ASKED * 5000})
        yield method, place, who, {"returnTo": f"https://{ASKED}.example", "url": f"http://10.0.0.1/{ASKED}"}
        yield method, place, who, {"name": "x", "providerSlug": ASKED, "authType": ASKED, "preset": ASKED}


def test_a_body_that_is_refused_is_not_repeated(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    with heard(town, capfd, ("asked", "request to DynamoDB")):  # whether there is a thing of that name
        town.farshore.tenant(TENANT)
        town.add_provider()
        town.ask("POST", f"{API}/cloud-providers", who="superadmin", body={"preset": "s3"})
        path = town.add_connection()
        hook = town.ask("POST", f"{HOME}/webhooks", body={"url": town.hooks.url}).body["id"]
        for method, place, who, body in _bodies(town, path, hook):
            said = town.ask(method, place, who=who, body=body, name="refusal")
            assert 400 <= said.status < 500, (method, place, said)
            town.later(minutes=0.2)
        for headers in ({"content-type": ASKED}, {"content-type": "text/plain"}, {"if-match": ASKED}):
            said = town.ask("PATCH", path, body={"name": ASKED[:5]}, headers=headers, name="refusal")
            assert 400 <= said.status < 500, said
        for query in (f"cursor={ASKED}", f"limit={ASKED}", f"{ASKED}=1"):
            assert town.ask("GET", f"{HOME}/audit-events", query=query, name="refusal").status == 422
        for place in (f"{HOME}/cloud-integrations/{ASKED}", f"{HOME}/webhooks/{ASKED}", f"{API}/{ASKED}"):
            assert town.ask("GET", place, name="refusal").status == 404


# ---- callbacks -------------------------------------------------------------------------------------------------------------
def _callbacks(state: str, cookie: str) -> Iterator[tuple[str, list[str], dict[str, Any]]]:
    """Query, cookies and what else of requests that finish nothing."""
    code, whole = f"code={ASKED}", f"state={state}&code={ASKED}"
    for query in (
        "",
        code,
        f"state={ASKED}",
        f"state={ASKED}&{code}",
        f"{whole}&code=2",
        f"{whole}&state=2",
        f"{whole}&iss=1&iss={ASKED}",
        f"state={state}&code={ASKED * 100}",
        f"state={state}&code=",
        f"state={state}&error=",
        f"state={state}%00&{code}",
        f"{quote(state)}={ASKED}",
    ):
        yield query, [cookie], {}
    name = cookie.partition("=")[0]
    for cookies in ([], [f"{name}={ASKED}"], [f"{name}="], [f"other={ASKED}"], [f"{name}={ASKED}", f"{name}=2"]):
        yield whole, cookies, {}
    yield whole, [cookie], {"body": {"code": ASKED, "state": state}}
    yield f"state={state}&code=%ff%fe{ASKED}", [cookie], {}
    yield f"{whole}#{ASKED}", [cookie], {}


def test_a_callback_tells_nothing_but_how_it_ended(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str]
) -> None:
    town = open_town()
    ends = set()
    with heard(town, capfd, ("asked", "request to token")):  # a forged code is refused there
        town.farshore.tenant(TENANT)
        town.add_provider()
        path = town.add_connection()
        place = f"{API}/oauth/{town.slug}/callback"

        def called(query: str, cookies: list[str], **more: Any) -> Said:
            said = town.ask("GET", place, query=query, cookies=cookies, who=None, name="callback", **more)
            assert said.status == 303, (query, said)
            assert said.location.startswith(f"{PUBLIC}{API}/oauth/done?outcome="), said
            ends.add(said.location.partition("outcome=")[2])
            return said

        begun = town.start(path)
        state = town.agree(begun).partition("state=")[2].partition("&")[0]
        for query, cookies, more in _callbacks(state, begun.cookie):
            called(query, cookies, **more)
        for told in (
            {"error": ASKED, "error_description": ASKED, "error_uri": f"https://evil.example/{ASKED}"},
            {"error": "access_denied", "error_description": f"<script>{ASKED}</script>"},
            {"error": "server_error", "code": ASKED},
            {"code": ASKED, "iss": f"https://{ASKED}.example"},
            {"code": ASKED},
            {"code": ASKED, "scope": ASKED, ASKED: ASKED},
        ):
            town.later(minutes=0.5)
            begun = town.start(path)
            state = town.agree(begun).partition("state=")[2].partition("&")[0]
            called(urlencode({"state": state, "iss": town.house.base, **told}), [begun.cookie])
        again = town.start(path)
        sent = town.agree(again)
        assert "connected" in town.finish(sent, again.cookie).location
        called(urlsplit(sent).query, [again.cookie])
        town.ask("POST", place, body={"code": ASKED}, name="refusal", who=None)
        for headers in ({"authorization": f"Bearer {ASKED}"}, {"authorization": ASKED}, {"host": f"{ASKED}.example"}):
            called(urlsplit(sent).query, [again.cookie], headers=headers)
        shown = town.ask("GET", f"{API}/oauth/done", query=f"outcome={ASKED}&integration={ASKED}", who=None)
        assert shown.status == 200
    assert {"oauth_state_invalid", "oauth_request_invalid", "oauth_browser_mismatch", "oauth_code_refused"} <= ends, (
        ends
    )


# ---- each way to sign in -----------------------------------------------------------------------------------------------------
def _secret(name: str, form: str) -> str:
    raw = f"{form}-{name}-canary-5b7d9f1a3c5e"
    if name == "serviceAccountKey":
        issuer = "https://oauth2.googleapis.com/token"
        told = {"type": "service_account", "token_uri": issuer, "client_email": "a@b.example", "private_key": raw}
        return json.dumps(told)
    return base64.b64encode(raw.encode()).decode() if name == "accountKey" else raw


def _open(name: str, url: str) -> str:
    known = {"endpoint": url, "accountUrl": url, "region": "us-east-1", "roleArn": "arn:aws:iam::000000000000:role/x"}
    return known.get(name, "00000000-0000-4000-8000-00000000c0de")


def test_credentials_of_every_kind_stay_sealed(
    open_town: Callable[..., Town], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    town = open_town()
    stores = (("credential", "request to the webhook"),)  # that one stands in for them
    with heard(town, capfd, *stores):
        town.farshore.tenant(TENANT)
        for connector, preset in {"s3": "s3", "azure_blob": "azure-blob", "gcs": "google-cloud-storage"}.items():
            ways = sorted(way for store, way in FORMS if store == connector)
            said = town.ask(
                "POST", f"{API}/cloud-providers", who="superadmin", body={"preset": preset, "authTypes": ways}
            )
            assert said.status == 201, said
        for (connector, way), form in FORMS.items():
            secrets = {name: _secret(name, f"{connector}-{way}") for name in form.secrets - form.ours}
            for name, value in secrets.items():
                town.keep("credential", json.loads(value)["private_key"] if name == "serviceAccountKey" else value)
            if "connectionString" in secrets:
                key = base64.b64encode(secrets["connectionString"].encode()).decode()
                town.keep("credential", key)
                secrets["connectionString"] = f"AccountName=a;AccountKey={key};BlobEndpoint={town.hooks.url}/a"
            slug = {"s3": "s3", "azure_blob": "azure-blob", "gcs": "google-cloud-storage"}[connector]
            told = {"providerSlug": slug, "name": way, "authType": way, "container": "backups"}
            told["settings"] = {name: _open(name, town.hooks.url) for name in form.settings - {"encryption"}}
            told |= {"credentials": secrets} if secrets else {}
            made = town.ask("POST", f"{HOME}/cloud-integrations", body=told)
            assert made.status == (422 if form.operators else 201), (connector, way, made.body)
            if form.operators:
                continue
            path = f"{HOME}/cloud-integrations/{made.body['id']}"
            if secrets:
                assert town.ask("PATCH", path, body={"credentials": secrets}).status == 200
                twice = town.ask("PATCH", path, body={"credentials": {**secrets, ASKED: ASKED}}, name="refusal")
                assert twice.status == 422, twice
            assert town.ask("GET", path).body["hasCredentials"] is bool(form.secrets)
            if way != "service_principal":  # that would ask Microsoft itself
                town.ask("POST", f"{path}/test")
            assert town.ask("DELETE", path).status == 204
