"""The whole walk on the production code, with a certified provider at the other end: begin, consent, finish, refresh, end."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from infra.local.oidc_provider import OidcProvider
from shared.domain.errors import AccountMismatch, ConsentDenied, InvalidState
from shared.domain.integration import Integration, access_context, refresh_context
from shared.domain.secret import Secret
from shared.oauth.servers import Servers
from shared.outbound.session import Outbound
from shared.usecases.disconnect import Disconnecting, disconnect
from shared.usecases.providers import ProviderChanges, change_provider
from shared.usecases.refresh import Refreshing, refresh_one
from tests.oauth.browser import consent
from tests.oauth.conftest import REDIRECT, SCOPES, WallClock
from tests.unit.usecases.stage import ANN, PUBLIC, ROOT, Stage, administration, stage


@pytest.fixture
def at(oidc: OidcProvider) -> Stage:
    """A stage whose house is the certified provider."""
    assert REDIRECT.startswith(PUBLIC)
    made = stage(
        slug="oidc",
        auth_url=oidc.authorize,
        token_url=oidc.token,
        revoke_url=oidc.revoke,
        user_info_url=oidc.user_info,
        client_id=oidc.client_id,
        scopes=SCOPES,
        authorize_parameters={"prompt": "consent"},
        issuer=oidc.issuer,
        issuer_required=True,
        rotation="strict",
    )
    town = made.town
    town.clock.time = datetime.now(UTC)
    change_provider(made.provider.id, ProviderChanges(), Secret(oidc.client_secret), None, ROOT, administration(town))
    town.servers = Servers(Outbound(frozenset({oidc.issuer.removeprefix("http://")})), WallClock())
    return made


def walk(at: Stage, person: str = "ada", **request) -> Integration:
    started = at.start(**request)
    return at.finish(at.answer(started, dict(consent(started.url, REDIRECT, person)))).integration


def is_alive(at: Stage, oidc: OidcProvider, it: Integration, which: str) -> bool:
    """What the provider itself says of a token (RFC 7662)."""
    sealed, place = {
        "access": (it.tokens.access, access_context),
        "refresh": (it.tokens.refresh, refresh_context),
    }[which]
    token = at.town.vault.open(sealed, place(it.tenant_id, it.id, sealed.sequence)).reveal()
    form = {"token": token, "client_id": oidc.client_id, "client_secret": oidc.client_secret}
    return httpx.post(oidc.introspect, data=form, trust_env=False).json()["active"]


def test_a_person_connects_and_the_connection_lives_on_until_it_is_ended(at, oidc):
    it = walk(at)
    assert (it.status, it.reason, it.account.id) == ("active", None, "ada")
    assert set(SCOPES) >= set(it.scopes_granted)
    assert is_alive(at, oidc, it, "access")

    town = at.town
    rooms = (town.integrations, town.providers, town.leases, town.vault, town.servers)
    refreshing = Refreshing(*rooms, town.clock, town.randomness, town.metrics)
    town.clock.time += timedelta(seconds=30)
    newer = refresh_one("acme", it.id, refreshing, town.deadline, force=True)
    assert (newer.status, newer.generation) == ("active", 2)
    assert not is_alive(at, oidc, it, "refresh")
    assert is_alive(at, oidc, newer, "refresh")

    rooms = (town.integrations, town.providers, town.rules, town.vault, town.servers, town.clock, town.audit)
    bare = disconnect("acme", it.id, None, ANN, Disconnecting(*rooms))
    assert (bare.status, bare.reason, bare.tokens) == ("revoked", "disconnected", None)
    assert not is_alive(at, oidc, newer, "refresh")

    again = walk(at)
    assert (again.status, again.generation) == ("active", 3)


def test_a_person_who_denies_changes_nothing(at):
    started = at.start()
    denied = dict(consent(started.url, REDIRECT, "ada", deny=True))
    with pytest.raises(ConsentDenied):
        at.finish(at.answer(started, denied))
    assert at.now() == at.integration


@pytest.mark.attack(3)
@pytest.mark.attack(16)
def test_what_was_followed_once_is_not_followed_again(at):
    started = at.start()
    answer = at.answer(started, dict(consent(started.url, REDIRECT, "ada")))
    at.finish(answer)
    with pytest.raises(InvalidState):
        at.finish(answer)


@pytest.mark.attack(32)
def test_another_person_does_not_slip_in_and_leaves_no_grant_behind(at):
    walk(at, "ada")
    with pytest.raises(AccountMismatch):
        walk(at, "grace")
    assert at.now().account.id == "ada"
    assert walk(at, "grace", confirmed=True).account.id == "grace"
