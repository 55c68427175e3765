"""An HTTP answer that is a refusal, turned into the error tree. What only one store says is data of its connector."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.domain.errors import (
    CredentialsRefused,
    FarshoreError,
    PreconditionFailed,
    QuotaExceeded,
    StoreError,
    StoreUnavailable,
    Throttled,
)

type Fault = type[StoreError]

_BY_STATUS: Mapping[int, Fault] = {
    401: CredentialsRefused,
    403: CredentialsRefused,
    408: StoreUnavailable,
    409: PreconditionFailed,
    412: PreconditionFailed,
    425: Throttled,
    429: Throttled,
    507: QuotaExceeded,
    509: Throttled,
}


def fault[E: FarshoreError](
    store: str,
    status: int | None,
    code: str = "",
    *,
    codes: Mapping[str, type[E]],
    after: str | None = None,
) -> E | StoreError:
    """The error for a refusal.

    The provider's own code, where ``codes`` knows it, says more than the status. What is unknown is retried later: a
    refusal nobody understood must not bury a job. Nothing the provider wrote enters the message.

    Args:
        store: for the message, the connector's name.
        status: of HTTP; None if there was no answer at all.
        code: the provider's word (``SlowDown``).
        codes: the store's own words.
        after: the ``Retry-After`` header, if there was one.
    """
    kind: type[E | StoreError] = codes.get(code) or _BY_STATUS.get(status or 0, StoreUnavailable)
    if kind is StoreUnavailable and retry_after(after) is not None:
        kind = Throttled  # a server that knows when it will be back (RFC 9110, section 10.2.3)
    said = f"{store} did not answer" if status is None else f"{store} answered {status}"
    if issubclass(kind, Throttled):
        return kind(f"{said}: {_sentence(kind)}", after=retry_after(after))
    return kind(f"{said}: {_sentence(kind)}")


def retry_after(text: str | None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Seconds to wait by a ``Retry-After`` header (RFC 9110: seconds or an HTTP date); None if absent or unreadable."""
    if not text:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now()).total_seconds())


def _sentence(kind: type[FarshoreError]) -> str:
    return (kind.__doc__ or kind.code).splitlines()[0].rstrip(".")
