"""Metrics in CloudWatch's embedded format through Powertools: measurements become log lines, and cost no call."""

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools.metrics import EphemeralMetrics

NAMESPACE = "Farshore"


class EmfMetrics:
    """Collects one invocation's measurements by their dimensions and writes one line per set of dimensions. Thread-safe."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._sets: dict[tuple[tuple[str, str], ...], EphemeralMetrics] = {}
        self._lock = Lock()

    def count(self, name: str, value: float = 1, unit: str = "Count", **dimensions: str) -> None:
        """Adds a measurement; ``unit`` is CloudWatch's name of it."""
        with self._lock:
            self._of(tuple(sorted(dimensions.items()))).add_metric(name=name, unit=unit, value=value)

    def flush(self) -> None:
        """Writes what was collected since the last flush; nothing if there was nothing."""
        with self._lock:
            collected, self._sets = self._sets, {}
        for metrics in collected.values():
            metrics.flush_metrics()

    def _of(self, dimensions: tuple[tuple[str, str], ...]) -> "EphemeralMetrics":
        from aws_lambda_powertools.metrics import EphemeralMetrics

        if dimensions not in self._sets:
            made = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
            for name, value in dimensions:
                made.add_dimension(name, value)
            self._sets[dimensions] = made
        return self._sets[dimensions]
