"""``tenants/{t}/cloud-integrations``: records and credentials."""

import pytest

from shared.api.schemas import integrations as wire
from shared.domain import integration
from shared.domain.audit import Actor, AuditEvent
from shared.domain.rule import Rule, Target
from tests.unit.api.fakes import NOW, Api

ALL = "/api/v1/tenants/acme/cloud-integrations"
KEY = "canary-secret-access-key"
S3 = {
    "providerSlug": "s3",
    "name": "Backups",
    "authType": "access_key",
    "container": "acme-backups",
    "settings": {"region": "eu-central-1"},
    "credentials": {"accessKeyId": "AKIA", "secretAccessKey": KEY},
}


@pytest.fixture
def api():
    made = Api()
    made.ask("POST", "/api/v1/cloud-providers", "root", body={"preset": "s3"})
    made.ask(
        "POST", "/api/v1/cloud-providers", "root", body={"preset": "dropbox", "clientId": "c", "clientSecret": "s"}
    )
    return made


@pytest.fixture
def made(api):
    return api.ask("POST", ALL, body=S3)


def test_by_credentials_it_is_active_at_once_and_they_are_never_shown(api, made):
    assert (made.status, made.headers["ETag"]) == (201, '"1"')
    told = made.json
    assert (told["status"], told["reason"], told["hasCredentials"], told["isActive"]) == ("active", None, True, True)
    assert (told["tenantId"], told["createdBy"], told["connector"]) == ("acme", "anna", "s3")
    assert api.ask("GET", made.headers["Location"]).json == told
    for path in (ALL, made.headers["Location"], f"{made.headers['Location']}/health"):
        assert KEY not in api.ask("GET", path).text
    assert KEY not in api.ask("GET", "/api/v1/tenants/acme/audit-events").text


def test_a_role_is_told_the_external_id_that_it_has_to_ask_for_and_nobody_chooses_it(api):
    role = {**S3, "authType": "iam_role", "settings": {"roleArn": "arn:aws:iam::123456789012:role/farshore"}}
    chosen = api.ask("POST", ALL, body=role | {"credentials": {"externalId": "farshore-beta"}})
    assert (chosen.status, "farshore-acme" in chosen.json["detail"]) == (422, True)
    del role["credentials"]
    told = api.ask("POST", ALL, body=role)
    assert (told.status, told.json["externalId"], told.json["hasCredentials"]) == (201, "farshore-acme", True)
    renewed = api.ask("PATCH", told.headers["Location"], body={"credentials": {}})
    assert (renewed.status, renewed.json["externalId"]) == (200, "farshore-acme")
    assert api.ask("POST", ALL, body=S3).json["externalId"] is None


def test_by_consent_it_is_pending_until_then(api):
    body = {"providerSlug": "dropbox", "name": "Files", "authType": "oauth2", "container": "/Backups"}
    told = api.ask("POST", ALL, body=body).json
    assert (told["status"], told["hasCredentials"], told["accountId"], told["tokenExpiresAt"]) == (
        "pending",
        False,
        None,
        None,
    )


def test_an_owner_that_the_record_names_needs_no_role(api):
    path = ALL.replace("acme", "beta")
    assert api.ask("POST", path, "olga", body=S3).status == 201
    assert api.ask("GET", path, "olga").json["items"][0]["createdBy"] == "olga"
    assert api.ask("GET", path, "milo").status == 403
    assert api.ask("GET", path, "anna").status == 404


