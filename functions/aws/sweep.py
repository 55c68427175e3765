"""Lambda behind the schedule: compares sources, ledger and targets a bounded way on, and queues jobs for what differs."""

from collections.abc import Mapping
from typing import Any

from functions.aws.invocation import invocation
from shared.runtime.container import container
from shared.runtime.logs import cause
from shared.runtime.world import LambdaDeadline
from shared.usecases.sweep import sweep


class SweepStopped(Exception):
    """The sweep ended early; the next run continues from its cursor."""


def handler(event: Mapping[str, Any], context: Any) -> None:
    """One bounded run; the next one continues it. What the schedule's event says does not matter.

    Raises:
        SweepStopped: the run ended early, so that the function's error alarm sees it; a log line tells why.
    """
    host = container()
    with invocation(host, context, "sweep"):
        try:
            sweep(host.sweeping, LambdaDeadline(context.get_remaining_time_in_millis))
        except Exception as error:
            host.logger.warning("sweep stopped", **cause(error))
            raise SweepStopped from None  # the runtime logs what it is given, and the original may say too much
        finally:
            host.stores.tidy()
