"""Lambda behind the events queue: reads S3's events and has a job queued for each replica they may concern."""

from collections.abc import Mapping
from typing import Any

from functions.aws.batch import ComesBack, Message, settle
from functions.aws.invocation import invocation
from functions.aws.s3_events import read
from shared.domain.errors import FarshoreError, InvalidInput
from shared.domain.event import ObjectChanged
from shared.domain.retry import Later
from shared.runtime.container import Container, container
from shared.runtime.logs import cause
from shared.usecases.plan import plan


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """A batch of messages, each an event of S3's; answers with those that come back later."""
    host = container()
    with invocation(host, context, "plan"):
        return settle(event, lambda message: _plan(message, host), threads=host.settings.threads)


def _plan(message: Message, host: Container) -> None:
    """All that the message says is planned; if a part of it is refused, the message is kept among the dead with the reason."""
    try:
        refusals = [refusal for found in read(message.body) if (refusal := _planned(found, host))]
        if refusals:
            _refuse(message, refusals[0], host)
    except Exception as error:
        host.logger.warning("event not planned", message_id=message.id, receives=message.receives, **cause(error))
        host.metrics.count("PlanFailed")
        _postpone(message, host)
        raise ComesBack from None


def _planned(found: ObjectChanged | InvalidInput, host: Container) -> InvalidInput | None:
    if isinstance(found, InvalidInput):
        return found
    try:
        plan(found, host.planning)
    except InvalidInput as refusal:
        return refusal
    return None


def _refuse(message: Message, refusal: InvalidInput, host: Container) -> None:
    host.logger.warning("event refused", message_id=message.id, **cause(refusal))
    host.metrics.count("Refused", cause=refusal.code)
    host.event_letters.bury(message.body, refusal, group=message.group, attempts=message.receives)


def _postpone(message: Message, host: Container) -> None:
    """A growing delay. If even that fails the message comes back at the end of its visibility."""
    delay = host.backoff.delay(Later(), message.receives, host.randomness.fraction())
    try:
        host.event_letters.postpone(message.receipt, delay)
    except FarshoreError as error:
        host.logger.warning("delay not set", message_id=message.id, **cause(error))
