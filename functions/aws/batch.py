"""SQS batches through Powertools' batch processor: each message succeeds or fails alone."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
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


type Lane = Callable[[str], Hashable]
"""From a message's body to what it shares threads with. Must not raise."""


class _Threaded(BatchProcessor):
    """Works on several messages of a batch at a time: they wait on networks, not on each other.

    Threads are dealt out evenly to the batch's lanes, so that a lane where all hangs takes none of another's. A lane has one at
    least.
    """

    def __init__(self, threads: int, lane: Lane) -> None:
        # When all fail that is no exception either: an answer that lists all keeps the visibility set for each.
        super().__init__(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self._threads, self._lane = threads, lane

    def process(self) -> list[tuple[Any, ...]]:
        if self._threads == 1 or len(self.records) == 1:
            return super().process()
        lanes: dict[Hashable, list[dict[str, Any]]] = {}
        for record in self.records:
            lanes.setdefault(self._lane(record["body"]), []).append(record)
        share = -(-self._threads // len(lanes))
        with ExitStack() as pools:
            begun = [self._begin(pools, share, records) for records in lanes.values()]
            return [done for lane in begun for done in lane]

    def _begin(self, pools: ExitStack, threads: int, records: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
        pool = pools.enter_context(ThreadPoolExecutor(min(threads, len(records)), thread_name_prefix="message"))
        return pool.map(self._process_record, records)


def settle(
    event: Mapping[str, Any], work: Callable[[Message], None], *, threads: int = 1, lane: Lane = lambda _: None
) -> Mapping[str, Any]:
    """Gives each message to ``work``, and answers with those for which it raised, as ReportBatchItemFailures wants it.

    Args:
        threads: messages worked on at a time, or one for each lane if there are more lanes.
    """
    processor = _Threaded(threads, lane)
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
