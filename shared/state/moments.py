"""Times inside keys."""

from datetime import UTC, datetime

_FORM = "%Y-%m-%dT%H:%M:%S.%f"


def text_of(at: datetime) -> str:
    """In UTC and always of one length, so that text is in order of time."""
    return at.astimezone(UTC).strftime(_FORM)


def moment_of(text: str) -> datetime:
    """What ``text_of`` was given."""
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
