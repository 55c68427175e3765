"""Who may do what, asked of the record as it is now wherever anything may change."""

from dataclasses import replace

import pytest

from tests.unit.api.fakes import Api

ALL = "/api/v1/tenants/beta/webhooks"
HOOK = {"url": "https://hooks.beta.example/in"}


@pytest.fixture
def api() -> Api:
    made = Api()
    assert made.ask("GET", ALL, "olga").status == 200  # from here on this process remembers the tenant
    return made


def test_who_lost_a_tenant_elsewhere_changes_nothing_more(api):
    beta = api.town.tenants.items["beta"]
    api.town.tenants.elsewhere(replace(beta, owners=frozenset(), version=2))
    assert api.ask("POST", ALL, "olga", body=HOOK).status == 404
    assert api.town.webhooks.items == {}


def test_nothing_is_added_to_a_tenant_that_was_removed_elsewhere(api):
    del api.town.tenants.items["beta"]
    assert api.ask("POST", ALL, "olga", body=HOOK).status == 404
    assert api.town.webhooks.items == {}
