"""Connecting by consent: what is stored, what is sent, what a person sees, and what goes wrong without harm."""

import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.domain.audit import Actor
from shared.domain.errors import (
    AccountMismatch,
    BrowserMismatch,
    CodeRefused,
    ConsentDenied,
    InvalidInput,
    InvalidState,
    IssuerMismatch,
    Misconfigured,
    NotFound,
    PolicyBlocked,
    ProviderMisconfigured,
    ProviderUnavailable,
    SealBroken,
    StateUnavailable,
    VersionMismatch,
)
from shared.domain.grant import flow_context
from shared.domain.integration import Account, access_context, refresh_context
from shared.domain.presets import PRESETS
from shared.usecases.callback import hashed
from shared.usecases.connect import Finished, Handover, StartRequest, start
from shared.usecases.integrations import IntegrationChanges, NewIntegration, add_integration, change_integration
from shared.usecases.providers import ProviderChanges, change_provider
from tests.unit.usecases.authorization import Agreement, challenge
from tests.unit.usecases.stage import (
    ANN,
    CLIENT_SECRET,
    HOME,
    HOUSE,
    LOOPBACK,
    PUBLIC,
    ROOT,
    administration,
    managing,
    stage,
)

CANARIES = ("access-canary", "refresh-canary", "code-canary", CLIENT_SECRET)


def test_consent_turns_a_pending_integration_active():
    at = stage()
    assert at.integration.status == "pending"
    it = at.connect()
    assert (it.status, it.reason, it.generation, it.failures) == ("active", None, 1, 0)
    assert (it.account.id, it.account.name) == ("acc-1", "acc-1@example.org")
    assert it.scopes_requested == ("openid", "files.read", "files.write")
    assert it.scopes_granted == ("files.read", "files.write", "openid")
    assert it.connected_at == at.town.clock.now()
    assert it.tokens.expires_at == at.town.clock.now() + timedelta(hours=1)
    assert at.town.clock.now() < it.refresh_due_at < it.tokens.expires_at
    assert at.now() == it


def test_what_was_done_is_audited_with_the_write():
    at = stage()
    at.connect()
    events = at.town.audit.events("acme")
    assert [event.action for event in events] == [
        "integration.added",
        "integration.connect_started",
        "integration.connected",
    ]
    done = events[-1]
    assert done.actor.subject == "ann"
    assert (done.before["status"], done.after["status"], done.after["reason"]) == ("pending", "active", None)
    at.connect()
    assert at.town.audit.actions("acme")[-1] == "integration.reconnected"


def test_a_flow_is_kept_by_hashes_and_its_secrets_sealed():
    at = stage()
    started = at.start(return_to=HOME)
    (flow,) = at.town.flows.items.values()
    told = parse_qs(urlsplit(started.url).query)
    state = told["state"][0]
    assert flow.state_hash == hashed(state)
    assert flow.browser_hash == hashed(started.browser.reveal())
    assert started.cookie_name == f"__Host-farshore-{flow.state_hash[:16]}"
    opened = json.loads(at.town.vault.open(flow.secrets, flow_context("acme", flow.state_hash)).reveal())
    assert told["code_challenge"] == [challenge(opened["verifier"])]
    assert told["code_challenge_method"] == ["S256"]
    kept = repr(flow) + repr(flow.secrets.box) + repr(at.town.audit.trails)
    for secret in (state, started.browser.reveal(), opened["verifier"], opened["nonce"]):
        assert len(secret) == 43
        assert secret not in kept
    assert (flow.user, flow.return_to) == ("ann", HOME)
    assert flow.expires_at - flow.created_at == timedelta(minutes=10)
    assert state not in repr(started)


def test_tokens_are_sealed_each_for_its_own_purpose():
    at = stage()
    tokens = at.connect().tokens
    place = ("acme", at.integration.id, 1)
    assert at.town.vault.open(tokens.access, access_context(*place)).reveal().startswith("access-canary")
    assert at.town.vault.open(tokens.refresh, refresh_context(*place)).reveal().startswith("refresh-canary")
    for wrong in (refresh_context(*place), access_context("zeta", *place[1:]), access_context(*place[:2], 2)):
        with pytest.raises(SealBroken):
            at.town.vault.open(tokens.access, wrong)


