"""What becomes of a message that failed: it waits, or it is buried with its cause, or it is sent round again. On SQS."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import batched
from typing import Any, Protocol

from shared.domain.errors import FarshoreError
from shared.runtime.answers import speaking

_BATCH = 10  # ChangeMessageVisibilityBatch takes so many entries (SQS API reference)
_REASON_MAX = 512
_VISIBLE_SECONDS = 60


class SqsClient(Protocol):
    """What of a boto3 SQS client is used here."""

    def send_message(self, **request: Any) -> Any: ...
    def receive_message(self, **request: Any) -> Any: ...
    def delete_message(self, **request: Any) -> Any: ...
    def get_queue_attributes(self, **request: Any) -> Any: ...
    def change_message_visibility(self, **request: Any) -> Any: ...
    def change_message_visibility_batch(self, **request: Any) -> Any: ...


class Letters:
    """One queue and its dead-letter queue. Every method raises ``StateUnavailable`` when SQS does not answer."""

    def __init__(self, client_factory: Callable[[], SqsClient], queue_url: str, dead_url: str) -> None:
        self._client_factory = client_factory
        self._queue_url = queue_url
        self._dead_url = dead_url

    @cached_property
    def _client(self) -> SqsClient:
        return self._client_factory()

    def postpone(self, receipt: str, seconds: int) -> None:
        """Hides a received message for that long from now; it comes back then."""
        _asked(
            lambda: self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )
        )

    def hide(self, receipts: Iterable[str], seconds: int) -> None:
        """The same for several, ten to a call; one that cannot be hidden any more is passed over."""
        for chunk in batched(receipts, _BATCH):
            entries = [
                {"Id": str(n), "ReceiptHandle": one, "VisibilityTimeout": seconds} for n, one in enumerate(chunk)
            ]
            _asked(
                lambda: self._client.change_message_visibility_batch(QueueUrl=self._queue_url, Entries=entries)  # noqa: B023 # called at once
            )

    def bury(self, body: str, error: FarshoreError, *, group: str | None = None, attempts: int = 1) -> None:
        """Puts a copy among the dead, with its cause as attributes. The caller then acknowledges the original."""
        attributes = {"cause": error.code, "reason": str(error)[:_REASON_MAX], "attempts": str(attempts)}
        self._send(self._dead_url, body, group, {name: _text(value) for name, value in attributes.items()})

    def redrive(self, group_of: Callable[[str], str | None], *, limit: int | None = None) -> int:
        """Sends the dead round again, without the causes; how many. Each is deleted only after it is queued.

        ``group_of`` tells a body's message group. Stops when the dead-letter queue answers empty, at ``limit``, and in any
        case after as many as lay there at first (by SQS's own, approximate count): what is buried again meanwhile would
        otherwise go round for ever.
        """
        moved, most = 0, self._count() if limit is None else min(limit, self._count())
        for message in self._dead():
            if moved >= most:
                break
            self._send(self._queue_url, message["Body"], group_of(message["Body"]), {})
            _asked(lambda: self._client.delete_message(QueueUrl=self._dead_url, ReceiptHandle=message["ReceiptHandle"]))  # noqa: B023 # called at once
            moved += 1
        return moved

    def _count(self) -> int:
        wanted = "ApproximateNumberOfMessages"
        answer = _asked(lambda: self._client.get_queue_attributes(QueueUrl=self._dead_url, AttributeNames=[wanted]))
        return int(answer["Attributes"][wanted])

    def _dead(self) -> Iterator[Mapping[str, Any]]:
        while True:
            answer = _asked(
                lambda: self._client.receive_message(
                    QueueUrl=self._dead_url,
                    MaxNumberOfMessages=10,
                    WaitTimeSeconds=1,
                    VisibilityTimeout=_VISIBLE_SECONDS,
                )
            )
            messages = answer.get("Messages") or []
            if not messages:
                return
            yield from messages

    def _send(self, url: str, body: str, group: str | None, attributes: Mapping[str, Any]) -> None:
        request: dict[str, Any] = {"QueueUrl": url, "MessageBody": body}
        if attributes:
            request["MessageAttributes"] = attributes
        if group:
            request["MessageGroupId"] = group
        _asked(lambda: self._client.send_message(**request))


def _text(value: str) -> Mapping[str, str]:
    return {"DataType": "String", "StringValue": value}


def _asked(call: Callable[[], Any]) -> Any:
    with speaking("the queue"):
        return call()
