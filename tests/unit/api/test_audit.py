"""``audit-events``, a tenant's and the deployment's."""

import json

import pytest

from shared.domain.audit import Actor, AuditEvent, first_break
from tests.unit.api.fakes import NOW, Api

OWN = "/api/v1/tenants/acme/audit-events"
ALL = "/api/v1/audit-events"


@pytest.fixture
def api():
    made = Api()
    for number in range(5):
        for trail in ("acme", "*"):
            event = AuditEvent(
                trail, NOW, Actor("anna", "203.0.113.7"), "thing.done", f"thing/{number}", after={"n": number}
            )
            made.town.audit.append(event)
    return made


@pytest.mark.parametrize(("path", "who", "trail"), [(OWN, "anna", "acme"), (ALL, "root", "*")])
def test_a_trail_is_told_newest_first_in_pages(api, path, who, trail):
    seen, cursor = [], ""
    while cursor is not None:
        page = api.ask("GET", path, who, query="limit=2" + (f"&cursor={cursor}" if cursor else "")).json
        seen, cursor = seen + page["items"], page["nextCursor"]
    entries = api.town.audit.trails[trail]
    assert [it["sequence"] for it in seen] == [entry.sequence for entry in reversed(entries)]
    assert seen[0]["hash"] == entries[-1].hash
    assert {it["tenantId"] for it in seen} == {trail}
    assert (seen[0]["actor"], seen[0]["origin"], seen[0]["after"]) == ("anna", "203.0.113.7", {"n": 4})


@pytest.mark.parametrize(("path", "who"), [(OWN, "anna"), (ALL, "root")])
def test_an_export_can_be_checked_by_anybody_and_gone_on_with(api, path, who):
    answer = api.ask("GET", f"{path}/export", who, query="limit=3")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == 3
    rest = api.ask("GET", f"{path}/export", who, query=f"after={lines[-1]['sequence']}")
    lines += [json.loads(line) for line in rest.text.splitlines()]
    assert first_break(lines) is None
    last = lines[-1]["sequence"]
    assert api.ask("GET", f"{path}/export", who, query=f"after={last}").text == ""


@pytest.mark.parametrize(("path", "who", "trail"), [(OWN, "anna", "acme"), (ALL, "root", "*")])
def test_a_trail_that_was_tampered_with_is_told_so(api, path, who, trail):
    entries = api.town.audit.trails[trail]
    sound = api.ask("GET", f"{path}/verify", who).json
    assert sound == {
        "sound": True,
        "entries": len(entries),
        "head": entries[-1].hash,
        "brokenAt": None,
        "unfinished": False,
    }
    del entries[2]
    broken = api.ask("GET", f"{path}/verify", who).json
    assert (broken["sound"], broken["brokenAt"], broken["entries"]) == (False, 3, 2)


@pytest.mark.parametrize("query", ["after=-1", "after=x", "head=zz", "limit=0", "tenant=beta"])
def test_values_not_as_described_are_refused(api, query):
    assert api.ask("GET", f"{OWN}/verify", query=query).status == 422