def test_no_secret_shows_anywhere():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)
    answer = at.answer(started, brought)
    end = at.finish(answer)
    shown = repr((started, answer, end, at.now(), at.town.audit.trails, at.provider, at.town.flows.items))
    for canary in (*CANARIES, brought["state"], started.browser.reveal()):
        assert canary not in shown


def test_the_redirect_uri_is_the_providers_or_the_integrations_own():
    at = stage()
    own = f"/api/v1/tenants/acme/cloud-integrations/{at.integration.id}/oauth/callback"
    for callback, path in (("provider", "/api/v1/oauth/house/callback"), ("integration", own)):
        started = at.start(callback=callback)
        assert at.house.asked[-1]["redirect_uri"] == PUBLIC + path
        answer = at.answer(started, at.house.approve(started.url), redirect_path=path)
        assert at.finish(answer).integration.status == "active"


def test_an_owner_may_ask_for_less_but_never_for_more():
    at = stage()
    started = at.start(scopes=("files.read",))
    assert at.house.asked[-1]["scope"] == "openid files.read"
    end = at.finish(at.answer(started, at.house.approve(started.url)))
    assert end.integration.scopes_requested == ("openid", "files.read")
    for beyond in (("files.admin",), ("files.read", "files.admin"), ()):
        with pytest.raises(InvalidInput):
            at.start(scopes=beyond)


def test_a_browser_goes_back_to_where_it_wanted():
    at = stage()
    started = at.start(return_to=HOME)
    assert at.finish(at.answer(started, at.house.approve(started.url))) == Finished(at.now(), HOME)
    started = at.start(return_to=HOME)
    with pytest.raises(ConsentDenied) as denied:
        at.finish(at.answer(started, at.house.deny(started.url)))
    assert denied.value.return_to == HOME


def test_only_what_is_connected_by_consent_can_begin_one():
    at = stage()

    made = at.offer(name="S3", slug="s3", connector="s3", auth_types=PRESETS["s3"].auth_types)
    new = NewIntegration("Keys", "access_key", provider_id=made.id, container="backup")
    keys = add_integration("acme", new, {"accessKeyId": "a", "secretAccessKey": "b"}, ANN, managing(at.town))
    with pytest.raises(InvalidInput):
        at.start(keys)
    for tenant, name in (("zeta", at.integration.id), ("acme", "int_nobody"), ("nobody", at.integration.id)):
        with pytest.raises(NotFound):
            start(tenant, name, StartRequest(), ANN, at.connecting)
    change_provider(at.provider.id, ProviderChanges(enabled=False), None, None, ROOT, administration(at.town))
    with pytest.raises(NotFound):
        at.start()
    assert at.town.flows.items == {}


def test_without_a_public_url_nothing_begins():
    at = stage()
    with pytest.raises(Misconfigured):
        start("acme", at.integration.id, StartRequest(), ANN, replace(at.connecting, public_url=""))


@pytest.mark.parametrize(
    ("changes", "fine"),
    [
        ({}, False),
        ({"issuer": "https://house.example"}, True),
        ({"issuer": "https://house.example", "scopes": ("files.read",)}, False),
        ({"dialect": "dropbox"}, True),
        ({"user_info_url": "https://house.example/me"}, True),
    ],
)
def test_nobody_is_asked_where_the_account_could_not_be_told(changes, fine):
    at = stage(**{"user_info_url": None, **changes})
    if fine:
        assert at.start().url
    else:
        with pytest.raises(Misconfigured, match="userInfoUrl"):
            at.start()
        assert at.town.flows.items == {}


def test_the_answer_itself_may_say_whose_account_it_is():
    at = stage()
    at.house.says_account = True
    assert at.connect().account.id == "acc-1"
    assert at.town.script.count("server.account") == 0


