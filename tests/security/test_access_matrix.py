"""Every route x every place an id can stand x every identity. The oracle: what another owns does not exist.

The routes are those registered, the tokens are real ones checked by the real verifier, the state is the real one on moto.
"Answers like nothing" means the same status, headers and body as for ids that nobody has, no write, no word of the other tenant.
"""

import json
import time
from dataclasses import replace
from urllib.parse import quote, urlencode

import jwt
import pytest
from moto import mock_aws

from shared.api.things import PREFIX
from shared.domain.audit import Actor, AuditEvent
from shared.domain.ids import TenantId
from shared.state.models import MODELS
from shared.state.tables import Tables, bound
from tests.counts import note
from tests.security.matrix_house import GHOST, ROOT, S3, STRANGER, Belongings, House, token

PUBLIC, CALLBACK, OWNER, ADMIN = "public", "callback", "owner", "admin"
TENANT = f"{PREFIX}/tenants/<tenant_id>"
INTEGRATION = f"{TENANT}/cloud-integrations/<integration_id>"
WEBHOOK = f"{TENANT}/webhooks/<webhook_id>"
PROVIDER = f"{PREFIX}/cloud-providers/<provider_id>"

# Every route's row: who may call it, and a body that is right. A route without one fails the first test.
ROWS = {
    ("GET", f"{PREFIX}/health"): (PUBLIC, None),
    ("GET", f"{PREFIX}/openapi.json"): (PUBLIC, None),
    ("GET", f"{PREFIX}/docs"): (PUBLIC, None),
    ("GET", f"{PREFIX}/oauth/done"): (PUBLIC, None),
    ("GET", f"{PREFIX}/oauth/<slug>/callback"): (CALLBACK, None),
    ("GET", f"{INTEGRATION}/oauth/callback"): (CALLBACK, None),
    ("GET", f"{PREFIX}/cloud-provider-presets"): (ADMIN, None),
    ("GET", f"{PREFIX}/cloud-providers"): (ADMIN, None),
    ("POST", f"{PREFIX}/cloud-providers"): (ADMIN, {"preset": "azure-blob"}),
    ("GET", PROVIDER): (ADMIN, None),
    ("PATCH", PROVIDER): (ADMIN, {"metadata": {"icon": "new"}}),
    ("DELETE", PROVIDER): (ADMIN, None),
    ("GET", f"{PREFIX}/tenants"): (ADMIN, None),
    ("POST", f"{PREFIX}/tenants"): (ADMIN, {"name": "New", "source": {"bucket": "main", "prefix": "new/"}}),
    ("GET", TENANT): (ADMIN, None),
    ("PATCH", TENANT): (ADMIN, {"members": ["somebody"]}),
    ("DELETE", TENANT): (ADMIN, None),
    ("GET", f"{TENANT}/source"): (ADMIN, None),
    ("PUT", f"{TENANT}/source"): (ADMIN, {"bucket": "elsewhere", "prefix": ""}),
    ("GET", f"{PREFIX}/audit-events"): (ADMIN, None),
    ("GET", f"{PREFIX}/audit-events/verify"): (ADMIN, None),
    ("GET", f"{PREFIX}/audit-events/export"): (ADMIN, None),
    ("GET", f"{TENANT}/providers"): (OWNER, None),
    ("GET", f"{TENANT}/replicas"): (OWNER, None),
    ("GET", f"{TENANT}/cloud-integrations"): (OWNER, None),
    ("POST", f"{TENANT}/cloud-integrations"): (OWNER, S3),
    ("GET", INTEGRATION): (OWNER, None),
    ("PATCH", INTEGRATION): (OWNER, {"name": "other"}),
    ("DELETE", INTEGRATION): (OWNER, None),
    ("POST", f"{INTEGRATION}/oauth/start"): (OWNER, {}),
    ("POST", f"{INTEGRATION}/refresh"): (OWNER, None),
    ("POST", f"{INTEGRATION}/test"): (OWNER, None),
    ("GET", f"{INTEGRATION}/health"): (OWNER, None),
    ("POST", f"{INTEGRATION}/disconnect"): (OWNER, None),
    ("GET", f"{TENANT}/webhooks"): (OWNER, None),
    ("POST", f"{TENANT}/webhooks"): (OWNER, {"url": "https://new.example/"}),
    ("GET", WEBHOOK): (OWNER, None),
    ("PATCH", WEBHOOK): (OWNER, {"enabled": False}),
    ("DELETE", WEBHOOK): (OWNER, None),
    ("POST", f"{WEBHOOK}/rotate"): (OWNER, None),
    ("POST", f"{WEBHOOK}/test"): (OWNER, None),
    ("GET", f"{WEBHOOK}/deliveries"): (OWNER, None),
    ("GET", f"{TENANT}/audit-events"): (OWNER, None),
    ("GET", f"{TENANT}/audit-events/verify"): (OWNER, None),
    ("GET", f"{TENANT}/audit-events/export"): (OWNER, None),
}


