"""Our clients of authorization servers against the simulated houses, as our own presets describe those."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.local.providers.clients import SLUGS
from infra.local.providers.settled import endpoints_at
from infra.local.providers.simulator import Simulator, simulator
from infra.local.providers.visitor import consent
from shared.domain import errors
from shared.domain.grant import Grant
from shared.domain.ids import ProviderId
from shared.domain.presets import PRESETS
from shared.domain.provider import Provider
from shared.domain.secret import Secret
from shared.oauth.servers import Servers
from shared.outbound.session import Outbound
from shared.ports.oauth import AuthorizationServer, ConsentRequest

REDIRECT = "http://127.0.0.1:9/api/v1/oauth/x/callback"
HOUSE_OF = {slug: house for house, slugs in SLUGS.items() for slug in slugs}


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


@dataclass
class Pair:
    """A house and our client there."""

    house: Simulator
    provider: Provider
    server: AuthorizationServer
    requests: list[ConsentRequest] = field(default_factory=list)

    def request(self) -> ConsentRequest:
        verifier, nonce = Secret(secrets.token_urlsafe(32)), Secret(secrets.token_urlsafe(32))
        return ConsentRequest(REDIRECT, secrets.token_urlsafe(32), verifier, nonce, self.provider.scopes)

    def code(self, request: ConsentRequest, **how: Any) -> Secret[str]:
        said = parse_qs(urlsplit(consent(self.server.consent_url(request), **how)).query)
        assert said["state"] == [request.state]
        if "iss" in said:
            assert said["iss"] == [self.provider.issuer]
        return Secret(said["code"][0])

    def grant(self, **how: Any) -> Grant:
        request = self.request()
        return self.server.exchange(self.code(request, **how), request)


def pair_at(house: Simulator, slug: str) -> Pair:
    endpoints, issuer = endpoints_at(slug, house.base)
    now, preset = datetime.now(UTC), PRESETS[slug]
    provider = Provider(
        id=ProviderId("prv_1"),
        name=preset.name,
        slug=slug,
        connector=preset.connector,
        auth_types=preset.auth_types,
        created_by="admin",
        created_at=now,
        updated_at=now,
        endpoints=endpoints,
        client_id=house.client.id,
        scopes=preset.scopes,
        token_method=preset.token_method,
        authorize_parameters=preset.authorize_parameters,
        issuer=issuer,
        issuer_required=preset.issuer_required,
        dialect=preset.dialect,
        rotation=preset.rotation,
        idle_days=preset.idle_days,
    )
    servers = Servers(Outbound(frozenset({urlsplit(house.base).netloc})), WallClock())
    return Pair(house, provider, servers.of(provider, Secret(house.client.secret)))


@pytest.fixture(params=sorted(HOUSE_OF))
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with simulator(HOUSE_OF[request.param]) as house:
        house.control(register=[REDIRECT])
        yield pair_at(house, request.param)


def test_a_consent_becomes_tokens_an_account_and_all_the_scopes(pair: Pair) -> None:
    grant = pair.grant()
    account = pair.server.account(grant.access)
    assert account.name in {person.email for person in pair.house.house.people}
    assert grant.account is None or grant.account.id
    assert grant.scopes is None or grant.scopes >= set(pair.provider.scopes)
    assert grant.refresh is not None
    assert grant.expires_at is not None


def test_another_person_is_another_account(pair: Pair) -> None:
    first, second = (pair.server.account(pair.grant(person=who).access) for who in range(2))
    assert first.id != second.id


def test_a_refresh_follows_the_preset_s_rotation(pair: Pair) -> None:
    grant = pair.grant()
    assert grant.refresh is not None
    fresh = pair.server.refresh(grant.refresh, pair.provider.scopes)
    assert pair.server.account(fresh.access).id == pair.server.account(pair.grant().access).id
    assert (fresh.refresh is None) == (pair.provider.rotation == "static")
    if pair.provider.rotation == "strict":
        with pytest.raises((errors.GrantExpired, errors.GrantRevoked)):  # Box says "expired" of a used one too
            pair.server.refresh(grant.refresh, pair.provider.scopes)
    else:
        pair.server.refresh(grant.refresh, pair.provider.scopes)


def test_revoking_ends_the_grant_where_the_house_can(pair: Pair) -> None:
    grant = pair.grant()
    assert pair.server.revoke(grant.access, grant.refresh) is (pair.provider.endpoints.revoke is not None)
    if pair.provider.endpoints.revoke is not None:
        assert pair.house.control()["live"] == {"access": 0, "refresh": 0}
        assert pair.server.revoke(grant.access, grant.refresh) is True  # what is over counts as revoked


def test_a_code_that_was_used_or_is_another_consent_s_is_refused(pair: Pair) -> None:
    request = pair.request()
    code = pair.code(request)
    with pytest.raises(errors.CodeRefused):
        pair.server.exchange(code, pair.request())
    pair.server.exchange(code, request)
    with pytest.raises(errors.CodeRefused):
        pair.server.exchange(code, request)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503}, errors.ProviderUnavailable),
        ({"status": 429, "retry_after": 7}, errors.ProviderUnavailable),
        ({"html": True}, errors.ProviderUnavailable),
        ({"drop": "before"}, errors.ProviderUnavailable),
        ({"drop": "after"}, errors.ProviderUnavailable),
        ({"refuse": "grant_revoked"}, errors.GrantRevoked),
        ({"refuse": "client_refused"}, errors.ProviderMisconfigured),
    ],
    ids=["503", "429", "html", "dropped before", "dropped after", "revoked", "our secret"],
)
def test_each_way_a_refresh_fails_is_told_apart(
    pair: Pair, fault: dict[str, Any], error: type[errors.GrantError]
) -> None:
    grant = pair.grant()
    assert grant.refresh is not None
    pair.house.control(next={"refresh": fault})
    with pytest.raises(error) as failed:
        pair.server.refresh(grant.refresh, pair.provider.scopes)
    if isinstance(failed.value, errors.ProviderUnavailable):
        assert failed.value.after == (7 if fault.get("status") == 429 else failed.value.after)
        assert failed.value.reached is True


@pytest.mark.parametrize(
    ("slug", "why", "error"),
    [
        ("google-drive", "sign_in_again", errors.PolicyBlocked),
        ("google-drive", "admin_consent", errors.PolicyBlocked),
        ("onedrive", "sign_in_again", errors.PolicyBlocked),
        ("onedrive", "admin_consent", errors.PolicyBlocked),
        ("onedrive", "refresh_expired", errors.GrantExpired),
        ("box", "refresh_expired", errors.GrantExpired),
        ("box", "grant_revoked", errors.GrantRevoked),
        ("dropbox", "scope_wider", errors.ScopeMissing),
    ],
)
def test_what_a_house_says_in_its_own_words_is_understood(slug: str, why: str, error: type[errors.GrantError]) -> None:
    with simulator(HOUSE_OF[slug]) as house:
        house.control(register=[REDIRECT])
        pair = pair_at(house, slug)
        grant = pair.grant()
        assert grant.refresh is not None
        house.control(next={"refresh": {"refuse": why}})
        with pytest.raises(error):
            pair.server.refresh(grant.refresh, pair.provider.scopes)


def test_a_token_that_is_over_is_told_from_one_that_lacks_a_scope(pair: Pair) -> None:
    grant = pair.grant()
    pair.house.control(expire="access")
    with pytest.raises(errors.TokenExpired):
        pair.server.account(grant.access)


def test_a_box_left_unticked_shows_in_the_granted_scopes() -> None:
    with simulator("google") as house:
        house.control(register=[REDIRECT])
        pair = pair_at(house, "google-drive")
        drive = "https://www.googleapis.com/auth/drive.file"
        assert pair.grant(without=[drive]).scopes == set(pair.provider.scopes) - {drive}


def test_an_api_of_the_house_that_is_down_is_no_verdict_on_the_grant(pair: Pair) -> None:
    grant = pair.grant()
    pair.house.control(next={"api": {"status": 500}})
    with pytest.raises(errors.ProviderUnavailable):
        pair.server.account(grant.access)
    pair.server.account(grant.access)