@pytest.mark.parametrize(
    ("url", "answers", "name"),
    [
        ("https://house.example/me", True, "acc-1@example.org"),
        ("https://house.example/me", False, None),
        (None, True, None),
    ],
)
def test_an_account_without_a_name_is_asked_for_it_and_connected_either_way(url, answers, name):
    at = stage(user_info_url=url, issuer="https://house.example")
    at.house.says_account, at.house.says_name = True, False
    if not answers:
        at.town.script.before["server.account"].append(ProviderUnavailable())
    it = at.connect()
    assert (it.status, it.account) == ("active", Account("acc-1", name))
    assert at.town.script.count("server.account") == (1 if url else 0)


def test_scopes_that_were_not_granted_leave_it_in_error_until_it_is_connected_again():
    at = stage()
    it = at.connect(scopes=frozenset({"openid", "files.read"}))
    assert (it.status, it.reason, it.usable) == ("error", "scope_missing", False)
    assert it.tokens is not None
    assert it.scopes_granted == ("files.read", "openid")
    assert at.town.audit.events("acme")[-1].outcome == "scope_missing"
    again = at.connect()
    assert (again.status, again.reason, again.generation) == ("active", None, 2)


def test_an_answer_that_does_not_tell_scopes_grants_what_was_asked():
    at = stage()
    at.house.says_scopes = False
    it = at.connect()
    assert (it.status, it.scopes_granted) == ("active", it.scopes_requested)


def test_without_a_refresh_token_it_works_as_long_as_its_access_token():
    at = stage()
    at.house.gives_refresh = False
    it = at.connect()
    assert (it.status, it.reason) == ("active", "refresh_token_missing")
    assert it.refresh_due_at == it.tokens.expires_at


def test_the_same_account_without_a_new_refresh_token_keeps_the_old_one():
    at = stage()
    first = at.connect()
    at.house.gives_refresh = False
    again = at.connect()
    assert (again.status, again.reason, again.generation) == ("active", None, 2)
    assert again.tokens.refresh == first.tokens.refresh
    assert at.town.vault.open(again.tokens.refresh, refresh_context("acme", again.id, 1))


def test_another_account_does_not_get_the_old_ones_refresh_token():
    at = stage()
    at.connect("acc-1")
    at.house.gives_refresh = False
    it = at.connect("acc-2", confirmed=True)
    assert (it.account.id, it.tokens.refresh, it.reason) == ("acc-2", None, "refresh_token_missing")


def test_a_confirmed_change_of_account_ends_the_old_grant():
    at = stage()
    at.connect("acc-1")
    it = at.connect("acc-2", confirmed=True)
    assert it.account.id == "acc-2"
    assert {grant.account.id for grant in at.house.living()} == {"acc-2"}


def test_a_grant_that_another_integration_lives_on_is_not_ended():
    at = stage()
    other = at.connect("acc-2", it=at.add())
    at.connect("acc-1")
    started = at.start()
    with pytest.raises(AccountMismatch):
        at.finish(at.answer(started, at.house.approve(started.url, "acc-2")))
    assert at.town.script.count("server.revoke") == 0
    assert at.town.integrations.items["acme", other.id].status == "active"


def test_a_confirmed_change_leaves_a_grant_that_another_integration_lives_on():
    at = stage()
    at.connect("acc-1")
    at.connect("acc-1", it=at.add())
    at.connect("acc-2", confirmed=True)
    assert at.town.script.count("server.revoke") == 0


def test_an_old_grant_that_could_not_be_ended_is_on_record():
    at = stage()
    at.connect("acc-1")
    at.town.script.before["server.revoke"].append(ProviderUnavailable())
    assert at.connect("acc-2", confirmed=True).status == "active"
    last = at.town.audit.events("acme")[-1]
    assert (last.action, last.outcome) == ("integration.revocation_failed", "provider_unavailable")


def test_reconnecting_the_same_account_ends_nothing():
    at = stage()
    at.connect()
    at.connect()
    assert at.town.script.count("server.revoke") == 0


def test_a_reconnect_that_fails_does_not_end_the_connection_there_is():
    at = stage()
    at.connect()
    started = at.start()
    answer = at.answer(started, at.house.approve(started.url))
    at.town.script.before["integrations.change"] = [VersionMismatch() for _ in range(9)]
    with pytest.raises(VersionMismatch):
        at.finish(answer)
    assert at.town.script.count("server.revoke") == 0


