"""What a request passes before its route."""

import base64
import json

import pytest

from tests.unit.api.fakes import Api

TENANTS = "/api/v1/tenants"
GOOD = {"name": "New", "source": {"bucket": "main", "prefix": "new/"}}


@pytest.fixture
def api():
    return Api()


def codes(answer):
    return [(error["pointer"], error["code"]) for error in answer.json["errors"]]


@pytest.mark.parametrize("raw", ["{", "nothing", '{"name": 7}', "[]", '{"status": "active"}'])
@pytest.mark.parametrize("query", ["", "limit=-1", "unknown=1"])
def test_who_asks_comes_before_what_is_asked(api, raw, query):
    assert api.ask("POST", TENANTS, None, raw=raw, query=query).status == 401
    assert api.ask("POST", TENANTS, "anna", raw=raw, query=query).status == 403
    foreign = api.ask("POST", f"{TENANTS}/beta/cloud-integrations", "anna", raw=raw, query=query)
    assert foreign.status == 404
    assert foreign.text == api.ask("POST", f"{TENANTS}/ghost/cloud-integrations", "anna", raw=raw, query=query).text
    assert api.ask("POST", TENANTS, "root", raw=raw, query=query).status == 422


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-seq",
        "",
        "application/merge-patch+json",
        "application/json; charset=latin-1",
        "text/html, application/json",
    ],
)
def test_a_body_of_another_media_type_is_told_what_to_send(api, media):
    answer = api.ask("POST", TENANTS, "root", raw=json.dumps(GOOD), headers={"content-type": media})
    assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type")
    assert answer.headers["Accept"] == "application/json"
    assert api.town.script.count("tenants.add") == 2  # the two that were there


@pytest.mark.parametrize(
    "media", ["application/json", "application/merge-patch+json", "Application/JSON; charset=UTF-8"]
)
def test_a_patch_comes_as_json_or_as_a_merge_patch(api, media):
    answer = api.ask("PATCH", f"{TENANTS}/acme", "root", raw='{"name": "N"}', headers={"content-type": media})
    assert (answer.status, answer.json["name"]) == (200, "N")


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("{", "json_invalid"),
        ('{"name": "a", "name": "b"}', "json_invalid"),
        ('{"name": NaN}', "json_invalid"),
        ('{"name": "\\ud800"}', None),
        ("[" * 100_000, "json_invalid"),
        ('[{"name": "a"}]', "model_type"),
        ("null", "model_type"),
        ('"text"', "model_type"),
        ("7", "model_type"),
        ("\ufeff{}", "json_invalid"),
    ],
)
def test_a_body_that_is_not_one_json_object_is_refused_by_place(api, raw, code):
    answer = api.ask("POST", TENANTS, "root", raw=raw)
    assert answer.status == 422
    if code:
        assert codes(answer) == [("/body", code)]


def test_a_missing_body_is_told_as_missing(api):
    answer = api.ask("POST", TENANTS, "root")
    assert (answer.status, codes(answer)) == (422, [("/body", "missing")])


@pytest.mark.parametrize("size", [131_072, 5_000_000])
@pytest.mark.parametrize("encoded", [True, False])
def test_a_body_too_large_is_refused_before_it_is_read(api, encoded, size):
    raw = json.dumps(GOOD | {"name": "x" * size})
    event = {
        "version": "2.0",
        "rawPath": TENANTS,
        "rawQueryString": "",
        "headers": {"authorization": "Bearer root", "content-type": "application/json"},
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": TENANTS}},
        "isBase64Encoded": encoded,
        "body": base64.b64encode(raw.encode()).decode() if encoded else raw,
    }
    answer = api.app.resolve(event, None)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (413, "body_too_large")


def test_a_body_may_come_encoded(api):
    event = {
        "version": "2.0",
        "rawPath": TENANTS,
        "rawQueryString": "",
        "headers": {"authorization": "Bearer root", "content-type": "application/json"},
        "requestContext": {"stage": "$default", "http": {"method": "POST", "path": TENANTS}},
        "isBase64Encoded": True,
    }
    assert api.app.resolve(event | {"body": "no base64!"}, None)["statusCode"] == 422
    good = base64.b64encode(json.dumps(GOOD).encode()).decode()
    assert api.app.resolve(event | {"body": good}, None)["statusCode"] == 201


SECRET = "a-canary-that-nobody-may-see"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("cloud-providers", {"clientSecret": {"nested": SECRET}}, "/body/clientSecret"),
        ("cloud-providers", {"clientSecret": SECRET, "metadata": SECRET}, "/body/metadata"),
        ("cloud-providers", {SECRET: 1}, "/body/-"),
        ("cloud-providers", {"clientId": SECRET * 100}, "/body/clientId"),
        ("cloud-providers", {"hasClientSecret": True}, "/body/hasClientSecret"),
    ],
)
def test_what_was_sent_is_never_repeated(api, path, body, pointer):
    answer = api.ask("POST", f"/api/v1/{path}", "root", body=body)
    assert answer.status == 422
    assert pointer in [place for place, _ in codes(answer)]
    assert SECRET not in answer.text
    assert SECRET not in repr(api.reported)
