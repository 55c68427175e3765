"""Providers: an administrator offers a house to tenants; its client secret is sealed and seen by nobody."""

from functools import partial

import pytest

from shared.domain.audit import Actor
from shared.domain.errors import AlreadyExists, InUse, InvalidInput, NotFound, SealBroken, VersionMismatch
from shared.domain.presets import PRESETS
from shared.domain.provider import SYSTEM, Provider, secret_context
from shared.domain.secret import Secret
from shared.outbound.urls import check_url
from shared.usecases.providers import (
    Administration,
    ProviderChanges,
    add_provider,
    change_provider,
    remove_provider,
)
from tests.unit.usecases.fakes import Town

SECRET = "canary-client-secret"
ROOT = Actor("root", "192.0.2.7")
CLIENT = ProviderChanges(client_id="client-1")


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def world(town: Town) -> Administration:
    check = partial(check_url, lookup=lambda host, port: ["10.0.0.9" if host == "inside.example" else "93.184.216.34"])
    return Administration(town.providers, town.vault, town.clock, town.randomness, check)


@pytest.fixture
def dropbox(world: Administration) -> Provider:
    return add_provider(CLIENT, Secret(SECRET), ROOT, world, "dropbox")


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_needs_no_more_than_a_client(town, world, preset):
    made = add_provider(CLIENT, Secret(SECRET), ROOT, world, preset)
    told = PRESETS[preset]
    assert (made.slug, made.connector, made.endpoints) == (told.slug, told.connector, told.endpoints)
    assert town.providers.get(made.id, fresh=True) == made
    assert made.id.startswith("prv_")
    assert made.created_by == "root"


def test_what_is_said_beside_a_preset_counts(world):
    changes = ProviderChanges(client_id="c", name="Our Dropbox", token_url="https://sim.example/token", color="")
    made = add_provider(changes, Secret(SECRET), ROOT, world, "dropbox")
    assert made.name == "Our Dropbox"
    assert made.endpoints.token == "https://sim.example/token"
    assert made.endpoints.authorize == PRESETS["dropbox"].endpoints.authorize
    assert (made.metadata.color, made.metadata.icon) == ("", "dropbox")


def test_the_client_secret_is_sealed_for_its_place_and_shown_nowhere(town, world, dropbox):
    assert town.vault.open(dropbox.secret, secret_context(dropbox.id, 1)).reveal() == SECRET
    assert SECRET not in repr(dropbox) + repr(town.audit.trails) + repr(world)
    (event,) = town.audit.events(SYSTEM)
    assert (event.actor, event.action, event.subject) == (ROOT, "provider.added", f"provider/{dropbox.id}")
    assert event.after["clientSecret"] == "(set, 1)"


def test_a_new_client_secret_is_the_next_value_of_its_field(town, world, dropbox):
    changed = change_provider(dropbox.id, ProviderChanges(), Secret("canary-2"), None, ROOT, world)
    assert town.vault.open(changed.secret, secret_context(dropbox.id, 2)).reveal() == "canary-2"
    with pytest.raises(SealBroken):
        town.vault.open(dropbox.secret, secret_context(dropbox.id, 2))
    assert town.audit.events(SYSTEM)[-1].after == {"clientSecret": "(set, 2)"}


def test_a_change_tells_what_changed_and_nothing_else(town, world, dropbox):
    changed = change_provider(dropbox.id, ProviderChanges(enabled=False, revoke_url=None), Secret("s"), 1, ROOT, world)
    assert (changed.enabled, changed.endpoints.revoke, changed.version) == (False, None, 2)
    event = town.audit.events(SYSTEM)[-1]
    assert event.action == "provider.changed"
    assert (event.before["enabled"], event.after["enabled"]) == (True, False)
    assert set(event.after) == {"enabled", "revokeUrl", "clientSecret"}


def test_a_secret_is_not_sent_to_a_place_it_was_not_told_for(town, world, dropbox):
    for elsewhere in (ProviderChanges(token_url="https://evil.example/t"), ProviderChanges(revoke_url=None)):
        with pytest.raises(InvalidInput, match="clientSecret"):
            change_provider(dropbox.id, elsewhere, None, None, ROOT, world)
    moved = ProviderChanges(token_url="https://new.example/t")
    assert change_provider(dropbox.id, moved, Secret("again"), None, ROOT, world).endpoints.token.endswith("/t")