def test_the_same_account_at_another_provider_is_another_account():
    at = stage()
    other = at.offer(**{**HOUSE, "slug": "other"})
    at.town.servers.house(other.id).secret = CLIENT_SECRET
    at.connect("acc-1")
    elsewhere = at.add(slug="other")
    started = at.start(elsewhere)
    given = at.town.servers.house(other.id).approve(started.url, "acc-1")
    at.finish(at.answer(started, given, redirect_path="/api/v1/oauth/other/callback"))
    at.connect("acc-2", confirmed=True)
    assert at.town.script.count("server.revoke") == 1


def test_siblings_are_found_on_any_page():
    at = stage()
    at.connect("acc-1")
    last = at.connect("acc-1", it=at.add())
    waiting = replace(at.add(), account=None)
    at.town.integrations.elsewhere(replace(last, id="zzz"))
    del at.town.integrations.items["acme", last.id]
    for number in range(250):
        at.town.integrations.elsewhere(replace(waiting, id=f"int_{number:03}"))
    at.connect("acc-2", confirmed=True)
    assert at.town.script.count("server.revoke") == 0


@pytest.mark.parametrize("when", ["before", "while the code is traded"])
def test_an_integration_that_became_another_is_not_connected(when):
    at = stage()
    started = at.start()
    answer = at.answer(started, at.house.approve(started.url))

    def change():
        at.town.integrations.elsewhere(replace(at.now(), provider_id="prv_other", version=2))

    if when == "before":
        change()
    else:
        at.town.script.meanwhile["server.account"] = change
    with pytest.raises(InvalidState):
        at.finish(answer)
    assert at.now().tokens is None
    assert at.house.living() == []
    assert at.town.script.count("server.exchange") == (0 if when == "before" else 1)


@pytest.mark.parametrize(("before", "living"), [(False, 0), (True, 2)])
def test_a_grant_of_an_account_that_cannot_be_told_is_ended_only_where_that_ends_no_other(before, living):
    at = stage()
    if before:
        at.connect()
    started = at.start()
    answer = at.answer(started, at.house.approve(started.url))
    at.town.script.before["server.account"].append(ProviderUnavailable())
    with pytest.raises(ProviderUnavailable):
        at.finish(answer)
    assert len(at.house.living()) == living
    assert at.now().status == ("active" if before else "pending")


def test_who_lost_the_tenant_meanwhile_connects_nothing_to_it():
    at = stage()
    at.connect()
    started = at.start(confirmed=True)
    brought = at.house.approve(started.url, "acc-of-an-owner-who-left")
    at.later(seconds=1)
    tenant = at.town.tenants.items["acme"]
    at.town.tenants.elsewhere(replace(tenant, owners=frozenset({"eve"}), updated_at=at.town.clock.now(), version=2))
    at.town.script.calls.clear()
    with pytest.raises(InvalidState):
        at.finish(at.answer(started, brought))
    assert at.now().account.id == "acc-1"
    assert at.town.script.count("server.exchange") == 0


def test_nothing_is_connected_for_a_tenant_that_is_gone():
    at = stage()
    started = at.start()
    answer = at.answer(started, at.house.approve(started.url))
    del at.town.tenants.items["acme"]
    with pytest.raises(InvalidState):
        at.finish(answer)
    assert at.town.script.count("server.exchange") == 0


def test_nothing_is_connected_to_a_provider_that_is_switched_off():
    at = stage()
    started = at.start()
    answer = at.answer(started, at.house.approve(started.url))
    at.town.providers.elsewhere(replace(at.provider, enabled=False))
    with pytest.raises(InvalidState):
        at.finish(answer)
    assert at.town.script.count("server.exchange") == 0


def test_reconnecting_mends_what_is_broken():
    at = stage()
    it = at.connect()
    broken = replace(
        it, status="revoked", reason="grant_revoked", failures=4, refresh_due_at=None, version=it.version + 1
    )
    at.town.integrations.elsewhere(broken)
    mended = at.connect()
    assert (mended.status, mended.reason, mended.failures, mended.generation) == ("active", None, 0, 2)
    assert mended.refresh_due_at is not None
    assert mended.id == it.id


