"""Every route x every identity x every place an id can stand. The oracle: what another owns does not exist.

The routes are those registered, the tokens are real ones checked by the real verifier, the state is the real one on moto.
"""

import json
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from moto import mock_aws

from shared.api.app import PREFIX, build
from shared.api.cursor import CursorCodec
from shared.api.services import Services
from shared.domain.event import Job
from shared.domain.tenant import Source, Tenant
from shared.oauth.bearer import BearerVerifier, Expected
from shared.state.ledger import DynamoLedger
from shared.state.models import MODELS
from shared.state.tables import Tables, bound
from shared.state.tenants import DynamoTenants

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ISSUER = "https://issuer.example"
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())
CANARY = {"acme": "canary-of-acme", "beta": "canary-of-beta"}

# Every route's row: who may call it. A route without one fails the first test.
PUBLIC, OWNER = "public", "owner"
ROWS = {
    ("GET", f"{PREFIX}/health"): PUBLIC,
    ("GET", f"{PREFIX}/openapi.json"): PUBLIC,
    ("GET", f"{PREFIX}/docs"): PUBLIC,
    ("GET", f"{PREFIX}/tenants/<tenant_id>/replicas"): OWNER,
}
GUARDED = [row for row, who in ROWS.items() if who == OWNER]
OPEN = [row for row, who in ROWS.items() if who == PUBLIC]


def token(role="owner", tenants=("acme",), key=KEY, **claims):
    standard = {"iss": ISSUER, "aud": "farshore", "sub": "someone", "exp": int(time.time()) + 3600}
    said = standard | {"farshore/role": role, "farshore/tenants": list(tenants)} | claims
    return jwt.encode(said, key, algorithm="ES256", headers={"kid": "k"})


IDENTITIES = {
    "owner": token(),
    "same tenant, other role": token("viewer"),
    "same tenant, no role": token(None),
    "owner of another tenant": token(tenants=["beta"]),
    "owner of none": token(tenants=[]),
    "superadmin": token("superadmin", []),
    "owner of a tenant that is gone": token(tenants=["gone"]),
    "nobody": None,
    "expired": token(exp=int(time.time()) - 3600),
    "not yet": token(nbf=int(time.time()) + 3000),
    "wrong audience": token(aud="another"),
    "wrong issuer": token(iss="https://evil.example"),
    "a stranger's key": token(key=STRANGER),
    "unsigned": jwt.encode({"iss": ISSUER, "aud": "farshore", "sub": "x", "exp": 9**10}, None, algorithm="none"),
    "no token at all": "canary",
}
UNKNOWN = {
    "nobody",
    "expired",
    "not yet",
    "wrong audience",
    "wrong issuer",
    "a stranger's key",
    "unsigned",
    "no token at all",
}
MEMBERS = {"same tenant, other role", "same tenant, no role"}
OUTSIDERS = IDENTITIES.keys() - UNKNOWN - MEMBERS - {"owner"}


