"""Whoever alters an audit trail piecemeal is found out: by the service from its head, and offline from an export.

On the real repository over moto; the tampering is done behind its back, in the table or in the file.
"""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from moto import mock_aws

from functions import audit_command
from functions.audit_command import Broken
from shared.domain import audit
from shared.domain.audit import GENESIS, Actor, AuditEntry, AuditEvent, digest_of
from shared.domain.errors import FarshoreError, InvalidInput
from shared.state.audit import DynamoAudit
from shared.state.connection_models import AuditItem, HeadItem
from shared.state.tables import Tables, bound
from shared.usecases.trail import Verified, export, verify

ENTRIES = 7
TABLES = Tables("chain", "us-east-1")  # kept: making a client costs more than a test
AT = datetime(2026, 11, 20, 12, 0, 0, 123_456, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


class Trail:
    """A tenant's trail, and a forger's hands."""

    def __init__(self) -> None:
        self.tables = TABLES
        bound(AuditItem, self.tables).create_table(billing_mode="PAY_PER_REQUEST")
        self.audit = DynamoAudit(self.tables)
        self.row, self.head_row = bound(AuditItem, self.tables), bound(HeadItem, self.tables)
        self.fill("acme")

    def fill(self, tenant: str) -> None:
        for number in range(1, ENTRIES + 1):
            self.audit.append(event(tenant, number))

    def item(self, sequence: int, tenant: str = "acme") -> AuditItem:
        return self.row.get(tenant, f"e#{sequence:012d}", consistent_read=True)

    def put(self, entry: AuditEntry) -> None:
        """Any entry in any place, as a forger with rights to the table would."""
        told = entry.event
        self.row(
            told.tenant_id,
            f"e#{entry.sequence:012d}",
            sequence=entry.sequence,
            at=told.at,
            actor=told.actor.subject,
            origin=told.actor.origin,
            action=told.action,
            subject=told.subject,
            outcome=told.outcome,
            before=dict(told.before) if told.before is not None else None,
            after=dict(told.after) if told.after is not None else None,
            previous=entry.previous,
            digest=entry.hash,
        ).save()

    def entries(self, tenant: str = "acme") -> list[AuditEntry]:
        return list(self.audit.page(tenant))

    def verified(self) -> Verified:
        return verify("acme", self.audit)

    def exported(self, tenant: str = "acme") -> list[str]:
        return list(export(tenant, self.audit))


def event(tenant: str, number: int) -> AuditEvent:
    shown = {"status": "active", "reason": None, "scopes": ["a", "b"], "number": number, "nested": {"é\u2028": True}}
    who = Actor("anna", "192.0.2.7")
    at = AT + timedelta(seconds=number)
    return AuditEvent(tenant, at, who, "integration.changed", "integration/i", "success", {"number": number - 1}, shown)


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trail]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield Trail()


def broken_offline(lines: list[str], head: str | None = None) -> int:
    with pytest.raises(Broken) as found:
        audit_command.verify(lines, head)
    return found.value.at


# ---- untouched -----------------------------------------------------------------------------------------------------
def test_what_nobody_touched_is_sound_here_and_offline(trail):
    found = trail.verified()
    assert (found.sound, found.entries, found.head) == (True, ENTRIES, trail.audit.head("acme")[1])
    told = audit_command.verify(trail.exported(), found.head)
    assert told == {"sound": True, "tenant": "acme", "begins": 1, "entries": 7, "head": found.head, "complete": True}


def test_offline_without_a_head_it_says_what_it_cannot_know(trail):
    assert audit_command.verify(trail.exported())["complete"] is not True


# ---- edited --------------------------------------------------------------------------------------------------------
EDITS = {
    "at": AT,
    "actor": "mallory",
    "origin": "198.51.100.1",
    "action": "integration.removed",
    "subject": "integration/j",
    "outcome": "forbidden",
    "before": {"number": 99},
    "after": {"status": "revoked"},
    "previous": "1" * 64,
    "digest": "1" * 64,
}


@pytest.mark.parametrize("part", EDITS)
@pytest.mark.parametrize("at", [1, 4, ENTRIES])
def test_an_edited_entry_is_found(trail, part, at):
    item = trail.item(at)
    setattr(item, part, EDITS[part])
    item.save()
    found = trail.verified()
    assert (found.sound, found.broken_at, found.entries) == (False, at, at - 1)
    assert broken_offline(trail.exported()) == at


