"""Lambda behind the deliveries queue: tells one webhook of one notice, again and again for about a day if need be."""

from collections.abc import Mapping
from typing import Any

from functions.aws.batch import ComesBack, Message, settle
from functions.aws.desk import Desk
from functions.aws.invocation import invocation
from shared.domain.errors import FarshoreError, MalformedEvent
from shared.domain.notice import Delivery
from shared.runtime.container import container
from shared.runtime.errands import decode_dispatch
from shared.runtime.logs import cause
from shared.usecases.deliver import ATTEMPTS, deliver, wait


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """A batch of deliveries; answers with those that come back later."""
    host = container()
    with invocation(host, context, "deliver"):
        desk = Desk(host, host.delivery_letters, "delivery", ATTEMPTS)
        return settle(event, lambda message: _deliver(message, desk), threads=host.settings.threads, lane=_webhook)


def _webhook(body: str) -> tuple[str, str] | None:
    """Deliveries to one webhook wait for each other, and for nobody else's."""
    try:
        dispatch = decode_dispatch(body)
    except MalformedEvent:
        return None
    return dispatch.tenant_id, dispatch.webhook_id


def _deliver(message: Message, desk: Desk) -> None:
    """One attempt; each time the message is given out is one."""
    try:
        made = deliver(decode_dispatch(message.body), message.receives, desk.host.delivering)
    except Exception as error:
        desk.failed(message, error)
        return
    if made is not None and made.status == "retrying":
        _later(message, made, desk)


def _later(message: Message, made: Delivery, desk: Desk) -> None:
    try:
        desk.postpone(message, wait(made.attempt, desk.host.randomness.fraction()))
    except FarshoreError as error:
        desk.host.logger.warning("delay not set", message_id=message.id, **cause(error))
    raise ComesBack
