"""What the sweep promises: it finds whatever differs, queues it, and can stop anywhere."""

from datetime import timedelta

import pytest

from shared.domain.errors import CredentialsRefused, StateUnavailable, StoreUnavailable
from shared.domain.objects import Attributes
from shared.domain.stamp import Stamp
from shared.ports.state import Transfer
from shared.usecases.sweep import CURSOR
from tests.model.world import Gate, Until, World


class Watch(Gate):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.broken: dict[str, Exception] = {}

    def around(self, call, action):
        self.calls.append(call)
        if call in self.broken:
            raise self.broken[call]
        return action()


@pytest.fixture
def gate() -> Watch:
    return Watch()


@pytest.fixture
def world(gate) -> World:
    world = World(gate)
    world.tenant(prefix="in/")
    world.rule("backup", path="{tenant}/{relative}")
    return world


KEYS = [f"in/{name}" for name in ("a", "a b", "a/b", "b", "ü", "日本", "~")]


def settle(world: World, keys=KEYS) -> None:
    for key in keys:
        world.plan(world.put(key, key.encode()))
    world.drain()
    world.clock.sleep(60)


def swept(world: World) -> list[str]:
    """The keys one whole sweep queues; none of them copied yet."""
    world.sweep()
    return sorted(job.key for job in world.queue.waiting)


def test_a_settled_world_costs_listings_only(world, gate):
    settle(world)
    gate.calls.clear()
    assert swept(world) == []
    assert not [call for call in gate.calls if call.endswith((".head", ".open", ".write", "expect"))]


def test_it_only_ever_queues(world, gate):
    for key in KEYS:
        world.put(key)
    assert swept(world) == sorted(KEYS)
    assert world.bytes_at("backup") == {}
    assert {row.status for row in world.ledger.rows.values()} == {"pending"}
    assert world.metrics.total("Swept") == len(KEYS)


def test_other_attributes_of_the_same_bytes_are_found_where_the_tag_is_made_of_content(gate):
    world = World(gate)
    world.tenant(prefix="in/", tags="content", versioned=False)
    world.rule("backup", path="{tenant}/{relative}")
    settle(world)
    world.put("in/b", b"in/b", attributes=Attributes(content_type="text/plain"))
    assert swept(world) == ["in/b"]
    world.clock.sleep(60)
    world.drain()
    assert world.stores.buckets["backup"].head("acme/b").attributes.content_type == "text/plain"
    assert swept(world) == []


@pytest.mark.parametrize("policy", ["keep", "delete"])
@pytest.mark.parametrize(
    "harm",
    [
        lambda world: world.put("in/b", b"an overwrite nobody told of"),
        lambda world: world.put("in/new", b"a create nobody told of"),
        lambda world: world.remove("in/b"),
        lambda world: world.stores.buckets["backup"].remove("acme/b"),
        lambda world: world.stores.buckets["backup"].put("acme/b", b"changed behind our back"),
    ],
    ids=["overwritten", "created", "removed", "copy removed", "copy changed"],
)
def test_whatever_differs_is_healed_and_the_next_sweep_is_quiet(world, harm, policy):
    world.change("rules", "backup", on_delete=policy)
    settle(world)
    harm(world)
    assert len(swept(world)) == 1
    world.drain()
    expected = {f"acme/{key[3:]}": body for key, body in world.bytes_at("primary").items()}
    kept = {"acme/b": b"in/b"} if policy == "keep" and "in/b" not in world.bytes_at("primary") else {}
    assert world.bytes_at("backup") == expected | kept
    assert swept(world) == []


def test_a_late_write_after_a_delete_is_removed(world):
    world.change("rules", "backup", on_delete="delete")
    settle(world)
    world.plan(world.remove("in/b"))
    world.drain()
    world.stores.buckets["backup"].put("acme/b", b"in/b", stamp=Stamp("0" * 32, "v4", 4))
    assert swept(world) == ["in/b"]
    world.drain()
    assert "acme/b" not in world.bytes_at("backup")