def rows(*kinds: str) -> list:
    return [pytest.param(*row, id=f"{row[0]} {row[1].removeprefix(PREFIX)}") for row in ROWS if ROWS[row][0] in kinds]


each_owned = pytest.mark.parametrize(("method", "route"), rows(OWNER))
each_admins = pytest.mark.parametrize(("method", "route"), rows(ADMIN))
each_guarded = pytest.mark.parametrize(("method", "route"), rows(OWNER, ADMIN))

SOON = int(time.time()) + 3600
OWNERS = {"owner by claim": token("anna", "owner", ["acme"]), "owner by record": token("olga")}
MEMBERS = {
    "member by claim, other role": token("mike", "viewer", ["acme"]),
    "member by claim, no role": token("mia", None, ["acme"]),
    "member by record": token("milo"),
    "member by record, owner elsewhere": token("milo", "owner", ["beta"]),
}
OUTSIDERS = {
    "owner by claim of another": token("bea", "owner", ["beta"]),
    "owner by record of another": token("bert"),
    "member by record of another": token("bob"),
    "owner role, no tenant": token("nora", "owner"),
    "no role, no tenant": token("nils"),
    "superadmin": ROOT,
    "owner of a tenant that is gone": token("gert", "owner", ["gone"]),
    "owner of what is spelled alike": token("alba", "owner", ["ACME", "acme ", "acm", "acme/", "ghost2"]),
    "whose subject is the tenant's id": token("acme", "owner"),
}
UNKNOWN = {
    "nobody": None,
    "expired": token("anna", "owner", ["acme"], exp=int(time.time()) - 3600),
    "not yet": token("anna", "owner", ["acme"], nbf=SOON),
    "wrong audience": token("anna", "owner", ["acme"], aud="another"),
    "wrong issuer": token("anna", "owner", ["acme"], iss="https://evil.example"),
    "a stranger's key": token("anna", "owner", ["acme"], key=STRANGER),
    "unsigned": jwt.encode(
        {"iss": "https://issuer.example", "aud": "farshore", "sub": "x", "exp": SOON}, None, algorithm="none"
    ),
    "no token at all": "canary",
}
IDENTITIES = OWNERS | MEMBERS | OUTSIDERS | UNKNOWN

ASKED: set[tuple[str, str, str, str]] = set()
"""Method, route, slot, identity of every cell that was tried."""


def slots(method: str, route: str) -> list[str]:
    """Where an id may stand in a request for this route."""
    paths = [name for name in ("tenant", "provider", "integration", "webhook") if f"<{name}_id>" in route]
    lists = ["cursor"] if (method, route) in LISTS else []
    body = ROWS[method, route][1] or {}
    return [
        *paths,
        *lists,
        *(["body provider"] if "providerSlug" in body else []),
        *(["key"] if "replicas" in route else []),
    ]


LISTS = [
    ("GET", f"{PREFIX}/cloud-provider-presets"),
    ("GET", f"{PREFIX}/cloud-providers"),
    ("GET", f"{PREFIX}/tenants"),
    ("GET", f"{PREFIX}/audit-events"),
    ("GET", f"{TENANT}/providers"),
    ("GET", f"{TENANT}/replicas"),
    ("GET", f"{TENANT}/cloud-integrations"),
    ("GET", f"{TENANT}/webhooks"),
    ("GET", f"{WEBHOOK}/deliveries"),
    ("GET", f"{TENANT}/audit-events"),
]
"""Lists in pages; each has more than one thing."""


class Matrix(House):
    """The house with its tenants, and one cell's request."""

    acme: Belongings
    beta: Belongings

    def cell(self, method, route, who, slot, there: Belongings, *, query="", body=...):
        """The answer to an identity for these ids."""
        ASKED.add((method, route, slot, who))
        given = ROWS[method, route][1] if body is ... else body
        self.calls.clear()
        return self.ask(method, there.path(route), IDENTITIES[who], query=query, body=given)


