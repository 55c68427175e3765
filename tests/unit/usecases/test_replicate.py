"""What replication promises of one job."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.errors import (
    ChecksumMismatch,
    Conflict,
    CredentialsRefused,
    DeadlineExceeded,
    ForeignEvent,
    NotFound,
    StateUnavailable,
    StoreUnavailable,
    Unsettled,
)
from shared.domain.objects import Attributes, Tag
from shared.domain.retry import AfterUser, Later, Never
from shared.domain.stamp import Stamp, maker_of, origin_of
from shared.usecases.replicate import failed
from tests.model.bucket import EPOCH
from tests.model.world import Gate, Until, World


class Script(Gate):
    """Does something around chosen calls: ``script.before["backup.write"] = action``, once each unless ``always``."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.before, self.after, self.always = {}, {}, {}

    def around(self, call, action):
        self.calls.append(call)
        self.before.pop(call, self.always.get(call, lambda: None))()
        answer = action()
        self.after.pop(call, lambda: None)()
        return answer

    def stores(self) -> list[str]:
        return [call for call in self.calls if call.startswith(("primary.", "backup.")) and not call.endswith("part")]


def fail(error):
    def action():
        raise error

    return action


@pytest.fixture
def gate() -> Script:
    return Script()


@pytest.fixture
def world(gate) -> World:
    world = World(gate)
    world.tenant()
    world.rule("backup")
    return world


def job_for(world, event):
    (job,) = world.plan(event)
    return job


def the_row(world):
    (row,) = world.ledger.rows.values()
    return row


# ---- the walk --------------------------------------------------------------------------------------------------------
def test_a_new_object_arrives_with_its_attributes_and_a_stamp(world):
    attributes = Attributes(content_type="text/plain", metadata={"colour": "blue"})
    event = world.put("k", b"news", attributes=attributes)
    world.clock.sleep(3)
    row = world.replicate(job_for(world, event))
    here, there = world.stores.buckets["primary"].head("k"), world.stores.buckets["backup"].head("k")
    assert world.bytes_at("backup") == {"k": b"news"}
    assert there.attributes == attributes
    assert there.stamp == Stamp(
        origin_of("memory", "primary", "k"),
        here.version,
        4,
        here.checksums.values["crc64nvme"],
        maker_of("acme", "backup"),
    )
    assert row == the_row(world)
    assert (row.status, row.route, row.size, row.lag_seconds) == ("replicated", "streamed", 4, 3.0)
    assert (row.source_version, row.source_tag, row.target_tag) == (here.version, here.tag, there.tag)
    assert row.checksums == there.checksums
    assert row.replicated_at == row.updated_at == world.clock.now()
    assert row.failure is None


def test_a_small_copy_costs_five_store_calls_in_the_order_that_is_safe_and_one_ledger_call(world, gate):
    job = job_for(world, world.put("k"))
    gate.calls.clear()
    world.ledger.calls.clear()
    world.replicate(job)
    assert gate.stores() == ["backup.head", "primary.open", "primary.read", "backup.write", "primary.head"]
    assert world.ledger.calls == ["record"]
    assert gate.calls[-1] == "ledger.record"


def test_a_duplicate_writes_nothing_and_keeps_what_the_row_knew(world, gate):
    event = world.put("k")
    world.clock.sleep(2)
    first = world.replicate(job_for(world, event))
    world.clock.sleep(60)
    job = job_for(world, event)
    gate.calls.clear()
    again = world.replicate(job)
    assert gate.stores() == ["backup.head", "primary.open"]
    assert (again.lag_seconds, again.replicated_at, again.route) == (2.0, first.replicated_at, "streamed")
    assert (again.size, again.checksums, again.source_version) == (first.size, first.checksums, first.source_version)
    assert (again.source_tag, again.target_tag, again.status) == (first.source_tag, first.target_tag, "replicated")
    assert world.metrics.total("Skipped") == 1


