"""Notices on an EventBridge bus."""

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import batched
from typing import Any, Protocol

from shared.domain.errors import StateUnavailable
from shared.domain.notice import Notice, document
from shared.runtime.answers import speaking

SOURCE = "farshore"
_BATCH = 10  # entries of one PutEvents (EventBridge API reference)


class EventsClient(Protocol):
    """What of a boto3 EventBridge client is used."""

    def put_events(self, *, Entries: Any) -> Any: ...  # noqa: N803 # boto3's names


class EventBridgeBus:
    """ports.oauth.Bus. An event's type is the notice's kind, its detail the notice's document."""

    def __init__(self, client_factory: Callable[[], EventsClient], name: str) -> None:
        self._client_factory = client_factory
        self._name = name

    @cached_property
    def _client(self) -> EventsClient:
        return self._client_factory()

    def announce(self, notices: list[Notice]) -> None:
        """Puts all notices on the bus, ten to a call. What one call left out is put once more; then ``StateUnavailable``.

        Some may be on it then all the same: each keeps its id.
        """
        for chunk in batched(notices, _BATCH):
            left = self._put([self._entry(notice) for notice in chunk])
            if left and self._put(left):
                raise StateUnavailable("the event bus did not take every notice")

    def _put(self, entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        with speaking("the event bus"):
            answer = self._client.put_events(Entries=list(entries))
        told = answer.get("Entries", ())
        return [entry for entry, taken in zip(entries, told, strict=False) if taken.get("ErrorCode")]

    def _entry(self, notice: Notice) -> dict[str, Any]:
        return {
            "Time": notice.at,
            "Source": SOURCE,
            "DetailType": notice.kind,
            "Detail": json.dumps(document(notice), separators=(",", ":")),
            "EventBusName": self._name,
        }