@pytest.mark.parametrize("changes", [ProviderChanges(slug="other"), ProviderChanges(connector="box")])
def test_what_was_registered_does_not_change(world, dropbox, changes):
    with pytest.raises(InvalidInput):
        change_provider(dropbox.id, changes, None, None, ROOT, world)


def test_two_providers_never_share_a_slug(world, dropbox):
    with pytest.raises(AlreadyExists):
        add_provider(CLIENT, None, ROOT, world, "dropbox")


def test_a_provider_in_use_stays(town, world, dropbox):
    town.providers.count(dropbox.id, 1)
    with pytest.raises(InUse):
        remove_provider(dropbox.id, None, ROOT, world)
    town.providers.count(dropbox.id, -1)
    remove_provider(dropbox.id, None, ROOT, world)
    assert town.providers.get(dropbox.id, fresh=True) is None
    assert town.audit.actions(SYSTEM)[-1] == "provider.removed"
    with pytest.raises(NotFound):
        remove_provider(dropbox.id, None, ROOT, world)


def test_whoever_names_a_version_is_told_that_it_is_another(town, world, dropbox):
    change_provider(dropbox.id, ProviderChanges(enabled=False), None, 1, ROOT, world)
    for late in (
        lambda: change_provider(dropbox.id, ProviderChanges(enabled=True), None, 1, ROOT, world),
        lambda: remove_provider(dropbox.id, 1, ROOT, world),
    ):
        looks = town.script.count("providers.get")
        with pytest.raises(VersionMismatch):
            late()
        assert town.script.count("providers.get") == looks + 1
    assert town.providers.get(dropbox.id, fresh=True).enabled is False


def test_whoever_names_none_goes_round_again(town, world, dropbox):
    def meanwhile():
        change_provider(dropbox.id, ProviderChanges(name="Other"), None, None, ROOT, world)

    town.script.meanwhile["providers.change"] = meanwhile
    changed = change_provider(dropbox.id, ProviderChanges(enabled=False), None, None, ROOT, world)
    assert (changed.name, changed.enabled, changed.version) == ("Other", False, 3)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a\nb"},
        {"slug": "Dropbox"},
        {"slug": "a--b"},
        {"slug": "../x"},
        {"slug": ""},
        {"connector": "../s3"},
        {"auth_types": ()},
        {"auth_types": ("oauth2", "oauth2")},
        {"auth_types": ("access_key",)},
        {"auth_url": None},
        {"token_url": None},
        {"token_url": "http://api.example/token"},
        {"token_url": "https://inside.example/token"},
        {"token_url": "https://169.254.169.254/token"},
        {"user_info_url": "https://user:pass@api.example/me"},
        {"auth_url": "https://api.example/auth#x"},
        {"auth_url": "https://api.example/" + "a" * 2048},
        {"client_id": ""},
        {"client_id": "a b"},
        {"scopes": ("a b",)},
        {"scopes": ('"',)},
        {"scopes": ("a", "a")},
        {"authorize_parameters": {"redirect_uri": "https://evil.example"}},
        {"authorize_parameters": {"response_mode": "form_post"}},
        {"authorize_parameters": {"code_challenge_method": "plain"}},
        {"authorize_parameters": {"a b": "c"}},
        {"authorize_parameters": {"a": "c\n"}},
        {"issuer": "javascript:alert(1)"},
        {"issuer": "https://i.example/?x"},
        {"issuer_required": True},
        {"idle_days": 0},
        {"token_method": "NONE"},
        {"dialect": "ftp"},
        {"rotation": "wild"},
        {"color": "red;background:url(//evil)"},
        {"icon": "x" * 300},
        {"regions": ("",)},
    ],
    ids=repr,
)
def test_a_provider_that_is_not_well_formed_is_refused_and_not_repeated(town, world, changes):
    with pytest.raises(InvalidInput) as refused:
        add_provider(ProviderChanges(**{"client_id": "c", **changes}), Secret(SECRET), ROOT, world, "dropbox")
    for value in changes.values():
        assert not isinstance(value, str) or len(value) < 4 or value not in str(refused.value)
    assert town.providers.items == {}
    assert town.script.count("vault.seal") == 0


@pytest.mark.parametrize("said", ["", "a b", "x" * 5000, "line\n"])
def test_a_client_secret_is_visible_text(world, said):
    with pytest.raises(InvalidInput, match="clientSecret"):
        add_provider(CLIENT, Secret(said), ROOT, world, "dropbox")


def test_there_are_presets_of_these_names_only(world):
    with pytest.raises(InvalidInput, match="dropbox"):
        add_provider(CLIENT, None, ROOT, world, "ftp")