def test_objects_on_the_target_that_no_row_knows_are_left_alone(world):
    world.change("rules", "backup", on_delete="delete")
    settle(world)
    backup = world.stores.buckets["backup"]
    backup.put("acme/theirs", b"1"), backup.put("elsewhere/x", b"2"), backup.put("acme/", b"3")
    assert swept(world) == []


def test_each_job_counts_its_lag_from_the_source_and_speaks_for_its_row(world):
    settle(world, ["in/b"])
    world.clock.sleep(600)
    world.put("in/b", b"newer")
    changed = world.clock.now()
    world.clock.sleep(60)
    world.sweep()
    (job,) = world.queue.waiting
    (row,) = world.ledger.rows.values()
    assert (job.since, job.sequencer) == (changed, row.sequencer)


def test_a_target_whose_order_tells_no_keys_is_asked_one_by_one(world, gate):
    world.rule("backup", path="{relative}.bak")
    settle(world)
    world.stores.buckets["backup"].remove("b.bak")
    gate.calls.clear()
    assert swept(world) == ["in/b"]
    assert gate.calls.count("backup.head") == len(KEYS)
    assert gate.calls.count("backup.list") == 0


def test_a_target_that_lists_in_another_order_gets_no_needless_jobs(world, gate):
    settle(world)
    backup = world.stores.buckets["backup"]
    listing = backup._list

    def backwards(prefix, after, limit):
        page = listing(prefix, after, limit)
        return type(page)(page.items[::-1], page.after)

    backup._list = backwards
    assert swept(world) == []
    backup.put("acme/b", b"changed")
    assert set(swept(world)) == {"in/b"}  # seen at its row and out of turn: a second job is quiet


def test_a_stray_listed_out_of_turn_is_checked_against_its_row(world):
    world.change("rules", "backup", on_delete="delete")
    settle(world)
    world.plan(world.remove("in/b"))
    world.drain()
    backup = world.stores.buckets["backup"]
    backup.put("acme/b", b"in/b", stamp=Stamp("0" * 32, "v4", 4))
    listing = backup._list

    def last_first(prefix, after, limit):
        page = listing(prefix, after, 100)
        return type(page)(sorted(page.items, key=lambda item: item.path != "acme/~"), None)

    backup._list = last_first
    assert swept(world) == ["in/b"]


# ---- rows that wait --------------------------------------------------------------------------------------------------
def test_a_job_under_way_is_not_queued_again_until_it_is_lost(world):
    world.plan(world.put("in/b"))
    world.queue.waiting.clear()
    assert swept(world) == []
    world.clock.sleep(3601)
    assert swept(world) == ["in/b"]


def test_a_failed_pair_is_tried_anew_once_a_day(world, gate):
    world.plan(world.put("in/b"))
    gate.broken["backup.head"] = StoreUnavailable()
    world.drain()
    assert [row.status for row in world.ledger.rows.values()] == ["failed"]
    world.clock.sleep(timedelta(hours=23).total_seconds())
    assert swept(world) == []
    world.clock.sleep(timedelta(hours=2).total_seconds())
    assert swept(world) == ["in/b"]


# ---- which pairs -----------------------------------------------------------------------------------------------------
def test_paused_rules_and_idle_integrations_are_left_alone(world, gate):
    world.rule("paused", paused=True), world.rule("revoked"), world.rule("gone"), world.rule("elsewhere", prefix="out/")
    world.change("integrations", "i-revoked", status="revoked")
    del world.integrations.items["acme", "i-gone"]
    world.put("in/b")
    world.sweep()
    assert [job.target for job in world.queue.waiting] == ["backup"]


def test_each_rule_walks_its_own_prefix_and_the_chosen_rule_speaks(world):
    world.rule("backup", prefix="in/b", path="{relative}", priority=1, target="backup")
    world.rule("wide", prefix="in", target="backup", container="backup", path="{relative}")
    for key in ("in/a", "in/b", "in/bc"):
        world.put(key)
    world.sweep()
    assert sorted((job.rule_id, job.key) for job in world.queue.waiting) == [
        ("backup", "in/b"), ("backup", "in/bc"), ("wide", "in/a"),
    ]  # fmt: skip


