"""What the API says of itself: true, complete, and the same as the committed copy."""

import json
import re
from pathlib import Path

import pytest

from shared.api.page import page
from shared.api.schemas.closed import Closed
from tests.unit.api.fakes import Api

COPY = Path(__file__).resolve().parents[3] / "docs" / "openapi.json"
RENEW = "python -m shared.api > docs/openapi.json"


@pytest.fixture(scope="module")
def api():
    return Api()


@pytest.fixture(scope="module")
def document(api):
    return api.get("/api/v1/openapi.json", None).json


def test_the_committed_copy_is_the_document(document):
    assert json.loads(COPY.read_text()) == document, f"renew it: {RENEW}"


def shapes(root=Closed):
    for kind in root.__subclasses__():
        yield kind
        yield from shapes(kind)


SHAPES = {kind.__name__: kind for kind in shapes()}


def operations(document):
    return [(path, method, operation) for path, told in document["paths"].items() for method, operation in told.items()]


def test_it_is_openapi_3_1_and_every_operation_has_an_id_a_summary_a_tag_and_an_answer(document):
    assert document["openapi"].startswith("3.1")
    found = [operation for _, _, operation in operations(document)]
    assert len({operation["operationId"] for operation in found}) == len(found) > 40
    for operation in found:
        assert operation["summary"]
        assert operation["tags"]
        assert any(status[0] in "23" for status in operation["responses"]), operation["operationId"]


def test_every_guarded_operation_tells_of_the_problems_that_any_of_them_may_have(document):
    for _, method, operation in operations(document):
        if operation.get("security"):
            assert {"401", "403", "404", "422", "503"} <= operation["responses"].keys(), operation["operationId"]
        if method in ("post", "put", "patch") and "requestBody" in operation:
            assert {"413", "415"} <= operation["responses"].keys(), operation["operationId"]


def test_every_parameter_and_every_body_is_described(document):
    for _, method, operation in operations(document):
        assert all(one.get("description") for one in operation.get("parameters", [])), operation["operationId"]
        media = operation.get("requestBody", {}).get("content", {})
        patches = {"application/json", "application/merge-patch+json"}
        assert set(media) in (set(), patches if method == "patch" else {"application/json"})


def test_every_shape_is_closed_and_every_example_fits(document):
    schemas = document["components"]["schemas"]
    assert schemas.keys() <= SHAPES.keys()
    for name, schema in schemas.items():
        assert schema["additionalProperties"] is False, name
        for example in schema.get("examples", []):
            SHAPES[name].model_validate_json(json.dumps(example))


def test_every_body_and_every_answer_has_an_example(document):
    used = set(re.findall(r'"schema": {"\$ref": "#/components/schemas/(\w+)"', json.dumps(document["paths"])))
    assert len(used) > 20
    assert [name for name in used if not document["components"]["schemas"][name].get("examples")] == []


def test_no_answer_has_room_for_a_secret_but_the_key_that_is_shown_once(document):
    schemas = document["components"]["schemas"]
    answered = set(
        re.findall(r"#/components/schemas/(\w+)", json.dumps([o["responses"] for *_, o in operations(document)]))
    )
    words = re.compile(r"secret|token|password|credential|key", re.IGNORECASE)
    named = {(name, field) for name in answered for field in schemas[name]["properties"] if words.search(field)}
    assert named == {
        ("MadeWebhook", "secret"),
        ("Provider", "hasClientSecret"),
        ("Provider", "tokenMethod"),
        ("Provider", "tokenUrl"),
        ("Integration", "hasCredentials"),
        ("Integration", "tokenExpiresAt"),
        ("ConnectionHealth", "tokenExpiresAt"),
        ("Tested", "tokenValid"),
    }


def test_every_reference_leads_somewhere_and_no_shape_is_left_over(document):
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named == document["components"]["schemas"].keys()


def test_a_route_is_described_as_guarded_exactly_if_it_is(api, document):
    for path, method, operation in operations(document):
        status = api.ask(method.upper(), re.sub(r"{\w+}", "acme", path), None).status
        assert bool(operation.get("security")) == (status == 401), path
    assert document["components"]["securitySchemes"].keys() == {"bearer"}


def test_the_page_for_people_needs_nothing_but_itself(api):
    answer = api.get("/api/v1/docs", None)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "listReplicas" in answer.text
    assert "keyPrefix" in answer.text
    assert "NewProvider" in answer.text
    assert not re.search(r"<script|<link|<img|@import|url\(|(?:href|src|action)=.https?:", answer.text)


def test_the_page_escapes_what_it_shows(document):
    hostile = json.loads(json.dumps(document).replace("The tenant's id.", "<script>alert(1)</script>"))
    assert "<script>" not in page(hostile)


def test_a_document_is_made_once(api):
    assert api.get("/api/v1/openapi.json", None).text == api.get("/api/v1/openapi.json").text
