"""Promises: what is told of a request, to the trail, the log, the meters, the trace and the orchestrator."""

from typing import ClassVar

import pytest

from tenantkit.testing.contracts.world import World

__all__ = ["TellingPromises"]


class TellingPromises:
    """The audit trail and telemetry."""

    template: ClassVar[str]

    def test_a_success_is_in_the_trail(self, world: World) -> None:
        """With actor, target and the request's id."""
        answer = world.ask("POST", "/documents/one")
        (event,) = world.trail()
        assert ("document.written", "writer", f"document:{answer.json['id']}", "success") == (
            event.action,
            event.actor,
            event.target,
            event.outcome,
        )
        assert answer.header("x-request-id") == event.request_id

    def test_a_refusal_is_in_the_trail(self, world: World) -> None:
        """With what was missing, though the request's transaction was undone."""
        answer = world.ask("POST", "/documents/one", user="reader")
        (event,) = world.trail()
        assert ("request.refused", "refused", "reader") == (event.action, event.outcome, event.actor)
        assert ("POST", "/documents/one", 403, "permission-denied", "documents:write") == tuple(
            event.details[key] for key in ("method", "path", "status", "problem", "permission")
        )
        assert answer.header("x-request-id") == event.request_id

    def test_a_failure_is_in_the_trail(self, world: World) -> None:
        """With the class of the error and not its words."""
        world.ask("POST", "/failing", host="127.0.0.1")
        world.office.endings.wait_for_tenant(world.acme.slug)
        (event,) = world.trail()
        assert ("request.failed", "failed", 500, "ZeroDivisionError") == (
            event.action,
            event.outcome,
            event.details["status"],
            event.details["error"],
        )

    def test_a_stranger_is_in_the_central_trail(self, world: World) -> None:
        """A request whose tenant could not be settled is nobody's event, and says why."""
        answer = world.ask("GET", "/whoami", user="stranger")
        (event,) = world.central_trail(answer.header("x-request-id") or "")
        assert ("request.refused", "not-a-member") == (event.action, event.details["problem"])
        assert event.details["why"]
        assert [] == world.trail()

    def test_a_sound_request_id_is_kept(self, world: World) -> None:
        """The client's own is in the answer, in scope and in the trail."""
        given = f"req:{world.acme.slug}.1"
        answer = world.bare("GET", "/whoami", [*world.headers(), ("X-Request-Id", given)])
        assert (given, given) == (answer.header("x-request-id"), answer.json["request_id"])

    @pytest.mark.parametrize("given", ["", "a b", "x" * 101, "<script>", "a;b", "é"])
    def test_a_hostile_request_id_is_replaced(self, world: World, given: str) -> None:
        """What is long or not plain is not repeated."""
        answer = world.bare("GET", "/whoami", [*world.headers(), ("X-Request-Id", given)])
        assert answer.header("x-request-id") not in (None, given)

    def test_one_line_in_the_log(self, world: World) -> None:
        """It has request id, tenant, route, method, status and duration, as fields and as text."""
        answer = world.ask("POST", "/documents/one", user="reader")
        line = world.office.endings.wait(answer.header("x-request-id") or "")
        facts = {"tenant": world.acme.slug, "route": self.template, "method": "POST", "status": 403}
        assert facts == {key: getattr(line, key) for key in facts}
        assert 0 < line.duration < 60  # type: ignore[attr-defined]
        for key, value in facts.items():
            assert f"{key}={value}" in line.getMessage()
        assert "token claim 'org' and host" == line.resolved_by  # type: ignore[attr-defined]

    def test_a_line_for_a_refused_and_for_an_unknown(self, world: World) -> None:
        """There is one for each request, also where no tenant or route is known."""
        refused = world.bare("GET", "/documents", []).header("x-request-id")
        line = world.office.endings.wait(refused or "")
        assert (None, 401) == (line.tenant, line.status)  # type: ignore[attr-defined]
        unknown = world.ask("GET", "/nowhere").header("x-request-id")
        line = world.office.endings.wait(unknown or "")
        assert ("unknown", 404) == (line.route, line.status)  # type: ignore[attr-defined]

    def test_the_meters(self, world: World) -> None:
        """Duration by route, errors of the server by route, requests by tenant."""
        world.ask("GET", "/whoami")
        world.ask("GET", "/whoami")
        world.ask("GET", "/misuse")
        meters = world.office.meters
        assert 3 == meters.sum("tenantkit.requests", tenant=world.acme.slug)
        assert 2 <= meters.count("tenantkit.request_duration", route="/whoami", method="GET", status=200)
        assert 1 <= meters.sum("tenantkit.request_errors", route="/misuse", method="GET", status=500)

    def test_the_trace(self, world: World) -> None:
        """The span that the host's instrumentation has opened carries tenant and request id."""
        answer = world.ask("GET", "/whoami")
        tagged = {
            "tenantkit.tenant": world.acme.slug,
            "tenantkit.request_id": answer.header("x-request-id"),
            "tenantkit.resolved_by": "token claim 'org' and host",
        }
        assert world.office.spans.wait(tagged)

    def test_it_is_alive(self, world: World) -> None:
        """It needs no token, asks nobody, and says so also where what it needs is down."""
        world.office.is_down.set()
        try:
            answer = world.bare("GET", "/health/live", [])
        finally:
            world.office.is_down.clear()
        assert (200, {"status": "ok"}) == (answer.status, answer.json)

    def test_it_is_ready(self, world: World) -> None:
        """It needs no token, and names what answered."""
        answer = world.bare("GET", "/health/ready", [])
        assert (200, "ok", "ok") == (answer.status, answer.json["status"], answer.json["checks"]["database"])

    def test_it_is_not_ready(self, world: World) -> None:
        """What does not answer is named, without the reason; the status is 503."""
        world.office.is_down.set()
        try:
            answer = world.bare("GET", "/health/ready", [])
        finally:
            world.office.is_down.clear()
        assert (503, "down") == (answer.status, answer.json["checks"]["switch"])
        assert b"switched off" not in answer.body
