"""``tenants/{t}/webhooks``."""

import base64

import pytest

from shared.api.schemas import webhooks as wire
from shared.domain import notice
from shared.usecases.webhooks import KINDS, MOST
from tests.unit.api.fakes import Api

ALL = "/api/v1/tenants/acme/webhooks"
BODY = {"url": "https://hooks.acme.example/in", "kinds": ["integration.failed"]}


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def made(api):
    return api.ask("POST", ALL, "anna", body=BODY)


def test_a_webhook_shows_its_key_once(api, made):
    key = made.json["secret"]
    assert (made.status, made.headers["Location"]) == (201, f"{ALL}/{made.json['id']}")
    assert len(base64.b64decode(key.removeprefix("whsec_"))) == 32
    shown = api.ask("GET", made.headers["Location"]).json
    assert shown == {name: value for name, value in made.json.items() if name != "secret"}
    for path in (ALL, made.headers["Location"], "/api/v1/tenants/acme/audit-events"):
        assert key not in api.ask("GET", path).text


def test_another_key_is_shown_once_too(api, made):
    answer = api.ask("POST", f"{made.headers['Location']}/rotate", headers={"if-match": '"1"'})
    assert (answer.status, answer.json["version"]) == (200, 2)
    assert answer.json["secret"] != made.json["secret"]
    assert api.ask("POST", f"{made.headers['Location']}/rotate", headers={"if-match": '"1"'}).status == 412


def test_a_patch_changes_what_it_names(api, made):
    one = made.headers["Location"]
    assert api.ask("PATCH", one, body={"enabled": False}).json["enabled"] is False
    assert api.ask("PATCH", one, body={"kinds": []}).json["kinds"] == []
    assert api.ask("PATCH", one, body={"url": "https://other.example/"}).json["version"] == 4


@pytest.mark.parametrize(
    "body",
    [
        {"url": None},
        {"kinds": None},
        {"enabled": "yes"},
        {"enabled": 1},
        {"url": "http://plain.example"},
        {"url": "https://internal.example"},
        {"kinds": ["webhook.test"]},
        {"kinds": ["integration.failed", "integration.failed"]},
        {"secret": "whsec_mine"},
        {"id": "whk_mine"},
        {"tenantId": "beta"},
        {"version": 9},
        {"createdBy": "me"},
    ],
)
def test_what_is_wrong_or_not_the_callers_is_refused(api, made, body):
    assert api.ask("PATCH", made.headers["Location"], body=body).status == 422
    assert api.ask("POST", ALL, body=BODY | body).status == 422
    assert len(api.town.webhooks.items) == 1


def test_a_tenant_has_no_more_than_a_few(api, made):
    for _ in range(MOST - 1):
        assert api.ask("POST", ALL, body=BODY).status == 201
    assert api.ask("POST", ALL, body=BODY).json["code"] == "conflict"
    first = api.ask("GET", ALL, query="limit=6").json
    rest = api.ask("GET", ALL, query=f"limit=6&cursor={first['nextCursor']}").json
    assert len(first["items"]) + len(rest["items"]) == MOST
    assert rest["nextCursor"] is None


def test_a_test_is_sent_at_once_and_told_as_a_delivery(api, made):
    answer = api.ask("POST", f"{made.headers['Location']}/test")
    assert (answer.status, answer.json["kind"], answer.json["status"]) == (200, "webhook.test", "delivered")
    assert [hook for _, hook in api.worlds.courier.brought] == [made.json["id"]]
    log = api.ask("GET", f"{made.headers['Location']}/deliveries").json
    assert log == {"items": [answer.json], "nextCursor": None}


def test_tests_are_limited_and_deliveries_come_in_pages(api, made):
    test = f"{made.headers['Location']}/test"
    for _ in range(10):
        api.ask("POST", test)
        api.town.clock.sleep(0.001)
    answer = api.ask("POST", test)
    assert (answer.status, answer.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    log = f"{made.headers['Location']}/deliveries"
    first = api.ask("GET", log, query="limit=7").json
    rest = api.ask("GET", log, query=f"limit=7&cursor={first['nextCursor']}").json
    assert (len(first["items"]), len(rest["items"]), rest["nextCursor"]) == (7, 3, None)


def test_a_change_may_insist_on_one_of_several_versions(api, made):
    one = made.headers["Location"]
    assert api.ask("PATCH", one, body={"enabled": False}, headers={"if-match": '"1", "7"'}).status == 200
    assert api.ask("DELETE", one, headers={"if-match": '"1", "7"'}).status == 412
    assert api.ask("PATCH", f"{ALL}/whk_none", body={}, headers={"if-match": '"1", "7"'}).status == 404


def test_a_webhook_goes(api, made):
    assert api.ask("DELETE", made.headers["Location"]).status == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test"), ("GET", "/deliveries")):
        assert api.ask(method, made.headers["Location"] + path).status == 404


def test_the_words_on_the_wire_are_the_domains():
    assert set(wire.Kind.__args__) == set(notice.NoticeKind.__value__.__args__)
    assert set(wire.Wanted.__args__) == set(KINDS)
