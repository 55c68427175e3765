"""What every handler does around its work: names the request in logs and traces, writes metrics, lets go of what is done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from shared.runtime.container import Container


@contextmanager
def invocation(host: Container, context: Any, name: str) -> Iterator[None]:
    """One invocation of the function ``name``."""
    host.logger.append_keys(request=getattr(context, "aws_request_id", None), function=name)
    try:
        with host.tracing.span(name):
            yield
    finally:
        host.metrics.flush()
