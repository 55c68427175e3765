"""What a tenant may do with its webhooks, and what nobody gets to see."""

import base64
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.audit import Actor
from shared.domain.errors import Conflict, InvalidInput, NotFound, StateUnavailable, VersionMismatch
from shared.domain.notice import webhook_context
from shared.usecases.webhooks import (
    KINDS,
    MOST,
    OVERLAP,
    Hooks,
    WebhookChanges,
    add_webhook,
    change_webhook,
    remove_webhook,
    rotate_webhook,
)
from tests.unit.usecases.fakes import Town

ANNA = Actor("anna", "192.0.2.7")
URL = "https://hooks.example/farshore"


def check(url: str) -> None:
    if not url.startswith("https://hooks."):
        raise InvalidInput("the URL must lead to the public internet")


@pytest.fixture
def town() -> Town:
    return Town()


@pytest.fixture
def hooks(town: Town) -> Hooks:
    return Hooks(town.webhooks, town.vault, town.clock, town.randomness, check)


def opened(town: Town, sealed, made) -> str:
    return town.vault.open(sealed, webhook_context("acme", made.webhook.id, sealed.sequence)).reveal()


def test_a_new_webhook_has_a_key_of_its_own_that_is_sealed_in_its_place(town, hooks):
    one, two = (add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks) for _ in range(2))
    key = one.secret.reveal()
    assert key.startswith("whsec_")
    assert len(base64.b64decode(key.removeprefix("whsec_"), validate=True)) == 32
    assert key != two.secret.reveal()
    assert opened(town, one.webhook.secret, one) == key
    assert town.webhooks.get("acme", one.webhook.id) == one.webhook
    assert (one.webhook.created_by, one.webhook.enabled, one.webhook.kinds, one.webhook.version) == (
        "anna",
        True,
        (),
        1,
    )


def test_no_key_is_in_a_trail_or_a_repr(town, hooks):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    again = rotate_webhook("acme", made.webhook.id, None, ANNA, hooks)
    change_webhook("acme", made.webhook.id, WebhookChanges(enabled=False), None, ANNA, hooks)
    remove_webhook("acme", made.webhook.id, None, ANNA, hooks)
    told = repr(town.audit.events("acme")) + repr(made) + repr(again)
    for key in (made.secret.reveal(), again.secret.reveal()):
        assert key not in told
        assert key.removeprefix("whsec_") not in told
    assert repr(made.webhook.secret.box) not in told


def test_each_change_is_in_the_trail_with_what_differed(town, hooks):
    made = add_webhook("acme", WebhookChanges(url=URL, kinds=["integration.failed"]), ANNA, hooks)
    changes = WebhookChanges(url="https://hooks.example/b", kinds=[], enabled=False)
    change_webhook("acme", made.webhook.id, changes, None, ANNA, hooks)
    rotate_webhook("acme", made.webhook.id, None, ANNA, hooks)
    remove_webhook("acme", made.webhook.id, None, ANNA, hooks)
    assert town.audit.actions("acme") == ["webhook.added", "webhook.changed", "webhook.rotated", "webhook.removed"]
    added, changed, _, _ = town.audit.events("acme")
    assert added.after == {"url": URL, "kinds": ["integration.failed"], "enabled": True}
    assert changed.before == added.after
    assert changed.after == {"url": "https://hooks.example/b", "kinds": [], "enabled": False}
    assert {event.actor for event in town.audit.events("acme")} == {ANNA}
    assert {event.subject for event in town.audit.events("acme")} == {f"webhook/{made.webhook.id}"}


@pytest.mark.parametrize(
    "changes",
    [
        WebhookChanges(),
        WebhookChanges(url="https://169.254.169.254/"),
        WebhookChanges(url=URL, kinds=["integration.exploded"]),
        WebhookChanges(url=URL, kinds=["webhook.test"]),
        WebhookChanges(url=URL, kinds=["integration.failed", "integration.failed"]),
    ],
)
def test_what_cannot_be_told_is_refused_and_leaves_nothing(town, hooks, changes):
    with pytest.raises(InvalidInput):
        add_webhook("acme", changes, ANNA, hooks)
    assert not town.webhooks.items
    assert not town.audit.trails["acme"]
    assert town.script.count("vault.seal") == 0


def test_a_changed_url_is_checked_too(hooks):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    with pytest.raises(InvalidInput):
        change_webhook("acme", made.webhook.id, WebhookChanges(url="http://10.0.0.1/"), None, ANNA, hooks)


def test_every_kind_but_the_test_may_be_asked_for(hooks):
    made = add_webhook("acme", WebhookChanges(url=URL, kinds=KINDS), ANNA, hooks)
    assert made.webhook.kinds == KINDS
    assert "webhook.test" not in KINDS
    assert not made.webhook.wants("webhook.test")


def test_a_tenant_has_at_most_ten(hooks):
    for _ in range(MOST):
        add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    with pytest.raises(Conflict):
        add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    add_webhook("zeta", WebhookChanges(url=URL), ANNA, hooks)


