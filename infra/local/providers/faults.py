"""What goes wrong on purpose: a queue of faults for each endpoint, each for one request, in order."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal, get_args

from infra.local.providers.exchange import Answer, Endpoint, Malformed, Why, says
from infra.local.providers.house import House

type When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One request's fate.

    Attributes:
        status: answer this instead, with the house's error body for 5xx; nothing is done.
        retry_after: seconds, in a header.
        refuse: the token endpoint's refusal, in the house's words.
        html: answer a web page in place of JSON.
        slow: wait so many seconds first.
        drop: close the connection without an answer, before or after the request was carried out.
    """

    status: int | None = None
    retry_after: int | None = None
    refuse: Why | None = None
    html: bool = False
    slow: float = 0.0
    drop: When | None = None


@dataclass(slots=True)
class Faults:
    """Threads take from it; each fault once. It also counts the requests that came."""

    _queues: dict[str, deque[Fault]] = field(default_factory=dict)
    _calls: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def plan(self, said: Mapping[str, Any]) -> None:
        """Adds faults: ``{"refresh": {"status": 503}}``, or a list of them. Raises Malformed."""
        added = {endpoint: _faults(endpoint, said[endpoint]) for endpoint in said}
        with self._lock:
            for endpoint, faults in added.items():
                self._queues.setdefault(endpoint, deque()).extend(faults)

    def next(self, endpoint: Endpoint) -> Fault | None:
        """What happens to this request; counts it."""
        with self._lock:
            self._calls[endpoint] += 1
            queue = self._queues.get(endpoint)
            return queue.popleft() if queue else None

    def calls(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._calls)


def instead(fault: Fault, house: House) -> Answer | None:
    """What is answered in place of the house's own answer; None: let it answer."""
    retry = (("Retry-After", str(fault.retry_after)),) if fault.retry_after is not None else ()
    if fault.refuse is not None:
        return house.refusal(fault.refuse)
    if fault.html:
        page = b"<!doctype html><title>Sorry</title><p>Something went wrong."
        return Answer(fault.status or 200, page, "text/html", retry)
    if fault.status is None:
        return None
    if fault.status == 429:
        return says(429, {"error": "too_many_requests"}, *retry)
    broken = house.broken()
    return Answer(fault.status, broken.body, broken.content_type, retry or broken.headers)


def _faults(endpoint: str, said: Any) -> list[Fault]:
    if endpoint not in get_args(Endpoint.__value__):
        raise Malformed(f"There is no endpoint {endpoint}.")
    faults = []
    for one in said if isinstance(said, list) else [said]:
        try:
            times = one.pop("times", 1)
            fault = Fault(**one)
        except (TypeError, AttributeError):
            raise Malformed("A fault is an object of status, retry_after, refuse, html, slow, drop, times.") from None
        if fault.refuse is not None and fault.refuse not in get_args(Why.__value__):
            raise Malformed(f"Nothing is refused because of {fault.refuse}.")
        faults += [fault] * times
    return faults
