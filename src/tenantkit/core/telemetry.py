"""
Spans and counters, through opentelemetry-api only: without an SDK they cost next to nothing.

Instruments are made at first use, so importing tenantkit starts nothing.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import Counter, Histogram
    from opentelemetry.trace import Span, Tracer

__all__ = ["counter", "histogram", "tag_span", "tracer"]

_NAME = "tenantkit"


@cache
def tracer() -> "Tracer":
    """
    Return the tracer named ``tenantkit``.

    .. versionadded:: 0.1
    """
    from opentelemetry import trace  # noqa: PLC0415 - `import tenantkit` stays light

    return trace.get_tracer(_NAME)


@cache
def counter(name: str, description: str) -> "Counter":
    """
    Return the counter ``tenantkit.<name>``.

    .. versionadded:: 0.1
    """
    from opentelemetry import metrics  # noqa: PLC0415

    return metrics.get_meter(_NAME).create_counter(f"{_NAME}.{name}", description=description)


@cache
def histogram(name: str, description: str, unit: str) -> "Histogram":
    """
    Return the histogram ``tenantkit.<name>``.

    .. versionadded:: 0.1
    """
    from opentelemetry import metrics  # noqa: PLC0415

    return metrics.get_meter(_NAME).create_histogram(f"{_NAME}.{name}", unit=unit, description=description)


@cache
def _current_span() -> "Callable[[], Span]":
    from opentelemetry import trace  # noqa: PLC0415

    return trace.get_current_span


def tag_span(**attributes: str) -> None:
    """
    Set attributes ``tenantkit.<key>`` on the span that is current, if any records.

    .. versionadded:: 0.1
    """
    span = _current_span()()
    if span.is_recording():
        span.set_attributes({f"{_NAME}.{key}": value for key, value in attributes.items()})
