"""Attacks on a consent, each told by the number it has in the list of 36: and then nothing happens.

Nothing: no integration has changed, none has tokens that it should not have, no code was traded that the attack needed traded.
Those attacks that live in HTTP (cookies, headers, raw queries) or in an authorization server's answers are in ``tests/unit/api``
and ``tests/oauth``.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.domain.errors import (
    AccountMismatch,
    BrowserMismatch,
    CallbackRefused,
    CodeRefused,
    ConsentDenied,
    FarshoreError,
    InvalidCallback,
    InvalidInput,
    InvalidState,
    IssuerMismatch,
    ProviderUnavailable,
    SealBroken,
)
from shared.usecases.callback import hashed
from shared.usecases.connect import Finished, Handover
from shared.usecases.disconnect import Disconnecting, disconnect
from shared.usecases.providers import ProviderChanges, add_provider, change_provider
from tests.unit.usecases.authorization import challenge
from tests.unit.usecases.stage import ANN, HOME, HOUSE, LOOPBACK, PUBLIC, ROOT, Stage, administration, stage

EVIL = "https://evil.example"


def refused(at: Stage, answer, error: type[FarshoreError] = CallbackRefused, *, traded: int = 0) -> FarshoreError:
    """Brings the answer, which is refused, and finds all as it was."""
    before, codes = dict(at.town.integrations.items), at.town.script.count("server.exchange")
    with pytest.raises(error) as refusal:
        at.finish(answer)
    assert at.town.integrations.items == before
    assert at.town.script.count("server.exchange") == codes + traded
    return refusal.value


def brought(at: Stage, **changes):
    """A consent that was begun and given, and what its browser brings."""
    started = at.start()
    return at.answer(started, at.house.approve(started.url), **changes)


@pytest.mark.attack(1)
@pytest.mark.parametrize("state", [None, "", " "])
def test_an_answer_without_state(state):
    at = stage()
    refused(at, brought(at, state=state), InvalidCallback)


@pytest.mark.attack(2)
@pytest.mark.parametrize("state", ["x" * 43, "x", "x" * 44, "../../../x", "0" * 43])
def test_a_state_that_was_never_given_out(state):
    at = stage()
    refused(at, brought(at, state=state), InvalidState)
    assert at.town.script.count("flows.take") == 0


@pytest.mark.attack(2)
def test_what_cannot_be_a_state_costs_no_look():
    at = stage()
    refused(at, brought(at, state="x" * 2000), InvalidState)
    assert at.town.script.count("flows.look") == 0


@pytest.mark.attack(3)
@pytest.mark.attack(16)
def test_an_answer_brought_again():
    at = stage()
    answer = brought(at)
    assert isinstance(at.finish(answer), Finished)
    refused(at, answer, InvalidState)
    refused(at, replace(answer, code="code-canary-other"), InvalidState)


@pytest.mark.attack(3)
def test_a_flow_whose_consent_was_denied_is_used_up():
    at = stage()
    started = at.start()
    refused(at, at.answer(started, at.house.deny(started.url)), ConsentDenied)
    refused(at, at.answer(started, at.house.approve(started.url)), InvalidState)


@pytest.mark.attack(4)
def test_a_state_whose_time_is_over():
    at = stage()
    answer = brought(at)
    at.later(minutes=10)
    refused(at, answer, InvalidState)
    in_time = brought(at)
    at.later(minutes=9, seconds=59)
    assert isinstance(at.finish(in_time), Finished)


@pytest.mark.attack(5)
def test_another_tenants_state():
    at = stage()
    theirs = at.add("Eve's", tenant="zeta")
    started = at.start(theirs)
    answer = at.answer(started, at.house.approve(started.url))
    mine = f"/api/v1/tenants/acme/cloud-integrations/{at.integration.id}/oauth/callback"
    refused(at, replace(answer, redirect_path=mine), InvalidState)
    assert at.now().status == "pending"


@pytest.mark.attack(6)
def test_an_empty_state_meets_no_flow_even_if_one_were_stored_so():
    at = stage()
    answer = brought(at)
    (flow,) = at.town.flows.items.values()
    at.town.flows.items[hashed("")] = replace(flow, state_hash=hashed(""))
    refused(at, replace(answer, state=""), InvalidCallback)


@pytest.mark.attack(7)
def test_a_link_of_the_attackers_in_the_victims_browser():
    at = stage()
    error = refused(at, brought(at, cookies={}), BrowserMismatch)
    assert error.return_to == ""
    assert len(at.town.flows.items) == 1


@pytest.mark.attack(7)
@pytest.mark.parametrize("value", ["", "x" * 43, "\ud800"])
def test_a_browser_that_guesses_the_cookie(value):
    at = stage()
    started = at.start()
    answer = at.answer(started, at.house.approve(started.url))
    refused(at, replace(answer, cookies={started.cookie_name: value}), BrowserMismatch)


@pytest.mark.attack(7)
def test_the_cookie_of_another_flow():
    at = stage()
    mine, theirs = at.start(), at.start()
    answer = at.answer(mine, at.house.approve(mine.url))
    refused(at, replace(answer, cookies={mine.cookie_name: theirs.browser.reveal()}), BrowserMismatch)
    refused(at, replace(answer, cookies={theirs.cookie_name: mine.browser.reveal()}), BrowserMismatch)


@pytest.mark.attack(8)
def test_a_link_that_prepares_the_victims_browser():
    """With a loopback of the attacker's choice the victim is sent to a port of the victim's own computer, and no further."""
    at = stage()
    started = at.start(loopback=LOOPBACK)
    answer = at.answer(started, at.house.approve(started.url, "victim"), cookies={})
    sent = at.finish(answer)
    assert isinstance(sent, Handover)
    assert urlsplit(sent.url).hostname == "127.0.0.1"
    assert at.now().tokens is None
    for principal in (None, "victim"):
        refused(at, replace(answer, cookies={started.cookie_name: started.browser.reveal()}, principal=principal))


@pytest.mark.attack(8)
def test_a_loopback_answer_at_another_providers_callback_is_not_handed_on():
    at = stage()
    started = at.start(loopback=LOOPBACK)
    answer = at.answer(started, at.house.approve(started.url), cookies={})
    refused(at, replace(answer, redirect_path="/api/v1/oauth/other/callback"), InvalidState)


@pytest.mark.attack(9)
def test_the_attackers_code_in_the_victims_flow():
    at = stage()
    victims, attackers = at.start(), at.start(at.add("Eve's", tenant="zeta"))
    code = at.house.approve(attackers.url, "attacker")["code"]
    state = at.house.approve(victims.url)["state"]
    refused(at, at.answer(victims, {"state": state, "code": code}), CodeRefused, traded=1)


@pytest.mark.attack(10)
@pytest.mark.attack(13)
def test_an_answer_at_another_providers_redirect_uri():
    """Mix-up without ``iss``: an evil provider bounces the browser on to the honest one, whose code comes back there."""
    at = stage()
    add_provider(ProviderChanges(**{**HOUSE, "slug": "evil"}), None, ROOT, administration(at.town), None)
    evil = at.start(at.add("Evil", slug="evil"))
    state = parse_qs(urlsplit(evil.url).query)["state"][0]
    honest = at.house.approve(at.start().url)
    answer = at.answer(evil, {"state": state, "code": honest["code"]})
    assert answer.redirect_path == "/api/v1/oauth/house/callback"
    refused(at, answer, InvalidState)


@pytest.mark.attack(11)
def test_the_uri_says_nothing_about_whose_it_is():
    at = stage()
    other = at.add()
    started = at.start(callback="integration")
    answer = at.answer(started, at.house.approve(started.url))
    path = "/api/v1/tenants/{}/cloud-integrations/{}/oauth/callback"
    for tenant, name in (("acme", other.id), ("zeta", at.integration.id), ("acme", "int_nobody")):
        fresh = at.start(callback="integration")
        moved = at.answer(fresh, at.house.approve(fresh.url), redirect_path=path.format(tenant, name))
        refused(at, moved, InvalidState)
    at.finish(replace(answer, redirect_path=path.format("acme", at.integration.id)))
    assert at.now().status == "active"
    assert at.town.integrations.items["acme", other.id].status == "pending"


@pytest.mark.attack(12)
def test_two_tenants_that_share_a_client():
    at = stage()
    theirs = at.start(at.add("Eve's", tenant="zeta"))
    mine = at.start()
    stolen = at.house.approve(mine.url)["code"]
    state = at.house.approve(theirs.url)["state"]
    refused(at, at.answer(theirs, {"state": state, "code": stolen}), CodeRefused, traded=1)


@pytest.mark.attack(14)
@pytest.mark.parametrize(
    "iss",
    [
        EVIL,
        "https://house.example/",
        "https://HOUSE.example",
        "https://house.example.evil.example",
        "https://house.exampl",
    ],
)
def test_an_answer_of_another_issuer(iss):
    at = stage(issuer="https://house.example")
    refused(at, brought(at, iss=iss), IssuerMismatch)
    assert isinstance(at.finish(brought(at, iss="https://house.example")), Finished)


@pytest.mark.attack(14)
def test_an_issuer_that_nobody_expects():
    at = stage()
    refused(at, brought(at, iss=EVIL), IssuerMismatch)


@pytest.mark.attack(14)
@pytest.mark.parametrize(
    ("directory", "fine"), [("dir-1", True), ("dir-2", False), ("", False), ("{tid}", False), ("dir-1/x", False)]
)
def test_an_issuer_names_the_accounts_own_directory(directory, fine):
    at = stage(issuer="https://login.example/{tid}/v2.0")
    started = at.start()
    given = at.house.approve(started.url, "dir-1.person")
    answer = at.answer(started, given, iss=f"https://login.example/{directory}/v2.0")
    if fine:
        assert at.finish(answer).integration.account.id == "dir-1.person"
    else:
        refused(at, answer, IssuerMismatch, traded=directory == "dir-2")
        assert directory != "dir-2" or at.house.living() == []


@pytest.mark.attack(15)
def test_an_answer_that_should_name_its_issuer_and_does_not():
    at = stage(issuer="https://house.example", issuer_required=True)
    refused(at, brought(at), IssuerMismatch)
    started = at.start()
    refused(at, at.answer(started, at.house.deny(started.url)), IssuerMismatch)


@pytest.mark.attack(17)
def test_a_code_from_another_session_of_the_same_user():
    at = stage()
    one, other = at.start(), at.start()
    code = at.house.approve(one.url)["code"]
    state = at.house.approve(other.url)["state"]
    refused(at, at.answer(other, {"state": state, "code": code}), CodeRefused, traded=1)


@pytest.mark.attack(18)
def test_of_parallel_answers_exactly_one_is_followed():
    at = stage()
    answer = brought(at)
    together = Barrier(16)

    def bring() -> bool:
        together.wait()
        try:
            return isinstance(at.finish(answer), Finished)
        except InvalidState:
            return False

    with ThreadPoolExecutor(16) as pool:
        won = [run.result() for run in [pool.submit(bring) for _ in range(16)]]
    assert sum(won) == 1
    assert at.town.script.count("server.exchange") == 1
    assert at.now().generation == 1


@pytest.mark.attack(19)
def test_a_verifier_that_was_put_in_place_of_another():
    at = stage()
    answer, other = brought(at), at.start()
    flows = at.town.flows.items
    mine = hashed(answer.state)
    theirs = next(key for key in flows if key != mine)
    flows[mine] = replace(flows[mine], secrets=flows[theirs].secrets)
    refused(at, answer, SealBroken)
    assert other.cookie_name.startswith("__Host-")


@pytest.mark.attack(20)
def test_no_setting_makes_the_challenge_plain_or_leaves_it_out():
    at = stage()
    for name in ("code_challenge", "code_challenge_method", "response_type", "redirect_uri", "state", "scope"):
        changes = ProviderChanges(authorize_parameters={name: "plain"})
        with pytest.raises(InvalidInput):
            change_provider(at.provider.id, changes, None, None, ROOT, administration(at.town))
    for _ in range(3):
        at.start()
    asked = at.house.asked[-3:]
    assert {told["code_challenge_method"] for told in asked} == {"S256"}
    assert len({told["code_challenge"] for told in asked}) == 3
    assert all(len(told["code_challenge"]) == len(challenge("x")) for told in asked)


@pytest.mark.attack(21)
def test_an_error_that_brings_a_code_along():
    at = stage()
    refused(at, brought(at, error="access_denied"), ConsentDenied)
    assert at.town.flows.items == {}


@pytest.mark.attack(21)
def test_an_error_needs_a_valid_state_too():
    at = stage()
    started = at.start()
    denied = at.answer(started, at.house.deny(started.url))
    refused(at, replace(denied, state="x" * 43), InvalidState)
    refused(at, replace(denied, cookies={}), BrowserMismatch)
    assert len(at.town.flows.items) == 1


@pytest.mark.attack(22)
@pytest.mark.parametrize("name", ["code", "error", "iss"])
@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_a_blank_parameter(name, value):
    at = stage()
    refused(at, brought(at, **{name: value}), InvalidCallback)
    assert len(at.town.flows.items) == 1


@pytest.mark.attack(22)
def test_neither_code_nor_error():
    at = stage()
    refused(at, brought(at, code=None), InvalidCallback)


@pytest.mark.attack(24)
@pytest.mark.parametrize("name", ["state", "code", "error", "iss"])
def test_a_parameter_that_is_too_long(name):
    at = stage()
    refused(at, brought(at, **{name: "x" * 2049}), InvalidCallback)
    assert len(at.town.flows.items) == 1


@pytest.mark.attack(25)
@pytest.mark.parametrize(
    "url",
    [
        EVIL,
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        f"{HOME}@evil.example",
        "https://app.acme.example@evil.example/connections",
        "https://app.acme.example.evil.example/connections",
        f"{HOME}/../evil",
        f"{HOME}?next=//evil.example",
        f"{HOME}#x",
        f"{HOME}%2f",
        f"{HOME}/",
        f" {HOME}",
        HOME.upper(),
        "javascript:alert(1)",
        "https%3A%2F%2Fevil.example",
        f"{HOME}\r\nLocation: {EVIL}",
    ],
)
def test_a_return_target_that_is_not_on_the_list(url):
    at = stage()
    with pytest.raises(InvalidInput) as no:
        at.start(return_to=url)
    assert "evil" not in str(no.value)
    assert at.town.flows.items == {}


@pytest.mark.attack(26)
def test_the_redirect_uri_comes_from_a_setting():
    """Nothing of a request reaches it: the use case is not even told."""
    at = stage()
    at.start()
    assert at.house.asked[-1]["redirect_uri"] == f"{PUBLIC}/api/v1/oauth/house/callback"


@pytest.mark.attack(27)
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/oauth/house/callback/",
        "/api/v1/oauth/house/callback/evil",
        "/api/v1/oauth/house/../house/callback",
        "/api/v1/oauth/HOUSE/callback",
        "/api/v1/oauth/house%2fcallback",
        "/api/v1//oauth/house/callback",
        ".evil.example/api/v1/oauth/house/callback",
        "@evil.example/",
        "",
    ],
)
def test_an_answer_at_a_path_that_is_only_like_ours(path):
    at = stage()
    refused(at, brought(at, redirect_path=path), InvalidState)


@pytest.mark.attack(28)
def test_a_script_in_an_error_is_never_repeated():
    at = stage()
    started = at.start(return_to=HOME)
    script = "<script>alert(document.cookie)</script>"
    error = refused(at, at.answer(started, at.house.deny(started.url, script)), ConsentDenied)
    assert script not in f"{error!r} {error} {error.return_to} {at.town.audit.trails!r}"


@pytest.mark.attack(29)
def test_neither_code_nor_state_is_kept_or_told():
    at = stage()
    answer = brought(at)
    at.finish(answer)
    denied = at.start()
    refusal = refused(at, at.answer(denied, at.house.deny(denied.url)), ConsentDenied)
    kept = repr((at.town.audit.trails, at.town.integrations.items, at.town.flows.items, refusal, answer))
    for secret in (answer.code, answer.state, *answer.cookies.values()):
        assert len(secret) == 1 or secret not in kept


@pytest.mark.attack(30)
def test_tokens_without_a_refresh_token_or_all_scopes_are_told_as_such():
    at = stage()
    at.house.gives_refresh = False
    assert at.connect().reason == "refresh_token_missing"
    assert at.connect(scopes=frozenset({"openid"})).reason == "scope_missing"
    assert at.now().usable is False


@pytest.mark.attack(31)
def test_more_scope_than_was_asked_for_is_put_on_record():
    at = stage()
    at.house.extra = frozenset({"files.admin"})
    it = at.connect()
    assert it.status == "active"
    assert "files.admin" in it.scopes_granted
    assert "files.admin" not in it.scopes_requested
    assert "files.admin" in at.town.audit.events("acme")[-1].after["scopesGranted"]


@pytest.mark.attack(32)
def test_another_account_does_not_slip_in():
    at = stage()
    first = at.connect("acc-1")
    started = at.start()
    answer = at.answer(started, at.house.approve(started.url, "acc-2"))
    refused(at, answer, AccountMismatch, traded=1)
    assert at.now() == first
    assert {grant.account.id for grant in at.house.living()} == {"acc-1"}
    assert at.town.audit.events("acme")[-1].outcome == "oauth_account_mismatch"


@pytest.mark.attack(32)
def test_another_account_does_not_slip_in_beside_a_consent_that_was_finished_first():
    """Both flows began when nothing was connected: the second to land finds the first one's account."""
    at = stage()
    one, other = at.start(), at.start()
    late = at.answer(other, at.house.approve(other.url, "acc-2"))
    at.finish(at.answer(one, at.house.approve(one.url, "acc-1")))
    refused(at, late, AccountMismatch, traded=1)
    assert at.now().account.id == "acc-1"


@pytest.mark.attack(32)
def test_an_account_is_remembered_after_it_was_disconnected():
    at = stage()
    at.connect("acc-1")
    _disconnected(at)
    started = at.start()
    refused(at, at.answer(started, at.house.approve(started.url, "acc-2")), AccountMismatch, traded=1)
    assert at.now().tokens is None


@pytest.mark.attack(35)
def test_disconnecting_revokes_there_and_erases_here():
    at = stage()
    at.connect()
    _disconnected(at)
    assert at.town.script.count("server.revoke") == 1
    assert at.house.living() == []
    assert at.now().tokens is None


@pytest.mark.attack(35)
def test_disconnecting_erases_here_even_if_revoking_fails():
    at = stage()
    at.connect()
    at.town.script.before["server.revoke"].append(ProviderUnavailable())
    _disconnected(at)
    assert at.town.script.count("server.revoke") == 1
    assert at.now().tokens is None
    assert at.now().reason == "disconnected_not_revoked"


def _disconnected(at: Stage) -> None:
    town = at.town
    rooms = (town.integrations, town.providers, town.rules, town.vault, town.servers, town.clock, town.audit)
    disconnect("acme", at.integration.id, None, ANN, Disconnecting(*rooms))
