"""A target's template makes paths of keys, and where it can, keys of paths."""

import pytest

from shared.domain.ids import IntegrationId, TargetName, TenantId
from shared.domain.rule import Target

KEYS = ["in/a", "in/a b", "in/a/b", "in/{key}", "in/", "in/ü", "in/in/x"]
TENANT = TenantId("acme")


def target(path: str) -> Target:
    return Target(TargetName("t"), IntegrationId("i"), None, path)


@pytest.mark.parametrize("path", ["{key}", "{relative}", "{tenant}/{relative}", "a-{tenant}-b/{key}"])
def test_a_template_that_ends_in_the_key_sorts_as_keys_do_and_tells_them(path):
    made = target(path)
    assert made.in_order
    paths = [made.path_of(key, "in/", TENANT) for key in sorted(KEYS)]
    assert paths == sorted(paths)
    assert [made.key_of(path, "in/", TENANT) for path in paths] == sorted(KEYS)


@pytest.mark.parametrize("path", ["{key}.bak", "{relative}/{tenant}", "{key}{key}", "{key}{relative}"])
def test_other_templates_do_not_claim_to(path):
    assert not target(path).in_order


def test_a_path_of_another_beginning_is_no_keys():
    assert target("{tenant}/{key}").key_of("bolt/in/a", "in/", TENANT) is None