@pytest.fixture(scope="module")
def house():
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        tables = Tables("matrix", "us-east-1")
        for model in MODELS:
            bound(model, tables).create_table(billing_mode="PAY_PER_REQUEST")
        made = Matrix(tables)
        made.furnish()
        made.acme = made.settle("acme", ["olga"], ["milo"])
        made.beta = made.settle("beta", ["bert"], ["bob"])
        gone = made.settle("gone")
        tenant = made.ports.tenants.get(TenantId(gone.tenant), fresh=True)
        made.ports.tenants.remove(tenant, AuditEvent("*", tenant.created_at, Actor("test"), "tenant.removed", "x"))
        made.gone = gone
        yield made
        operations = {cell[:2] for cell in ASKED}
        places, people = {cell[2] for cell in ASKED} - {"none"}, {cell[3] for cell in ASKED}
        note(
            "access matrix",
            f"{len(operations)} operations x {len(places)} slots x {len(people)} identities: {len(ASKED)} cells",
        )


@pytest.fixture(autouse=True)
def nothing_of_ours_fails(house):
    yield
    assert house.reported == []


def like_nothing(house, answer, nothing, *canaries: str) -> None:
    assert answer == nothing
    assert not [word for word in canaries if word in answer[2]]


def test_every_route_has_a_row_and_every_list_its_scope(house):
    registered = (*house.app._static_routes, *house.app._dynamic_routes)
    assert {(route.method, route.path) for route in registered} == ROWS.keys()
    paged = {
        (route.method, route.path)
        for route in registered
        if route.include_in_schema and "cursor" in {field.alias for field in route.dependant.query_params}
    }
    assert paged == set(LISTS)


def test_every_route_asks_for_a_token_exactly_if_its_row_says_so(house):
    for route in (*house.app._static_routes, *house.app._dynamic_routes):
        assert bool(route.security) == (ROWS[route.method, route.path][0] in (OWNER, ADMIN)), route.path


@pytest.mark.parametrize(("method", "route"), rows(PUBLIC))
def test_a_public_route_says_the_same_to_everyone_and_asks_no_state(house, method, route):
    expected = house.ask(method, route)
    assert expected[0] == 200
    for who in IDENTITIES:
        assert house.cell(method, route, who, "none", GHOST) == expected
        assert house.calls == []


@pytest.mark.parametrize(("method", "route"), rows(CALLBACK))
@pytest.mark.parametrize("query", ["", "code=x", f"state={'s' * 43}&code=x", f"state={'s' * 43}&error=access_denied"])
def test_a_callback_without_a_consent_says_the_same_to_everyone_and_changes_nothing(house, method, route, query):
    expected = None
    for who in IDENTITIES:
        for there in (house.acme, house.beta, GHOST):
            answer = house.cell(method, route, who, "path", there, query=query)
            expected = expected or answer
            assert answer == expected
            assert answer[0] == 303
            assert set(house.writes) <= {("UpdateItem", "leases")}  # the count of calls


@each_guarded
def test_whoever_is_not_signed_in_learns_nothing_and_costs_nothing(house, method, route):
    expected = house.ask(method, GHOST.path(route))
    assert expected[0] == 401
    for who in UNKNOWN:
        for slot in slots(method, route) or ["none"]:
            for there in (house.acme, GHOST):
                for body in (ROWS[method, route][1], "{"):
                    assert house.cell(method, route, who, slot, there, body=body) == expected
                    assert house.calls == []


@each_owned
def test_what_another_tenant_owns_does_not_exist(house, method, route):
    for who in OUTSIDERS:
        nothing = house.cell(method, route, who, "tenant", GHOST)
        assert nothing[0] == 404
        for body in (..., "{", {"unknown": 1}):
            like_nothing(house, house.cell(method, route, who, "tenant", house.acme, body=body), nothing, "canary")
            assert house.writes == []


@each_owned
def test_a_member_who_owns_nothing_is_refused_whatever_is_named(house, method, route):
    for who in MEMBERS:
        expected = None
        for there in (house.acme, replace(GHOST, tenant="acme"), replace(house.beta, tenant="acme")):
            answer = house.cell(method, route, who, "tenant", there)
            assert (answer[0], json.loads(answer[2])["code"]) == (403, "forbidden")
            assert answer == (expected := expected or answer)
            assert house.writes == []


@each_owned
def test_a_tenant_that_is_gone_answers_like_one_that_never_was(house, method, route):
    who = "owner of a tenant that is gone"
    like_nothing(
        house, house.cell(method, route, who, "tenant", house.gone), house.cell(method, route, who, "tenant", GHOST)
    )
    assert house.writes == []