@pytest.mark.parametrize(
    "more",
    [
        {"status": "active"},
        {"tenantId": "beta"},
        {"id": "int_mine"},
        {"version": 5},
        {"createdBy": "me"},
        {"accessToken": KEY},
        {"refreshToken": KEY},
        {"tokens": {"access": KEY}},
        {"tokenExpiresAt": "2030-01-01T00:00:00Z"},
        {"scopesGranted": ["all"]},
        {"accountId": "me"},
        {"connector": "azure_blob"},
        {"reason": None},
        {"connectedAt": "2026-01-01T00:00:00Z"},
        {"credentials": {"accessKeyId": "AKIA"}},
        {"credentials": None},
        {"credentials": {}},
        {"credentials": {"accessKeyId": "AKIA", "secretAccessKey": [KEY]}},
        {"settings": {"region": "eu-central-1", "secretAccessKey": KEY}},
        {"settings": {"region": "eu-central-1", "endpoint": "https://internal.example"}},
        {"authType": "password"},
        {"authType": "oauth2"},
        {"name": ""},
        {"container": "../x"},
        {"isActive": "yes"},
        {"providerId": "prv_x"},
        {"providerSlug": None},
    ],
)
def test_what_is_wrong_or_not_the_callers_is_refused_and_nothing_is_kept(api, more):
    answer = api.ask("POST", ALL, body=S3 | more)
    assert answer.status == 422
    assert KEY not in answer.text
    assert api.town.integrations.items == {}
    assert api.reported == []


@pytest.mark.parametrize("named", [{"providerSlug": "none"}, {"providerId": "prv_none", "providerSlug": ...}])
def test_a_provider_that_is_not_there_is_not_found(api, named):
    body = {name: value for name, value in (S3 | named).items() if value is not ...}
    assert api.ask("POST", ALL, body=body).status == 404


def test_a_patch_changes_what_it_names(api, made):
    one = made.headers["Location"]
    told = api.ask("PATCH", one, body={"name": "Other", "isActive": False}).json
    assert (told["name"], told["isActive"], told["container"], told["version"]) == ("Other", False, "acme-backups", 2)
    told = api.ask("PATCH", one, body={"settings": {"region": "eu-west-1"}, "credentials": S3["credentials"]}).json
    assert told["settings"] == {"region": "eu-west-1"}
    alone = api.ask("PATCH", one, body={"settings": {"region": "us-east-1"}})
    assert (alone.status, alone.json["code"]) == (422, "invalid_input")


@pytest.mark.parametrize(
    "body",
    [
        {"status": "active"},
        {"providerId": "prv_other"},
        {"authType": "oauth2"},
        {"tenantId": "beta"},
        {"version": 1},
        {"name": None},
        {"credentials": None},
        {"isActive": None},
        {"settings": {"region": 5}},
        {"refreshToken": KEY},
    ],
)
def test_a_patch_of_what_is_fixed_is_refused(api, made, body):
    answer = api.ask("PATCH", made.headers["Location"], body=body)
    assert answer.status == 422
    assert KEY not in answer.text
    assert api.ask("GET", made.headers["Location"]).json["version"] == 1


def test_integrations_are_listed_in_pages_of_their_tenant(api, made):
    for _ in range(4):
        api.ask("POST", ALL, body=S3)
    first = api.ask("GET", ALL, query="limit=3").json
    rest = api.ask("GET", ALL, query=f"limit=3&cursor={first['nextCursor']}").json
    ids = [it["id"] for it in first["items"] + rest["items"]]
    assert (len(ids), ids, rest["nextCursor"]) == (5, sorted(ids), None)
    foreign = api.ask("GET", ALL.replace("acme", "beta"), "olga", query=f"cursor={first['nextCursor']}")
    assert (foreign.status, foreign.json["code"]) == (422, "invalid_cursor")


def test_one_that_a_rule_uses_stays_unless_forced(api, made):
    rule = Rule("r1", "acme", Target("backup", made.json["id"]), NOW)
    api.town.rules.add(rule, AuditEvent("acme", NOW, Actor("test"), "rule.added", "rule/r1"))
    one = made.headers["Location"]
    answer = api.ask("DELETE", one)
    assert (answer.status, answer.json["code"]) == (409, "in_use")
    assert "r1" in answer.json["detail"]
    assert api.ask("DELETE", one, query="force=maybe").status == 422
    assert api.ask("DELETE", one, query="force=true").status == 204
    assert api.town.rules.items["acme", "r1"].paused
    assert api.ask("GET", one).status == 404


def test_the_words_on_the_wire_are_the_domains():
    assert set(wire.Status.__args__) == set(integration.Status.__value__.__args__)
