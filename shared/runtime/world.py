"""The plain world behind the ports: the system's clock and chance, and the time a Lambda invocation has left."""

import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


class SystemRandomness:
    """The operating system's generator for secrets; a fast one for jitter."""

    def token(self, nbytes: int) -> str:
        """URL-safe text of that many random bytes."""
        return secrets.token_urlsafe(nbytes)

    def fraction(self) -> float:
        """Uniform in [0, 1); for jitter only."""
        return random.random()  # noqa: S311 # not for secrets, as the port says


class LambdaDeadline:
    """What is left of an invocation, less a margin in which a failure can still be reported."""

    def __init__(self, remaining_milliseconds: Callable[[], int], *, margin: float = 5.0) -> None:
        """``remaining_milliseconds`` is the Lambda context's ``get_remaining_time_in_millis``."""
        self._remaining = remaining_milliseconds
        self._margin = margin

    def remaining(self) -> float:
        """Seconds; never negative."""
        return max(0.0, self._remaining() / 1000 - self._margin)


class After:
    """A deadline that many seconds from now, for commands that no platform stops."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds; never negative."""
        return max(0.0, self._end - time.monotonic())
