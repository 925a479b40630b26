"""Spans and counters without an SDK and with one."""

from opentelemetry.sdk.trace import TracerProvider

from tenantkit.core import telemetry


def test_without_an_sdk_it_costs_nothing():
    """Counting and tagging without an SDK does nothing and raises nothing."""
    telemetry.counter("refusals", "Refused requests").add(1, {"status": 403})
    telemetry.tag_span(tenant="acme")
    with telemetry.tracer().start_as_current_span("work") as span:
        telemetry.tag_span(tenant="acme")
    assert span.is_recording() is False


def test_the_current_span_is_tagged():
    """The span that is current carries the tenant under the library's own prefix."""
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span:
        telemetry.tag_span(tenant="acme")
    assert {"tenantkit.tenant": "acme"} == dict(span.attributes)


def test_instruments_are_made_once():
    """A counter of one name is one instrument."""
    assert telemetry.counter("a", "A") is telemetry.counter("a", "A")
    assert telemetry.tracer() is telemetry.tracer()
