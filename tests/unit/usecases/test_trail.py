"""How a trail is followed in pieces, and exported."""

import json
from datetime import UTC, datetime

import pytest

from shared.domain.audit import GENESIS, Actor, AuditEvent, first_break
from shared.domain.errors import StateUnavailable
from shared.usecases.trail import export, verify
from tests.unit.usecases.fakes import Audit, Script

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def trail(entries: int) -> Audit:
    audit = Audit(Script())
    for number in range(entries):
        audit.write(AuditEvent("acme", AT, Actor("anna"), "rule.added", f"rule/r{number}"))
    return audit


def test_an_empty_trail_is_sound():
    found = verify("acme", trail(0))
    assert (found.sound, found.entries, found.head, found.broken_at, found.unfinished) == (
        True,
        0,
        GENESIS,
        None,
        False,
    )


@pytest.mark.parametrize("entries", [1, 499, 500, 501, 1203])
def test_a_trail_that_nobody_touched_is_sound_to_its_head(entries):
    audit = trail(entries)
    found = verify("acme", audit)
    assert (found.sound, found.unfinished) == (True, False)
    assert (found.entries, found.head) == audit.head("acme")


def test_a_long_trail_is_followed_in_pieces_that_fit_together():
    audit, after, previous, pieces = trail(1203), 0, GENESIS, 0
    while True:
        found = verify("acme", audit, after=after, previous=previous, limit=200)
        assert found.sound
        after, previous, pieces = found.entries, found.head, pieces + 1
        if not found.unfinished:
            break
    assert (after, previous) == audit.head("acme")
    assert pieces == 3, "pages of 500, whatever the limit"


def test_memory_is_one_page_whatever_the_length():
    audit = trail(1203)
    verify("acme", audit)
    assert audit.gate.count("audit.page") == 4, "three pages, and a look beyond the head"


def test_a_piece_that_does_not_begin_where_the_last_one_ended_is_broken():
    audit = trail(20)
    assert verify("acme", audit, after=10, previous=audit.trails["acme"][8].hash).broken_at == 11


def test_one_that_claims_more_than_there_is_is_broken():
    audit = trail(3)
    assert not verify("acme", audit, after=4, previous=audit.head("acme")[1]).sound


def test_entries_added_meanwhile_do_not_disturb():
    audit = trail(5)
    more = AuditEvent("acme", AT, Actor("anna"), "rule.added", "rule/new")
    audit.gate.meanwhile["audit.page"] = lambda: audit.write(more)
    found = verify("acme", audit)
    assert (found.sound, found.entries) == (True, 5)
    assert verify("acme", audit).entries == 6


def test_tenants_have_trails_of_their_own():
    assert verify("zeta", trail(5)).entries == 0


# ---- export --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("entries", [0, 1, 500, 501])
def test_an_export_holds_every_entry_once_in_order_and_verifies(entries):
    audit = trail(entries)
    lines = list(export("acme", audit))
    told = [json.loads(line) for line in lines]
    assert [one["sequence"] for one in told] == list(range(1, entries + 1))
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines)
    assert first_break(told) is None
    assert (told[-1]["hash"] if told else GENESIS) == audit.head("acme")[1]


def test_an_export_goes_on_where_the_last_one_ended():
    audit = trail(30)
    whole = list(export("acme", audit))
    assert [*export("acme", audit, limit=12), *export("acme", audit, after=12)] == whole
    assert list(export("acme", audit, limit=0)) == []


def test_an_export_is_read_as_it_is_taken():
    audit = trail(1203)
    lines = export("acme", audit)
    next(lines)
    assert audit.gate.count("audit.page") == 1


def test_what_people_typed_stays_on_its_line():
    audit = Audit(Script())
    shown = {"name": "two\nlines\u2028three \u00e9 \U0001f600"}
    audit.write(AuditEvent("acme", AT, Actor("anna"), "tenant.changed", "tenant/acme", before=shown, after=shown))
    [line] = export("acme", audit)
    assert line.splitlines() == [line.rstrip("\n")]
    assert line.isascii()
    assert json.loads(line)["after"] == shown


@pytest.mark.parametrize("call", ["audit.head", "audit.page"])
def test_a_store_that_does_not_answer_is_not_a_broken_trail(call):
    audit = trail(3)
    audit.gate.before[call].append(StateUnavailable())
    with pytest.raises(StateUnavailable):
        verify("acme", audit)
    assert verify("acme", audit).sound
