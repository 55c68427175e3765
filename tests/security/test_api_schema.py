"""The API is as it describes itself: schemathesis asks every operation, and walks from what was made to what can be done to it.

In process, on the state of the access matrix (moto), as a super-administrator or as an owner of acme, whichever a route wants.
The examples are the same in every run.
"""

from copy import deepcopy

import hypothesis
import pytest
import schemathesis
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.dynamodb.models import dynamodb_backends
from schemathesis import checks

from shared.api.app import build
from shared.state.models import MODELS
from shared.state.tables import Tables, bound
from tests.counts import note
from tests.security.matrix_house import ROOT, S3, House, token
from tests.security.wsgi import wsgi

OWNER = token("anna", "owner", ["acme"])
CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
)
ASKED: dict[str, int] = {}
QUIET = hypothesis.settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    max_examples=8,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)


class Current:
    """Whatever answers now: routes that only describe themselves, then the house."""

    resolve = staticmethod(build(None).resolve)


MAKERS = ("addProvider", "addTenant", "addIntegration", "addWebhook")
LINKED = {
    *("getProvider", "changeProvider", "removeProvider"),
    *("getTenant", "changeTenant", "removeTenant", "getSource", "moveSource"),
    *(
        "getIntegration",
        "changeIntegration",
        "removeIntegration",
        "startConsent",
        "refreshIntegration",
        "testIntegration",
    ),
    *("getConnectionHealth", "disconnectIntegration"),
    *("getWebhook", "changeWebhook", "removeWebhook", "rotateWebhook", "testWebhook", "listDeliveries"),
}


class Home:
    """The state as it was, so that each walk begins at the same place: else a step could end otherwise when it is repeated."""

    def __init__(self, house: House) -> None:
        self.backend = dynamodb_backends[ACCOUNT]["us-east-1"]
        self.tables = deepcopy(self.backend.tables)
        self.randomness, self.given = house.ports.randomness, house.ports.randomness.given

    def restore(self) -> None:
        self.backend.tables = deepcopy(self.tables)
        self.randomness.given = self.given


def honest(operation: str, number: int) -> dict | None:
    """A body that makes something: what is drawn at random almost never does."""
    bodies = {
        "addProvider": {"preset": "s3", "slug": f"s3-{number}", "clientSecret": "s"},
        "addTenant": {"name": "n", "source": {"bucket": "main", "prefix": f"tenant-{number}/"}},
        "addIntegration": S3 if number % 2 else {"providerSlug": "dropbox", "name": "n", "authType": "oauth2"},
        "addWebhook": {"url": f"https://{number}.example/"},
    }
    return bodies.get(operation)


def answer(event, context):
    return Current.resolve(event, context)


schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", wsgi(answer))


def links():
    for path, operations in schema.raw_schema["paths"].items():
        for link in operations.get("post", {}).get("responses", {}).get("201", {}).get("links", {}).values():
            yield path, operations["post"]["operationId"], link


OPERATIONS = [it["operationId"] for path in schema.raw_schema["paths"].values() for it in path.values()]
LINKS = list(links())  # now: schemathesis adds those it infers by itself


@pytest.fixture(scope="module")
def built():
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        tables = Tables("schema", "us-east-1")
        for model in MODELS:
            bound(model, tables).create_table(billing_mode="PAY_PER_REQUEST")
        made = House(tables, remembers=False)
        made.furnish()
        made.settle("acme")
        patch.setattr(Current, "resolve", staticmethod(made.app.resolve))
        yield made, Home(made)
        note("schemathesis", f"{sum(ASKED.values())} requests to {len(ASKED)} operations")


@pytest.fixture
def home(built):
    return built[1]


@pytest.fixture(autouse=True)
def house(built):
    """Each test begins in the same house."""
    built[1].restore()
    return built[0]


def told(case) -> dict[str, str]:
    """Who asks: whoever the operation is for. Owners ask about their own tenant."""
    ASKED[case.operation.label] = ASKED.get(case.operation.label, 0) + 1
    tags = case.operation.definition.raw.get("tags", [])
    administrators = {"Providers", "Tenants"} & set(tags) or "/tenants/" not in case.operation.path
    if administrators and case.operation.definition.raw["operationId"] != "listChoices":
        return {"Authorization": f"Bearer {ROOT}"}
    if "tenant_id" in (case.path_parameters or {}):
        case.path_parameters["tenant_id"] = "acme"
    return {"Authorization": f"Bearer {OWNER}"}


def _asks(operation: str):
    @schema.include(operation_id=operation).parametrize()
    @QUIET
    def ask(case):
        headers = told(case)
        case.call_and_validate(checks=CHECKS, headers=headers)

    return ask


# A test each, by a name of its own: processes that share the work deal it out by names.
for _operation in OPERATIONS:
    globals()[f"test_{_operation}_answers_as_it_is_described"] = _asks(_operation)


def test_what_was_made_can_be_found_changed_and_removed(house, home):
    well: set[str] = set()
    walked: list = []

    class Walk(schema.include(operation_id=[*MAKERS, *LINKED]).as_state_machine()):
        def setup(self):
            walked.clear()
            home.restore()

        def before_call(self, case):
            case.headers.update(told(case))
            made = honest(case.operation.definition.raw["operationId"], len(walked))
            walked.append(case)
            if made:
                case.body, case.media_type = made, "application/json"

        def validate_response(self, response, case, **_):
            case.validate_response(response, checks=CHECKS)
            if response.status_code < 300:
                well.add(case.operation.definition.raw["operationId"])

    settings = hypothesis.settings(QUIET, max_examples=25, stateful_step_count=8)
    Walk.run(settings=settings)
    assert well >= {"addTenant", "addIntegration", "addWebhook"}  # providers: by the links below
    assert len(well & LINKED) >= 8
    assert house.reported == []


def test_every_operation_on_one_thing_is_linked_from_where_it_is_made():
    assert {link["operationId"] for _, _, link in LINKS} == LINKED


@pytest.mark.parametrize(("path", "maker", "link"), [pytest.param(*it, id=it[2]["operationId"]) for it in LINKS])
def test_a_link_leads_to_what_was_made(house, path, maker, link):
    body = honest(maker, 1000 + sorted(LINKED).index(link["operationId"]))
    tenants = "{tenant_id}" in path
    made = house.made(path.replace("{tenant_id}", "acme"), OWNER if tenants else ROOT, body)
    values = {"$request.path.tenant_id": "acme", "$response.body#/id": made["id"]}
    target = schema.find_operation_by_id(link["operationId"])
    there = target.path
    for name, expression in link["parameters"].items():
        there = there.replace(f"{{{name}}}", values[expression])
    given = {"bucket": f"moved-{made['id'].lower()}"[:60].strip("_-")} if target.method == "put" else {}
    status, _, told = house.ask(target.method.upper(), there, OWNER if tenants else ROOT, body=given)
    assert status < 300 or link["operationId"] in ("refreshIntegration", "startConsent"), told
    assert status != 404
