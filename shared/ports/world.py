"""The rest of the world: queue, keys, time, chance, numbers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.event import Job
from shared.domain.ids import IntegrationId, TenantId
from shared.domain.seal import SealContext, Sealed
from shared.domain.secret import Secret


class JobQueue(Protocol):
    def send(self, jobs: Sequence[Job]) -> None:
        """Queues all jobs, fair between tenants. Raises ``StateUnavailable`` unless every one is durably queued; some may
        be queued then all the same, which costs a few calls and nothing else.
        """
        ...


class RefreshQueue(Protocol):
    def send(self, items: Sequence[tuple[TenantId, IntegrationId, int]]) -> None:
        """Queues a refresh of each, to begin after so many seconds (0 to 900), fair between tenants. Raises
        ``StateUnavailable`` unless every one is durably queued.
        """
        ...


class Keys(Protocol):
    """A key service (KMS): envelopes' data keys. ``context`` is bound to the wrapped key and must be equal to unwrap it."""

    def data_key(self, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        """A new 256-bit key: (plain, wrapped)."""
        ...

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The plain key. Raises SealBroken if it was not wrapped so, StateUnavailable if the service does not answer."""
        ...

    def rewrap(self, wrapped: bytes, context: Mapping[str, str]) -> bytes:
        """The same key wrapped by the present key of the service, never shown; unchanged if it is so already. Raises as
        ``unwrap`` does.
        """
        ...


class Vault(Protocol):
    """Seals and opens secrets, each in its place."""

    def seal(self, secret: Secret[str], context: SealContext) -> Sealed:
        """Sealed for ``context``, with its sequence. Raises StateUnavailable, Misconfigured."""
        ...

    def open(self, sealed: Sealed, context: SealContext) -> Secret[str]:
        """What was sealed for exactly this context; ``context.sequence`` is that of ``sealed``.

        Raises:
            SealBroken, StateUnavailable, Misconfigured
        """
        ...


class Rewrapper(Protocol):
    def rewrap(self, sealed: Sealed, context: SealContext) -> Sealed:
        """The same secret under the current key, without being opened; ``sealed`` itself if it is there already. One call,
        or one for each former key.

        Raises:
            SealBroken: no key of ours wrapped it for this place.
            StateUnavailable, Misconfigured
        """
        ...


class Clock(Protocol):
    def now(self) -> datetime:
        """UTC, aware."""
        ...

    def sleep(self, seconds: float) -> None: ...


class Deadline(Protocol):
    def remaining(self) -> float:
        """Seconds left to this attempt; never negative."""
        ...


class Randomness(Protocol):
    def token(self, nbytes: int) -> str:
        """URL-safe text of that many random bytes from the system's generator."""
        ...

    def fraction(self) -> float:
        """Uniform in [0, 1): for jitter, never for secrets."""
        ...


class Metrics(Protocol):
    def count(self, name: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
        """Adds a measurement. Names: ``Planned, Replicated, Deleted, Skipped, Failed, Swept`` (Count), ``Lag`` (Seconds),
        ``Bytes`` (Bytes), by ``target``, the one dimension; and, without any, ``RefreshesQueued, Refreshed, RefreshFailed,
        ProviderMisconfigured`` (Count).
        """
        ...
