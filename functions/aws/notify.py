"""Lambda behind the audit table's stream: tells the event bus and webhooks what became of connections.

The trail is written together with each change, so nothing that happened is left out; the stream gives a record out again until
it was told.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from functions.aws.invocation import invocation
from shared.domain.audit import AuditEntry, digest
from shared.domain.errors import FarshoreError, MalformedEvent, StateUnavailable
from shared.runtime.container import Container, container
from shared.runtime.logs import cause
from shared.usecases.notices import announce

_UNREADABLE = (MalformedEvent, KeyError, TypeError, ValueError, AttributeError)  # what odd images bring about


class NoticesStopped(Exception):
    """The batch was not told; the stream gives it out again."""


def handler(event: Mapping[str, Any], context: Any) -> Mapping[str, Any]:
    """A batch of new rows, in their order. All are told, or it is begun anew where it broke off.

    Returns:
        Where to begin anew (``ReportBatchItemFailures``), if the batch's first part was told.

    Raises:
        NoticesStopped: nothing of the batch was told; the stream then halves it.
    """
    host = container()
    with invocation(host, context, "notify"):
        read = _Reading(host)
        for record in event["Records"]:
            if not read.take(record):
                break
        try:
            announce(read.entries, host.announcing)
        except Exception as error:
            host.logger.warning("notices not told", **cause(error))
            raise NoticesStopped from None  # the runtime logs what it is given, and the original may say too much
        return {"batchItemFailures": [{"itemIdentifier": at} for at in read.stopped_at]}


def _sound(entry: AuditEntry) -> AuditEntry:
    """The entry, if its hash is its own: what nobody wrote through the trail is told to nobody."""
    if digest(entry.event, entry.sequence, entry.previous) != entry.hash:
        raise MalformedEvent
    return entry


class _Reading:
    """Reads a batch as far as it can be read."""

    def __init__(self, host: Container) -> None:
        self._host = host
        self._entries: list[AuditEntry] = []
        self.stopped_at: list[str] = []

    @property
    def entries(self) -> Sequence[AuditEntry]:
        return self._entries

    def take(self, record: Mapping[str, Any]) -> bool:
        """Whether to go on. A row that is no entry, or not the one that was hashed, is buried; one of a newer release waits
        for that release.
        """
        try:
            entry = self._host.recorded(record["dynamodb"]["NewImage"])
            if entry is not None:
                self._entries.append(_sound(entry))
        except StateUnavailable as error:
            self._host.logger.warning("entry not read", **cause(error))
            return self._stop(record)
        except _UNREADABLE as error:
            self._host.logger.warning("entry refused", **cause(error))
            return self._bury(record)
        return True

    def _stop(self, record: Mapping[str, Any]) -> bool:
        self.stopped_at.append(record["dynamodb"]["SequenceNumber"])
        return False

    def _bury(self, record: Mapping[str, Any]) -> bool:
        """Among the dead: the keys of the row only."""
        self._host.metrics.count("Refused", cause=MalformedEvent.code)
        try:
            keys = str(record.get("dynamodb", {}).get("Keys"))
            self._host.delivery_letters.bury(keys, MalformedEvent("this is no entry of an audit trail"))
        except FarshoreError as error:
            self._host.logger.warning("failure not told", **cause(error))
            return self._stop(record)
        return True
