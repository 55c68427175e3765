"""Jobs as queue messages: the codec, and SQS as the queue."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from itertools import batched
from typing import Any, Protocol

from shared.domain.errors import InvalidInput, MalformedEvent, StateUnavailable
from shared.domain.event import Job
from shared.domain.ids import RuleId, TargetName, TenantId, identifier
from shared.domain.sequencer import sequencer
from shared.runtime.answers import speaking

_VERSION = 1
_BATCH = 10  # SendMessageBatch takes so many entries (SQS API reference)
_KEY_MAX = 1024  # bytes of an S3 key (S3 user guide)


def encode(job: Job) -> str:
    """One job as JSON, in ASCII: SQS refuses some characters that a key may hold. Read by ``decode``."""
    return json.dumps(
        {
            "v": _VERSION,
            "tenant": job.tenant_id,
            "rule": job.rule_id,
            "target": job.target,
            "key": job.key,
            "since": job.since.isoformat(),
            "sequencer": job.sequencer.value,
        },
        separators=(",", ":"),
    )


def decode(text: str) -> Job:
    """Reads ``encode``'s answer.

    Raises:
        MalformedEvent: it is anything else; nothing of it is echoed.
    """
    try:
        return _job(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidInput):
        raise MalformedEvent("the message is not a job") from None


def _job(said: dict[str, Any]) -> Job:
    since, key = datetime.fromisoformat(said["since"]), said["key"]
    if said["v"] != _VERSION or since.tzinfo is None or not 0 < len(key.encode()) <= _KEY_MAX:
        raise MalformedEvent
    return Job(
        tenant_id=TenantId(identifier(said["tenant"], "tenant")),
        rule_id=RuleId(identifier(said["rule"], "rule")),
        target=TargetName(identifier(said["target"], "target")),
        key=key,
        since=since,
        sequencer=sequencer(said["sequencer"]),
    )


class SqsClient(Protocol):
    """What of a boto3 SQS client is used here."""

    def send_message_batch(self, *, QueueUrl: str, Entries: Any) -> Any: ...  # noqa: N803 # boto3's names


class Outbox:
    """The sending side of an SQS standard queue, fair between groups: the message group of a standard queue orders nothing, it
    only keeps one tenant's backlog from delaying the others (SQS developer guide, fair queues).
    """

    def __init__(self, client_factory: Callable[[], SqsClient], url: str, what: str) -> None:
        """``what`` names the queue to people."""
        self._client_factory = client_factory
        self._url = url
        self._what = what

    @cached_property
    def _client(self) -> SqsClient:
        return self._client_factory()

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Queues all entries (of SendMessageBatch, but for their ids), ten to a call. What one call left out is sent once
        more; then ``StateUnavailable``.
        """
        for chunk in batched(messages, _BATCH):
            left = self._send(chunk)
            if left and self._send(left):
                raise StateUnavailable(f"{self._what} did not take every message")

    def _send(self, messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Sends up to ten; returns those not taken."""
        entries = [{**message, "Id": str(n)} for n, message in enumerate(messages)]
        with speaking(self._what):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return [messages[int(failed["Id"])] for failed in answer.get("Failed", ())]


class SqsJobQueue:
    """Jobs, fair by tenant."""

    def __init__(self, client_factory: Callable[[], SqsClient], url: str) -> None:
        self._outbox = Outbox(client_factory, url, "the job queue")

    def send(self, jobs: Sequence[Job]) -> None:
        """Queues all jobs, or raises ``StateUnavailable``."""
        self._outbox.send([{"MessageBody": encode(job), "MessageGroupId": job.tenant_id} for job in jobs])
