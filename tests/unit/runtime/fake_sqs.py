# ruff: noqa: N803 # boto3 names its arguments so
"""SQS in memory, as far as Farshore uses it, with SQS's own words and limits. Messages hide until somebody moves the clock.

It differs from SQS: receives are in order, nothing is delivered twice by itself, and time stands still but for ``now``.
"""

import itertools
from dataclasses import dataclass, field

from botocore.exceptions import ClientError


def refusal(code: str, operation: str = "SendMessage") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "canary-message"}}, operation)


@dataclass
class Stored:
    id: str
    body: str
    group: str | None
    attributes: dict
    hidden_until: float = 0.0
    receives: int = 0


@dataclass
class FakeSqs:
    """Each queue is named by its URL. ``fail``: raised by the next calls; ``leave_out``: bodies a batch refuses once."""

    now: float = 0.0
    queues: dict[str, list[Stored]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    fail: list[Exception] = field(default_factory=list)
    leave_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.fail:
            raise self.fail.pop(0)

    def bodies(self, url: str) -> list[str]:
        return [stored.body for stored in self.queues.get(url, [])]

    def _find(self, url: str, receipt: str) -> Stored | None:
        return next((stored for stored in self.queues.get(url, []) if stored.id == receipt), None)

    def send_message(self, *, QueueUrl, MessageBody, MessageGroupId=None, MessageAttributes=None):
        self._called("send_message")
        self._store(QueueUrl, MessageBody, MessageGroupId, MessageAttributes or {})
        return {}

    def _store(self, url, body, group, attributes) -> None:
        self.queues.setdefault(url, []).append(Stored(f"r{next(self._numbers)}", body, group, attributes))

    def send_message_batch(self, *, QueueUrl, Entries):
        self._called("send_message_batch")
        assert 1 <= len(Entries) <= 10
        failed = []
        for entry in Entries:
            if entry["MessageBody"] in self.leave_out:
                self.leave_out.remove(entry["MessageBody"])
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self._store(QueueUrl, entry["MessageBody"], entry.get("MessageGroupId"), {})
        return {"Successful": [], "Failed": failed} if failed else {"Successful": []}

    def receive_message(self, *, QueueUrl, MaxNumberOfMessages=1, VisibilityTimeout=30, **_):
        self._called("receive_message")
        ready = [stored for stored in self.queues.get(QueueUrl, []) if stored.hidden_until <= self.now]
        for stored in ready[:MaxNumberOfMessages]:
            stored.hidden_until = self.now + VisibilityTimeout
            stored.receives += 1
        found = [{"Body": it.body, "ReceiptHandle": it.id, "MessageId": it.id} for it in ready[:MaxNumberOfMessages]]
        return {"Messages": found} if found else {}

    def get_queue_attributes(self, *, QueueUrl, AttributeNames):
        self._called("get_queue_attributes")
        assert AttributeNames == ["ApproximateNumberOfMessages"]
        ready = [stored for stored in self.queues.get(QueueUrl, []) if stored.hidden_until <= self.now]
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(ready))}}

    def delete_message(self, *, QueueUrl, ReceiptHandle):
        self._called("delete_message")
        self.queues[QueueUrl] = [stored for stored in self.queues.get(QueueUrl, []) if stored.id != ReceiptHandle]

    def change_message_visibility(self, *, QueueUrl, ReceiptHandle, VisibilityTimeout):
        self._called("change_message_visibility")
        self._hide(QueueUrl, ReceiptHandle, VisibilityTimeout)

    def change_message_visibility_batch(self, *, QueueUrl, Entries):
        self._called("change_message_visibility_batch")
        assert 1 <= len(Entries) <= 10
        for entry in Entries:
            self._hide(QueueUrl, entry["ReceiptHandle"], entry["VisibilityTimeout"])
        return {"Successful": []}

    def _hide(self, url, receipt, seconds) -> None:
        assert isinstance(seconds, int)
        assert 0 <= seconds <= 43_200
        stored = self._find(url, receipt)
        if stored:
            stored.hidden_until = self.now + seconds