def test_a_row_that_missed_the_copy_is_made_whole_by_the_next_look(world, gate):
    job = job_for(world, world.put("k", b"some"))
    world.clock.sleep(4)
    gate.before["ledger.record"] = fail(StateUnavailable())
    with pytest.raises(StateUnavailable):
        world.replicate(job)
    row = world.replicate(job)
    assert (row.status, row.size, row.lag_seconds, row.route) == ("replicated", 4, 4.0, None)
    assert row.checksums.values
    assert row.target_tag == world.stores.buckets["backup"].head("k").tag


def test_a_look_without_any_row_still_records_one(world):
    job = job_for(world, world.put("k"))
    world.replicate(job)
    world.ledger.rows.clear()
    assert world.replicate(job).status == "replicated"


def test_an_overwrite_converges_on_the_newest_in_either_order(world):
    old, new = world.put("k", b"old"), world.put("k", b"new")
    for event in (new, old, new):
        world.replicate(job_for(world, event))
    assert world.bytes_at("backup") == {"k": b"new"}
    assert world.stores.buckets["backup"].changes == 1


def test_the_same_bytes_with_other_attributes_are_another_version(world):
    world.replicate(job_for(world, world.put("k")))
    world.replicate(job_for(world, world.put("k", attributes=Attributes(content_type="image/png"))))
    assert world.stores.buckets["backup"].head("k").attributes.content_type == "image/png"


def test_a_replica_somebody_edited_is_made_right(world):
    job = job_for(world, world.put("k", b"true"))
    world.replicate(job)
    backup = world.stores.buckets["backup"]
    backup.put("k", b"fake", stamp=backup.things["k"].stamp)
    world.replicate(job)
    assert world.bytes_at("backup") == {"k": b"true"}


def test_the_path_is_the_rules_template(world):
    world.tenant("other", "shop", prefix="in/")
    world.rule("vault", tenant="other", path="{tenant}/{relative}")
    world.replicate(job_for(world, world.put("in/a/b", bucket="shop")))
    assert list(world.bytes_at("vault")) == ["other/a/b"]


# ---- a world that moves ----------------------------------------------------------------------------------------------
def test_a_source_that_changes_behind_the_write_is_copied_again(world, gate):
    job = job_for(world, world.put("k", b"old"))
    gate.after["backup.write"] = lambda: world.put("k", b"new")
    row = world.replicate(job)
    assert world.bytes_at("backup") == {"k": b"new"}
    assert row.source_version == world.stores.buckets["primary"].head("k").version


def test_a_source_that_changes_while_it_is_read_is_read_again(world, gate):
    world.stores.buckets["primary"].versioned = False
    job = job_for(world, world.put("k", b"older body"))
    gate.before["backup.part"] = lambda: world.put("k", b"newer body")
    world.replicate(job)
    assert world.bytes_at("backup") == {"k": b"newer body"}
    assert world.stores.buckets["backup"].sessions == {}


def test_a_target_that_moved_is_looked_at_again(world, gate):
    job = job_for(world, world.put("k", b"true"))
    gate.before["backup.write"] = lambda: world.stores.buckets["backup"].put("k", b"theirs")
    world.replicate(job)
    assert world.bytes_at("backup") == {"k": b"true"}


def test_a_source_that_vanishes_behind_the_write_takes_its_copy_along_under_delete(world, gate):
    world.change("rules", "backup", on_delete="delete")
    job = job_for(world, world.put("k"))
    gate.after["backup.write"] = lambda: world.remove("k")
    assert world.replicate(job).status == "deleted"
    assert world.bytes_at("backup") == {}


def test_a_source_that_returns_behind_the_delete_is_copied(world, gate):
    world.change("rules", "backup", on_delete="delete")
    world.replicate(job_for(world, world.put("k")))
    job = job_for(world, world.remove("k"))
    gate.after["backup.delete"] = lambda: world.put("k", b"again")
    assert world.replicate(job).status == "replicated"
    assert world.bytes_at("backup") == {"k": b"again"}


