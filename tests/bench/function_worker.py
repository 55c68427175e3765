"""A child that is the functions: plans events and works on the jobs they make, and counts every request that leaves it.

Reads ``{"keys": [...], "warm": n}``; the first ``warm`` keys are not counted. Prints, by target, requests
per object by service, with the plan's in each, and the peak of resident memory.
"""

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.bench.children import ROOT, peak_mib
from tests.bench.servers import BUCKET

_SCOPE = re.compile(r"/(\w+)/aws4_request")
COPY_CALLS = 4  # head, open, write, head: fewer, and the worker found nothing to do
_CONTEXT = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000, aws_request_id="bench")


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Requests by service, seen where they leave: in botocore's session, and in our own two ways."""
    from botocore.httpsession import URLLib3Session

    from shared.connectors.azure_blob.transport import Urllib3Transport
    from shared.connectors.s3.line import Direct

    seen: Counter[str] = Counter()
    aws, objects, azure = URLLib3Session.send, Direct.send, Urllib3Transport.send

    def to_aws(self: Any, request: Any) -> Any:
        proof = request.headers["Authorization"]
        seen[_SCOPE.search(proof.decode() if isinstance(proof, bytes) else proof).group(1)] += 1
        return aws(self, request)

    def to_objects(self: Any, request: Any) -> Any:
        seen["s3"] += 1
        return objects(self, request)

    def to_azure(self: Any, request: Any, **options: Any) -> Any:
        seen["azure"] += 1
        return azure(self, request, **options)

    with (
        patch.object(URLLib3Session, "send", to_aws),
        patch.object(Direct, "send", to_objects),
        patch.object(Urllib3Transport, "send", to_azure),
    ):
        yield seen


def record(body: str) -> dict[str, Any]:
    """A message as the event source mapping hands it over."""
    return {
        "messageId": "bench",
        "receiptHandle": "bench",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }


def plan(key: str) -> list[str]:
    """The jobs' messages that one event leads to."""
    from functions.aws import plan as function

    event = json.loads((ROOT / "events/s3-eventbridge-created.json").read_text())
    event["time"] = datetime.now(UTC).isoformat()
    event["detail"]["bucket"]["name"] = BUCKET
    event["detail"]["object"] = {"key": key, "sequencer": f"{int(datetime.now(UTC).timestamp() * 1e6):x}"}
    _settled(function.handler({"Records": [record(json.dumps(event))]}, _CONTEXT))
    return jobs()


def jobs() -> list[str]:
    """Takes everything from the jobs queue."""
    import boto3

    sqs, queue, bodies = boto3.client("sqs"), os.environ["FARSHORE_JOBS_QUEUE_URL"], []
    while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            bodies.append(message["Body"])
    return bodies


def replicate(body: str) -> None:
    from functions.aws import replicate as function

    _settled(function.handler({"Records": [record(body)]}, _CONTEXT))


def main(order: dict[str, Any]) -> None:
    totals: dict[str, Counter[str]] = {}
    for number, key in enumerate(order["keys"]):
        with counting() as planned:
            bodies = plan(key)
        for body in bodies:
            with counting() as worked:
                replicate(body)
            if worked["s3"] + worked["azure"] < COPY_CALLS:
                raise RuntimeError(f"nothing was copied of {key}")
            if number >= order["warm"]:
                totals.setdefault(json.loads(body)["target"], Counter()).update(planned + worked)
    counted = max(1, len(order["keys"]) - order["warm"])
    per_object = {target: {name: n / counted for name, n in sums.items()} for target, sums in totals.items()}
    print(json.dumps({"calls": per_object, "peak": peak_mib()}))


def _settled(answer: Any) -> None:
    if answer["batchItemFailures"]:
        raise RuntimeError("a message failed; its reason is in the log above")


if __name__ == "__main__":
    main(json.load(sys.stdin))
