"""Lambda behind the timer and the refresh queue: finds connections whose tokens are due, and refreshes one for each message."""

from collections.abc import Mapping
from typing import Any

from functions.aws.batch import Message, settle
from functions.aws.desk import Desk
from functions.aws.invocation import invocation
from shared.domain.errors import NotFound, NotSupported
from shared.ports.world import Deadline
from shared.runtime.container import Container, container
from shared.runtime.errands import decode_due
from shared.runtime.logs import cause
from shared.runtime.world import LambdaDeadline
from shared.usecases.refresh import refresh_one
from shared.usecases.refresh_due import queue_due


class RefreshStopped(Exception):
    """Not all that is due was queued; the next run finds what is left."""


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any] | None:
    """A batch of due connections, answered with those that come back later; or the timer's call, whatever it says.

    Raises:
        RefreshStopped: the timer's run ended early, so that the function's error alarm sees it; a log line tells why.
    """
    host = container()
    deadline = LambdaDeadline(context.get_remaining_time_in_millis)
    with invocation(host, context, "refresh"):
        if "Records" not in event:
            _queue(host, deadline)
            return None
        desk = Desk(host, host.refresh_letters, "refresh", host.settings.job_attempts)
        return settle(event, lambda message: _refresh(message, desk, deadline), threads=host.settings.threads)


def _queue(host: Container, deadline: Deadline) -> None:
    try:
        queue_due(host.timing, deadline)
    except Exception as error:
        host.logger.warning("refresh stopped", **cause(error))
        raise RefreshStopped from None  # the runtime logs what it is given, and the original may say too much


def _refresh(message: Message, desk: Desk, deadline: Deadline) -> None:
    """How a refresh ended is in the integration's record, failures too; what cannot be recorded comes back."""
    try:
        tenant, integration = decode_due(message.body)
        refresh_one(tenant, integration, desk.host.refreshing, deadline, wait=False)
    except (NotFound, NotSupported):
        return  # it was removed meanwhile, or signs in otherwise now
    except Exception as error:
        desk.failed(message, error)
