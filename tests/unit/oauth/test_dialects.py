"""Each house's ways: what is asked, of whom, with which proof; and what is made of its answers."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.domain.errors import (
    CallbackRefused,
    CodeRefused,
    FarshoreError,
    IssuerMismatch,
    Misconfigured,
    ProviderMisconfigured,
    ProviderUnavailable,
)
from shared.domain.integration import Account
from shared.domain.presets import PRESETS
from shared.domain.secret import Secret
from shared.oauth.id_token import nonce_for
from shared.oauth.servers import DIALECTS, Servers
from tests.unit.oauth.house import DIRECTORY, ISSUER, NOW, REQUEST, SECRET, TOKENS, encoded, house, id_token

ALL = sorted(DIALECTS)
OLD = Secret("old-refresh")


# ---- the consent page ----------------------------------------------------------------------------------------------------
def query(url) -> Mapping[str, list[str]]:
    return parse_qs(urlsplit(url).query, strict_parsing=True)


@pytest.mark.parametrize("dialect", ALL)
def test_the_consent_page_is_told_all_that_makes_it_safe_and_no_call_is_made(dialect):
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # and its challenge below: RFC 7636, appendix B
    with house(dialect, authorize_parameters={"prompt": "consent"}) as there:
        url = there.server.consent_url(replace(REQUEST, verifier=Secret(verifier)))
        assert there.calls == []
    assert url.startswith(there.provider.endpoints.authorize + "&")
    assert query(url) == {
        "keep": ["1"],
        "client_id": ["client-1"],
        "response_type": ["code"],
        "redirect_uri": [REQUEST.redirect_uri],
        "state": ["the-state"],
        "scope": ["openid offline_access Files.ReadWrite"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
        "code_challenge_method": ["S256"],
        "nonce": [nonce_for(REQUEST.nonce)],
        "prompt": ["consent"],
    }
    assert not any(secret in url for secret in (verifier, "the-nonce", SECRET.reveal()))


@pytest.mark.attack(20)
@pytest.mark.parametrize(
    "name", ["state", "redirect_uri", "client_id", "scope", "nonce", "code_challenge", "code_challenge_method"]
)
def test_a_providers_parameters_cannot_override_what_makes_a_consent_safe(name):
    with house(
        "generic",
        authorize_parameters={name: "plain", "response_mode": "fragment", "request_uri": "x", "prompt": "login"},
    ) as there:
        told = query(there.server.consent_url(REQUEST))
    assert "plain" not in told[name]
    assert told["prompt"] == ["login"]
    assert not told.keys() & {"response_mode", "request_uri"}


# ---- codes ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("method", ["POST", "BASIC"])
def test_a_code_is_traded_with_its_verifier_and_the_clients_secret_in_one_call(dialect, method):
    with house(dialect, (200, TOKENS), token_method=method) as there:
        grant = there.server.exchange(Secret("the-code"), REQUEST)
    [form] = there.forms
    expected = {
        "grant_type": "authorization_code",
        "code": "the-code",
        "code_verifier": "v" * 43,
        "redirect_uri": REQUEST.redirect_uri,
    }
    assert expected.items() <= form.items()
    assert there.calls == ["POST /token"]
    proof = there.header("Authorization")
    assert (form.get("client_secret"), proof) == (
        (SECRET.reveal(), None)
        if method == "POST"
        else (None, "Basic Y2xpZW50LTE6Y2xpZW50LXNlY3JldC0lMjUlMkIlM0ElMjY=")
    )
    assert (grant.access, grant.refresh) == (Secret("access-1"), Secret("refresh-1"))


def test_microsoft_is_told_the_scopes_with_every_call():
    with house("microsoft", (200, TOKENS), (200, TOKENS)) as there:
        there.server.exchange(Secret("code"), REQUEST)
        there.server.refresh(OLD, REQUEST.scopes)
    assert [set(form["scope"].split()) for form in there.forms] == [set(REQUEST.scopes)] * 2


@pytest.mark.parametrize("dialect", ["generic", "dropbox"])
def test_a_client_without_a_secret_proves_itself_by_its_verifier_alone(dialect):
    with house(dialect, (200, TOKENS), secret=None) as there:
        there.server.exchange(Secret("code"), REQUEST)
    [form] = there.forms
    assert form["client_id"] == "client-1"
    assert "client_secret" not in form
    assert there.header("Authorization") is None


# ---- refreshing -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("rotated", [True, False])
def test_a_refresh_tells_whether_the_refresh_token_was_replaced(dialect, rotated):
    answer = TOKENS if rotated else {name: value for name, value in TOKENS.items() if name != "refresh_token"}
    with house(dialect, (200, answer)) as there:
        grant = there.server.refresh(OLD, ("a",))
    [form] = there.forms
    assert (form["grant_type"], form["refresh_token"], form["client_id"]) == (
        "refresh_token",
        "old-refresh",
        "client-1",
    )
    assert form["client_secret"] == SECRET.reveal()
    assert there.calls == ["POST /token"]
    assert grant.refresh == (Secret("refresh-1") if rotated else None)


@pytest.mark.parametrize("dialect", ["generic", "google", "dropbox"])
def test_a_refresh_names_no_scope_where_that_means_as_granted(dialect):
    with house(dialect, (200, TOKENS)) as there:
        there.server.refresh(OLD, ("a", "b"))
    assert "scope" not in there.forms[0]


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "failure", [(503, {}), (429, {}), (400, {"error": "temporarily_unavailable"}), (400, {"error": "server_error"})]
)
def test_no_library_tries_again_on_its_own(dialect, failure):
    with house(dialect, failure, failure, failure) as there, pytest.raises(ProviderUnavailable):
        there.server.refresh(OLD, ("a",))
    assert len(there.calls) == 1


def test_google_spells_its_own_scopes_in_full():
    scopes = ("openid", "email", "https://www.googleapis.com/auth/drive.file")
    told = "https://www.googleapis.com/auth/userinfo.email openid https://www.googleapis.com/auth/drive.file"
    with house("google", (200, TOKENS | {"scope": told})) as there:
        assert there.server.refresh(OLD, scopes).scopes == frozenset(scopes)


def test_microsoft_spells_scopes_with_their_resource_and_leaves_out_its_own():
    told = "https://graph.microsoft.com/Files.ReadWrite https://graph.microsoft.com/User.Read"
    with house("microsoft", (200, TOKENS | {"scope": told})) as there:
        granted = there.server.exchange(Secret("code"), REQUEST).scopes
    assert granted == frozenset({*REQUEST.scopes, "https://graph.microsoft.com/User.Read"})


# ---- accounts -------------------------------------------------------------------------------------------------------------
def exchanged(dialect, token, **changes):
    with house(dialect, (200, TOKENS | {"id_token": token}), **({"issuer": ISSUER} | changes)) as there:
        return there.server.exchange(Secret("code"), REQUEST)


def test_google_alone_may_name_itself_without_its_scheme():
    told = id_token(tid=None, oid=None, iss="id.example", sub="42")
    assert exchanged("google", told, issuer="https://id.example").account.id == "42"
    with pytest.raises(IssuerMismatch):
        exchanged("generic", told, issuer="https://id.example")


def test_microsofts_account_is_the_directorys_own_number_for_it():
    assert exchanged("microsoft", id_token()).account == Account(f"{DIRECTORY}.object-1", "ada@example.com")


def test_an_openid_account_is_its_subject():
    told = id_token(tid=None, oid=None, iss="https://id.example", email="ada@id.example")
    assert exchanged("generic", told, issuer="https://id.example").account == Account("pairwise-1", "ada@id.example")


@pytest.mark.attack(14)
@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example/{tid}/v2.0"},
        {"iss": ISSUER.replace("{tid}", "00000000-0000-0000-0000-000000000000")},
        {"iss": ISSUER},
        {"iss": None},
        {"tid": "../x"},
        {"tid": None},
        {"tid": 7},
    ],
)
def test_an_id_token_of_another_issuer_is_refused(claims):
    with pytest.raises(IssuerMismatch):
        exchanged("microsoft", id_token(**claims))


@pytest.mark.attack(17)
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": nonce_for(Secret("another"))},
        {"nonce": "the-nonce"},
        {"nonce": None},
        {"nonce": 7},
        {"aud": "client-2"},
        {"aud": ["client-1", "client-2"]},
        {"aud": None},
        {"exp": NOW.timestamp() - 3600},
        {"exp": None},
        {"exp": "never"},
        {"oid": None, "sub": None},
        {"oid": "a\nb", "sub": "x" * 257},
    ],
)
def test_an_id_token_for_another_client_consent_or_time_is_refused(claims):
    with pytest.raises(CodeRefused):
        exchanged("microsoft", id_token(**claims))


@pytest.mark.parametrize(
    "token", ["a", "a.b", "a.b.c", "a.!.c", encoded({})[:-1] + ".x.y", "a.W10.c", "a." + "W1" * 50 + ".c"]
)
def test_what_is_no_id_token_is_refused(token):
    with pytest.raises((CodeRefused, IssuerMismatch)):
        exchanged("microsoft", token)


@pytest.mark.parametrize("claims", [{"iss": None}, {"nonce": None}])
def test_tokens_that_came_with_a_refused_id_token_are_handed_out_to_be_given_back(claims):
    with pytest.raises(CallbackRefused) as refused:
        exchanged("microsoft", id_token(**claims))
    given = refused.value.grant
    assert (given.access, given.refresh, given.account) == (Secret("access-1"), Secret("refresh-1"), None)
    assert "access-1" not in repr(given) + repr(refused.value)


@pytest.mark.parametrize("dialect", ALL)
def test_an_id_token_nobody_can_vouch_for_is_not_looked_at(dialect):
    assert exchanged(dialect, "not.even.one", issuer=None).account is None


def test_dropbox_tells_the_account_with_the_tokens():
    with house("dropbox", (200, TOKENS | {"account_id": "dbid:1", "uid": "7"})) as there:
        assert there.server.exchange(Secret("code"), REQUEST).account == Account("dbid:1")


@pytest.mark.parametrize("told", [7, "", "a\nb", "x" * 257, {"a": 1}])
def test_an_account_of_dropbox_that_cannot_be_one_is_not_taken(told):
    with house("dropbox", (200, TOKENS | {"account_id": told})) as there:
        assert there.server.exchange(Secret("code"), REQUEST).account is None


@pytest.mark.parametrize(
    ("dialect", "answer", "call", "account"),
    [
        ("generic", {"sub": "s", "email": "a@x"}, "GET /me", Account("s", "a@x")),
        ("generic", {"id": "11446498", "login": "a@x", "name": "Ada"}, "GET /me", Account("11446498", "a@x")),
        ("generic", {"id": 11446498}, "GET /me", Account("11446498", None)),
        ("generic", {"sub": "s", "email": "a\n@x", "name": "Ada"}, "GET /me", Account("s", "Ada")),
        ("google", {"sub": "s", "email": "a@x"}, "GET /me", Account("s", "a@x")),
        ("microsoft", {"id": "g", "userPrincipalName": "a@x"}, "GET /me", Account("g", "a@x")),
        (
            "dropbox",
            {"account_id": "dbid:1", "email": "a@x", "name": {"display_name": "A"}},
            "POST /me",
            Account("dbid:1", "a@x"),
        ),
    ],
)
def test_the_api_tells_whose_account_a_token_is_for(dialect, answer, call, account):
    with house(dialect, (200, answer)) as there:
        assert there.server.account(Secret("the-access")) == account
    assert there.calls == [call]
    assert there.header("Authorization") == "Bearer the-access"
    assert there.forms == [{}]


# ---- revoking -------------------------------------------------------------------------------------------------------------
@pytest.mark.attack(35)
@pytest.mark.parametrize("dialect", ["generic", "google"])
def test_the_refresh_token_is_revoked_with_the_clients_proof(dialect):
    with house(dialect, (200, b"")) as there:
        assert there.server.revoke(Secret("access"), Secret("refresh"))
    [form] = there.forms
    assert (form["token"], form["token_type_hint"], form["client_secret"]) == (
        "refresh",
        "refresh_token",
        SECRET.reveal(),
    )


def test_where_there_is_no_refresh_token_the_access_token_is_revoked():
    with house("generic", (200, b"")) as there:
        assert there.server.revoke(Secret("access"), None)
    assert there.forms[0]["token"] == "access"


@pytest.mark.parametrize("dialect", ALL)
def test_a_house_that_cannot_revoke_is_not_asked(dialect):
    with house(dialect) as there:
        provider = replace(there.provider, endpoints=replace(there.provider.endpoints, revoke=None))
        deaf = Servers(there.server.http, there.server.clock).of(provider, SECRET)
        assert not deaf.revoke(Secret("access"), Secret("refresh"))
    assert there.calls == []


def test_dropbox_revokes_the_token_that_is_shown():
    with house("dropbox", (200, b"null")) as there:
        assert there.server.revoke(Secret("access"), Secret("refresh"))
    assert (there.calls, there.header("Authorization"), there.forms) == (["POST /revoke"], "Bearer access", [{}])


EXPIRED = (401, {"error": {".tag": "expired_access_token"}})


def test_dropbox_is_asked_for_a_live_token_to_revoke_with():
    with house("dropbox", EXPIRED, (200, TOKENS), (200, b"null")) as there:
        assert there.server.revoke(Secret("access"), Secret("refresh"))
    assert there.calls == ["POST /revoke", "POST /token", "POST /revoke"]
    assert there.header("Authorization") == "Bearer access-1"


def test_dropbox_without_any_access_token_is_asked_for_one():
    with house("dropbox", (200, TOKENS), (200, b"null")) as there:
        assert there.server.revoke(None, Secret("refresh"))
    assert there.calls == ["POST /token", "POST /revoke"]


@pytest.mark.parametrize(
    ("answers", "refresh"),
    [
        ([EXPIRED, (400, {"error": "invalid_grant"})], Secret("refresh")),
        ([EXPIRED], None),
        ([(401, {"error": {".tag": "invalid_access_token"}})], Secret("r")),
    ],
)
def test_a_grant_that_dropbox_no_longer_knows_counts_as_revoked(answers, refresh):
    with house("dropbox", *answers) as there:
        assert there.server.revoke(Secret("access"), refresh)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (204, b""),
        (400, {"error": "invalid_token"}),
        (400, {"error": "invalid_grant"}),
        (400, {"error": "token_revoked"}),
    ],
)
def test_a_token_that_is_over_or_unknown_counts_as_revoked(status, body):
    with house("google", (status, body)) as there:
        assert there.server.revoke(None, Secret("refresh"))


def test_a_kind_of_token_that_cannot_be_revoked_is_told():
    with house("generic", (400, {"error": "unsupported_token_type"})) as there:
        assert not there.server.revoke(None, Secret("refresh"))


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ((503, {}), ProviderUnavailable),
        ((302, {}), ProviderUnavailable),
        ((400, {"error": "what"}), ProviderUnavailable),
        ((400, b"<html>"), ProviderUnavailable),
        ((401, {"error": "invalid_client"}), ProviderMisconfigured),
    ],
)
def test_a_revocation_that_was_refused_is_told(answer, meaning):
    with house("generic", answer) as there, pytest.raises(meaning):
        there.server.revoke(None, Secret("refresh"))


@pytest.mark.parametrize("answer", [(400, {"error": "interaction_required"}), (400, {"error": "invalid_scope"})])
def test_a_live_token_that_cannot_be_had_leaves_the_revocation_undone(answer):
    with house("dropbox", EXPIRED, answer) as there, pytest.raises(ProviderUnavailable):
        there.server.revoke(Secret("access"), Secret("refresh"))


def test_nothing_to_revoke_is_no_call():
    with house("generic") as there:
        assert there.server.revoke(None, None)
    assert there.calls == []


# ---- what a provider must have ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("changes", [{"endpoints": None}, {"client_id": ""}])
@pytest.mark.parametrize("dialect", ALL)
def test_a_provider_that_lacks_endpoints_or_client_is_not_spoken_to(dialect, changes):
    with pytest.raises(Misconfigured), house(dialect, **changes):
        pass


@pytest.mark.parametrize("dialect", ["google", "microsoft"])
def test_a_house_that_knows_no_client_without_a_secret_is_not_spoken_to_without(dialect):
    with pytest.raises(Misconfigured), house(dialect, secret=None):
        pass


def test_a_provider_that_tells_no_account_says_what_is_missing():
    with house("generic") as there:
        client = replace(there.server.client, endpoints=replace(there.provider.endpoints, user_info=None))
        with pytest.raises(Misconfigured):
            replace(there.server, client=client).account(Secret("access"))


@pytest.mark.parametrize("slug", [slug for slug, preset in PRESETS.items() if preset.endpoints])
def test_every_preset_speaks_a_dialect_there_is(slug):
    preset = PRESETS[slug]
    with house(
        preset.dialect,
        scopes=preset.scopes,
        authorize_parameters=preset.authorize_parameters,
        endpoints=preset.endpoints,
    ) as there:
        assert there.server.consent_url(REQUEST).startswith(preset.endpoints.authorize + "?")


# ---- leaks ----------------------------------------------------------------------------------------------------------------
CANARIES = ("the-code", "v" * 43, "client-secret", "old-refresh", "access-1", "refresh-1", "the-nonce", "LEAK")
ANSWERS = [
    (200, TOKENS | {"id_token": id_token(), "scope": "x"}),
    (200, b"LEAK not json"),
    (200, b"\xff\xfeL\x00E\x00A\x00K\x00", "Content-Type: application/json; charset=utf-16"),
    (200, {"access_token": "access-1", "token_type": "LEAK"}),
    (400, {"error": "invalid_grant", "error_description": "LEAK refresh-1"}),
    (400, {"error": "LEAK"}),
    (500, b"LEAK"),
    (302, b"", "Location: https://LEAK.example/?code=the-code"),
]


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_no_library_says_a_secret_even_when_it_says_everything(dialect, answer, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for name in list(logging.Logger.manager.loggerDict):
        caplog.set_level(logging.DEBUG, name)
    said = []
    with house(dialect, answer, answer, issuer=ISSUER) as there, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for call in (
            lambda: there.server.exchange(Secret("the-code"), REQUEST),
            lambda: there.server.refresh(OLD, ("a",)),
        ):
            try:
                call()
            except FarshoreError as error:
                said += [repr(error), repr(error.__cause__), repr(error.args)]
    heard = "\n".join([caplog.text, *capfd.readouterr(), *said, *(str(each.message) for each in warned)])
    assert [canary for canary in CANARIES if canary in heard] == []
