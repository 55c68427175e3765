"""Ways to refresh that look right and are not: the production's own text with one piece exchanged, or one port wrapped."""

import inspect
from types import ModuleType, SimpleNamespace

from shared.usecases import refresh, refresh_outcome, refresh_turn
from tests.model.refresh_world import Room

_ROOMS = {"refresh": refresh, "turn": refresh_turn, "outcome": refresh_outcome}


def patched(room: str, old: str, new: str) -> SimpleNamespace:
    """The use case with one piece of one module's text exchanged. The piece must be there."""
    changed = _made(_ROOMS[room], old, new)
    if room != "refresh":
        names = {name: value for name, value in changed.items() if not name.startswith("__")}
        changed = _made(refresh, "", "")
        changed.update({name: value for name, value in names.items() if name in changed and name != "Refreshing"})
    return SimpleNamespace(refresh_one=changed["refresh_one"], access_token=changed["access_token"])


def _made(module: ModuleType, old: str, new: str) -> dict:
    text = inspect.getsource(module)
    if old not in text:
        raise AssertionError(f"the production code no longer says: {old}")
    made = {"__name__": module.__name__}
    exec(compile(text.replace(old, new) if old else text, "mutant", "exec"), made)  # our own source
    return made


def lease_shorter_than_the_holders_time() -> SimpleNamespace:
    return patched("refresh", "until = now + timedelta(seconds=left) + SKEW", "until = now + timedelta(seconds=10)")


def lease_that_forgets_skewed_clocks() -> SimpleNamespace:
    return patched("refresh", "until = now + timedelta(seconds=left) + SKEW", "until = now + timedelta(seconds=left)")


def no_second_look() -> SimpleNamespace:
    """Under the lease it believes what it saw before."""
    return patched("refresh", "row = _read(seen.tenant_id, seen.id, turn.world)\n    token", "row = seen\n    token")


def access_token_first() -> SimpleNamespace:
    """Stores the access token with the old refresh token, and then the rotated refresh token."""
    return patched(
        "refresh",
        "    kept = write(row, lambda it: refreshed(it, grant, tokens, provider, now, chance), turn)\n",
        "    from dataclasses import replace\n"
        "    early = replace(tokens, refresh=row.tokens.refresh)\n"
        "    write(row, lambda it: refreshed(it, grant, early, provider, now, chance), turn)\n"
        "    row = replace(row, generation=tokens.generation)\n"
        "    kept = write(row, lambda it: refreshed(it, grant, tokens, provider, now, chance), turn)\n",
    )


def lease_freed_before_the_write() -> SimpleNamespace:
    return patched(
        "refresh",
        "    if not _keep(row",
        "    held._leases.free(held._lease)\n    if not _keep(row",
    )


def verdict_on_whatever_tokens_are_there() -> SimpleNamespace:
    """Writes what came of the old tokens on a record that has others."""
    return patched(
        "turn", "there.tokens is not None and there.generation == row.generation", "there.tokens is not None"
    )


def verdict_without_tokens() -> SimpleNamespace:
    """Writes what came of the old tokens on a record that has none any more."""
    return patched(
        "turn", "there.tokens is not None and there.generation == row.generation", "there.generation == row.generation"
    )


def no_doubt_after_a_crash() -> SimpleNamespace:
    return patched("refresh", "doubtful=held.before), turn)", "doubtful=False), turn)")


def no_doubt_after_a_lost_answer() -> SimpleNamespace:
    return patched("refresh", "held.doubtful = held.before or unknown", "held.doubtful = held.before")


def doubt_forgotten_by_who_does_nothing() -> SimpleNamespace:
    return patched(
        "turn", "self.before = self.doubtful = lease.doubtful", "self.before, self.doubtful = lease.doubtful, False"
    )


def always_doubt() -> SimpleNamespace:
    """Blames itself for what the user did."""
    return patched("refresh", "doubtful=held.before), turn)", "doubtful=True), turn)")


def give_up_at_the_first_failed_write() -> SimpleNamespace:
    return patched(
        "turn",
        "        except (VersionMismatch, StateUnavailable) as error:\n",
        "        except VersionMismatch as error:\n",
    )


def overwritten_tokens_are_left_alive() -> SimpleNamespace:
    return patched("refresh", "server.revoke(grant.access, grant.refresh)", "pass")


def own_write_taken_for_anothers() -> SimpleNamespace:
    """After a write that was done and not told, it revokes the tokens that it has just stored."""
    return patched("turn", "if _stamp(found) == _stamp(new) != _stamp(row):", "if False:")


def dead_tokens_are_tried_for_ever() -> SimpleNamespace:
    return patched("outcome", "FINAL[type(error)], error.code, None", "FINAL[type(error)], error.code, now + SLOWEST")


def status_left_as_it_was() -> SimpleNamespace:
    return patched("outcome", 'if over and was.status == "active"', "if False")


def no_compare_and_swap(room: Room) -> None:
    """The record is written whatever its version is."""

    def change(new, event) -> None:
        room.integrations.row = new

    room.integrations._change = change


def names() -> list[str]:
    """Of all of them."""
    tools = ("patched", "names")
    return [
        name for name, made in globals().items() if inspect.isfunction(made) and name[0] != "_" and name not in tools
    ]
