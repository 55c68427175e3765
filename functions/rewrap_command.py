"""``farshore rewrap``: brings every sealed secret under the current KMS key.

The operator's own AWS identity does it: it needs ``kms:ReEncryptFrom`` on the current and former keys, ``kms:ReEncryptTo`` on the
current one, and the tables. It opens nothing.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from shared.domain.errors import FarshoreError

if TYPE_CHECKING:
    from shared.runtime.container import Container
    from shared.usecases.rewrap import Progress


class Unmoved(FarshoreError):
    """Some seals were not made by a key of this deployment, and were left as they are."""

    code = "rewrap_incomplete"


def register(kinds: Any) -> None:
    """Adds ``rewrap`` to a command's verbs."""
    says = "brings every sealed secret under the current key; run again, it goes on where it stopped"
    made = kinds.add_parser("rewrap", help=says, description=says)
    made.add_argument("--dry-run", action="store_true", help="changes nothing; counts what still needs a former key")
    made.set_defaults(run=_rewrap)


def _rewrap(options: argparse.Namespace, host: Callable[[], "Container"]) -> Mapping[str, Any]:
    from shared.domain.audit import Actor
    from shared.usecases.rewrap import rewrap

    done = rewrap(Actor(options.actor), host().rewrapping, dry_run=options.dry_run, tell=_tell)
    if done.broken:
        raise Unmoved(f"{len(done.broken)} of {done.seen} seals are not ours: {', '.join(done.broken)}")
    counted = {"seen": done.seen, "stale" if options.dry_run else "moved": done.moved}
    return {**counted, "resumedAfter": done.begun_after} if done.begun_after else counted


def _tell(progress: "Progress") -> None:
    print(f"{progress.seen} seen, {progress.moved} under another key", file=sys.stderr)
