"""Posts notices to webhooks, signed as Standard Webhooks 1.0 has it, so that receivers can use any of its libraries."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

from shared.domain.notice import Delivery, Notice, Webhook, document
from shared.domain.secret import Secret
from shared.outbound.errors import Unreachable
from shared.ports.world import Clock

_PREFIX = "whsec_"


class Http(Protocol):
    """What of a session for calls outside is used (``session.Outbound``): no redirects, no private networks, in time."""

    def post(self, url: str, *, data: bytes, headers: dict[str, str]) -> Any: ...


class WebhookCourier:
    """ports.oauth.Courier over HTTP. 2xx is delivered; whatever else comes back, or nothing, is to be tried again.

    What a receiver answers is not looked at beyond its status, nor kept.
    """

    def __init__(self, http: Callable[[], Http], clock: Clock) -> None:
        """``http`` makes the session, when it is first needed."""
        self._http = http
        self._clock = clock

    def deliver(self, notice: Notice, webhook: Webhook, secrets: Sequence[Secret[str]], attempt: int) -> Delivery:
        """Posts the notice once."""
        begun = self._clock.now()
        answer, error = self._post(webhook.url, *message(notice, secrets, begun))
        took = self._clock.now() - begun
        return Delivery(
            webhook_id=webhook.id,
            tenant_id=webhook.tenant_id,
            notice=notice,
            attempt=attempt,
            at=begun,
            status="retrying" if error else "delivered",
            answer=answer,
            error=error,
            milliseconds=round(took.total_seconds() * 1000),
        )

    def _post(self, url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str | None]:
        """The answer's status, and what was wrong with it or its absence."""
        try:
            status: int = self._http().post(url, data=body, headers=headers).status_code
        except Unreachable as failure:
            return None, "no_answer" if failure.reached else "unreachable"
        return status, None if 200 <= status < 300 else "refused"


def message(notice: Notice, secrets: Sequence[Secret[str]], at: datetime) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a notice sent at that time, with one signature for each secret."""
    body = json.dumps(document(notice), separators=(",", ":"), ensure_ascii=False).encode()
    timestamp = str(int(at.timestamp()))
    signed = f"{notice.id}.{timestamp}.".encode() + body
    headers = {
        "Content-Type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }
    return body, headers


def _signature(secret: Secret[str], signed: bytes) -> str:
    key = base64.b64decode(secret.reveal().removeprefix(_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
