"""Errors as problem documents, and what every answer carries."""

import inspect
import json

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from shared.api.problems import problem_of
from shared.api.schemas.problems import ProblemDocument
from shared.domain import errors
from shared.domain.errors import FarshoreError
from tests.unit.api.fakes import Api

STATUS = {
    "InvalidInput": 422,
    "MalformedEvent": 422,
    "ForeignEvent": 422,
    "InvalidCursor": 422,
    "InvalidName": 422,
    "UnsupportedAttribute": 422,
    "NotSupported": 422,
    "Unauthenticated": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "AlreadyExists": 409,
    "InUse": 409,
    "VersionMismatch": 412,
    "TooManyRequests": 429,
    "CallbackRefused": 400,
    "InvalidCallback": 400,
    "InvalidState": 400,
    "BrowserMismatch": 400,
    "IssuerMismatch": 400,
    "ConsentDenied": 400,
    "CodeRefused": 400,
    "AccountMismatch": 400,
    "GrantError": 502,
    "ProviderUnavailable": 503,
    "GrantRevoked": 409,
    "GrantExpired": 409,
    "RefreshInterrupted": 409,
    "ScopeMissing": 409,
    "PolicyBlocked": 409,
    "ProviderMisconfigured": 502,
    "TokenExpired": 409,
    "StoreError": 502,
    "PreconditionFailed": 412,
    "SourceChanged": 502,
    "LengthMismatch": 502,
    "ChecksumMismatch": 502,
    "Unsettled": 502,
    "DeadlineExceeded": 503,
    "StoreUnavailable": 502,
    "Throttled": 503,
    "IntegrityUnproven": 502,
    "CredentialsRefused": 502,
    "QuotaExceeded": 502,
    "ContainerMissing": 502,
    "RoleWithoutExternalId": 502,
    "StateUnavailable": 503,
    "SealBroken": 500,
    "Misconfigured": 500,
    "FarshoreError": 500,
}
TREE = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FarshoreError)}


def test_every_error_of_the_tree_has_its_answer():
    assert TREE.keys() == STATUS.keys()


@pytest.mark.parametrize("name", STATUS)
def test_an_error_is_a_problem_document_of_the_described_shape(name):
    told = {"NotSupported": ("one", "two")}.get(name, ("for people",))
    error = TREE[name](*told, **({"after": 7.4} if name == "TooManyRequests" else {}))
    problem = problem_of(error)
    document = problem.document("r-1")
    assert problem.status == document["status"] == STATUS[name]
    assert ProblemDocument.model_validate(document).type == f"urn:farshore:problem:{document['code']}"
    if STATUS[name] == 500:
        assert (document["code"], document["detail"]) == ("internal", "something went wrong on our side")
    else:
        assert document["code"] == error.code


def test_a_name_that_the_caller_made_up_is_not_repeated():
    found = [
        {"loc": ("body", "hunter2"), "type": "extra_forbidden"},
        {"loc": ("body", "version"), "type": "extra_forbidden"},
        {"loc": ("body", "a secret", 3, "name"), "type": "missing"},
    ]
    pointers = [error["pointer"] for error in problem_of(RequestValidationError(found)).errors]
    assert pointers == ["/body/-", "/body/version", "/body/-/3/name"]


@pytest.mark.parametrize("kind", [errors.Throttled, errors.TooManyRequests, errors.ProviderUnavailable])
def test_whoever_asks_us_to_wait_has_the_caller_wait(kind):
    assert problem_of(kind(after=7.4)).headers == {"Retry-After": "7"}


@pytest.mark.parametrize("error", [RuntimeError("a secret"), KeyError("a secret"), errors.SealBroken("a secret")])
def test_what_is_not_foreseen_is_opaque_and_reported(error):
    api = Api()
    api.ledger.error = error
    answer = api.get("/api/v1/tenants/acme/replicas")
    assert answer.status == 500
    assert "secret" not in answer.text
    assert answer.json["requestId"] == "request-1"
    assert api.reported == [error]


def test_an_answer_of_ours_that_is_not_as_described_is_our_fault():
    api = Api()
    api.ledger.page = lambda *_, **__: None
    answer = api.get("/api/v1/tenants/acme/replicas")
    assert (answer.status, len(api.reported)) == (500, 1)


@pytest.mark.parametrize(
    "path", ["/", "/api/v1", "/api/v2/health", "/api/v1/nothing", "/api/v1/health/", "/api/v1/%2e%2e/health"]
)
def test_a_path_without_a_route_is_not_found(path):
    answer = Api().get(path, query="x=1&x=2")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_another_method_on_a_route_is_told_which_are_allowed(method):
    answer = Api().get("/api/v1/health", method=method)
    assert (answer.status, answer.json["code"], answer.headers["Allow"]) == (405, "method_not_allowed", "GET")


@pytest.mark.parametrize(
    "path", ["/api/v1/health", "/api/v1/docs", "/api/v1/openapi.json", "/nowhere", "/api/v1/tenants/x/replicas"]
)
def test_every_answer_is_private_and_locked_down(path):
    headers = Api().get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "max-age" in headers["Strict-Transport-Security"]


def test_whoever_is_not_signed_in_is_told_how():
    answer = Api().get("/api/v1/tenants/acme/replicas", None)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="farshore"')


def test_health_asks_nobody():
    api = Api()
    before = list(api.town.script.calls)
    assert api.get("/api/v1/health", None).json == {"status": "ok"}
    assert api.ledger.asked == []
    assert api.town.script.calls == before


def test_problems_are_json_text():
    assert json.loads(Api().get("/nowhere").text)["title"] == "Not Found"
