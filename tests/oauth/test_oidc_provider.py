"""Our side of OAuth against a certified provider that nobody here wrote."""

import dataclasses

import httpx
import pytest

from infra.local.oidc_provider import oidc_provider
from shared.domain.errors import CodeRefused, GrantRevoked, ProviderMisconfigured, TokenExpired
from shared.domain.secret import Secret
from shared.oauth.servers import Servers
from shared.outbound.session import Outbound
from tests.oauth.browser import consent
from tests.oauth.conftest import REDIRECT, SCOPES, WallClock, connection


def granted(connected, person="ada"):
    request = connected.request()
    return connected.server.exchange(connected.code(request, person), request)


def is_alive(connected, token):
    """What the provider itself says of a token (RFC 7662)."""
    oidc = connected.oidc
    form = {"token": token.reveal(), "client_id": oidc.client_id, "client_secret": oidc.client_secret}
    return httpx.post(oidc.introspect, data=form, trust_env=False).json()["active"]


def test_a_consent_ends_in_tokens_for_the_account_that_gave_it(connected):
    grant = granted(connected)
    assert grant.scopes == frozenset(SCOPES)
    assert grant.account is not None
    assert grant.account.id == "ada"
    assert 3500 < (grant.expires_at - WallClock().now()).total_seconds() <= 3600
    assert is_alive(connected, grant.access)
    assert is_alive(connected, grant.refresh)
    whose = connected.server.account(grant.access)
    assert (whose.id, whose.name) == ("ada", "ada@example.com")


def test_the_answer_to_the_browser_carries_the_state_and_the_issuer(connected):
    request = connected.request()
    told = consent(connected.server.consent_url(request), REDIRECT)
    assert (told["state"], told["iss"]) == (request.state, connected.oidc.issuer)


def test_a_denied_consent_comes_back_as_an_error_with_the_state(connected):
    request = connected.request()
    told = consent(connected.server.consent_url(request), REDIRECT, deny=True)
    assert (told["error"], told["state"]) == ("access_denied", request.state)
    assert "code" not in told


def test_the_secret_may_go_in_a_header_form_encoded():
    with oidc_provider([REDIRECT], method="client_secret_basic") as oidc:
        assert granted(connection(oidc, token_method="BASIC")).refresh is not None


def test_each_refresh_brings_a_new_refresh_token_and_ends_the_old(connected):
    first = granted(connected)
    second = connected.server.refresh(first.refresh, SCOPES)
    assert second.refresh not in (None, first.refresh)
    assert second.access != first.access
    assert not is_alive(connected, first.refresh)
    third = connected.server.refresh(second.refresh, SCOPES)
    assert is_alive(connected, third.refresh)


@pytest.mark.attack(33)
def test_a_replaced_refresh_token_that_comes_again_ends_the_whole_family(connected):
    first = granted(connected)
    second = connected.server.refresh(first.refresh, SCOPES)
    with pytest.raises(GrantRevoked):
        connected.server.refresh(first.refresh, SCOPES)
    assert not is_alive(connected, second.refresh)
    assert not is_alive(connected, second.access)
    with pytest.raises(GrantRevoked):
        connected.server.refresh(second.refresh, SCOPES)


def test_revoking_ends_access_and_refresh_token(connected):
    grant = granted(connected)
    assert connected.server.revoke(grant.access, grant.refresh)
    assert not is_alive(connected, grant.refresh)
    with pytest.raises(TokenExpired):
        connected.server.account(grant.access)
    with pytest.raises(GrantRevoked):
        connected.server.refresh(grant.refresh, SCOPES)


def test_an_unknown_token_counts_as_revoked(connected):
    assert connected.server.revoke(None, Secret("never-issued"))
    assert connected.server.revoke(Secret("never-issued"), None)


@pytest.mark.attack(16)
def test_a_code_is_good_once_and_its_replay_ends_what_it_brought(connected):
    request = connected.request()
    code = connected.code(request)
    grant = connected.server.exchange(code, request)
    with pytest.raises(CodeRefused):
        connected.server.exchange(code, request)
    assert not is_alive(connected, grant.refresh)


@pytest.mark.attack(19)
@pytest.mark.parametrize("verifier", ["another-verifier".ljust(43, "x"), "v" * 128])
def test_a_code_is_worth_nothing_with_another_verifier(connected, verifier):
    request = connected.request()
    code = connected.code(request)
    with pytest.raises(CodeRefused):
        connected.server.exchange(code, dataclasses.replace(request, verifier=Secret(verifier)))


@pytest.mark.attack(17)
def test_a_code_of_another_consent_is_worth_nothing(connected):
    theirs, ours = connected.request(), connected.request()
    with pytest.raises(CodeRefused):
        connected.server.exchange(connected.code(theirs), ours)


def test_a_code_is_worth_nothing_with_another_nonce(connected):
    request = connected.request()
    code = connected.code(request)
    with pytest.raises(CodeRefused):
        connected.server.exchange(code, dataclasses.replace(request, nonce=Secret("another")))


@pytest.mark.attack(27)
@pytest.mark.parametrize(
    "uri", [REDIRECT + "/", REDIRECT + "?a=b", REDIRECT.upper(), REDIRECT.replace("https", "http")]
)
def test_a_code_is_worth_nothing_with_another_redirect_uri(connected, uri):
    request = connected.request()
    code = connected.code(request)
    with pytest.raises(CodeRefused):
        connected.server.exchange(code, dataclasses.replace(request, redirect_uri=uri))


@pytest.mark.attack(27)
def test_the_provider_sends_no_browser_to_a_redirect_uri_that_is_not_registered(connected):
    request = connected.request(redirect_uri="https://farshore.example.evil.example/callback")
    answer = httpx.get(connected.server.consent_url(request), trust_env=False)
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.attack(20)
def test_the_consent_page_is_always_told_an_s256_challenge(oidc):
    downgrade = {
        "prompt": "consent",
        "code_challenge_method": "plain",
        "code_challenge": "x",
        "response_mode": "fragment",
    }
    connected = connection(oidc, authorize_parameters=downgrade)
    request = connected.request()
    query = httpx.URL(connected.server.consent_url(request)).params
    assert query.get_list("code_challenge_method") == ["S256"]
    assert query.get_list("code_challenge") != ["x"]
    assert "response_mode" not in query
    assert connected.server.exchange(connected.code(request), request).refresh is not None


def test_a_wrong_secret_is_the_operators_fault_and_ends_nothing(connected):
    grant = granted(connected)
    http = Outbound(frozenset({connected.oidc.issuer.removeprefix("http://")}))
    impostor = Servers(http, WallClock()).of(connected.provider, Secret("wrong"))
    with pytest.raises(ProviderMisconfigured):
        impostor.refresh(grant.refresh, SCOPES)
    with pytest.raises(ProviderMisconfigured):
        impostor.revoke(grant.access, grant.refresh)
    assert is_alive(connected, grant.refresh)


def test_a_narrower_consent_is_told_as_such(connected):
    request = connected.request(scopes=("openid", "offline_access", "files.read"))
    grant = connected.server.exchange(connected.code(request), request)
    assert grant.scopes == frozenset({"openid", "offline_access", "files.read"})


def test_without_offline_access_there_is_no_refresh_token(connected):
    request = connected.request(scopes=("openid", "files.read"))
    assert connected.server.exchange(connected.code(request), request).refresh is None
