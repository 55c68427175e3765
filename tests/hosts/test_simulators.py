"""The rules that every simulated house keeps: codes, proofs, pages, rotation and ends."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.local.providers.simulator import HOUSES, Simulator
from infra.local.providers.visitor import NoPage, consent
from tests.hosts.simulated import CALLBACK, HTTP, allowed, at_house, back, refresh, tokens, trade, url_of, who


@pytest.fixture(params=sorted(HOUSES))
def house(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with at_house(request.param) as made:
        yield made


def test_consent_gives_a_code_and_the_code_gives_tokens_that_the_api_accepts(house: Simulator) -> None:
    given = tokens(house)
    assert given["token_type"].lower() == "bearer"
    assert given["expires_in"] == {"dropbox": 14_400, "google": 3599, "microsoft": 3599, "box": 3600}[house.house.name]
    assert who(house, given["access_token"]).status_code == 200
    assert who(house, given["access_token"] + "x").status_code == 401


def test_a_code_is_good_once_and_trying_it_again_ends_what_it_gave(house: Simulator) -> None:
    form = allowed(house)
    access = trade(house, form).json()["access_token"]
    again = trade(house, form)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert who(house, access).status_code == 401


def test_a_code_dies_of_age(house: Simulator) -> None:
    form = allowed(house)
    house.control(advance=house.house.rules.code + 1)
    assert trade(house, form).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changed", "errors"),
    [
        ({"code_verifier": "x" * 43}, {"invalid_grant"}),
        ({"code_verifier": ""}, {"invalid_grant"}),
        ({"redirect_uri": f"{CALLBACK}/"}, {"invalid_grant", "redirect_uri_mismatch", "invalid_client"}),
        ({"client_secret": "wrong"}, {"invalid_client"}),
        ({"client_id": "somebody"}, {"invalid_client", "unauthorized_client"}),
        ({"code": "unknown"}, {"invalid_grant"}),
        ({"grant_type": "password"}, {"unsupported_grant_type"}),
    ],
    ids=["verifier", "no verifier", "redirect uri", "secret", "client", "code", "grant type"],
)
def test_a_trade_that_is_not_the_consent_s_is_refused_and_uses_nothing_up(
    house: Simulator, changed: dict[str, str], errors: set[str]
) -> None:
    form = allowed(house)
    refused = trade(house, {**form, **changed})
    assert refused.status_code in (400, 401)
    assert refused.json()["error"] in errors
    assert trade(house, form).status_code == 200


def test_a_verifier_without_a_challenge_is_refused(house: Simulator) -> None:
    form = allowed(house, code_challenge="", code_challenge_method="plain")
    assert trade(house, form).json()["error"] == "invalid_grant"


def test_saying_no_brings_an_error_and_the_state_back(house: Simulator) -> None:
    said = back(consent(url_of(house)[0], allow=False))
    assert (said["error"], said["state"]) == ("access_denied", "the state")
    assert "code" not in said


@pytest.mark.parametrize(
    "wrong", [{"client_id": "x"}, {"redirect_uri": "https://evil.example/"}, {"scope": "everything"}]
)
def test_a_request_whose_client_or_redirect_uri_is_in_doubt_redirects_nobody(
    house: Simulator, wrong: dict[str, str]
) -> None:
    with pytest.raises(NoPage):
        consent(url_of(house, **wrong)[0])


def test_a_page_can_be_answered_once_and_only_by_itself(house: Simulator) -> None:
    url, _ = url_of(house)
    forged = HTTP.post(url, data={"ticket": "guessed", "answer": "allow", "person": house.house.people[0].id})
    assert forged.status_code == 400
    assert "Location" not in forged.headers


def test_a_page_cannot_be_framed_and_asks_nothing_from_elsewhere(house: Simulator) -> None:
    page = HTTP.get(url_of(house, state='"><script>alert(1)</script>')[0])
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert "://" not in page.text.replace("https://www.googleapis.com/auth/", "")  # scopes' names, no addresses


def test_a_repeated_parameter_is_refused(house: Simulator) -> None:
    url, _ = url_of(house)
    assert HTTP.get(f"{url}&state=other").status_code == 400


def test_two_racing_trades_of_one_code_give_tokens_once(house: Simulator) -> None:
    form = allowed(house)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: trade(house, form).status_code, range(8)))
    assert answers.count(200) == 1


def test_a_refresh_does_to_the_refresh_token_what_the_house_does(house: Simulator) -> None:
    first = tokens(house)["refresh_token"]
    answer = refresh(house, first)
    assert answer.status_code == 200
    assert who(house, answer.json()["access_token"]).status_code == 200
    replaced, still_good = "refresh_token" in answer.json(), refresh(house, first).status_code == 200
    assert (replaced, still_good) == {
        "dropbox": (False, True),
        "google": (False, True),
        "microsoft": (True, True),
        "box": (True, False),
    }[house.house.name]


def test_of_racing_refreshes_a_strict_house_serves_one() -> None:
    with at_house("box") as box:
        token = tokens(box)["refresh_token"]
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: refresh(box, token).status_code, range(8)))
        assert answers.count(200) == 1
        assert box.control()["calls"]["refresh"] == 8


def test_a_refresh_token_dies_of_age_or_idleness_where_it_does(house: Simulator) -> None:
    token = tokens(house)["refresh_token"]
    rules = house.house.rules
    life = rules.refresh or rules.idle
    house.control(advance=(life or 3650 * 86_400) + 1)
    assert refresh(house, token).status_code == (400 if life else 200)


def test_an_access_token_ends_with_time(house: Simulator) -> None:
    access = tokens(house)["access_token"]
    house.control(expire="access")
    assert who(house, access).status_code == 401


def test_what_a_person_revoked_at_the_house_is_over(house: Simulator) -> None:
    given = tokens(house)
    house.control(revoke=True)
    assert refresh(house, given["refresh_token"]).json()["error"] == "invalid_grant"
    assert who(house, given["access_token"]).status_code == 401


def test_a_refresh_cannot_widen_the_scopes(house: Simulator) -> None:
    token = tokens(house)["refresh_token"]
    wider = {
        "dropbox": "sharing.write",
        "google": "https://www.googleapis.com/auth/drive",
        "microsoft": "Sites.ReadWrite.All",
        "box": "manage_webhook",
    }[house.house.name]
    assert refresh(house, token, scope=wider).status_code == 400
