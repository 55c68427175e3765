"""How long a message waits before its next attempt."""

from dataclasses import dataclass

from shared.domain.retry import Later, Now, Retry

_VISIBILITY_MAX = 43_200  # seconds a message may stay hidden (SQS API reference, ChangeMessageVisibility)
_QUICK_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays that double from ``base`` to ``cap`` seconds, the upper half of each drawn at random so that crowds disperse."""

    base: float
    cap: float

    def delay(self, verdict: Retry, attempt: int, fraction: float) -> int:
        """Whole seconds to wait after the failure of attempt 1, 2, ...; ``fraction`` is uniform in [0, 1).

        A wait that the other side asked for is kept, and spread over a quarter more. What may be tried again at once is,
        the first times.
        """
        match verdict:
            case Later(after=float() | int() as asked):
                seconds = asked * (1 + fraction / 4)
            case Now() if attempt <= _QUICK_ATTEMPTS:
                seconds = fraction
            case _:
                seconds = self._grown(attempt) * (0.5 + fraction / 2)
        return min(_VISIBILITY_MAX, max(0, round(seconds)))

    def _grown(self, attempt: int) -> float:
        return min(self.cap, self.base * 2.0 ** min(max(attempt - 1, 0), 32))
