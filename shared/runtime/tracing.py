"""X-Ray segments through Powertools, only where a deployment asks for them: the SDK is heavy to import."""

from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer


class Tracing:
    """Names spans of time. Thread-safe. Off, it costs nothing."""

    def __init__(self, service: str, *, on: bool) -> None:
        self._service = service
        self._on = on

    def span(self, name: str) -> AbstractContextManager[Any]:
        """A subsegment of the current invocation."""
        return self._tracer.provider.in_subsegment(f"## {name}") if self._on else nullcontext()

    @cached_property
    def _tracer(self) -> "Tracer":
        from aws_lambda_powertools import Tracer

        # botocore alone: traces of HTTP clients would hold URLs, and with them signatures.
        return Tracer(service=self._service, patch_modules=("botocore",))
