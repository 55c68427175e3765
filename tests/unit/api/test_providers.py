"""``cloud-providers``, their presets, and what tenants may choose from."""

import pytest

from shared.api.schemas import providers as wire
from shared.domain import integration, provider
from shared.domain.presets import PRESETS
from tests.unit.api.fakes import PUBLIC, Api

ALL = "/api/v1/cloud-providers"
SECRET = "canary-client-secret"
DROPBOX = {"preset": "dropbox", "clientId": "client-1", "clientSecret": SECRET}


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def made(api):
    return api.ask("POST", ALL, "root", body=DROPBOX)


def test_a_preset_needs_a_client_and_nothing_else(api, made):
    told = made.json
    assert (made.status, made.headers["ETag"]) == (201, '"1"')
    assert made.headers["Location"] == f"{ALL}/{told['id']}"
    assert (told["slug"], told["clientId"], told["hasClientSecret"]) == ("dropbox", "client-1", True)
    assert told["redirectUri"] == f"{PUBLIC}/api/v1/oauth/dropbox/callback"
    assert told["authorizeParameters"] == dict(PRESETS["dropbox"].authorize_parameters)
    assert (told["grantType"], told["pkce"], told["enabled"], told["createdBy"]) == (
        "authorization_code",
        "S256",
        True,
        "root",
    )
    assert api.ask("GET", made.headers["Location"], "root").json == told


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_becomes_a_provider(api, preset):
    shown = next(
        it for it in api.ask("GET", "/api/v1/cloud-provider-presets", "root").json["items"] if it["preset"] == preset
    )
    body = {"preset": preset} | ({"clientId": "c", "clientSecret": "s"} if "oauth2" in shown["authTypes"] else {})
    told = api.ask("POST", ALL, "root", body=body).json
    assert {name: told[name] for name in shown if name != "preset"} == {
        name: value for name, value in shown.items() if name != "preset"
    }


def test_a_client_secret_is_sealed_and_never_shown(api, made):
    stored = api.town.providers.items[made.json["id"]]
    assert SECRET.encode() not in stored.secret.box
    for path in (ALL, f"{ALL}/{made.json['id']}", "/api/v1/audit-events", "/api/v1/audit-events/export"):
        assert SECRET not in api.ask("GET", path, "root").text
    assert SECRET not in made.text


def test_whatever_a_preset_says_can_be_said_otherwise(api):
    body = DROPBOX | {
        "name": "Files",
        "slug": "files-eu",
        "tokenUrl": "https://eu.example/token",
        "revokeUrl": None,
        "authorizeParameters": {"token_access_type": None, "locale": "de"},
        "metadata": {"color": "#000000"},
        "enabled": False,
    }
    told = api.ask("POST", ALL, "root", body=body).json
    assert (told["name"], told["slug"], told["tokenUrl"], told["revokeUrl"]) == (
        "Files",
        "files-eu",
        "https://eu.example/token",
        None,
    )
    assert told["authorizeParameters"] == {"locale": "de"}
    assert told["metadata"]["color"] == "#000000"
    assert told["metadata"]["description"] == PRESETS["dropbox"].metadata.description
    assert told["enabled"] is False


@pytest.mark.parametrize(
    "body",
    [
        {"preset": "nothing"},
        {},
        {"preset": "dropbox"},
        DROPBOX | {"tokenUrl": "http://plain.example/token"},
        DROPBOX | {"tokenUrl": "https://internal.example/token"},
        DROPBOX | {"pkce": "plain"},
        DROPBOX | {"pkce": None},
        DROPBOX | {"grantType": "implicit"},
        DROPBOX | {"clientSecret": None},
        DROPBOX | {"clientSecret": ""},
        DROPBOX | {"clientSecret": "line\nbreak"},
        DROPBOX | {"authorizeParameters": {"state": "mine"}},
        DROPBOX | {"authorizeParameters": {"redirect_uri": "https://evil.example"}},
        DROPBOX | {"slug": "../x"},
        DROPBOX | {"slug": None},
        DROPBOX | {"scopes": ["a b"]},
        DROPBOX | {"id": "prv_mine"},
        DROPBOX | {"createdBy": "me"},
        DROPBOX | {"version": 7},
        DROPBOX | {"redirectUri": "https://evil.example"},
        DROPBOX | {"uses": 0},
    ],
)
def test_what_is_wrong_or_not_the_callers_is_refused_and_nothing_is_kept(api, body):
    answer = api.ask("POST", ALL, "root", body=body)
    assert answer.status == 422
    assert SECRET not in answer.text
    assert api.town.providers.items == {}


def test_a_slug_is_taken_once(api, made):
    assert api.ask("POST", ALL, "root", body=DROPBOX).json["code"] == "already_exists"