def test_after_a_rotation_the_key_before_is_kept_for_a_day(town, hooks):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    town.clock.sleep(100)
    again = rotate_webhook("acme", made.webhook.id, 1, ANNA, hooks)
    assert again.secret.reveal() != made.secret.reveal()
    assert again.webhook.secret.sequence == 2
    assert opened(town, again.webhook.secret, made) == again.secret.reveal()
    assert opened(town, again.webhook.former, made) == made.secret.reveal()
    assert again.webhook.former_until == town.clock.now() + OVERLAP == town.clock.now() + timedelta(hours=24)
    assert again.webhook.version == 2


def test_a_key_whose_time_is_over_goes_with_the_next_change(town, hooks):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    rotate_webhook("acme", made.webhook.id, None, ANNA, hooks)
    town.clock.sleep(OVERLAP.total_seconds() - 1)
    there = change_webhook("acme", made.webhook.id, WebhookChanges(enabled=False), None, ANNA, hooks)
    assert there.former is not None
    town.clock.sleep(1)
    there = change_webhook("acme", made.webhook.id, WebhookChanges(enabled=True), None, ANNA, hooks)
    assert (there.former, there.former_until) == (None, None)


def test_a_third_key_ends_the_first(town, hooks):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    second = rotate_webhook("acme", made.webhook.id, None, ANNA, hooks)
    third = rotate_webhook("acme", made.webhook.id, None, ANNA, hooks)
    kept = {opened(town, sealed, made) for sealed in (third.webhook.secret, third.webhook.former)}
    assert kept == {second.secret.reveal(), third.secret.reveal()}


@pytest.mark.parametrize("act", ["change", "rotate", "remove"])
def test_a_version_that_was_not_the_one_seen_is_refused(town, hooks, act):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    acts = {
        "change": lambda name, version: change_webhook(
            "acme", name, WebhookChanges(enabled=False), version, ANNA, hooks
        ),
        "rotate": lambda name, version: rotate_webhook("acme", name, version, ANNA, hooks),
        "remove": lambda name, version: remove_webhook("acme", name, version, ANNA, hooks),
    }
    with pytest.raises(VersionMismatch):
        acts[act](made.webhook.id, 2)
    with pytest.raises(NotFound):
        acts[act]("whk_other", None)
    assert town.webhooks.get("acme", made.webhook.id) == made.webhook
    acts[act](made.webhook.id, 1)


@pytest.mark.parametrize("act", ["change", "rotate", "remove"])
def test_whoever_names_no_version_goes_round_again_when_another_was_quicker(town, hooks, act):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    moved = replace(made.webhook, url="https://hooks.example/b", version=2)
    call = "webhooks.remove" if act == "remove" else "webhooks.change"
    town.script.meanwhile[call] = lambda: town.webhooks.elsewhere(moved)
    if act == "remove":
        remove_webhook("acme", made.webhook.id, None, ANNA, hooks)
        assert not town.webhooks.items
        return
    if act == "change":
        found = change_webhook("acme", made.webhook.id, WebhookChanges(enabled=False), None, ANNA, hooks)
    else:
        found = rotate_webhook("acme", made.webhook.id, None, ANNA, hooks).webhook
    assert (found.url, found.version) == ("https://hooks.example/b", 3)


@pytest.mark.parametrize("act", [rotate_webhook, remove_webhook])
def test_nobody_goes_round_for_ever(town, hooks, act):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    for call in ("webhooks.change", "webhooks.remove"):
        town.script.before[call] = [VersionMismatch() for _ in range(20)]
    with pytest.raises(VersionMismatch):
        act("acme", made.webhook.id, None, ANNA, hooks)
    assert town.script.count("webhooks.get") < 10


def test_no_key_is_shown_that_was_not_stored(town, hooks):
    town.down("webhooks.add")
    with pytest.raises(StateUnavailable):
        add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    assert not town.webhooks.items


def test_another_tenants_webhook_does_not_exist(hooks):
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    for act in (
        lambda: rotate_webhook("zeta", made.webhook.id, None, ANNA, hooks),
        lambda: remove_webhook("zeta", made.webhook.id, None, ANNA, hooks),
        lambda: change_webhook("zeta", made.webhook.id, WebhookChanges(enabled=False), None, ANNA, hooks),
    ):
        with pytest.raises(NotFound):
            act()


def test_keeping_webhooks_opens_nothing(town, hooks):
    """The function that serves these routes has no right to open a seal."""
    made = add_webhook("acme", WebhookChanges(url=URL), ANNA, hooks)
    rotate_webhook("acme", made.webhook.id, None, ANNA, hooks)
    change_webhook("acme", made.webhook.id, WebhookChanges(enabled=False), None, ANNA, hooks)
    remove_webhook("acme", made.webhook.id, None, ANNA, hooks)
    assert town.script.count("vault.open") == 0
