"""What the API says of itself: true, complete, and the same as the committed copy."""

import json
import re
from pathlib import Path

import pytest

from shared.api.page import page
from shared.api.schemas.replicas import ReplicaList
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


def test_it_is_openapi_3_1_and_every_operation_has_an_id_a_summary_and_a_problem(document):
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == 2
    for operation in operations:
        assert operation["summary"]
        assert "200" in operation["responses"]


def test_every_shape_is_closed_and_every_example_fits(document):
    schemas = document["components"]["schemas"]
    assert all(schema["additionalProperties"] is False for schema in schemas.values())
    for example in schemas["ReplicaList"]["examples"]:
        ReplicaList.model_validate_json(json.dumps(example))


def test_every_reference_leads_somewhere_and_no_shape_is_left_over(document):
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named == document["components"]["schemas"].keys()


def test_a_route_is_described_as_guarded_exactly_if_it_is(api, document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            status = api.get(path.replace("{tenant_id}", "acme"), None).status
            assert bool(operation.get("security")) == (status == 401), path
    assert document["components"]["securitySchemes"].keys() == {"bearer"}


def test_the_page_for_people_needs_nothing_but_itself(api):
    answer = api.get("/api/v1/docs", None)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "listReplicas" in answer.text
    assert "keyPrefix" in answer.text
    assert not re.search(r"<script|<link|<img|@import|url\(|https?://", answer.text)


def test_the_page_escapes_what_it_shows(document):
    hostile = json.loads(json.dumps(document).replace("The tenant's id.", "<script>alert(1)</script>"))
    assert "<script>" not in page(hostile)


def test_a_document_is_made_once(api):
    assert api.get("/api/v1/openapi.json", None).text == api.get("/api/v1/openapi.json").text