@pytest.mark.parametrize("at", [1, 4, ENTRIES])
def test_an_edited_entry_with_its_hash_made_anew_is_found_by_the_next_one_or_the_head(trail, at):
    head = trail.audit.head("acme")[1]
    old = trail.entries()[at - 1]
    trail.put(audit.entry(replace(old.event, actor=Actor("mallory")), at, old.previous))
    found = trail.verified()
    assert not found.sound
    assert found.broken_at == min(at + 1, ENTRIES)
    assert broken_offline(trail.exported(), head) == at + 1


# ---- deleted, inserted, moved --------------------------------------------------------------------------------------
@pytest.mark.parametrize("at", [1, 4, ENTRIES])
def test_a_deleted_entry_is_found(trail, at):
    head = trail.audit.head("acme")[1]
    trail.item(at).delete()
    found = trail.verified()
    assert (found.sound, found.broken_at) == (False, at)
    lines = trail.exported()
    if at == 1:  # an export may begin in mid-trail, and says so
        assert audit_command.verify(lines, head)["begins"] == 2
    else:
        assert broken_offline(lines, head) == at


def test_all_deleted_is_found(trail):
    for at in range(1, ENTRIES + 1):
        trail.item(at).delete()
    assert trail.verified().broken_at == 1
    assert broken_offline(trail.exported(), trail.audit.head("acme")[1]) == 1


@pytest.mark.parametrize("at", [1, 4, ENTRIES, ENTRIES + 1])
def test_an_inserted_entry_is_found(trail, at):
    """In the place of another, the others moved up, as well as it can be done without forging the rest."""
    entries = trail.entries()
    previous = entries[at - 2].hash if at > 1 else GENESIS
    for old in reversed(entries[at - 1 :]):
        trail.put(replace(old, sequence=old.sequence + 1))
    trail.put(audit.entry(event("acme", 99), at, previous))
    found = trail.verified()
    assert not found.sound
    assert found.broken_at == (min(at + 1, ENTRIES) if at < ENTRIES else at)
    lines = trail.exported()
    assert broken_offline(lines, trail.audit.head("acme")[1]) == at + 1


@pytest.mark.parametrize("apart", [1, 3])
def test_reordered_entries_are_found(trail, apart):
    one, two = trail.entries()[1], trail.entries()[1 + apart]
    trail.put(replace(one, sequence=two.sequence))
    trail.put(replace(two, sequence=one.sequence))
    assert trail.verified().broken_at == 2
    assert broken_offline(trail.exported()) == 2


def test_reordered_lines_of_an_export_are_found(trail):
    lines = trail.exported()
    lines[2], lines[3] = lines[3], lines[2]
    assert broken_offline(lines) == 3
    assert broken_offline([*lines[:1], lines[0], *lines[1:]]) == 2


# ---- cut off -------------------------------------------------------------------------------------------------------
def test_a_trail_cut_off_at_the_end_is_found_by_its_head(trail):
    head = trail.audit.head("acme")[1]
    for at in (ENTRIES - 1, ENTRIES):
        trail.item(at).delete()
    found = trail.verified()
    assert (found.sound, found.broken_at, found.entries) == (False, ENTRIES - 1, ENTRIES - 2)
    assert broken_offline(trail.exported(), head) == ENTRIES - 1


def test_entries_hidden_by_setting_the_head_back_are_found(trail):
    item = trail.head_row.get("acme", "head")
    item.sequence, item.digest = 5, trail.entries()[4].hash
    item.save()
    found = trail.verified()
    assert (found.sound, found.broken_at, found.entries) == (False, 6, 5)


def test_a_trail_cut_off_together_with_its_head_is_found_by_a_head_kept_elsewhere(trail):
    kept = trail.verified()
    for at in (ENTRIES - 1, ENTRIES):
        trail.item(at).delete()
    item = trail.head_row.get("acme", "head")
    item.sequence, item.digest = 5, trail.entries()[4].hash
    item.save()
    assert trail.verified().sound, "nothing in the table shows it: that is why heads are kept elsewhere"
    assert not verify("acme", trail.audit, after=kept.entries, previous=kept.head).sound
    assert broken_offline(trail.exported(), kept.head) == 6


