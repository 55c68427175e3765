"""Presets: that each can become a provider, asks for no more than it needs, and keeps its promises about refresh tokens."""

import re
from urllib.parse import urlsplit

import pytest

from shared.domain.presets import PRESETS
from shared.usecases.forms import form_of

BY_CONSENT = [preset for preset in PRESETS.values() if "oauth2" in preset.auth_types]
BROAD = re.compile(
    r"auth/drive$|drive\.readonly|Files\.ReadWrite\.All|Sites\.(Read|ReadWrite|FullControl)|team_|manage_"
)


def named(presets):
    return pytest.mark.parametrize("preset", presets, ids=lambda preset: preset.slug)


def test_the_houses_that_were_promised_have_presets():
    assert set(PRESETS) == {
        "dropbox",
        "google-drive",
        "onedrive",
        "sharepoint",
        "box",
        "s3",
        "azure-blob",
        "google-cloud-storage",
    }


@named(PRESETS.values())
def test_a_preset_can_be_shown_and_addressed(preset):
    assert re.fullmatch(r"[a-z0-9-]+", preset.slug)
    assert re.fullmatch(r"#[0-9a-f]{6}", preset.metadata.color)
    assert all((preset.name, preset.metadata.icon, preset.metadata.description, preset.metadata.hipaa_baa))


@named(PRESETS.values())
def test_every_way_to_sign_in_to_a_preset_has_a_form(preset):
    assert preset.auth_types
    for auth_type in preset.auth_types:
        form_of(preset.connector, auth_type)


@named(PRESETS.values())
def test_a_preset_has_endpoints_if_it_signs_in_by_consent(preset):
    assert (preset.endpoints is not None) == ("oauth2" in preset.auth_types)


@named(BY_CONSENT)
def test_every_endpoint_is_https(preset):
    told = preset.endpoints
    for url in (told.authorize, told.token, told.revoke, told.user_info):
        assert url is None or (urlsplit(url).scheme == "https" and urlsplit(url).query == "")


@named(BY_CONSENT)
def test_no_scope_reaches_more_than_replicas_need(preset):
    assert preset.scopes
    assert [scope for scope in preset.scopes if BROAD.search(scope)] == []


@named(BY_CONSENT)
def test_every_preset_asks_for_a_refresh_token_in_its_houses_way(preset):
    ways = {
        "google": preset.authorize_parameters == {"access_type": "offline", "prompt": "consent"},
        "dropbox": preset.authorize_parameters == {"token_access_type": "offline"},
        "microsoft": "offline_access" in preset.scopes,
        "generic": True,  # Box always gives one
    }
    assert ways[preset.dialect]
