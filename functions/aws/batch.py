"""SQS batches through Powertools' batch processor: each message succeeds or fails alone."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


class ComesBack(Exception):
    """This message was not dealt with: SQS gives it out again when its visibility ends."""


@dataclass(frozen=True, slots=True)
class Message:
    """What of an SQS message matters here.

    Attributes:
        receives: how often it was given out, this time included.
        group: its tenant, if it carries one.
    """

    id: str
    body: str
    receipt: str
    receives: int
    group: str | None


class _Threaded(BatchProcessor):
    """Works on several messages of a batch at a time: they wait on networks, not on each other."""

    def __init__(self, threads: int) -> None:
        # When all fail that is no exception either: an answer that lists all keeps the visibility set for each.
        super().__init__(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self._threads = threads

    def process(self) -> list[tuple[Any, ...]]:
        if self._threads == 1 or len(self.records) == 1:
            return super().process()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="message") as pool:
            return list(pool.map(self._process_record, self.records))


def settle(event: Mapping[str, Any], work: Callable[[Message], None], *, threads: int = 1) -> Mapping[str, Any]:
    """Gives each message to ``work``, and answers with those for which it raised, as ReportBatchItemFailures wants it."""
    processor = _Threaded(threads)
    with processor(records=event["Records"], handler=lambda record: work(_message(record))):
        processor.process()
    return processor.response()


def _message(record: "SQSRecord") -> Message:
    attributes = record.raw_event.get("attributes", {})
    return Message(
        id=record.message_id,
        body=record.body,
        receipt=record.receipt_handle,
        receives=int(attributes.get("ApproximateReceiveCount", "1")),
        group=attributes.get("MessageGroupId"),
    )