def test_a_trail_forged_from_some_point_on_is_found_by_a_head_kept_elsewhere(trail):
    kept = trail.verified()
    previous = trail.entries()[2].hash
    for at in range(4, ENTRIES + 1):
        made = audit.entry(replace(event("acme", at), actor=Actor("mallory")), at, previous)
        trail.put(made)
        previous = made.hash
    item = trail.head_row.get("acme", "head")
    item.digest = previous
    item.save()
    trail.audit.append(event("acme", 8))
    assert not verify("acme", trail.audit, after=kept.entries, previous=kept.head).sound
    assert broken_offline(trail.exported()[:ENTRIES], kept.head) == ENTRIES + 1


# ---- of another tenant ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("at", [1, 4, ENTRIES])
def test_an_entry_of_another_tenant_is_found(trail, at):
    trail.fill("zeta")
    foreign = trail.entries("zeta")[at - 1]
    trail.put(replace(foreign, event=replace(foreign.event, tenant_id="acme")))
    assert trail.verified().broken_at == at
    lines = trail.exported()
    lines[at - 1] = trail.exported("zeta")[at - 1]
    assert broken_offline(lines) == (2 if at == 1 else at)


def test_a_whole_trail_of_another_tenant_is_found(trail):
    trail.fill("zeta")
    for foreign in trail.entries("zeta"):
        trail.put(replace(foreign, event=replace(foreign.event, tenant_id="acme")))
    assert trail.verified().broken_at == 1
    assert audit_command.verify(trail.exported("zeta"))["tenant"] == "zeta", "offline the answer names the tenant"


# ---- files ---------------------------------------------------------------------------------------------------------
NO_ENTRIES = ["", "\n", "{", "[]", "null", "7", '"x"', "{}", "NaN", "[" * 99_999]


@pytest.mark.parametrize(
    "line",
    [*NO_ENTRIES, '{"sequence":true}', '{"sequence":0}', '{"sequence":"1"}'],
    ids=lambda line: line[:16],
)
def test_what_is_no_entry_is_a_break_and_no_accident(trail, line):
    assert broken_offline([line]) == 1
    assert broken_offline([*trail.exported()[:3], line]) == 4


def test_a_part_named_twice_is_a_break_since_readers_differ_in_which_one_they_take(trail):
    lines = trail.exported()
    told = json.loads(lines[2])
    lines[2] = lines[2].replace('"actor":', '"actor":"nobody","actor":')
    assert digest_of(json.loads(lines[2])) == told["hash"], "a careless reader would take it"
    assert broken_offline(lines) == 3


def test_a_part_added_to_a_line_is_a_break(trail):
    lines = trail.exported()
    lines[2] = lines[2].replace('"actor":', '"approvedBy":"nobody","actor":')
    assert broken_offline(lines) == 3


def test_the_command_tells_the_verdict_and_its_exit_status(trail, tmp_path, capsys):
    file = tmp_path / "acme.ndjson"
    lines = trail.exported()
    file.write_text("".join(lines))
    assert audit_command.main(["verify", str(file)]) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == ENTRIES
    file.write_text("".join(lines).replace("integration/i", "integration/j", 1))
    assert audit_command.main(["verify", str(file)]) == 1
    assert "broken at entry 1" in capsys.readouterr().err
    assert audit_command.main(["verify", str(tmp_path / "none")]) == 1


def test_the_command_reads_standard_input(trail, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(trail.exported())))
    assert audit_command.main(["verify", "-", "--head", trail.audit.head("acme")[1]]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True


def test_a_file_that_is_no_text_is_refused_in_words(tmp_path):
    file = tmp_path / "acme.ndjson"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises((InvalidInput, Broken)) as refused:
        audit_command.verify(audit_command._lines(str(file), io.StringIO()))
    assert isinstance(refused.value, FarshoreError)


def test_the_verifier_needs_python_and_nothing_else(trail, tmp_path):
    """No site-packages (-S), no environment: whoever doubts us need not install what we recommend."""
    file = tmp_path / "acme.ndjson"
    file.write_text("".join(trail.exported()))
    command = [sys.executable, "-S", "-m", "functions.audit_command", "verify", str(file)]
    ran = subprocess.run(command, cwd=ROOT, env={}, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["sound"] is True