def test_every_tenant_has_its_turn_and_none_sees_anothers_keys(world):
    for name in ("bolt", "coil", "dyne"):
        world.tenant(name, prefix=f"{name}/")
        world.rule(f"of-{name}", tenant=name)
        world.put(f"{name}/k")
    world.sweep()
    assert sorted((job.tenant_id, job.key) for job in world.queue.waiting) == [
        (name, f"{name}/k") for name in ("bolt", "coil", "dyne")
    ]


# ---- upload sessions -------------------------------------------------------------------------------------------------
def leave(world: World, path: str, target: str = "backup") -> int:
    """An upload session of ours whose worker died."""
    world.transfers.begun(Transfer("acme", target, path, world.clock.now()))
    return world.stores.buckets["backup"].upload(path)


def test_old_upload_sessions_are_ended_young_ones_live(world):
    backup = world.stores.buckets["backup"]
    for name in "abcdefg":
        leave(world, name)
    world.clock.sleep(25 * 3600)
    young = leave(world, "a")
    world.sweep()
    assert list(backup.sessions) == [young]
    assert [row.begun_at for row in world.transfers.rows] == [backup.sessions[young].begun]


def test_other_peoples_upload_sessions_live_however_old(world):
    backup = world.stores.buckets["backup"]
    leave(world, "a")
    foreign = [backup.upload("a/theirs"), backup.upload("theirs")]
    world.clock.sleep(90 * 24 * 3600)
    world.sweep()
    assert list(backup.sessions) == foreign


def test_where_no_session_was_left_no_store_is_asked_for_any(world, gate):
    world.stores.buckets["backup"].upload("theirs")
    world.clock.sleep(25 * 3600)
    world.sweep()
    assert "backup.abort_uploads" not in gate.calls


def test_a_session_that_the_stores_clock_dates_later_than_ours_is_ended(world):
    backup = world.stores.buckets["backup"]
    world.transfers.begun(Transfer("acme", "backup", "a", world.clock.now()))
    world.clock.sleep(300)
    backup.upload("a")
    world.clock.sleep(24 * 3600 - 200)
    world.sweep()
    assert (backup.sessions, world.transfers.rows) == ({}, set())


@pytest.mark.parametrize("error", [StoreUnavailable(), CredentialsRefused()], ids=lambda error: error.code)
def test_a_store_that_will_not_end_sessions_keeps_them_registered_and_is_swept_all_the_same(world, gate, error):
    leave(world, "a")
    world.put("in/k")
    world.clock.sleep(25 * 3600)
    gate.broken["backup.abort_uploads"] = error
    assert swept(world) == ["in/k"]
    assert world.metrics.total("Failed") == 1
    assert len(world.transfers.rows) == 1
    del gate.broken["backup.abort_uploads"]
    world.sweep()
    assert (world.stores.buckets["backup"].sessions, world.transfers.rows) == ({}, set())


def test_a_target_is_asked_of_its_own_sessions_only(world, gate):
    world.rule("second")
    leave(world, "a", target="second")
    world.clock.sleep(25 * 3600)
    world.sweep()
    assert gate.calls.count("second.abort_uploads") == 1
    assert "backup.abort_uploads" not in gate.calls


# ---- bounds ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_bounded_runs_see_everything_once(world, limit):
    world.rule("second")
    world.tenant("bolt", prefix="zz/")
    world.rule("third", tenant="bolt")
    for key in [*KEYS, "zz/1", "zz/2"]:
        world.put(key)
    looked, runs = 0, 0
    while True:
        result = world.sweep(limit)
        assert result.looked <= limit
        looked, runs = looked + result.looked, runs + 1
        if result.finished:
            break
    assert looked == len(KEYS) * 2 + 2
    assert sorted((job.target, job.key) for job in world.queue.waiting) == sorted(
        [(target, key) for target in ("backup", "second") for key in KEYS] + [("third", "zz/1"), ("third", "zz/2")]
    )
    assert world.cursors.saved[CURSOR] is None


