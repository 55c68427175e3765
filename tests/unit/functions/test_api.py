"""The API's hosts: one request in, one answer out, by the container's own app."""

import json

import pytest

from functions.aws import api, connect
from tests.unit.functions.stand import Context, Stand, sample


@pytest.fixture
def served(stand: Stand) -> Stand:
    stand.host.__dict__ |= {"tenants": stand.world.tenants, "ledger": stand.world.ledger}
    return stand


def test_the_sample_request_is_answered(served):
    answer = api.handler(sample("api-v2.json"), Context())
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "ok"


def test_a_path_that_is_not_there_is_a_problem_document(served):
    event = sample("api-v2.json")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/api/v1/nothing"
    answer = api.handler(event, Context())
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"


def test_where_no_issuer_is_named_nobody_signs_in(served):
    event = sample("api-v2.json")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/api/v1/tenants/acme/replicas"
    event["headers"]["authorization"] = "Bearer a.b.c"
    assert api.handler(event, Context())["statusCode"] == 401


def test_both_functions_speak_the_same_app(served):
    for host in (api, connect):
        assert json.loads(host.handler(sample("api-v2.json"), Context())["body"])["status"] == "ok"


def test_an_answer_without_a_body_has_an_empty_one(served, monkeypatch):
    monkeypatch.setattr(served.host.api, "resolve", lambda event, context: {"statusCode": 204, "body": None})
    assert api.handler(sample("api-v2.json"), Context()) == {"statusCode": 204, "body": ""}
