"""Reading what the meters of OpenTelemetry counted in this process."""

from functools import cache
from typing import Any

from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

__all__ = ["Meters"]


class Meters:
    """
    The meters of this process, whose provider can be set once.

    Instruments count for all tests; those of a tenant or a route of one's own count for it alone.
    """

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider(metric_readers=[self._reader]))

    @staticmethod
    @cache
    def installed() -> "Meters":
        """Return the meters, which are installed at the first call."""
        return Meters()

    def sum(self, name: str, **attributes: Any) -> float:
        """Return what a counter counted for some attributes."""
        return float(sum(point.value for point in self._points(name, attributes)))

    def count(self, name: str, **attributes: Any) -> int:
        """Return how many values a histogram has for some attributes."""
        return int(sum(point.count for point in self._points(name, attributes)))

    def _points(self, name: str, attributes: dict[str, Any]) -> list[Any]:
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
            if attributes.items() <= dict(point.attributes or {}).items()
        ]
