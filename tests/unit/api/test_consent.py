"""Consents over HTTP: start, the callbacks, the last page. What a consent checks is proved in the use case's own tests."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.api.done import OUTCOMES, done
from tests.unit.api.fakes import PUBLIC, RETURN, Api

ALL = "/api/v1/tenants/acme/cloud-integrations"
CALLBACK = "/api/v1/oauth/dropbox/callback"
DONE = f"{PUBLIC}/api/v1/oauth/done"


class Consent:
    """One consent as a browser sees it."""

    def __init__(self, **start) -> None:
        self.api = Api()
        body = {"preset": "dropbox", "clientId": "c", "clientSecret": "s"}
        self.provider = self.api.ask("POST", "/api/v1/cloud-providers", "root", body=body).json
        body = {"providerSlug": "dropbox", "name": "Files", "authType": "oauth2"}
        self.one = self.api.ask("POST", ALL, body=body).headers["Location"]
        self.house = self.api.town.servers.house(self.provider["id"])
        self.begin(**start)

    def begin(self, **start) -> None:
        self.started = self.api.ask("POST", f"{self.one}/oauth/start", body=start)
        self.url = self.started.json.get("authorizationUrl", "")
        self.cookie = (self.started.cookies or [""])[0].partition(";")[0]

    def back(self, query, *, token=None, cookies=None, path=CALLBACK, **more):
        text = query if isinstance(query, str) else "&".join(f"{name}={value}" for name, value in query.items())
        cookies = [self.cookie] if cookies is None else cookies
        return self.api.ask("GET", path, token, query=text, cookies=cookies, **more)

    def status(self) -> str:
        return self.api.ask("GET", self.one).json["status"]


@pytest.fixture
def consent():
    return Consent()


def outcome(answer) -> dict[str, str]:
    assert answer.status == 303
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def test_a_start_binds_the_browser_that_asked_for_it(consent):
    assert consent.started.status == 200
    assert set(consent.started.json) == {"authorizationUrl", "expiresAt"}
    (cookie,) = consent.started.cookies
    name, _, attributes = cookie.partition("=")
    assert re.fullmatch(r"__Host-farshore-[0-9a-f]{16}", name)
    assert set(attributes.split("; ")[1:]) == {"Path=/", "Max-Age=600", "HttpOnly", "Secure", "SameSite=Lax"}
    sent = parse_qs(urlsplit(consent.url).query)
    assert sent["redirect_uri"] == [f"{PUBLIC}{CALLBACK}"]
    assert sent["code_challenge_method"] == ["S256"]


def test_a_start_needs_no_body(consent):
    assert consent.api.ask("POST", f"{consent.one}/oauth/start").status == 200


def test_a_consent_that_is_given_connects_and_goes_on_to_a_clean_page(consent):
    answer = consent.back(consent.house.approve(consent.url))
    assert answer.headers["Location"].partition("?")[0] == DONE
    assert outcome(answer) == {"outcome": "connected", "integration": consent.one.rpartition("/")[2]}
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    (cleared,) = answer.cookies
    assert cleared.startswith(consent.cookie.partition("=")[0] + "=;")
    assert "Max-Age=0" in cleared
    assert "Secure" in cleared
    assert consent.status() == "active"
    event = consent.api.town.audit.events("acme")[-1]
    assert (event.action, event.actor.origin) == ("integration.connected", "203.0.113.7")


def test_nothing_of_the_query_is_in_the_answer(consent):
    query = consent.house.approve(consent.url) | {"error_description": "canary", "session_state": "canary"}
    answer = consent.back(query)
    told = answer.headers["Location"] + answer.text if answer.text else answer.headers["Location"]
    assert query["code"] not in told
    assert query["state"] not in told
    assert "canary" not in told
    assert consent.status() == "active"


def test_the_integrations_own_callback_serves_a_start_that_asked_for_it():
    consent = Consent(callback="integration")
    path = f"{consent.one}/oauth/callback"
    assert parse_qs(urlsplit(consent.url).query)["redirect_uri"] == [f"{PUBLIC}{path}"]
    assert outcome(consent.back(consent.house.approve(consent.url), path=path))["outcome"] == "connected"


@pytest.mark.attack(27)
@pytest.mark.parametrize("path", [f"{ALL}/int_other/oauth/callback", "/api/v1/oauth/box/callback"])
def test_no_other_callback_does(consent, path):
    assert outcome(consent.back(consent.house.approve(consent.url), path=path)) == {"outcome": "oauth_state_invalid"}
    assert consent.status() == "pending"


def test_the_browser_goes_where_the_start_said():
    consent = Consent(returnTo=RETURN)
    answer = consent.back(consent.house.approve(consent.url))
    assert answer.headers["Location"].startswith(f"{RETURN}?outcome=connected&integration=int_")
    consent.begin(returnTo=RETURN)
    answer = consent.back(consent.house.deny(consent.url))
    assert answer.headers["Location"] == f"{RETURN}?outcome=oauth_access_denied"


@pytest.mark.attack(25)
@pytest.mark.parametrize(
    "url",
    [
        "//evil.example",
        "https://evil.example",
        f"{RETURN}.evil.example",
        f"{RETURN}/../x",
        f"{RETURN}?x=1",
        "https://app.acme.example@evil.example/connections",
        "https://app.acme.example\\@evil.example",
        "javascript:alert(1)",
        RETURN.upper(),
        RETURN.replace("/", "%2f"),
    ],
)
def test_no_other_return_url_is_taken(consent, url):
    consent.begin(returnTo=url)
    assert consent.started.status == 422
    assert "evil" not in consent.started.text


@pytest.mark.attack(22)
@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
def test_a_parameter_that_is_there_twice_is_refused_and_the_consent_is_not_used_up(consent, name):
    query = consent.house.approve(consent.url)
    text = "&".join(f"{key}={value}" for key, value in query.items())
    twice = f"{text}&{name}={query.get(name, 'x')}" + ("" if name in query else f"&{name}=y")
    assert outcome(consent.back(twice)) == {"outcome": "oauth_request_invalid"}
    assert outcome(consent.back(query))["outcome"] == "connected"


@pytest.mark.attack(24)
@pytest.mark.parametrize("name", ["state", "code", "iss", "error"])
@pytest.mark.parametrize("value", ["", "x" * 2049, "%20"])
def test_a_parameter_that_is_blank_or_too_long_is_refused(consent, name, value):
    query = consent.house.approve(consent.url) | {name: value}
    assert outcome(consent.back(query))["outcome"] in ("oauth_request_invalid", "oauth_state_invalid")
    assert consent.status() == "pending"


@pytest.mark.attack(23)
def test_an_answer_by_post_is_not_taken(consent):
    query = consent.house.approve(consent.url)
    text = "&".join(f"{key}={value}" for key, value in query.items())
    posted = consent.api.ask("POST", CALLBACK, None, raw=text, cookies=[consent.cookie])
    assert (posted.status, posted.headers["Allow"]) == (405, "GET")
    assert outcome(consent.back(query, raw="state=1"))["outcome"] == "oauth_request_invalid"
    assert consent.status() == "pending"


@pytest.mark.parametrize("query", ["", "state=%ff&code=x", "&".join(f"a{n}=1" for n in range(100))])
def test_a_query_that_is_none_is_refused(consent, query):
    assert outcome(consent.back(query)) == {"outcome": "oauth_request_invalid"}


@pytest.mark.attack(1)
def test_an_answer_without_state_is_refused(consent):
    code = consent.house.approve(consent.url)["code"]
    assert outcome(consent.back({"code": code})) == {"outcome": "oauth_request_invalid"}


def test_cookies_are_found_where_a_gateway_leaves_them_in_their_header(consent):
    sent = {"cookie": f"other=1; {consent.cookie}"}
    answer = consent.back(consent.house.approve(consent.url), cookies=[], headers=sent)
    assert outcome(answer)["outcome"] == "connected"


@pytest.mark.attack(7)
@pytest.mark.parametrize("cookies", [[], ["__Host-farshore-0000000000000000=x"], ["other=1"]])
def test_another_browser_finishes_nothing(consent, cookies):
    answer = consent.back(consent.house.approve(consent.url), cookies=cookies)
    assert outcome(answer) == {"outcome": "oauth_browser_mismatch"}
    assert answer.cookies == []
    assert consent.status() == "pending"


def test_another_user_finishes_nothing(consent):
    answer = consent.back(consent.house.approve(consent.url), token="olga")
    assert outcome(answer) == {"outcome": "oauth_browser_mismatch"}
    assert consent.status() == "pending"


@pytest.mark.attack(3)
def test_an_answer_works_once(consent):
    query = consent.house.approve(consent.url)
    assert outcome(consent.back(query))["outcome"] == "connected"
    assert outcome(consent.back(query)) == {"outcome": "oauth_state_invalid"}


@pytest.mark.attack(26)
def test_where_browsers_are_sent_back_to_comes_from_no_header(consent):
    headers = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    again = consent.api.ask("POST", f"{consent.one}/oauth/start", body={}, headers=headers)
    assert "evil" not in again.text
    answer = consent.back(consent.house.approve(consent.url), headers=headers)
    assert answer.headers["Location"].startswith(DONE)


class TestACommandOnTheUsersComputer:
    LOOPBACK = "http://127.0.0.1:49152/farshore"

    @pytest.fixture
    def consent(self):
        return Consent(loopback=self.LOOPBACK)

    def test_is_handed_the_answer_and_finishes_as_the_signed_in_user(self, consent):
        query = consent.house.approve(consent.url)
        handed = consent.back(query, cookies=[])
        assert handed.status == 303
        assert handed.headers["Location"].startswith(self.LOOPBACK + "?")
        assert outcome(handed) == query
        assert handed.cookies == []
        assert consent.status() == "pending"
        assert outcome(consent.back(query, token="anna"))["outcome"] == "connected"

    def test_does_not_finish_without_its_token_or_with_anothers(self, consent):
        query = consent.house.approve(consent.url)
        for token in (None, "olga", "nonsense"):
            assert outcome(consent.back(query, token=token)) == {"outcome": "oauth_browser_mismatch"}
        assert consent.status() == "pending"

    @pytest.mark.parametrize(
        "url",
        [
            "http://localhost:49152/x",
            "https://127.0.0.1:49152/x",
            "http://127.0.0.1:80/x",
            "http://127.0.0.1:70000/x",
            "http://127.0.0.2:49152/x",
            "http://127.0.0.1:49152@evil.example/x",
            "http://127.0.0.1:49152/x?y=1",
            "http://127.0.0.1:49152/../x",
            "http://evil.example:49152/x",
        ],
    )
    def test_waits_on_this_computer_and_nowhere_else(self, consent, url):
        consent.begin(loopback=url)
        assert consent.started.status == 422


def test_starts_and_callbacks_are_limited(consent):
    statuses = [consent.api.ask("POST", f"{consent.one}/oauth/start", body={}).status for _ in range(10)]
    assert statuses == [200] * 9 + [429]  # the first was the fixture's
    answers = [consent.back("state=x&code=y") for _ in range(31)]
    assert {answer.status for answer in answers[:30]} == {303}
    assert (answers[30].status, answers[30].json["code"]) == (429, "too_many_requests")
    assert int(answers[30].headers["Retry-After"]) >= 1
    consent.api.town.clock.sleep(60)
    assert consent.back("state=x&code=y").status == 303


def test_when_our_side_fails_the_browser_goes_on_all_the_same(consent):
    consent.api.town.down("flows.look")
    answer = consent.back(consent.house.approve(consent.url))
    assert outcome(answer) == {"outcome": "state_unavailable"}
    assert len(consent.api.reported) == 1


def test_what_is_not_foreseen_is_told_as_internal_and_reported(consent):
    consent.api.town.script.before["flows.look"].append(RuntimeError("canary"))
    answer = consent.back(consent.house.approve(consent.url))
    assert outcome(answer) == {"outcome": "internal"}
    assert [str(error) for error in consent.api.reported] == ["canary"]


class TestTheLastPage:
    def ask(self, query=""):
        return Api().ask("GET", "/api/v1/oauth/done", None, query=query)

    @pytest.mark.parametrize("code", sorted(OUTCOMES))
    def test_says_what_an_outcome_means(self, code):
        answer = self.ask(f"outcome={code}")
        assert answer.status == 200
        assert OUTCOMES[code].replace("'", "&#x27;") in answer.text

    def test_says_that_it_is_connected(self):
        assert "Connected" in self.ask("outcome=connected&integration=int_1").text

    @pytest.mark.attack(28)
    @pytest.mark.parametrize(
        "query",
        [
            "outcome=<script>alert(1)</script>",
            "outcome=%3Cscript%3Ealert(1)%3C/script%3E",
            "outcome=oauth_access_denied%22%3E&integration=%3Cimg%20src=x%3E",
            "outcome=canary&error_description=%3Cb%3Ecanary",
            "outcome=canary&outcome=connected",
            "outcome=%ff",
            "",
            "&".join(f"a{n}=1" for n in range(100)),
        ],
    )
    def test_repeats_nothing_that_it_was_told(self, query):
        assert self.ask(query).text == done("")

    def test_has_no_script_and_nothing_from_elsewhere(self):
        answer = self.ask("outcome=connected")
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|https?:", answer.text)
        assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
