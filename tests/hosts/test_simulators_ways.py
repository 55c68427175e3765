"""What each simulated house does in its own way, as its own client library sees it where there is one."""

from collections.abc import Iterator
from typing import Any

import jwt
import msal
import pytest
import requests
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request as GoogleTransport
from google.oauth2 import id_token as google_id_token
from google.oauth2.credentials import Credentials

from infra.local.providers.simulator import Simulator
from infra.local.providers.visitor import NoPage, consent
from tests.hosts.simulated import CALLBACK, HTTP, OFFLINE, allowed, at_house, back, refresh, tokens, trade, url_of, who


@pytest.fixture
def google() -> Iterator[Simulator]:
    with at_house("google") as made:
        yield made


@pytest.fixture
def microsoft() -> Iterator[Simulator]:
    with at_house("microsoft") as made:
        yield made


def test_dropbox_names_the_account_in_the_answer_and_gives_a_refresh_token_only_offline() -> None:
    with at_house("dropbox") as dropbox:
        given = tokens(dropbox, person=1)
        assert given["account_id"].startswith("dbid:")
        assert who(dropbox, given["access_token"]).json()["account_id"] == given["account_id"]
        assert given["scope"] == OFFLINE["dropbox"]["scope"]
        assert "refresh_token" not in tokens(dropbox, token_access_type="online")


def test_dropbox_says_which_scope_is_missing_and_whether_a_token_is_over_or_wrong() -> None:
    with at_house("dropbox") as dropbox:
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
    with at_house("dropbox") as dropbox:
        given, other = tokens(dropbox), tokens(dropbox)
        ended = HTTP.post(
            f"{dropbox.base}/2/auth/token/revoke", headers={"Authorization": f"Bearer {given['access_token']}"}
        )
        assert ended.status_code == 200
        assert refresh(dropbox, given["refresh_token"]).json()["error"] == "invalid_grant"
        assert refresh(dropbox, other["refresh_token"]).status_code == 200


def test_dropbox_serves_a_public_client_that_has_the_verifier() -> None:
    with at_house("dropbox") as dropbox:
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
    with at_house("box") as box:
        given = tokens(box)
        form = {"token": given["refresh_token"], "client_id": box.client.id}
        assert HTTP.post(f"{box.base}/oauth2/revoke", data={**form, "client_secret": "x"}).status_code == 400
        assert who(box, given["access_token"]).status_code == 200
        assert (
            HTTP.post(f"{box.base}/oauth2/revoke", data={**form, "client_secret": box.client.secret}).status_code == 200
        )
        assert who(box, given["access_token"]).status_code == 401