@pytest.mark.parametrize(
    ("method", "route"),
    [row for row in rows(OWNER) if "<integration_id>" in row.values[1] or "<webhook_id>" in row.values[1]],
)
def test_another_tenants_thing_under_ones_own_tenant_is_nothing(house, method, route):
    slot = "integration" if "<integration_id>" in route else "webhook"
    for who in OWNERS:
        nothing = house.cell(method, route, who, slot, replace(GHOST, tenant="acme"))
        assert nothing[0] == 404
        like_nothing(
            house, house.cell(method, route, who, slot, replace(house.beta, tenant="acme")), nothing, "canary-of-beta"
        )
        assert house.writes == []


@pytest.mark.parametrize(("method", "route"), [row for row in rows(OWNER) if row.values[0] == "GET"])
def test_an_owner_sees_nothing_of_another_tenant(house, method, route):
    for who in OWNERS:
        status, _, body = house.cell(method, route, who, "tenant", house.acme)
        assert status == 200
        assert "canary-of-beta" not in body
        assert house.writes == []


@each_admins
def test_whoever_is_no_superadmin_is_refused_whatever_is_named(house, method, route):
    expected = None
    for who in (OWNERS | MEMBERS | OUTSIDERS).keys() - {"superadmin"}:
        for slot in slots(method, route) or ["none"]:
            for there in (house.acme, GHOST):
                for body in (..., "{"):
                    answer = house.cell(method, route, who, slot, there, body=body)
                    assert (answer[0], json.loads(answer[2])["code"]) == (403, "forbidden")
                    assert answer == (expected := expected or answer)
                    assert house.calls == []


@pytest.mark.parametrize(("method", "route"), [row for row in rows(ADMIN) if "<" in row.values[1]])
def test_a_superadmin_finds_nothing_where_nothing_is(house, method, route):
    slot = slots(method, route)[0]
    answer = house.cell(method, route, "superadmin", slot, GHOST)
    assert (answer[0], json.loads(answer[2])["code"]) == (404, "not_found")
    assert house.writes == []


def cursor_of(house, method: str, route: str, there: Belongings, bearer: str) -> str:
    status, _, body = house.ask(method, there.path(route), bearer, query="limit=1")
    assert (status, bool(json.loads(body)["nextCursor"])) == (200, True), route
    return json.loads(body)["nextCursor"]


@pytest.fixture(scope="module")
def cursors(house):
    """A cursor of every list as its own owner gets it: acme's, beta's, another of acme's own things."""
    found = {}
    for method, route in LISTS:
        if ROWS[method, route][0] == ADMIN:
            found[method, route, "deployment"] = cursor_of(house, method, route, house.acme, ROOT)
            continue
        second = replace(house.acme, webhook=house.acme.second_webhook)
        found[method, route, "acme"] = cursor_of(house, method, route, house.acme, OWNERS["owner by claim"])
        found[method, route, "beta"] = cursor_of(house, method, route, house.beta, token("bea", "owner", ["beta"]))
        if "<webhook_id>" in route:
            found[method, route, "second"] = cursor_of(house, method, route, second, OWNERS["owner by claim"])
    return found


@pytest.mark.parametrize(("method", "route"), LISTS)
def test_no_cursor_but_the_lists_own_is_good(house, cursors, method, route):
    owned = ROWS[method, route][0] == OWNER
    for who in OWNERS if owned else ["superadmin"]:
        made_up = house.cell(method, route, who, "cursor", house.acme, query="cursor=made-up")
        assert (made_up[0], json.loads(made_up[2])["code"]) == (422, "invalid_cursor")
        for origin, cursor in cursors.items():
            answer = house.cell(method, route, who, "cursor", house.acme, query=f"cursor={cursor}")
            if origin == (method, route, "acme" if owned else "deployment"):
                assert answer[0] == 200
            else:
                like_nothing(house, answer, made_up)
            assert house.writes == []


@pytest.mark.parametrize("who", OWNERS)
@pytest.mark.parametrize("field", ["providerId", "providerSlug"])
def test_a_provider_that_is_not_offered_is_nothing(house, who, field):
    disabled = next(it for it in house.ports.providers.page() if not it.enabled)
    route = f"{TENANT}/cloud-integrations"
    answers = []
    for value in (disabled.id if field == "providerId" else disabled.slug, "nothing-here"):
        body = {"name": "n", "authType": "oauth2", field: value}
        answers.append(house.cell("POST", route, who, "body provider", house.acme, body=body))
        assert house.writes == []
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


FOREIGN = "beta/canary-of-beta"