class House:
    """The API on real state, and every call that state saw."""

    def __init__(self, tables: Tables) -> None:
        keys = {"keys": [{**jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k"}]}
        about = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
        self.codec = CursorCodec(lambda: [b"k" * 32])
        self.calls: list[str] = []
        self.reported: list[BaseException] = []
        verifier = BearerVerifier(
            Expected(ISSUER, "farshore"), fetch=lambda url: json.dumps(keys if url.endswith("jwks") else about).encode()
        )
        self.ledger, self.tenants = DynamoLedger(tables), DynamoTenants(tables)
        for name, canary in CANARY.items():
            self.tenants.add(Tenant(name, name, Source("s3", "main", f"{name}/"), NOW))
            self.ledger.expect([Job(name, "r1", "t1", f"{name}/{canary}", NOW)], NOW)
        client = bound(MODELS[0], tables)._get_connection().connection.client
        client.meta.events.register("before-call.dynamodb", lambda model, **_: self.calls.append(model.name))
        services = Services(DynamoTenants(tables), self.ledger, verifier, self.codec, self.reported.append)
        self.app = build(services)

    def ask(self, method: str, path: str, bearer: str | None, query: str = ""):
        """Status, headers and body, without the request's id."""
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": {"authorization": f"Bearer {bearer}"} if bearer else {},
            "requestContext": {"stage": "$default", "http": {"method": method, "path": path}},
        }
        answer = self.app.resolve(event, SimpleNamespace(aws_request_id=None))
        return answer["statusCode"], answer["headers"], answer["body"]


@pytest.fixture(scope="module")
def house():
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        tables = Tables("matrix", "us-east-1")
        for model in MODELS:
            bound(model, tables).create_table(billing_mode="PAY_PER_REQUEST")
        yield House(tables)


@pytest.fixture(autouse=True)
def reads_only(house):
    """Whatever was asked: nothing was written, and nothing went wrong on our side."""
    house.calls.clear()
    yield
    assert set(house.calls) <= {"GetItem", "Query"}
    assert house.reported == []


def path_of(route: str, tenant: str) -> str:
    return route.replace("<tenant_id>", tenant)


def test_every_route_has_a_row(house):
    registered = {(route.method, route.path) for route in (*house.app._static_routes, *house.app._dynamic_routes)}
    assert registered == ROWS.keys()


def test_every_tenants_route_is_guarded():
    assert [row for row in OPEN if "tenant" in row[1]] == []


@pytest.mark.parametrize(("method", "route"), OPEN)
@pytest.mark.parametrize("who", IDENTITIES)
def test_a_public_route_says_the_same_to_everyone_and_asks_no_state(house, method, route, who):
    assert house.ask(method, route, IDENTITIES[who]) == house.ask(method, route, None)
    assert house.ask(method, route, None)[0] == 200
    assert house.calls == []


@pytest.mark.parametrize(("method", "route"), GUARDED)
def test_an_owner_sees_the_tenants_own_and_no_others(house, method, route):
    status, _, body = house.ask(method, path_of(route, "acme"), IDENTITIES["owner"])
    assert status == 200
    assert CANARY["acme"] in body
    assert CANARY["beta"] not in body


@pytest.mark.parametrize(("method", "route"), GUARDED)
@pytest.mark.parametrize("who", sorted(UNKNOWN))
@pytest.mark.parametrize("tenant", ["acme", "ghost"])
def test_whoever_is_not_signed_in_learns_nothing_and_costs_nothing(house, method, route, who, tenant):
    answer = house.ask(method, path_of(route, tenant), IDENTITIES[who])
    assert answer[0] == 401
    assert answer == house.ask(method, path_of(route, "ghost"), None)
    assert house.calls == []


@pytest.mark.parametrize(("method", "route"), GUARDED)
@pytest.mark.parametrize("who", sorted(OUTSIDERS))
def test_what_another_tenant_owns_does_not_exist(house, method, route, who):
    there = house.ask(method, path_of(route, "acme"), IDENTITIES[who])
    nowhere = house.ask(method, path_of(route, "ghost"), IDENTITIES[who])
    assert there[0] == 404
    assert there == nowhere
    assert house.calls == []


@pytest.mark.parametrize(("method", "route"), GUARDED)
def test_a_tenant_that_is_gone_answers_like_one_that_never_was(house, method, route):
    gone = house.ask(method, path_of(route, "gone"), IDENTITIES["owner of a tenant that is gone"])
    assert gone == house.ask(method, path_of(route, "ghost"), IDENTITIES["owner"])
    assert gone[0] == 404


@pytest.mark.parametrize(("method", "route"), GUARDED)
@pytest.mark.parametrize("who", sorted(MEMBERS))
def test_a_member_without_the_role_is_refused_before_anything_is_looked_up(house, method, route, who):
    status, _, body = house.ask(method, path_of(route, "acme"), IDENTITIES[who])
    assert (status, json.loads(body)["code"]) == (403, "forbidden")
    assert house.ask(method, path_of(route, "beta"), IDENTITIES[who])[0] == 404
    assert house.calls == []


ODD_TENANTS = [
    "ACME",
    "acme%20",
    "acme%00",
    "%61cme",
    "beta",
    "acme,beta",
    "*",
    "..",
    "acme#beta",
    "a" * 500,
    "tenants",
]


@pytest.mark.parametrize(("method", "route"), GUARDED)
@pytest.mark.parametrize("tenant", ODD_TENANTS)
def test_no_spelling_of_a_tenant_opens_another(house, method, route, tenant):
    status, _, body = house.ask(method, path_of(route, tenant), IDENTITIES["owner"])
    assert (status, json.loads(body)["code"]) == (404, "not_found")


FOREIGN = f"beta/{CANARY['beta']}"


@pytest.mark.parametrize(
    "query",
    [
        {"key": FOREIGN},
        {"keyPrefix": "beta/"},
        {"keyPrefix": "beta/", "status": "pending", "target": "t1"},
        {"keyPrefix": "", "status": "pending"},
        {"key": f"../{FOREIGN}"},
        {"target": "t1", "limit": "1000"},
    ],
)
def test_no_query_reaches_another_tenants_rows(house, query):
    mine = house.ask("GET", f"{PREFIX}/tenants/acme/replicas", IDENTITIES["owner"], urlencode(query, quote_via=quote))
    assert mine[0] == 200
    assert CANARY["beta"] not in mine[2]
    never = {name: value.replace(CANARY["beta"], "never-was") for name, value in query.items()}
    assert mine == house.ask(
        "GET", f"{PREFIX}/tenants/acme/replicas", IDENTITIES["owner"], urlencode(never, quote_via=quote)
    )


def test_no_cursor_of_another_tenant_is_good_here(house):
    scope = ("replicas", "beta", "", "", "")
    foreign = house.codec.seal(scope, json.dumps([FOREIGN, ""]))
    made_up = house.ask("GET", f"{PREFIX}/tenants/acme/replicas", IDENTITIES["owner"], "cursor=made-up")
    answer = house.ask("GET", f"{PREFIX}/tenants/acme/replicas", IDENTITIES["owner"], f"cursor={foreign}")
    assert answer == made_up
    assert answer[0] == 422


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer a b",
        "bearer x,Bearer y",
        f"Token {IDENTITIES['owner']}",
        "Bearer " + "x" * 9000,
    ],
)
def test_only_a_bearer_token_signs_in(house, header):
    event = {
        "version": "2.0",
        "rawPath": f"{PREFIX}/tenants/acme/replicas",
        "rawQueryString": f"access_token={IDENTITIES['owner']}" if not header else "",
        "cookies": [f"token={IDENTITIES['owner']}"],
        "headers": {"authorization": header},
        "requestContext": {"stage": "$default", "http": {"method": "GET", "path": "/"}},
    }
    assert house.app.resolve(event, SimpleNamespace())["statusCode"] in ((422,) if not header else (401,))