def test_a_run_stops_before_its_deadline_and_the_next_goes_on(world):
    for key in KEYS:
        world.put(key)
    assert world.sweep(deadline=Until(5.0)) == type(world.sweep(deadline=Until(5.0)))(0, 0, False)
    assert world.sweep().finished
    assert len(world.queue.waiting) == len(KEYS)


def test_the_place_survives_tenants_and_rules_that_go(world):
    for name in ("bolt", "coil"):
        world.tenant(name, prefix=f"{name}/")
        world.rule(f"of-{name}", tenant=name)
        world.put(f"{name}/1"), world.put(f"{name}/2")
    world.sweep(limit=1)
    del world.tenants.items[("bolt",)]
    assert world.sweep().finished
    assert {job.tenant_id for job in world.queue.waiting} == {"bolt", "coil"}


def test_a_rule_whose_store_fails_holds_back_no_other(world, gate):
    world.rule("second")
    world.put("in/b")
    gate.broken["backup.list"] = StoreUnavailable()
    assert world.sweep().finished
    assert [job.target for job in world.queue.waiting] == ["second"]
    assert ("Failed", 1, "Count", {"target": "backup"}) in world.metrics.counts


def test_a_walk_goes_on_the_next_time_from_where_its_store_failed(world, gate):
    settle(world)
    gate.broken["backup.head"] = StoreUnavailable()
    world.stores.buckets["backup"].remove("acme/b")  # asked for by its name, in the middle of the walk
    for key in ("in/a", "in/~"):
        world.put(key, b"an overwrite nobody told of")
    assert swept(world) == ["in/a"]
    gate.broken.clear()
    world.queue.waiting.clear()
    assert swept(world) == ["in/b", "in/~"]
    assert world.cursors.saved["sweep#acme#backup"] is None


def test_a_walk_that_fails_again_where_it_began_is_begun_anew(world, gate):
    settle(world)
    gate.broken["backup.head"] = StoreUnavailable()
    world.stores.buckets["backup"].remove("acme/b")
    assert swept(world) == swept(world) == []
    world.put("in/a", b"an overwrite nobody told of")
    assert swept(world) == ["in/a"]


def test_a_state_that_fails_stops_the_run_where_it_can_go_on(world, gate):
    settle(world)
    world.rule("second")
    gate.broken["queue.send"] = StateUnavailable()
    with pytest.raises(StateUnavailable):
        world.sweep()
    assert world.cursors.saved[CURSOR].startswith('["acme", "backup", null]')
    del gate.broken["queue.send"]
    world.clock.sleep(3601)
    world.sweep()
    assert len(world.queue.waiting) == len(KEYS)


def test_a_ledger_that_fails_is_no_fault_of_the_rules_target(world, gate):
    gate.broken["ledger.page"] = StateUnavailable()
    with pytest.raises(StateUnavailable):
        world.sweep()
    assert world.metrics.total("Failed") == 0


def test_a_late_write_is_found_where_the_target_lists_in_no_useful_order(world):
    world.rule("backup", path="{relative}.bak", on_delete="delete")
    settle(world)
    world.plan(world.remove("in/b"))
    world.drain()
    world.stores.buckets["backup"].put("b.bak", b"in/b", stamp=Stamp("0" * 32, "v4", 4))
    assert swept(world) == ["in/b"]


def test_jobs_are_expected_before_they_are_queued_in_batches_of_ten(world, gate):
    for number in range(23):
        world.put(f"in/{number:02}")
    gate.calls.clear()
    world.sweep()
    told = [call for call in gate.calls if call in ("ledger.expect", "queue.send")]
    assert told == (["ledger.expect"] * 10 + ["queue.send"]) * 2 + ["ledger.expect"] * 3 + ["queue.send"]