def test_a_patch_is_merged(api, made):
    one = made.headers["Location"]
    patch = {"authorizeParameters": {"locale": "de"}, "metadata": {"icon": "box"}, "idleDays": 90, "issuer": None}
    told = api.ask("PATCH", one, "root", body=patch).json
    assert told["authorizeParameters"] == {"token_access_type": "offline", "locale": "de"}
    assert told["metadata"] == made.json["metadata"] | {"icon": "box"}
    assert (told["idleDays"], told["version"], told["hasClientSecret"]) == (90, 2, True)
    assert api.ask("PATCH", one, "root", body={"idleDays": None}).json["idleDays"] is None


def test_a_merge_is_made_again_on_what_is_there_by_then(api, made):
    def meanwhile():
        from dataclasses import replace

        was = api.town.providers.items[made.json["id"]]
        more = {**was.authorize_parameters, "theirs": "1"}
        api.town.providers.elsewhere(replace(was, authorize_parameters=more, version=was.version + 1))

    api.town.script.meanwhile["providers.change"] = meanwhile
    told = api.ask("PATCH", made.headers["Location"], "root", body={"authorizeParameters": {"ours": "2"}}).json
    assert told["authorizeParameters"] == {"token_access_type": "offline", "theirs": "1", "ours": "2"}


@pytest.mark.parametrize(
    "body", [{"slug": "other"}, {"connector": "box"}, {"preset": "box"}, {"enabled": None}, {"name": ""}]
)
def test_a_patch_of_what_is_fixed_is_refused(api, made, body):
    assert api.ask("PATCH", made.headers["Location"], "root", body=body).status == 422


def test_a_secret_is_not_sent_to_another_place_than_it_was_told_for(api, made):
    one = made.headers["Location"]
    elsewhere = {"tokenUrl": "https://elsewhere.example/token"}
    assert api.ask("PATCH", one, "root", body=elsewhere).status == 422
    assert api.ask("PATCH", one, "root", body=elsewhere | {"clientSecret": "another"}).status == 200


def test_a_provider_in_use_stays_and_one_that_is_not_goes(api, made):
    body = {"providerId": made.json["id"], "name": "n", "authType": "oauth2"}
    integration = api.ask("POST", "/api/v1/tenants/acme/cloud-integrations", "anna", body=body)
    assert integration.status == 201
    assert api.ask("DELETE", made.headers["Location"], "root").json["code"] == "in_use"
    api.ask("DELETE", integration.headers["Location"], "anna")
    assert api.ask("DELETE", made.headers["Location"], "root").status == 204
    assert api.ask("GET", made.headers["Location"], "root").status == 404


def test_a_tenant_chooses_from_what_is_enabled_and_sees_nothing_else_of_it(api, made):
    api.ask("POST", ALL, "root", body={"preset": "s3", "enabled": False})
    choices = api.ask("GET", "/api/v1/tenants/acme/providers", "anna").json["items"]
    shown = {"id", "name", "slug", "connector", "authTypes", "scopes", "metadata", "externalId"}
    assert [set(it) for it in choices] == [shown]
    assert (choices[0]["id"], choices[0]["externalId"]) == (made.json["id"], None)


def test_a_tenant_is_told_its_external_id_before_there_is_a_role_and_not_what_only_operators_add(api):
    for preset in ("s3", "azure-blob"):
        api.ask("POST", ALL, "root", body={"preset": preset})
    told = {it["slug"]: it for it in api.ask("GET", "/api/v1/tenants/acme/providers", "anna").json["items"]}
    assert (told["s3"]["externalId"], told["azure-blob"]["externalId"]) == ("farshore-acme", None)
    assert "workload_identity" not in told["azure-blob"]["authTypes"]
    (other,) = api.ask("GET", "/api/v1/tenants/beta/providers", "olga", query="limit=1").json["items"][:1] or [None]
    assert other["externalId"] in (None, "farshore-beta")


def test_presets_and_providers_are_listed_in_pages(api):
    names, cursor = [], ""
    while cursor is not None:
        query = "limit=3" + (f"&cursor={cursor}" if cursor else "")
        page = api.ask("GET", "/api/v1/cloud-provider-presets", "root", query=query).json
        names, cursor = names + [it["preset"] for it in page["items"]], page["nextCursor"]
    assert names == sorted(PRESETS)


def test_without_a_public_url_there_is_no_redirect_uri_to_register():
    api = Api(public_url="")
    assert api.ask("POST", ALL, "root", body=DROPBOX).json["redirectUri"] is None


def test_the_words_on_the_wire_are_the_domains():
    for mine, theirs in (
        (wire.AuthType, integration.AuthType),
        (wire.Dialect, provider.Dialect),
        (wire.Rotation, provider.Rotation),
        (wire.TokenMethod, provider.TokenMethod),
    ):
        assert set(mine.__args__) == set(theirs.__value__.__args__)
