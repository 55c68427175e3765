"""The simulators keep the rules of the houses they stand for, as those houses' own clients and the standards see them."""

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import jwt
import msal
import pytest
import requests
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request as GoogleTransport
from google.oauth2 import id_token as google_id_token
from google.oauth2.credentials import Credentials

from infra.local.providers.house import Client
from infra.local.providers.simulator import HOUSES, Simulator, simulator
from infra.local.providers.visitor import NoPage, consent

CALLBACK = "http://127.0.0.1:9/callback"
HTTP = httpx.Client(timeout=10)
PATHS = {
    "dropbox": ("/oauth2/authorize", "/oauth2/token"),
    "google": ("/o/oauth2/v2/auth", "/token"),
    "microsoft": ("/common/oauth2/v2.0/authorize", "/common/oauth2/v2.0/token"),
    "box": ("/api/oauth2/authorize", "/oauth2/token"),
}
OFFLINE: Mapping[str, Mapping[str, str]] = {
    "dropbox": {"token_access_type": "offline", "scope": "account_info.read files.content.write"},
    "google": {
        "access_type": "offline",
        "prompt": "consent",
        "scope": "openid email https://www.googleapis.com/auth/drive.file",
    },
    "microsoft": {"scope": "openid profile offline_access Files.ReadWrite"},
    "box": {"scope": "root_readwrite"},
}


