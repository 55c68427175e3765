"""Jobs as queue messages: the codec, and SQS as the queue."""

import json
from collections.abc import Callable, Sequence
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


class SqsJobQueue:
    """Jobs on an SQS standard queue, fair by tenant: the message group of a standard queue orders nothing, it only keeps one
    tenant's backlog from delaying the others (SQS developer guide, fair queues).
    """

    def __init__(self, client_factory: Callable[[], SqsClient], url: str) -> None:
        self._client_factory = client_factory
        self._url = url

    @cached_property
    def _client(self) -> SqsClient:
        return self._client_factory()

    def send(self, jobs: Sequence[Job]) -> None:
        """Queues all jobs, ten to a call. What one call left out is sent once more; then ``StateUnavailable``."""
        for chunk in batched(jobs, _BATCH):
            left = self._send([(job.tenant_id, encode(job)) for job in chunk])
            if left and self._send(left):
                raise StateUnavailable("the job queue did not take every job")

    def _send(self, messages: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Sends up to ten (group, body) pairs; returns those not taken."""
        entries = [
            {"Id": str(n), "MessageBody": body, "MessageGroupId": group} for n, (group, body) in enumerate(messages)
        ]
        with speaking("the job queue"):
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return [messages[int(failed["Id"])] for failed in answer.get("Failed", ())]
