"""What the outside is told of an entry in the audit trail, and that it is told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from shared.domain.audit import GENESIS, Actor, AuditEvent, entry
from shared.domain.errors import MalformedEvent, StateUnavailable
from shared.domain.notice import Dispatch, Notice, NoticeKind, Webhook, document, notice_from
from shared.domain.seal import Sealed
from shared.usecases.notices import Announcing, announce, notice_of
from tests.unit.usecases.fakes import Room, Town, gated

AT = datetime(2026, 11, 20, 12, 0, 0, 250_000, tzinfo=UTC)


def told(action, before=None, after=None, *, subject="integration/int_1", tenant="acme", sequence=7, outcome="success"):
    event = AuditEvent(tenant, AT, Actor("anna", "192.0.2.7"), action, subject, outcome, before, after)
    return entry(event, sequence, GENESIS)


def state(status, reason=None):
    return {"status": status, "reason": reason}


WELL, PENDING = state("active"), state("pending")
EXPIRED, REVOKED = state("expired", "provider_unavailable"), state("revoked", "grant_revoked")
TOLD = [
    ("integration.connected", PENDING, WELL, "integration.connected"),
    ("integration.reconnected", state("revoked", "grant_revoked"), WELL, "integration.connected"),
    ("integration.reconnected", WELL, WELL, "integration.connected"),
    ("integration.connected", PENDING, state("active", "refresh_token_missing"), "integration.connected"),
    ("integration.connected", PENDING, state("error", "scope_missing"), "integration.failed"),
    ("integration.status_changed", WELL, state("revoked", "grant_revoked"), "integration.failed"),
    ("integration.status_changed", WELL, state("active", "provider_misconfigured"), "integration.failed"),
    ("integration.status_changed", EXPIRED, REVOKED, "integration.failed"),
    ("integration.status_changed", EXPIRED, WELL, "integration.recovered"),
    ("integration.status_changed", state("active", "provider_misconfigured"), WELL, "integration.recovered"),
    ("integration.changed", state("error", "credentials_refused"), WELL, "integration.recovered"),
    ("integration.disconnected", WELL, state("revoked", "disconnected"), "integration.disconnected"),
    ("integration.removed", {"name": "Box"}, None, "integration.disconnected"),
]


@pytest.mark.parametrize(("action", "before", "after", "kind"), TOLD)
def test_what_became_of_a_connection_is_told(action, before, after, kind):
    notice = notice_of(told(action, before, after))
    assert notice.kind == kind
    assert notice.integration_id == "int_1"
    assert (notice.status, notice.reason) == ((after or {}).get("status"), (after or {}).get("reason"))
    assert notice.previous_status == before.get("status")
    assert (notice.id, notice.tenant_id, notice.at) == ("evt_acme_7", "acme", AT)


SILENT = [
    told("integration.added", None, PENDING),
    told("integration.added", None, WELL),
    told("integration.changed", {"name": "a"}, {"name": "b"}),
    told("integration.changed", WELL, WELL),
    told("integration.connect_started", None, None),
    told("integration.connect_failed", None, None, outcome="oauth_access_denied"),
    told("integration.status_changed", WELL, WELL),
    told("integration.tested", None, {"tokenValid": True}),
    told("integration.rewrapped", None, {"rewrapped": ["credentials"]}),
    told("webhook.added", None, {"url": "https://hooks.example"}, subject="webhook/whk_1"),
    told("provider.changed", WELL, state("error"), subject="provider/prv_1", tenant="*"),
    told("integration.status_changed", WELL, state("error"), tenant="*"),
    told("rule.added", None, {"status": "active"}, subject="rule/r1"),
]


@pytest.mark.parametrize("one", SILENT, ids=lambda one: f"{one.event.action}-{one.event.subject}")
def test_nothing_else_is_told(one):
    assert notice_of(one) is None


def test_a_disconnect_that_the_provider_did_not_hear_of_says_so():
    notice = notice_of(told("integration.removed", WELL, None, outcome="provider_unavailable"))
    assert (notice.kind, notice.reason) == ("integration.disconnected", "provider_unavailable")


def test_a_notice_says_neither_who_nor_from_where():
    before, after = WELL | {"accountName": "anna@example"}, state("revoked", "disconnected")
    text = json.dumps(document(notice_of(told("integration.disconnected", before, after))))
    assert "anna" not in text
    assert "192.0.2.7" not in text


# ---- its form ------------------------------------------------------------------------------------------------------
def test_a_notice_survives_its_json_form():
    for action, before, after, _ in TOLD:
        notice = notice_of(told(action, before, after))
        assert notice_from(json.loads(json.dumps(document(notice)))) == notice


WHOLE = document(Notice("evt_acme_7", "integration.failed", "acme", AT, "int_1", "error", "active", "scope_missing"))


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {**WHOLE, "type": "integration.exploded"},
        {**WHOLE, "type": None},
        {**WHOLE, "timestamp": "2026-11-20T12:00:00"},
        {**WHOLE, "timestamp": "yesterday"},
        {**WHOLE, "timestamp": 7},
        {**WHOLE, "id": None},
        {**WHOLE, "data": None},
        {**WHOLE, "data": []},
        {**WHOLE, "data": {**WHOLE["data"], "tenantId": "../zeta"}},
        {**WHOLE, "data": {**WHOLE["data"], "tenantId": None}},
        {**WHOLE, "data": {**WHOLE["data"], "integrationId": "a b"}},
        {**WHOLE, "data": {**WHOLE["data"], "status": {"$ne": 1}}},
        {name: value for name, value in WHOLE.items() if name != "data"},
    ],
)
def test_what_is_no_notice_is_refused(broken):
    with pytest.raises(MalformedEvent) as refused:
        notice_from(broken)
    assert str(refused.value) == "this is not a notice"


def test_the_published_schema_is_that_of_every_notice():
    schema = json.loads((Path(__file__).resolve().parents[3] / "docs/schemas/notice.json").read_text())
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    kinds = set()
    for action, before, after, _ in TOLD:
        notice = notice_of(told(action, before, after))
        judge.validate(document(notice))
        kinds.add(notice.kind)
    judge.validate(document(Notice("evt_acme_test_1", "webhook.test", "acme", AT)))
    assert kinds | {"webhook.test"} == set(schema["properties"]["type"]["enum"])
    for name in WHOLE:
        assert not judge.is_valid({key: value for key, value in WHOLE.items() if key != name})
    assert not judge.is_valid({**WHOLE, "more": 1})


def test_the_sample_event_is_as_the_schema_says():
    root = Path(__file__).resolve().parents[3]
    sample = json.loads((root / "events/eventbridge-notice.json").read_text())
    assert document(notice_from(sample["detail"])) == sample["detail"]
    assert (sample["source"], sample["detail-type"]) == ("farshore", sample["detail"]["type"])
    assert json.dumps(sample["detail"], indent=2) in (root / "docs/events.md").read_text()


def test_every_type_is_explained():
    told = (Path(__file__).resolve().parents[3] / "docs/events.md").read_text()
    assert all(f"`{kind}`" in told for kind in get_args(NoticeKind.__value__))


# ---- telling -------------------------------------------------------------------------------------------------------
class Bus(Room):
    def __init__(self, *wiring):
        super().__init__(*wiring)
        self.told: list[Notice] = []

    @gated
    def announce(self, notices):
        self.told += notices


class Queue(Room):
    def __init__(self, *wiring):
        super().__init__(*wiring)
        self.sent: list[Dispatch] = []

    @gated
    def send(self, dispatches):
        self.sent += dispatches


@pytest.fixture
def town() -> Town:
    town = Town()
    town.bus, town.queue = Bus(town.script), Queue(town.script)
    return town


@pytest.fixture
def world(town) -> Announcing:
    return Announcing(town.bus, town.webhooks, town.queue)


def hook(town, name, tenant="acme", kinds=(), enabled=True):
    made = Webhook(name, tenant, "https://hooks.example", kinds, Sealed(b"x"), "anna", AT, AT, enabled)
    town.webhooks.elsewhere(made)


FAILED = told("integration.status_changed", WELL, state("error", "scope_missing"))


def test_the_bus_and_every_webhook_that_wants_it_are_told(town, world):
    hook(town, "all")
    hook(town, "these", kinds=("integration.failed", "integration.connected"))
    hook(town, "others", kinds=("integration.connected",))
    hook(town, "off", enabled=False)
    hook(town, "foreign", tenant="zeta")
    announce([FAILED, SILENT[0]], world)
    assert [notice.id for notice in town.bus.told] == ["evt_acme_7"]
    assert [(one.tenant_id, one.webhook_id) for one in town.queue.sent] == [("acme", "all"), ("acme", "these")]
    assert {one.notice for one in town.queue.sent} == set(town.bus.told)


def test_a_tenant_is_never_told_of_another(town, world):
    for tenant in ("acme", "zeta"):
        hook(town, f"of-{tenant}", tenant=tenant)
    entries = [told("integration.status_changed", WELL, state("error"), tenant=t) for t in ("acme", "zeta")]
    announce(entries, world)
    assert {(one.webhook_id, one.notice.tenant_id) for one in town.queue.sent} == {
        ("of-acme", "acme"),
        ("of-zeta", "zeta"),
    }


def test_what_nobody_needs_to_know_costs_no_call(town, world):
    assert announce([SILENT[0], SILENT[2]], world) == []
    assert town.script.calls == []


def test_many_entries_of_a_tenant_cost_one_look_at_its_webhooks(town, world):
    hook(town, "all")
    announce([FAILED] * 5, world)
    assert town.script.calls == ["bus.announce", "webhooks.of", "queue.send"]


@pytest.mark.parametrize("call", ["bus.announce", "webhooks.of", "queue.send"])
def test_what_was_not_told_is_told_again_under_the_same_id(town, world, call):
    hook(town, "all")
    town.down(call)
    with pytest.raises(StateUnavailable):
        announce([FAILED], world)
    announce([FAILED], world)
    assert {notice.id for notice in town.bus.told} == {"evt_acme_7"}
    assert {one.notice.id for one in town.queue.sent} == {"evt_acme_7"}