@pytest.fixture(params=sorted(HOUSES))
def house(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with simulator(request.param) as made:
        made.control(register=[CALLBACK])
        yield made


@pytest.fixture
def google() -> Iterator[Simulator]:
    with simulator("google") as made:
        made.control(register=[CALLBACK])
        yield made


@pytest.fixture
def microsoft() -> Iterator[Simulator]:
    with simulator("microsoft") as made:
        made.control(register=[CALLBACK])
        yield made


def url_of(at: Simulator, **more: str) -> tuple[str, str]:
    """An authorization URL, and the verifier of its challenge."""
    verifier = secrets.token_urlsafe(32)
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    said = {
        "response_type": "code",
        "client_id": at.client.id,
        "redirect_uri": CALLBACK,
        "state": "the state",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **OFFLINE[at.house.name],
        **more,
    }
    return f"{at.base}{PATHS[at.house.name][0]}?{urlencode(said)}", verifier


def back(location: str) -> dict[str, str]:
    """What came back, each parameter once."""
    assert location.startswith(f"{CALLBACK}?")
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


def allowed(at: Simulator, *, person: int = 0, **more: str) -> dict[str, str]:
    """Goes through the consent page; the form of the code's trade."""
    url, verifier = url_of(at, **more)
    said = back(consent(url, person=person))
    assert said["state"] == "the state"
    return {
        "grant_type": "authorization_code",
        "code": said["code"],
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
        "client_id": at.client.id,
        "client_secret": at.client.secret,
    }


def trade(at: Simulator, form: Mapping[str, str], **more: Any) -> httpx.Response:
    return HTTP.post(at.base + PATHS[at.house.name][1], data=dict(form), **more)


def tokens(at: Simulator, *, person: int = 0, **more: str) -> dict[str, Any]:
    answer = trade(at, allowed(at, person=person, **more))
    assert answer.status_code == 200, answer.text
    return answer.json()


def refresh(at: Simulator, token: str, **more: str) -> httpx.Response:
    proof = {"client_id": at.client.id, "client_secret": at.client.secret}
    return trade(at, {"grant_type": "refresh_token", "refresh_token": token, **proof, **more})


def who(at: Simulator, access: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {access}"}
    match at.house.name:
        case "dropbox":
            return HTTP.post(f"{at.base}/2/users/get_current_account", headers=headers)
        case "google":
            return HTTP.get(f"{at.base}/v1/userinfo", headers=headers)
        case "microsoft":
            return HTTP.get(f"{at.base}/v1.0/me", headers=headers)
    return HTTP.get(f"{at.base}/2.0/users/me", headers=headers)


# --- rules that every house keeps


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


# --- rotation


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
    with simulator("box") as box:
        box.control(register=[CALLBACK])
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


# --- each house's own ways


def test_dropbox_names_the_account_in_the_answer_and_gives_a_refresh_token_only_offline() -> None:
    with simulator("dropbox") as dropbox:
        dropbox.control(register=[CALLBACK])
        given = tokens(dropbox, person=1)
        assert given["account_id"].startswith("dbid:")
        assert who(dropbox, given["access_token"]).json()["account_id"] == given["account_id"]
        assert given["scope"] == OFFLINE["dropbox"]["scope"]
        assert "refresh_token" not in tokens(dropbox, token_access_type="online")


def test_dropbox_says_which_scope_is_missing_and_whether_a_token_is_over_or_wrong() -> None:
    with simulator("dropbox") as dropbox:
        dropbox.control(register=[CALLBACK])
        access = tokens(dropbox, scope="files.content.read")["access_token"]
        missing = who(dropbox, access)
        assert (missing.status_code, missing.json()["error"]) == (
            401,
            {".tag": "missing_scope", "required_scope": "account_info.read"},
        )
        dropbox.control(expire="access")
        assert who(dropbox, access).json()["error"] == {".tag": "expired_access_token"}
        assert who(dropbox, "x").json()["error"] == {".tag": "invalid_access_token"}


def test_dropbox_revokes_by_access_token_and_ends_the_refresh_token_with_it() -> None:
    with simulator("dropbox") as dropbox:
        dropbox.control(register=[CALLBACK])
        given, other = tokens(dropbox), tokens(dropbox)
        ended = HTTP.post(
            f"{dropbox.base}/2/auth/token/revoke", headers={"Authorization": f"Bearer {given['access_token']}"}
        )
        assert ended.status_code == 200
        assert refresh(dropbox, given["refresh_token"]).json()["error"] == "invalid_grant"
        assert refresh(dropbox, other["refresh_token"]).status_code == 200


def test_dropbox_serves_a_public_client_that_has_the_verifier() -> None:
    with simulator("dropbox") as dropbox:
        dropbox.control(register=[CALLBACK])
        form = {name: value for name, value in allowed(dropbox).items() if name != "client_secret"}
        assert trade(dropbox, form).status_code == 200


def test_google_gives_a_refresh_token_again_only_when_consent_is_prompted(google: Simulator) -> None:
    assert "refresh_token" in tokens(google, prompt="select_account")
    assert "refresh_token" not in tokens(google, prompt="select_account")
    assert "refresh_token" in tokens(google, prompt="consent")


def test_google_grants_what_was_ticked_and_says_so(google: Simulator) -> None:
    url, verifier = url_of(google)
    said = back(consent(url, without=["https://www.googleapis.com/auth/drive.file"]))
    assert said["iss"] == google.base
    form = {"grant_type": "authorization_code", "code": said["code"], "redirect_uri": CALLBACK}
    proof = {"code_verifier": verifier, "client_id": google.client.id, "client_secret": google.client.secret}
    given = trade(google, {**form, **proof}).json()
    assert set(given["scope"].split()) == {"openid", "https://www.googleapis.com/auth/userinfo.email"}


def test_google_merges_earlier_grants_when_asked(google: Simulator) -> None:
    tokens(google)
    merged = tokens(google, scope="openid", include_granted_scopes="true")["scope"].split()
    assert "https://www.googleapis.com/auth/drive.file" in merged


def test_google_ends_every_token_of_a_person_when_one_is_revoked(google: Simulator) -> None:
    first, second, others = tokens(google), tokens(google), tokens(google, person=1)
    assert HTTP.post(f"{google.base}/revoke", data={"token": first["access_token"]}).status_code == 200
    assert refresh(google, second["refresh_token"]).json()["error"] == "invalid_grant"
    assert refresh(google, others["refresh_token"]).status_code == 200
    assert HTTP.post(f"{google.base}/revoke", data={"token": first["access_token"]}).json()["error"] == "invalid_token"


def test_google_silently_ends_the_oldest_of_too_many_tokens(google: Simulator) -> None:
    first = tokens(google)["refresh_token"]
    for _ in range(100):
        tokens(google)
    assert refresh(google, first).json()["error"] == "invalid_grant"


def test_google_auth_refreshes_and_reads_the_refusals(google: Simulator) -> None:
    given = tokens(google)
    credentials = Credentials(
        None,
        refresh_token=given["refresh_token"],
        token_uri=f"{google.base}/token",
        client_id=google.client.id,
        client_secret=google.client.secret,
    )
    credentials.refresh(GoogleTransport())
    assert who(google, credentials.token).json()["sub"] == google.house.people[0].id
    google.control(next={"refresh": {"refuse": "sign_in_again"}})
    with pytest.raises(RefreshError, match="Reauthentication is needed"):
        credentials.refresh(GoogleTransport())


def test_google_auth_verifies_the_id_token(google: Simulator) -> None:
    token = tokens(google, nonce="a nonce")["id_token"]
    certs = f"{google.base}/oauth2/v3/certs"
    claims = google_id_token.verify_token(token, GoogleTransport(), audience=google.client.id, certs_url=certs)
    assert (claims["iss"], claims["nonce"]) == (google.base, "a nonce")
    assert claims["sub"] == google.house.people[0].id


class Loopback:
    """msal's transport: it insists on https, the simulator speaks http."""

    def __init__(self) -> None:
        self.session = requests.Session()

    def get(self, url: str, **more: Any) -> requests.Response:
        answer = self.session.get(url.replace("https://127", "http://127"), **more)
        answer._content = answer.content.replace(b"http://127", b"https://127")
        return answer

    def post(self, url: str, **more: Any) -> requests.Response:
        return self.session.post(url.replace("https://127", "http://127"), **more)

    def close(self) -> None:
        self.session.close()


@pytest.mark.filterwarnings("ignore:response_mode")
def test_msal_signs_a_person_in_and_refreshes(microsoft: Simulator) -> None:
    app = msal.ConfidentialClientApplication(
        microsoft.client.id,
        client_credential=microsoft.client.secret,
        authority=microsoft.base.replace("http:", "https:") + "/common",
        validate_authority=False,
        instance_discovery=False,
        http_client=Loopback(),
    )
    flow = app.initiate_auth_code_flow(["Files.ReadWrite"], redirect_uri=CALLBACK)
    given = app.acquire_token_by_auth_code_flow(flow, back(consent(flow["auth_uri"].replace("https:", "http:"))))
    assert given["id_token_claims"]["tid"] == microsoft.house.people[0].tenant
    again = app.acquire_token_by_refresh_token(given["refresh_token"], ["Files.ReadWrite"])
    assert again["refresh_token"] != given["refresh_token"]
    assert who(microsoft, again["access_token"]).json()["id"] == microsoft.house.people[0].id
    microsoft.control(revoke=True)
    refused = app.acquire_token_by_refresh_token(again["refresh_token"], ["Files.ReadWrite"])
    assert (refused["error"], refused["error_codes"]) == ("invalid_grant", [50173])


def test_microsoft_spells_scopes_by_kind_of_account_and_grants_more_than_asked(microsoft: Simulator) -> None:
    work, personal = tokens(microsoft)["scope"].split(), tokens(microsoft, person=1)["scope"].split()
    assert {"https://graph.microsoft.com/Files.ReadWrite", "https://graph.microsoft.com/User.Read"} <= set(work)
    assert {"Files.ReadWrite", "User.Read"} <= set(personal)
    assert "offline_access" not in work + personal


def test_microsoft_gives_a_refresh_token_and_an_id_token_only_when_asked(microsoft: Simulator) -> None:
    given = tokens(microsoft, scope="Files.ReadWrite")
    assert not {"refresh_token", "id_token"} & set(given)


def test_microsoft_signs_with_the_directory_of_the_account(microsoft: Simulator) -> None:
    token = tokens(microsoft, person=1, nonce="n")["id_token"]
    keys = jwt.PyJWKClient(f"{microsoft.base}/common/discovery/v2.0/keys")
    claims = jwt.decode(
        token, keys.get_signing_key_from_jwt(token).key, algorithms=["RS256"], audience=microsoft.client.id
    )
    assert claims["iss"] == f"{microsoft.base}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
    assert claims["nonce"] == "n"


def test_microsoft_lets_only_a_directory_s_own_people_in(microsoft: Simulator) -> None:
    url, _ = url_of(microsoft)
    page = HTTP.get(url.replace("/common/", "/consumers/")).text
    assert "ben@outlook.example" in page
    assert "ada@contoso.example" not in page
    with pytest.raises(NoPage):
        consent(url.replace("/common/", "/fabrikam.example/"))


def test_microsoft_numbers_its_errors_and_cannot_revoke(microsoft: Simulator) -> None:
    wrong = trade(microsoft, {**allowed(microsoft), "client_secret": "wrong"})
    assert (wrong.status_code, wrong.json()["error_codes"]) == (401, [7000215])
    assert wrong.json()["error_description"].startswith("AADSTS7000215: ")
    assert HTTP.post(f"{microsoft.base}/common/oauth2/v2.0/revoke").status_code == 404


def test_microsoft_sends_people_back_when_an_administrator_has_to_agree(microsoft: Simulator) -> None:
    microsoft.control(adminConsent=True)
    assert back(consent(url_of(microsoft)[0]))["error"] == "consent_required"
    microsoft.control(adminConsent=False)
    assert "code" in back(consent(url_of(microsoft)[0]))


def test_google_keeps_people_when_an_administrator_has_to_agree(google: Simulator) -> None:
    google.control(adminConsent=True)
    with pytest.raises(NoPage, match="administrator"):
        consent(url_of(google)[0])


def test_box_revokes_for_its_own_client_only() -> None:
    with simulator("box") as box:
        box.control(register=[CALLBACK])
        given = tokens(box)
        form = {"token": given["refresh_token"], "client_id": box.client.id}
        assert HTTP.post(f"{box.base}/oauth2/revoke", data={**form, "client_secret": "x"}).status_code == 400
        assert who(box, given["access_token"]).status_code == 200
        assert (
            HTTP.post(f"{box.base}/oauth2/revoke", data={**form, "client_secret": box.client.secret}).status_code == 200
        )
        assert who(box, given["access_token"]).status_code == 401


# --- switches


def test_planned_faults_come_in_order_and_then_all_is_well(house: Simulator) -> None:
    token = tokens(house)["refresh_token"]
    faults = [
        {"status": 503, "retry_after": 7},
        {"status": 429, "retry_after": 9},
        {"html": True},
        {"refuse": "grant_revoked"},
        {"drop": "before"},
    ]
    told = HTTP.post(f"{house.base}/_control", json={"next": {"refresh": faults}})
    assert told.status_code == 200
    broken, busy, page, refused = (refresh(house, token) for _ in range(4))
    assert (broken.status_code, broken.headers["Retry-After"]) == (503, "7")
    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "9")
    assert page.headers["Content-Type"] == "text/html"
    assert refused.json()["error"] == "invalid_grant"
    with pytest.raises(httpx.RemoteProtocolError):
        refresh(house, token)
    assert refresh(house, token).status_code == 200


def test_a_connection_dropped_after_the_deed_leaves_the_deed_done() -> None:
    with simulator("box") as box:
        box.control(register=[CALLBACK])
        token = tokens(box)["refresh_token"]
        box.control(next={"refresh": {"drop": "after"}})
        with pytest.raises(httpx.RemoteProtocolError):
            refresh(box, token)
        assert refresh(box, token).json()["error"] == "invalid_grant"


def test_access_tokens_can_be_made_to_live_shortly(house: Simulator) -> None:
    house.control(accessSeconds=20)
    short = tokens(house)
    assert short["expires_in"] == 20
    house.control(accessSeconds=None, advance=21)
    assert who(house, short["access_token"]).status_code == 401
    assert tokens(house)["expires_in"] > 20


@pytest.mark.parametrize("wrong", [{"next": {"nowhere": {}}}, {"next": {"token": {"explode": True}}}, {"unknown": 1}])
def test_a_switch_that_does_not_exist_is_refused(google: Simulator, wrong: dict[str, Any]) -> None:
    assert HTTP.post(f"{google.base}/_control", json=wrong).status_code == 400


def test_pages_from_elsewhere_cannot_turn_switches(google: Simulator) -> None:
    form = HTTP.post(f"{google.base}/_control", content=b'{"revoke": true}', headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    rebound = HTTP.post(f"{google.base}/_control", json={"revoke": True}, headers={"Host": "evil.example"})
    assert rebound.status_code == 421


def test_the_state_of_things_tells_no_secret(google: Simulator) -> None:
    given = tokens(google)
    told = HTTP.get(f"{google.base}/_control").text
    assert json.loads(told)["live"] == {"access": 1, "refresh": 1}
    for secret in (given["access_token"], given["refresh_token"], google.client.secret):
        assert secret not in told


def test_a_restarted_house_honours_what_it_gave(tmp_path: Path) -> None:
    client = Client("a client", secrets.token_urlsafe(24), (CALLBACK,))
    with simulator("google", client=client, folder=tmp_path) as first:
        given = tokens(first)
    with simulator("google", client=client, folder=tmp_path) as second:
        assert who(second, given["access_token"]).status_code == 200
        assert refresh(second, given["refresh_token"]).status_code == 200
    assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.iterdir())


def test_client_info_names_the_account_as_msal_reads_it(microsoft: Simulator) -> None:
    given = trade(microsoft, {**allowed(microsoft), "client_info": "1"}).json()
    padded = given["client_info"] + "=" * (-len(given["client_info"]) % 4)
    assert json.loads(urlsafe_b64decode(padded))["utid"] == microsoft.house.people[0].tenant
