"""What suites counted while they ran; printed at the end, so that a suite that shrank is seen."""

_NOTED: dict[str, str] = {}


def note(suite: str, told: str) -> None:
    """Keeps a line for the end of the run; a later word on the same suite replaces it."""
    _NOTED[suite] = told


def noted() -> dict[str, str]:
    return dict(sorted(_NOTED.items()))