def test_what_else_changed_meanwhile_is_kept():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)

    def rename():
        change_integration("acme", at.integration.id, IntegrationChanges("New"), None, None, ANN, managing(at.town))

    at.town.script.meanwhile["integrations.change"] = rename
    it = at.finish(at.answer(started, brought)).integration
    assert (it.name, it.status) == ("New", "active")


def test_removed_meanwhile_it_stays_removed_and_its_grant_is_ended():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)
    at.town.script.meanwhile["server.account"] = at.town.integrations.items.clear
    with pytest.raises(NotFound):
        at.finish(at.answer(started, brought))
    assert at.town.integrations.items == {}
    assert at.house.living() == []


def test_one_that_never_stands_still_is_given_up():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)
    at.town.script.before["integrations.change"] = [VersionMismatch() for _ in range(9)]
    with pytest.raises(VersionMismatch):
        at.finish(at.answer(started, brought))
    assert at.house.living() == []
    assert at.now().status == "pending"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        ("access_denied", ConsentDenied),
        ("admin_policy_enforced", PolicyBlocked),
        ("interaction_required", PolicyBlocked),
        ("temporarily_unavailable", ProviderUnavailable),
        ("invalid_scope", ProviderMisconfigured),
        ("unauthorized_client", ProviderMisconfigured),
        ("<script>alert(1)</script>", ConsentDenied),
    ],
)
def test_an_error_answer_ends_the_flow_in_our_own_words(error, meaning):
    at = stage()
    started = at.start()
    with pytest.raises(meaning) as refused:
        at.finish(at.answer(started, at.house.deny(started.url, error)))
    assert error not in str(refused.value)
    assert at.town.flows.items == {}
    failed = at.town.audit.events("acme")[-1]
    assert (failed.action, failed.outcome) == ("integration.connect_failed", meaning.code)
    assert failed.actor == Actor("ann")
    assert at.now() == at.integration


@pytest.mark.parametrize("error", [CodeRefused(), ProviderUnavailable(), ProviderMisconfigured(), PolicyBlocked()])
def test_a_code_that_cannot_be_traded_changes_nothing(error):
    at = stage()
    started = at.start(return_to=HOME)
    brought = at.house.approve(started.url)
    at.town.script.before["server.exchange"].append(error)
    with pytest.raises(type(error)) as refused:
        at.finish(at.answer(started, brought))
    assert refused.value.return_to == HOME
    assert at.now() == at.integration
    assert at.town.audit.events("acme")[-1].outcome == error.code
    assert at.town.metrics.total("ProviderMisconfigured") == isinstance(error, ProviderMisconfigured)


@pytest.mark.parametrize("error", [CodeRefused, IssuerMismatch])
@pytest.mark.parametrize(("before", "living"), [(False, 0), (True, 2)])
def test_tokens_that_came_with_a_wrong_id_token_are_given_back_where_that_ends_no_other(error, before, living):
    at = stage()
    if before:
        at.connect()
    started = at.start()
    agreement = Agreement(Account("whose"), frozenset())
    refused = error()
    refused.grant = at.house.issue(agreement, at.house.new_refresh(agreement))
    at.town.script.before["server.exchange"].append(refused)
    with pytest.raises(error):
        at.finish(at.answer(started, at.house.approve(started.url)))
    assert len(at.house.living()) == living
    assert at.now().status == ("active" if before else "pending")


def test_a_grant_whose_account_cannot_be_told_is_ended():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)
    at.town.script.before["server.account"].append(ProviderUnavailable())
    with pytest.raises(ProviderUnavailable):
        at.finish(at.answer(started, brought))
    assert at.house.living() == []
    assert at.now() == at.integration


def test_a_write_that_may_have_gone_through_ends_no_grant():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)
    at.town.script.after["integrations.change"].append(StateUnavailable())
    with pytest.raises(StateUnavailable):
        at.finish(at.answer(started, brought))
    assert at.now().status == "active"
    assert len(at.house.living()) == 1


@pytest.mark.parametrize("call", ["audit.append", "flows.add", "vault.seal", "integrations.get", "providers.get"])
def test_a_consent_that_cannot_be_remembered_does_not_begin(call):
    at = stage()
    at.town.down(call)
    with pytest.raises(StateUnavailable):
        at.start()
    assert at.town.flows.items == {}