@pytest.mark.parametrize("who", OWNERS)
@pytest.mark.parametrize(
    "query",
    [
        {"key": FOREIGN},
        {"keyPrefix": "beta/"},
        {"keyPrefix": "beta/", "status": "pending", "target": "t1"},
        {"key": f"../{FOREIGN}"},
        {"target": "t1", "limit": "1000"},
    ],
)
def test_no_query_reaches_another_tenants_rows(house, who, query):
    def ask(wanted):
        told = urlencode(wanted, quote_via=quote)
        return house.cell("GET", f"{TENANT}/replicas", who, "key", house.acme, query=told)

    never = {name: value.replace("canary-of-beta", "never-was") for name, value in query.items()}
    like_nothing(house, ask(query), ask(never), "canary-of-beta")
    assert ask(query)[0] == 200


ODD = [
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
    "acme%2fbeta",
]


@each_owned
def test_no_spelling_of_a_tenant_opens_another(house, method, route):
    for odd in ODD:
        for who in OWNERS:
            status, _, body = house.cell(method, route, who, "tenant", replace(house.acme, tenant=odd))
            assert (status, json.loads(body)["code"]) == (404, "not_found"), odd
            assert house.writes == []


@each_guarded
@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "bearer x,Bearer y", f"Token {ROOT}", "Bearer " + "x" * 9000],
)
def test_only_a_bearer_token_signs_in(house, method, route, header):
    headers, cookies = {"authorization": header}, [f"token={ROOT}", f"authorization=Bearer {ROOT}"]
    query = f"access_token={ROOT}"
    path = house.acme.path(route)
    assert house.ask(method, path, headers=headers, cookies=cookies, query=query)[0] == 401


@pytest.fixture(scope="module")
def shapes(house):
    document = json.loads(house.ask("GET", f"{PREFIX}/openapi.json")[2])
    return document["paths"], document["components"]["schemas"]


class TestMassAssignment:
    """No body takes what is not its own: every name that any answer or body of the API knows is tried on every body."""

    @pytest.mark.parametrize(
        ("method", "route"), [row for row in rows(OWNER, ADMIN) if ROWS[row.values[0], row.values[1]][1] is not None]
    )
    def test_a_body_takes_its_own_fields_and_no_others(self, house, shapes, method, route):
        paths, schemas = shapes
        path = route.replace("<", "{").replace(">", "}")
        reference = paths[path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
        own = schemas[_name(reference)]["properties"].keys()
        every = {field for schema in schemas.values() for field in schema.get("properties", {})}
        more = {
            "accessToken",
            "refreshToken",
            "tokens",
            "generation",
            "uses",
            "refreshDueAt",
            "_id",
            "tenant_id",
            "__proto__",
        }
        who = "owner by claim" if ROWS[method, route][0] == OWNER else "superadmin"
        for field in sorted((every | more) - own):
            for value in ("beta", None, {"set": True}):
                body = ROWS[method, route][1] | {field: value}
                answer = house.cell(method, route, who, "body", house.acme, body=body)
                assert answer[0] == 422, field
                assert "extra_forbidden" in answer[2], field
                assert house.writes == [], field


def _name(schema: dict) -> str:
    return (schema.get("$ref") or schema["anyOf"][0]["$ref"]).rpartition("/")[2]


class TestEveryRowIsRight:
    """Whoever may call a route does: else its refusals would prove nothing. What changes, changes a tenant of its own."""

    @each_owned
    @pytest.mark.parametrize("who", OWNERS)
    def test_an_owner_is_answered(self, house, method, route, who):
        there = house.acme
        if method != "GET":
            number = f"{list(ROWS).index((method, route))}-{list(OWNERS).index(who)}"
            there = house.settle(f"own-{number}", owners=["rita"])
            who = f"{who}, of its own tenant"
            IDENTITIES[who] = token("rita") if "record" in who else token("carl", "owner", [there.tenant])
        query = "force=true" if (method, route) == ("DELETE", INTEGRATION) else ""
        status, _, body = house.cell(method, route, who, "tenant", there, query=query)
        assert 200 <= status < 300, body

    @each_admins
    def test_a_superadmin_is_answered(self, house, method, route):
        there = house.acme
        if method != "GET":
            name = f"admin-{list(ROWS).index((method, route))}"
            body = {"id": name, "name": name, "source": {"bucket": f"bucket-{name}"}}
            house.made(f"{PREFIX}/tenants", ROOT, body)
            provider = house.made(f"{PREFIX}/cloud-providers", ROOT, {"preset": "s3", "slug": name})["id"]
            there = Belongings(name, provider)
        status, _, told = house.cell(method, route, "superadmin", "tenant", there)
        assert 200 <= status < 300, told
