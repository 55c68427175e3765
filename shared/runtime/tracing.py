"""X-Ray segments through Powertools, only where a deployment asks for them: the SDK is heavy to import."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
        """A subsegment of the current invocation. If it ends by an error the trace says that it did, and nothing of the error."""
        return self._span(name) if self._on else nullcontext()

    @contextmanager
    def _span(self, name: str) -> Iterator[None]:
        failure = None
        with self._tracer.provider.in_subsegment(f"## {name}") as segment:
            try:
                yield
            except BaseException as error:
                failure = error  # seen by the SDK it would be in the trace with its words, and those of its causes
                if segment is not None:  # there is none outside an invocation
                    segment.add_fault_flag()  # type: ignore[attr-defined]  # the SDK's; Powertools' protocol leaves it out
        if failure is not None:
            raise failure

    @cached_property
    def _tracer(self) -> "Tracer":
        from aws_lambda_powertools import Tracer

        # botocore alone: traces of HTTP clients would hold URLs, and with them signatures.
        return Tracer(service=self._service, patch_modules=("botocore",))