def test_a_refusal_that_cannot_be_put_on_record_says_so():
    at = stage()
    started = at.start(return_to=HOME)
    at.town.down("audit.append")
    with pytest.raises(StateUnavailable) as untold:
        at.finish(at.answer(started, at.house.deny(started.url)))
    assert untold.value.return_to == HOME


def test_a_commands_browser_is_sent_on_and_the_command_finishes():
    at = stage()
    started = at.start(loopback=LOOPBACK)
    brought = at.house.approve(started.url)
    from_browser = at.answer(started, brought, cookies={})
    sent = at.finish(from_browser)
    assert isinstance(sent, Handover)
    assert sent.url.startswith(f"{LOOPBACK}?")
    assert {name: values[0] for name, values in parse_qs(urlsplit(sent.url).query).items()} == brought
    assert len(at.town.flows.items) == 1
    assert brought["code"] not in repr(sent)
    end = at.finish(at.answer(started, brought, principal="ann"))
    assert end.integration.status == "active"


@pytest.mark.parametrize("principal", [None, "eve"])
def test_a_command_finishes_as_the_user_who_began_only(principal):
    at = stage()
    started = at.start(loopback=LOOPBACK)
    answer = at.answer(started, at.house.approve(started.url), principal=principal)
    with pytest.raises(BrowserMismatch):
        at.finish(answer)
    assert len(at.town.flows.items) == 1
    assert at.now() == at.integration


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:51234/done",
        "https://127.0.0.1:51234/done",
        "http://127.0.0.1:80/done",
        "http://127.0.0.1:70000/done",
        "http://127.0.0.1:51234",
        "http://127.0.0.1:51234/",
        "http://127.0.0.1:51234/done?x=1",
        "http://127.0.0.1:51234/done#x",
        "http://127.0.0.1:51234/../x",
        "http://127.0.0.1:51234@evil.example/x",
        "http://127.0.0.1.evil.example:51234/x",
        "http://127.0.0.2:51234/x",
        "http://[::1]:51234/x\n",
        "http://[::ffff:127.0.0.1]:51234/x",
    ],
)
def test_a_loopback_is_a_literal_address_of_this_computer(url):
    at = stage()
    with pytest.raises(InvalidInput):
        at.start(loopback=url)
    at.start(loopback="http://[::1]:1024/a/b-c")


def test_two_tabs_do_not_disturb_each_other():
    at = stage()
    one, other = at.start(), at.start()
    assert one.cookie_name != other.cookie_name
    both = {one.cookie_name: one.browser.reveal(), other.cookie_name: other.browser.reveal()}
    for started in (other, one):
        end = at.finish(at.answer(started, at.house.approve(started.url), cookies=both))
        assert end.integration.status == "active"


def test_a_signed_in_page_must_be_the_one_who_began():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)
    with pytest.raises(BrowserMismatch):
        at.finish(at.answer(started, brought, principal="eve"))
    assert at.finish(at.answer(started, brought, principal="ann")).integration.status == "active"


def test_a_flow_whose_secrets_were_tampered_with_is_not_followed():
    at = stage()
    started, other = at.start(), at.start()
    brought = at.house.approve(started.url)
    flows = at.town.flows.items
    mine, theirs = hashed(brought["state"]), next(key for key in flows if key != hashed(brought["state"]))
    flows[mine] = replace(flows[mine], secrets=flows[theirs].secrets)
    with pytest.raises(SealBroken):
        at.finish(at.answer(started, brought))
    assert at.now() == at.integration
    assert other.cookie_name != started.cookie_name


def test_a_provider_that_changed_meanwhile_has_to_be_asked_again():
    at = stage()
    started = at.start()
    brought = at.house.approve(started.url)
    change_provider(at.provider.id, ProviderChanges(name="New"), None, None, ROOT, administration(at.town))
    with pytest.raises(InvalidState):
        at.finish(at.answer(started, brought))
    assert at.town.script.count("server.exchange") == 0
    assert at.connect().status == "active"
