"""Promises: what goes on after the answer has begun, and applications in applications."""

import http.client
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tenantkit import Tenant
from tenantkit.testing.contracts.world import World

__all__ = ["AfterwardsPromises", "BackgroundTaskPromises", "WebSocketPromises"]

_PARTS = 300
_READ = 65_536
_PATIENCE = 30.0


class AfterwardsPromises:
    """Streams, and applications in applications."""

    def test_a_streamed_body(self, world: World) -> None:
        """It is made in the scope of its request; what it wrote is committed at its end."""
        answer = world.ask("GET", "/stream/3/well")
        assert [f"{world.acme.slug} {number}" for number in range(3)] == answer.body.decode().split("\n")[:-1]
        assert ["part 0", "part 1", "part 2"] == world.documents()

    def test_a_streamed_body_that_fails(self, world: World) -> None:
        """What it wrote is undone, and the failure is in the trail."""
        request_id = "stream-that-fails"
        headers = [*world.headers(), ("X-Request-Id", request_id)]
        # a server without chunks ends such a body as any other
        with world.connected() as connection, suppress(http.client.HTTPException, ConnectionError):
            world.on(connection, "GET", "/stream/3/badly", headers)
        world.office.endings.wait(request_id)
        assert [] == world.documents()
        assert ["request.failed"] == [event.action for event in world.trail()]

    def test_a_client_that_leaves(self, world: World) -> None:
        """A body that was not taken to its end was not delivered: what it wrote is undone."""
        request_id = "client-that-leaves"
        with world.connected() as connection:
            connection.sock = socket.create_connection(("127.0.0.1", world.office.port), timeout=_PATIENCE)
            headers = [*world.headers(), ("X-Request-Id", request_id)]
            response = world.begun(connection, "GET", f"/stream/{_PARTS}/large", headers)
            assert response.read(_READ)
            response.close()
        world.office.endings.wait(request_id)
        assert [] == world.documents()
        assert 0 == world.held_connections()

    def test_streams_of_two_tenants(self, world: World) -> None:
        """Two bodies that are sent at once stay each in its own scope."""

        def begun(tenant: Tenant) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
            connection = http.client.HTTPConnection("127.0.0.1", world.office.port, timeout=_PATIENCE)
            return connection, world.begun(connection, "GET", "/stream/40/reading", world.headers(tenant))

        tenants = (world.acme, world.bolt)
        opened = [begun(tenant) for tenant in tenants]
        try:
            for _ in range(40):
                for tenant, (_, response) in zip(tenants, opened, strict=True):
                    assert response.readline().decode().startswith(f"{tenant.slug} ")
        finally:
            for connection, _ in opened:
                connection.close()

    def test_a_mounted_application(self, world: World) -> None:
        """It runs in the scope of the request, and may be asked for permissions."""
        world.add_document(world.acme, "ours")
        assert ["ours"] == world.ask("GET", "/mounted/documents").json
        assert 401 == world.bare("GET", "/mounted/documents", []).status

    def test_a_refusal_in_a_mounted_application(self, world: World) -> None:
        """It is the same problem as elsewhere."""
        answer = world.ask("POST", "/mounted/managed")
        assert (403, "permission-denied") == (answer.status, answer.problem)
        assert "documents:manage" == answer.json["permission"]


class BackgroundTaskPromises:
    """
    Tasks that run after the answer; there is a route ``POST /task/{status}/{ending}``.

    .. versionadded:: 0.1
    """

    def test_a_background_task(self, world: World) -> None:
        """It runs in the scope of its request, and what it writes is committed."""
        assert 202 == world.ask("POST", "/task/202/well").status
        assert ["task"] == world.documents()

    def test_a_background_task_that_fails(self, world: World) -> None:
        """What it wrote is undone, though the answer was a success."""
        world.ask("POST", "/task/202/badly")
        assert [] == world.documents()

    def test_a_background_task_behind_an_error(self, world: World) -> None:
        """What a task writes behind an answer that is an error is not kept."""
        assert 409 == world.ask("POST", "/task/409/well").status
        assert [] == world.documents()


class WebSocketPromises:
    """
    Sockets; there is one at ``/socket``.

    .. versionadded:: 0.1
    """

    def test_a_socket(self, world: World) -> None:
        """It is in the scope of its tenant until it closes, and commits when it says so."""
        with self.socket(world, world.headers()) as opened:
            assert world.acme.slug == opened.recv(timeout=_PATIENCE)
            opened.send("by socket")
            assert opened.recv(timeout=_PATIENCE)
            assert ["by socket"] == world.documents()

    @pytest.mark.parametrize(
        "made",
        [
            lambda world: [("Host", f"{world.acme.slug}.localhost")],
            lambda world: world.headers(user="stranger"),
            lambda world: world.headers(host=f"{world.bolt.slug}.localhost"),
        ],
        ids=["nobody", "stranger", "mismatch"],
    )
    def test_a_socket_that_is_refused(
        self, world: World, made: Callable[[World], list[tuple[str, str]]]
    ) -> None:
        """It is not opened."""
        from websockets.exceptions import InvalidStatus  # noqa: PLC0415 - only where there are sockets

        with pytest.raises(InvalidStatus) as caught, self.socket(world, made(world)):
            pass
        assert 403 == caught.value.response.status_code

    @staticmethod
    def socket(world: World, headers: list[tuple[str, str]]) -> Any:
        """Open the socket of the contract's application."""
        from websockets.sync.client import connect  # noqa: PLC0415

        given = dict(headers)
        host = given.pop("Host")
        opened = socket.create_connection(("127.0.0.1", world.office.port), timeout=_PATIENCE)
        return connect(f"ws://{host}/socket", sock=opened, additional_headers=given, proxy=None)
