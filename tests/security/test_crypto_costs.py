"""How often each operation on secrets asks the key service, cold. Each call is billed and takes milliseconds; one too many
also means that something was opened which the operation did not need.
"""

import pytest

from shared.domain.notice import Dispatch, Notice
from shared.usecases.deliver import Delivering, deliver
from shared.usecases.integrations import IntegrationChanges, NewIntegration, add_integration, change_integration
from shared.usecases.providers import ProviderChanges, change_provider
from shared.usecases.refresh import Refreshing, access_token, refresh_one
from shared.usecases.rewrap import Rewrapping, rewrap
from shared.usecases.webhooks import Hooks, WebhookChanges, add_webhook, rotate_webhook
from tests.counts import note
from tests.model.memory import Cursors
from tests.unit.usecases.stage import ANN, ROOT, Stage, administration, managing, stage
from tests.unit.usecases.test_deliver import Receiver

KEYS = {"accessKeyId": "AKIA", "secretAccessKey": "canary"}


class Desk:
    """Each operation once, in the smallest world in which it does something."""

    def __init__(self, rotation: str = "strict") -> None:
        self.at: Stage = stage(rotation=rotation)
        self.town = self.at.town
        self.stored = self.at.offer(name="S3", slug="s3", connector="s3", auth_types=("access_key",))
        town = self.town
        self.hooks = Hooks(town.webhooks, town.vault, town.clock, town.randomness, lambda url: None)
        receiver = Receiver(town.clock, town.script)
        self.delivering = Delivering(town.webhooks, town.vault, receiver, town.clock, town.metrics)
        parts = (town.integrations, town.providers, town.leases, town.vault, town.servers)
        self.refreshing = Refreshing(*parts, town.clock, town.randomness, town.metrics)

    def keys(self):
        new = NewIntegration("Keys", "access_key", self.stored.id, container="bucket")
        return add_integration("acme", new, KEYS, ANN, managing(self.town))

    def hook(self):
        return add_webhook("acme", WebhookChanges(url="https://hooks.example"), ANN, self.hooks).webhook

    def consent(self):
        started = self.at.start()
        return self.at.answer(started, self.at.house.approve(started.url))

    def token(self, **how):
        it = self.at.integration
        return access_token("acme", it.id, self.refreshing, self.town.deadline, **how)

    def refresh(self):
        return refresh_one("acme", self.at.integration.id, self.refreshing, self.town.deadline, force=True)

    def deliver(self, hook):
        notice = Notice("evt_acme_1", "integration.failed", "acme", self.town.clock.now(), "int_1")
        return deliver(Dispatch("acme", hook.id, notice), 1, self.delivering)


OPERATIONS = {
    # what: (made ready, done, data keys made, data keys unwrapped)
    "add an integration by credentials": (lambda d: None, lambda d, _: d.keys(), 1, 0),
    "change its name": (
        lambda d: d.keys(),
        lambda d, it: change_integration(
            "acme", it.id, IntegrationChanges(name="New"), None, None, ANN, managing(d.town)
        ),
        0,
        0,
    ),
    "change its credentials": (
        lambda d: d.keys(),
        lambda d, it: change_integration("acme", it.id, IntegrationChanges(), KEYS, None, ANN, managing(d.town)),
        1,
        0,
    ),
    "change a provider's name": (
        lambda d: None,
        lambda d, _: change_provider(
            d.at.provider.id, ProviderChanges(name="New"), None, None, ROOT, administration(d.town)
        ),
        0,
        0,
    ),
    "begin a consent": (lambda d: None, lambda d, _: d.at.start(), 1, 1),
    "follow a consent": (lambda d: d.consent(), lambda d, answer: d.at.finish(answer), 2, 2),
    "use a token that lives": (lambda d: d.at.connect(), lambda d, _: d.token(), 0, 1),
    "refresh, rotating": (lambda d: d.at.connect(), lambda d, _: d.refresh(), 2, 2),
    "add a webhook": (lambda d: None, lambda d, _: d.hook(), 1, 0),
    "rotate its key": (
        lambda d: d.hook(),
        lambda d, hook: rotate_webhook("acme", hook.id, None, ANN, d.hooks),
        1,
        0,
    ),
    "deliver": (lambda d: d.hook(), lambda d, hook: d.deliver(hook), 0, 1),
    "deliver within a day of a rotation": (
        lambda d: rotate_webhook("acme", d.hook().id, None, ANN, d.hooks).webhook,
        lambda d, hook: d.deliver(hook),
        0,
        2,
    ),
}


def calls(desk: Desk) -> tuple[int, int]:
    made = desk.town.vault.keys.calls
    return made["data_key"], made["unwrap"]


@pytest.mark.parametrize("what", OPERATIONS)
def test_an_operation_asks_the_key_service_as_often_as_it_has_to(what):
    prepare, act, made, opened = OPERATIONS[what]
    desk = Desk()
    ready = prepare(desk)
    before = calls(desk)
    act(desk, ready)
    after = calls(desk)
    assert (after[0] - before[0], after[1] - before[1]) == (made, opened)
    note("calls to the key service", f"{len(OPERATIONS)} operations counted")


def test_a_refresh_that_keeps_its_refresh_token_seals_one_value_only():
    desk = Desk("static")
    desk.at.connect()
    before = calls(desk)
    desk.refresh()
    assert (calls(desk)[0] - before[0], calls(desk)[1] - before[1]) == (1, 2)


def test_a_rewrap_makes_and_opens_nothing():
    desk = Desk()
    desk.at.connect()
    desk.keys()
    desk.hook()
    before = calls(desk)
    town, asked = desk.town, []

    class Keys:
        def rewrap(self, sealed, context):
            asked.append(context)
            return sealed

    rooms = (town.tenants, town.providers, town.integrations, town.webhooks)
    rewrap(ROOT, Rewrapping(*rooms, Keys(), Cursors(town.script), town.clock, "new"))
    assert calls(desk) == before
    assert len(asked) == len(set(map(repr, asked))) == 2 + 1 + 2 + 1, "two client secrets, credentials, tokens, a key"
