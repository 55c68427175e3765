"""How long a message waits before its next attempt."""

from dataclasses import dataclass

from shared.domain.retry import Later, Now, Retry

_VISIBILITY_MAX = 43_200 - 900
"""Seconds: a message may stay hidden for twelve hours since it was received (SQS API reference, ChangeMessageVisibility), and
the longest attempt takes fifteen minutes of them. Asked for more, SQS refuses, and the message would come back at once."""

_QUICK_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from ``base`` to ``cap`` seconds, the upper half of each drawn at random so that crowds disperse."""

    base: float
    cap: float

    def delay(self, verdict: Retry, attempt: int, fraction: float) -> int:
        """Whole seconds to wait after the failure of attempt 1, 2, ...; ``fraction`` is uniform in [0, 1).

        A wait that the other side asked for is the least, spread over a quarter more: a store that says "a second" through an
        hour of trouble must not use up all attempts in a minute. What may be tried again at once is, the first times.
        """
        grown = self._grown(attempt) * (0.5 + fraction / 2)
        match verdict:
            case Later(after=float() | int() as asked):
                seconds = max(asked * (1 + fraction / 4), grown)
            case Now() if attempt <= _QUICK_ATTEMPTS:
                seconds = fraction
            case _:
                seconds = grown
        return round(min(_VISIBILITY_MAX, max(0, seconds)))

    def _grown(self, attempt: int) -> float:
        return min(self.cap, self.base * 2.0 ** min(max(attempt - 1, 0), 32))
