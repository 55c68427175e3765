"""Protocols that look right and are not. Each is the production's own code with one line changed, or one port wrapped.

If nobody notices a mutant, the checkers are blind: the tests name who catches which, and by what invariant.
"""

import inspect
from collections.abc import Callable

from shared.domain.precondition import Any
from shared.domain.stamp import Stamp
from shared.usecases import replicate as production
from tests.model.world import World


def patched(old: str, new: str) -> Callable:
    """Production's ``replicate`` with one piece of its module's text exchanged. The piece must be there, once or more."""
    text = inspect.getsource(production)
    if old not in text:
        raise AssertionError(f"the production code no longer says: {old}")
    module = {"__name__": production.__name__, "Any": Any}
    exec(compile(text.replace(old, new), "mutant", "exec"), module)  # our own source, changed in one place
    return module["replicate"]


def swap_the_reads() -> Callable:
    """Source first, then the target: what was read of the source may be older than the tag."""
    return patched(
        "    there = pair.target.head(pair.path)\n    with pair.source.open(pair.key) as opened:\n",
        "    with pair.source.open(pair.key) as opened:\n        there = pair.target.head(pair.path)\n",
    )


def drop_the_recheck() -> Callable:
    """Nobody looks at the source again after the write."""
    return patched("return seen if _same(here, pair.source.head(pair.key)) else None", "return seen")


def ignore_the_precondition() -> Callable:
    """Writes and deletes whatever is there."""
    return patched("precondition=as_seen(there)", "precondition=Any()")


def register_nothing() -> Callable:
    """Opens upload sessions that nobody would find again."""
    return patched("        sessions=Registered(job, pair.path, world.transfers, world.clock),\n", "")


def end_everybodys_uploads(world: World) -> None:
    """A tidy sweep, at the expense of whoever else uploads to the bucket."""
    for store in world.stores.buckets.values():

        def reckless(path, older_than, store=store):
            old = [session for session, upload in store.sessions.items() if upload.begun < older_than]
            return [store.sessions.pop(session) for session in old]

        store._abort = reckless


def acknowledge_before_the_ledger(world: World) -> None:
    """The host acknowledges first, and tells the ledger then."""
    record, held = world.ledger.record, []

    def hold(row) -> None:
        held[:] = [row]

    def behind() -> None:
        if held:
            record(held.pop())

    world.ledger.record, world.behind = hold, behind


class Gullible(Stamp):
    """A stamp that vouches for any bytes beside it."""

    def vouches_for(self, size: int, crc64nvme: str | None) -> bool:
        return True


def believe_any_stamp(world: World) -> None:
    """The stamp is not compared with the content it lies beside, on targets that tell no checksum, which would give it away."""
    sources = {tenant.source.bucket for tenant in world.tenants.items.values()}
    for name, store in world.stores.buckets.items():
        store.reports = name in sources
        commit = store._commit

        def gullible(path, body, attributes, precondition, stamp, commit=commit):
            trusting = stamp and Gullible(stamp.origin, stamp.version, stamp.size, stamp.crc64nvme)
            return commit(path, body, attributes, precondition, trusting)

        store._commit = gullible
