"""The API's host: one request in, one answer out."""

import json

from functions.aws import api
from shared.api.app import build
from shared.api.cursor import CursorCodec
from shared.api.services import Services
from shared.runtime.sign_in import NobodySignsIn
from tests.unit.functions.stand import Context, sample


def resolver(stand):
    world = stand.world
    codec = CursorCodec(lambda: [b"k" * 32])
    return build(Services(world.tenants, world.ledger, NobodySignsIn(), codec, report=lambda error: None))


def test_the_sample_request_is_answered(stand):
    stand.host.__dict__["api"] = resolver(stand)
    answer = api.handler(sample("api-v2.json"), Context())
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["status"] == "ok"


def test_a_path_that_is_not_there_is_a_problem_document(stand):
    stand.host.__dict__["api"] = resolver(stand)
    event = sample("api-v2.json")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/api/v1/nothing"
    answer = api.handler(event, Context())
    assert answer["statusCode"] == 404
    assert json.loads(answer["body"])["code"] == "not_found"


def test_where_no_issuer_is_named_nobody_signs_in(stand):
    stand.host.__dict__["api"] = resolver(stand)
    event = sample("api-v2.json")
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/api/v1/tenants/acme/replicas"
    event["headers"]["authorization"] = "Bearer a.b.c"
    assert api.handler(event, Context())["statusCode"] == 401