def test_a_source_that_never_rests_is_unsettled_after_four_rounds(world, gate):
    job = job_for(world, world.put("k"))
    gate.always["backup.write"] = lambda: world.put("k", b"more")
    with pytest.raises(Unsettled) as unsettled:
        world.replicate(job)
    assert isinstance(unsettled.value.retry, Later)
    assert gate.calls.count("backup.head") == 4


def test_a_cause_that_repeats_is_named(world, gate):
    job = job_for(world, world.put("k"))
    gate.always["backup.write"] = fail(ChecksumMismatch())
    with pytest.raises(Unsettled, match="checksum_mismatch"):
        world.replicate(job)


def test_an_unknown_outcome_is_found_to_be_done(world, gate):
    job = job_for(world, world.put("k"))
    gate.after["backup.write"] = fail(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        world.replicate(job)
    assert world.replicate(job).status == "replicated"
    assert world.stores.buckets["backup"].changes == 1


# ---- deletes ---------------------------------------------------------------------------------------------------------
def test_keep_leaves_the_replica_and_says_so(world):
    put = world.replicate(job_for(world, world.put("k", b"kept")))
    row = world.replicate(job_for(world, world.remove("k")))
    assert world.bytes_at("backup") == {"k": b"kept"}
    assert (row.status, row.source_tag, row.target_tag) == ("replicated", None, put.target_tag)
    assert (row.source_version, row.size, row.checksums) == (put.source_version, 4, put.checksums)
    assert (row.replicated_at, row.lag_seconds, row.route) == (put.replicated_at, put.lag_seconds, put.route)


def test_delete_removes_the_replica_and_says_so(world):
    world.change("rules", "backup", on_delete="delete")
    world.replicate(job_for(world, world.put("k")))
    row = world.replicate(job_for(world, world.remove("k")))
    assert world.bytes_at("backup") == {}
    assert (row.status, row.source_tag, row.target_tag) == ("deleted", None, None)
    assert world.metrics.total("Deleted") == 1


def test_a_delete_event_of_an_object_that_lives_deletes_nothing(world):
    world.change("rules", "backup", on_delete="delete")
    world.replicate(job_for(world, world.put("k")))
    assert world.replicate(job_for(world, world.event("k"))).status == "replicated"
    assert world.bytes_at("backup") == {"k": b"body"}


@pytest.mark.parametrize("policy", ["keep", "delete"])
def test_what_farshore_did_not_write_is_never_deleted_nor_called_a_replica(world, policy):
    world.change("rules", "backup", on_delete=policy)
    theirs = world.stores.buckets["backup"].put("k", b"theirs")
    row = world.replicate(job_for(world, world.remove("k")))
    assert world.bytes_at("backup") == {"k": b"theirs"}
    assert (row.status, row.target_tag) == ("deleted", theirs.tag)


@pytest.mark.parametrize("policy", ["keep", "delete"])
def test_nothing_anywhere_is_settled(world, policy):
    world.change("rules", "backup", on_delete=policy)
    row = world.replicate(job_for(world, world.remove("k")))
    assert (row.status, row.target_tag) == ("deleted", None)


def test_a_delete_takes_only_what_was_seen(world, gate):
    world.change("rules", "backup", on_delete="delete")
    world.replicate(job_for(world, world.put("k")))
    job = job_for(world, world.remove("k"))
    gate.before["backup.delete"] = lambda: world.stores.buckets["backup"].put("k", b"theirs")
    world.replicate(job)
    assert world.bytes_at("backup") == {"k": b"theirs"}


# ---- several targets in one container --------------------------------------------------------------------------------
@pytest.fixture
def crowded() -> World:
    """Two tenants whose keys meet under one name in one container."""
    world = World()
    for tenant in ("acme", "bolt"):
        world.tenant(tenant, prefix=f"{tenant}/")
        world.rule(f"of-{tenant}", tenant=tenant, container="vault", path="{relative}", on_delete="delete")
    world.replicate(job_for(world, world.put("acme/k", b"acme's")))
    return world


def test_a_replica_made_for_another_target_is_not_replaced(crowded):
    job = job_for(crowded, crowded.put("bolt/k", b"bolt's"))
    with pytest.raises(Conflict) as refusal:
        crowded.replicate(job)
    assert crowded.bytes_at("vault") == {"k": b"acme's"}
    assert isinstance(refusal.value.retry, Never)


def test_the_first_of_two_goes_on_as_if_alone(crowded):
    with pytest.raises(Conflict):
        crowded.replicate(job_for(crowded, crowded.put("bolt/k", b"bolt's")))
    crowded.replicate(job_for(crowded, crowded.put("acme/k", b"newer")))
    assert crowded.bytes_at("vault") == {"k": b"newer"}
    crowded.replicate(job_for(crowded, crowded.remove("acme/k")))
    crowded.replicate(job_for(crowded, crowded.event("bolt/k")))
    assert crowded.bytes_at("vault") == {"k": b"bolt's"}


@pytest.mark.parametrize("policy", ["keep", "delete"])
def test_a_replica_made_for_another_target_is_neither_deleted_nor_called_ones_own(crowded, policy):
    crowded.change("rules", "of-bolt", on_delete=policy)
    row = crowded.replicate(job_for(crowded, crowded.remove("bolt/k")))
    assert crowded.bytes_at("vault") == {"k": b"acme's"}
    assert (row.status, row.source_version) == ("deleted", None)


def test_an_object_that_nobody_stamped_is_replaced(world):
    world.stores.buckets["backup"].put("k", b"theirs")
    world.replicate(job_for(world, world.put("k", b"ours")))
    assert world.bytes_at("backup") == {"k": b"ours"}


def test_two_ways_to_one_name_from_one_origin_are_no_collision(world):
    world.rule("side")
    for bucket, tenant in (("backup", "east"), ("side", "west")):
        world.tenant(tenant, bucket)
        world.rule(f"of-{tenant}", tenant=tenant, container="end")
    for body in (b"one", b"two"):
        for job in world.plan(world.put("k", body)):
            world.replicate(job)
        for bucket in ("backup", "side"):
            world.replicate(job_for(world, world.event("k", bucket)))
        assert world.bytes_at("end") == {"k": body}


def test_an_edited_copy_that_kept_its_stamp_and_size_is_replaced_where_both_ends_tell_a_checksum(world):
    event = world.put("k", b"right")
    world.replicate(job_for(world, event))
    backup = world.stores.buckets["backup"]
    stamp = replace(backup.head("k").stamp, crc64nvme=None)
    backup.put("k", b"wrong", stamp=stamp)
    assert backup.head("k").stamp == stamp
    world.replicate(job_for(world, event))
    assert world.bytes_at("backup") == {"k": b"right"}


# ---- rings and chains ------------------------------------------------------------------------------------------------
def ring(world):
    """acme: primary -> backup; mirror: backup -> primary."""
    world.tenant("mirror", "backup")
    world.rule("back", tenant="mirror", container="primary", on_delete="delete")
    world.change("rules", "backup", on_delete="delete")


def test_a_ring_is_quiet_after_one_copy(world):
    ring(world)
    world.plan(world.put("k", b"one"))
    world.drain()
    world.plan(world.event("k", "backup"))
    world.drain()
    assert world.stores.buckets["primary"].changes == world.stores.buckets["backup"].changes == 1
    assert world.stores.buckets["primary"].head("k").stamp is None


def test_a_stale_copy_never_overwrites_its_original_nor_raises_it_from_the_dead(world):
    ring(world)
    world.plan(world.put("k", b"one"))
    world.drain()
    echo = world.event("k", "backup")
    world.put("k", b"two")
    world.plan(echo)
    world.drain()
    assert world.bytes_at("primary") == {"k": b"two"}
    world.remove("k")
    (job,) = world.plan(echo)
    row = world.replicate(job)
    assert world.bytes_at("primary") == {}
    assert row.status == "deleted"


def test_deleting_a_copy_in_a_ring_leaves_the_original(world):
    ring(world)
    world.plan(world.put("k"))
    world.drain()
    world.plan(world.remove("k", "backup"))
    world.drain()
    assert world.bytes_at("primary") == {"k": b"body"}


def test_a_chain_carries_the_first_stamp(world):
    world.tenant("next", "backup")
    world.rule("far", tenant="next")
    world.plan(world.put("k"))
    world.drain()
    world.plan(world.event("k", "backup"))
    world.drain()
    near, far = (world.stores.buckets[name].head("k").stamp for name in ("backup", "far"))
    assert near.names_same(far)
    assert near.origin == origin_of("memory", "primary", "k")


def test_a_rule_whose_target_is_its_own_source_writes_nothing(world):
    world.rule("self", container="primary")
    world.plan(world.put("k"))
    world.drain()
    assert world.stores.buckets["primary"].changes == 1


def test_a_rule_into_its_own_source_rests_after_one_copy(world):
    world.rule("within", container="primary", path="copies/{key}")
    world.plan(world.put("k"))
    for _ in range(3):
        world.drain()
        for path in world.bytes_at("primary"):
            world.plan(world.event(path))
    world.drain()
    assert sorted(world.bytes_at("primary")) == ["copies/k", "k"]


def test_a_stamp_brought_home_by_hand_is_only_metadata(world):
    world.replicate(job_for(world, world.put("k", b"one")))
    stamp = world.stores.buckets["backup"].things["k"].stamp
    world.replicate(job_for(world, world.put("k", b"two")))
    home = world.stores.buckets["primary"].put("k", b"one", stamp=stamp)
    world.replicate(job_for(world, world.event("k")))
    assert world.bytes_at("backup") == {"k": b"one"}
    assert world.stores.buckets["backup"].head("k").stamp.version == home.version


# ---- jobs that lost their ground -------------------------------------------------------------------------------------
def test_a_paused_rule_waits_visibly(world):
    job = job_for(world, world.put("k"))
    world.change("rules", "backup", paused=True)
    assert world.replicate(job) is None
    assert world.bytes_at("backup") == {}
    assert (the_row(world).status, the_row(world).failure.code) == ("pending", "rule_paused")


@pytest.mark.parametrize("change", [{"status": "revoked"}, {"is_active": False}, None])
def test_an_integration_out_of_use_asks_for_its_owner(world, change):
    job = job_for(world, world.put("k"))
    if change:
        world.change("integrations", "i-backup", **change)
    else:
        world.integrations.items.clear()
    with pytest.raises(CredentialsRefused) as refusal:
        world.replicate(job)
    assert isinstance(refusal.value.retry, AfterUser)
    assert world.stores.opened == []


def test_an_integration_whose_tokens_are_being_renewed_has_its_jobs_come_back(world):
    job = job_for(world, world.put("k"))
    world.change("integrations", "i-backup", status="expired", reason="provider_unavailable", refresh_due_at=EPOCH)
    with pytest.raises(StoreUnavailable) as refusal:
        world.replicate(job)
    assert isinstance(refusal.value.retry, Later)
    world.change("integrations", "i-backup", status="expired", reason="grant_expired", refresh_due_at=None)
    with pytest.raises(CredentialsRefused):
        world.replicate(job)


def test_a_job_whose_tenant_or_rule_is_gone_is_buried(world):
    job = job_for(world, world.put("k"))
    changes = [
        lambda: world.change("rules", "backup", suffix=".zip"),
        lambda: world.rule("backup", target="elsewhere"),
        world.rules.items.clear,
        world.tenants.items.clear,
    ]
    for change in changes:
        change()
        with pytest.raises(NotFound) as refusal:
            world.replicate(job)
        assert isinstance(refusal.value.retry, Never)


def test_a_job_outside_its_tenants_source_is_refused(world):
    world.tenant("acme", prefix="in/")
    world.stores.buckets["primary"].put("other/secret", b"s")
    job = job_for(world, world.put("in/k"))
    forged = type(job)(job.tenant_id, job.rule_id, job.target, "other/secret", job.since)
    with pytest.raises(ForeignEvent):
        world.replicate(forged)
    assert world.bytes_at("backup") == {}


# ---- time and progress -----------------------------------------------------------------------------------------------
def test_no_look_begins_without_time_to_finish(world, gate):
    job = job_for(world, world.put("k"))
    gate.calls.clear()
    with pytest.raises(DeadlineExceeded):
        world.replicate(job, Until(9.0))
    assert gate.stores() == []


def test_a_copy_that_would_outlive_its_attempt_ends_itself_and_its_session(world, gate):
    job = job_for(world, world.put("k", b"a long body"))
    deadline = Until()
    gate.after["backup.part"] = lambda: setattr(deadline, "left", 5.0)
    with pytest.raises(DeadlineExceeded):
        world.replicate(job, deadline)
    assert world.bytes_at("backup") == {}
    assert world.stores.buckets["backup"].sessions == {}


# ---- upload sessions -------------------------------------------------------------------------------------------------
LONG_BODY = b"more than one part"


def test_a_session_is_registered_before_it_exists_and_forgotten_after_its_end(world, gate):
    job = job_for(world, world.put("k", LONG_BODY))
    gate.calls.clear()
    seen = []
    gate.before["backup.begin"] = lambda: seen.extend(world.transfers.rows)
    world.replicate(job)
    assert [(row.tenant_id, row.target, row.path, row.begun_at) for row in seen] == [
        ("acme", "backup", "k", world.clock.now())
    ]
    calls = ["transfers.begun", "backup.begin", "backup.part", "backup.write", "transfers.ended"]
    assert list(dict.fromkeys(call for call in gate.calls if call in calls)) == calls
    assert world.transfers.rows == set()


def test_a_small_object_is_not_registered(world, gate):
    world.replicate(job_for(world, world.put("k", b"tiny")))
    assert not any(call.startswith("transfers.") for call in gate.calls)


def test_without_its_register_no_session_is_opened(world, gate):
    gate.before["transfers.begun"] = fail(StateUnavailable())
    with pytest.raises(StateUnavailable):
        world.replicate(job_for(world, world.put("k", LONG_BODY)))
    assert "backup.begin" not in gate.calls
    assert world.transfers.rows == set()


def test_a_session_aborted_in_a_failure_is_forgotten(world, gate):
    gate.before["backup.part"] = fail(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        world.replicate(job_for(world, world.put("k", LONG_BODY)))
    assert (world.stores.buckets["backup"].sessions, world.transfers.rows) == ({}, set())


@pytest.mark.parametrize("call", ["before", "after"])
def test_a_session_that_may_be_left_stays_registered(world, gate, call):
    if call == "before":
        gate.before["backup.part"] = gate.before["backup.abort"] = fail(StoreUnavailable())
    else:
        gate.after["backup.begin"] = fail(StoreUnavailable())  # opened, and its id never heard
    with pytest.raises(StoreUnavailable):
        world.replicate(job_for(world, world.put("k", LONG_BODY)))
    assert len(world.stores.buckets["backup"].sessions) == len(world.transfers.rows) == 1


def test_a_copy_stands_though_its_register_does_not_answer_at_the_end(world, gate):
    gate.before["transfers.ended"] = fail(StateUnavailable())
    row = world.replicate(job_for(world, world.put("k", LONG_BODY)))
    assert row.status == "replicated"
    assert world.bytes_at("backup") == {"k": LONG_BODY}
    assert len(world.transfers.rows) == 1


def test_two_workers_of_one_moment_do_not_forget_each_others_session(world, gate):
    job = job_for(world, world.put("k", LONG_BODY))
    gate.before["backup.part"] = lambda: world.replicate(job)
    seen = []
    gate.before["backup.abort"] = lambda: seen.extend(world.transfers.rows)
    world.replicate(job)
    assert len(seen) == 1
    assert (world.stores.buckets["backup"].sessions, world.transfers.rows) == ({}, set())


def test_a_large_copy_is_seen_copying_and_a_small_one_costs_nothing(world, monkeypatch):
    monkeypatch.setattr("shared.usecases.pace.LARGE_BYTES", 400)
    seen = []
    ledger = world.ledger
    tell = ledger.copying
    ledger.copying = lambda job, **what: (tell(job, **what), seen.append((what["bytes_done"], the_row(world).status)))
    world.replicate(job_for(world, world.put("k", b"x" * 400)))
    assert [done for done, _ in seen] == list(range(0, 400, 40))
    assert {status for _, status in seen} == {"copying"}
    assert the_row(world).status == "replicated"
    assert the_row(world).bytes_done is None
    world.replicate(job_for(world, world.put("k", b"x" * 399)))
    assert len(seen) == 10


def test_a_ledger_that_misses_progress_stops_no_copy(world, gate, monkeypatch):
    monkeypatch.setattr("shared.usecases.pace.LARGE_BYTES", 4)
    gate.always["ledger.copying"] = fail(StateUnavailable())
    assert world.replicate(job_for(world, world.put("k", b"12345678"))).status == "replicated"


def test_lag_is_never_negative(world):
    event = world.put("k")
    world.clock.skew = timedelta(minutes=-5)
    assert world.replicate(job_for(world, event)).lag_seconds == 0.0


def test_bytes_and_lag_are_measured_by_target(world):
    event = world.put("k", b"12345")
    world.clock.sleep(7)
    world.replicate(job_for(world, event))
    measured = {name: (value, unit, dims) for name, value, unit, dims in world.metrics.counts}
    assert measured["Bytes"] == (5, "Bytes", {"target": "backup"})
    assert measured["Lag"] == (7.0, "Seconds", {"target": "backup"})


# ---- failures --------------------------------------------------------------------------------------------------------
def test_a_failed_attempt_is_seen_and_the_earlier_copy_stays_known(world):
    world.replicate(job_for(world, world.put("k", b"one")))
    job = job_for(world, world.put("k", b"two"))
    failed(job, StoreUnavailable("the store did not answer"), 2, False, world.replicating)
    row = the_row(world)
    assert (row.status, row.attempts, row.failure.code) == ("pending", 2, "store_unavailable")
    assert row.source_version == "v1"
    failed(job, StoreUnavailable(), 5, True, world.replicating)
    assert the_row(world).status == "failed"
    assert world.metrics.total("Failed") == 2
    world.replicate(job)
    assert (the_row(world).status, the_row(world).failure, the_row(world).attempts) == ("replicated", None, 0)


def test_an_unexpected_error_shows_nothing_of_its_text(world):
    job = job_for(world, world.put("k"))
    failure = failed(job, ValueError("password=hunter2"), 1, True, world.replicating)
    assert failure.code == "internal"
    assert "hunter2" not in repr(the_row(world))


def test_a_failure_the_ledger_did_not_hear_is_raised(world, gate):
    job = job_for(world, world.put("k"))
    gate.before["ledger.fail"] = fail(StateUnavailable())
    with pytest.raises(StateUnavailable):
        failed(job, StoreUnavailable(), 1, True, world.replicating)


def test_an_older_jobs_word_never_replaces_a_newer_ones(world):
    old, new = job_for(world, world.put("k", b"1")), job_for(world, world.put("k", b"2"))
    world.replicate(new)
    failed(old, StoreUnavailable(), 5, True, world.replicating)
    assert the_row(world).status == "replicated"
    assert the_row(world).target_tag == Tag("t1")
