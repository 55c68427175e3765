"""What is done to one connection over HTTP: refresh, test, health, disconnect."""

from datetime import timedelta

import pytest

from shared.domain.errors import ProviderUnavailable
from tests.unit.api.test_consent import ALL, Consent
from tests.unit.api.test_integrations import S3


@pytest.fixture
def consent():
    made = Consent()
    made.back(made.house.approve(made.url))
    return made


def tokens(consent):
    return [*consent.house.accesses, *consent.house.refreshers]


def test_a_refresh_is_made_at_once_and_shows_no_token(consent):
    consent.api.town.clock.sleep(60)
    before = consent.api.ask("GET", consent.one).json
    answer = consent.api.ask("POST", f"{consent.one}/refresh")
    assert answer.status == 200
    assert answer.json["tokenExpiresAt"] > before["tokenExpiresAt"]
    assert answer.headers["ETag"] == f'"{answer.json["version"]}"'
    shown = answer.text + consent.api.ask("GET", "/api/v1/tenants/acme/audit-events").text
    assert [token for token in tokens(consent) if token in shown] == []


def test_a_refresh_that_the_provider_refuses_shows_in_the_record(consent):
    consent.api.town.clock.sleep(60)
    consent.house.withdraw()
    answer = consent.api.ask("POST", f"{consent.one}/refresh")
    assert (answer.status, answer.json["status"], answer.json["reason"]) == (200, "revoked", "grant_revoked")


def test_what_does_not_refresh_says_so(consent):
    consent.api.ask("POST", "/api/v1/cloud-providers", "root", body={"preset": "s3"})
    one = consent.api.ask("POST", ALL, body=S3).headers["Location"]
    answer = consent.api.ask("POST", f"{one}/refresh")
    assert (answer.status, answer.json["code"]) == (422, "not_supported")
    body = {"providerSlug": "dropbox", "name": "Not yet", "authType": "oauth2"}
    pending = consent.api.ask("POST", ALL, body=body).headers["Location"]
    answer = consent.api.ask("POST", f"{pending}/refresh")
    assert (answer.status, answer.json["code"]) == (409, "token_expired")


def test_a_request_without_time_says_so(consent):
    consent.api.town.clock.sleep(60)
    consent.api.town.deadline.left = 1.0
    answer = consent.api.ask("POST", f"{consent.one}/refresh")
    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "deadline_exceeded", "1")


def test_a_test_says_what_works(consent):
    answer = consent.api.ask("POST", f"{consent.one}/test")
    assert answer.status == 200
    assert {name: answer.json[name] for name in ("tokenValid", "apiReachable", "scopesValid", "code")} == {
        "tokenValid": True,
        "apiReachable": True,
        "scopesValid": True,
        "code": None,
    }
    assert isinstance(answer.json["milliseconds"], int)
    consent.house.withdraw()
    answer = consent.api.ask("POST", f"{consent.one}/test")
    assert (answer.status, answer.json["tokenValid"], answer.json["code"]) == (200, False, "grant_revoked")


@pytest.mark.parametrize("action", ["refresh", "test"])
def test_costly_actions_are_limited_for_each_integration(consent, action):
    statuses = [consent.api.ask("POST", f"{consent.one}/{action}").status for _ in range(11)]
    assert statuses == [200] * 10 + [429]
    body = {"providerSlug": "dropbox", "name": "Other", "authType": "oauth2"}
    other = consent.api.ask("POST", ALL, body=body).headers["Location"]
    assert consent.api.ask("POST", f"{other}/{action}").status != 429
    consent.api.town.clock.sleep(60)
    assert consent.api.ask("POST", f"{consent.one}/{action}").status == 200


def test_what_is_not_there_costs_nothing(consent):
    for action in ("refresh", "test", "disconnect", "oauth/start"):
        assert consent.api.ask("POST", f"{ALL}/int_none/{action}").status == 404
    assert "int_none" not in repr(consent.api.town.limits.spent)


def test_health_tells_what_is_known_and_asks_nobody(consent):
    calls = len(consent.api.town.script.calls)
    told = consent.api.ask("GET", f"{consent.one}/health").json
    asked = consent.api.town.script.calls[calls:]
    assert [call for call in asked if call.startswith("server")] == []
    assert (told["status"], told["reason"], told["failures"], told["whatToDo"]) == ("active", None, 0, None)
    assert told["nextRefreshAt"] < told["tokenExpiresAt"]
    consent.house.withdraw()
    consent.api.town.clock.sleep(timedelta(hours=2).total_seconds())
    consent.api.ask("POST", f"{consent.one}/refresh")
    told = consent.api.ask("GET", f"{consent.one}/health").json
    assert (told["status"], told["reason"], told["nextRefreshAt"]) == ("revoked", "grant_revoked", None)
    assert told["whatToDo"]


@pytest.mark.attack(35)
@pytest.mark.parametrize("fails", [False, True])
def test_disconnecting_erases_here_whatever_the_provider_says(consent, fails):
    if fails:
        consent.api.town.script.before["server.revoke"].append(ProviderUnavailable())
    version = consent.api.ask("GET", consent.one).json["version"]
    assert consent.api.ask("POST", f"{consent.one}/disconnect", headers={"if-match": '"1"'}).status == 412
    answer = consent.api.ask("POST", f"{consent.one}/disconnect", headers={"if-match": f'"{version}"'})
    reason = "disconnected_not_revoked" if fails else "disconnected"
    assert (answer.status, answer.json["status"], answer.json["reason"]) == (200, "revoked", reason)
    assert answer.json["tokenExpiresAt"] is None
    assert next(iter(consent.api.town.integrations.items.values())).tokens is None
    assert bool(consent.house.living()) == fails


def test_what_was_disconnected_can_be_connected_again(consent):
    consent.api.ask("POST", f"{consent.one}/disconnect")
    consent.begin()
    consent.back(consent.house.approve(consent.url))
    assert consent.status() == "active"
