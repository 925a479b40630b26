"""Promises: what clients that do not keep to the rules can do, which is nothing."""

import json
import socket
from collections.abc import Callable
from typing import Final

import pytest

from tenantkit import Tenant
from tenantkit.testing.contracts.world import World

__all__ = ["WirePromises"]

_PATIENCE: Final = 30.0
_PATHS: Final = (
    "/%00",
    "/documents/%2e%2e/documents",
    "/documents/1%27%20OR%201=1",
    "/" + "a" * 20_000,
    "/%ff%fe",
    "//documents",
    "/about/../documents",
    "/%61bout/x",
    "/documents;/about",
)
_HOSTILE: Final[dict[str, Callable[[World], bytes]]] = {
    "two hosts": lambda world: _request(world, further=[f"Host: {world.bolt.slug}.localhost"]),
    "two tokens": lambda world: _request(world, further=["Authorization: Bearer a.b.c"]),
    "no host": lambda world: _request(world).replace(f"Host: {world.acme.slug}.localhost\r\n".encode(), b""),
    "a host in the request line": lambda world: _request(world, host="nobody-at-all.localhost").replace(
        b" /", f" http://{world.acme.slug}.localhost/".encode(), 1
    ),
    "user and port before": lambda world: _request(world, host=f"evil.com:80@{world.acme.slug}.localhost"),
    "a header without end": lambda world: _request(world, further=["X-A: " + "a" * 1_000_000]),
    "bytes that are no ASCII": lambda world: _request(world, host="\xffcme.localhost"),
    "not HTTP": lambda _world: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "an unknown method": lambda world: _request(world, "PURGE", "/documents"),
    "a path that is no path": lambda world: _request(world, path="about"),
}


class WirePromises:
    """Bytes over one connection."""

    def test_requests_of_two_tenants_without_a_pause(self, world: World) -> None:
        """Requests that are sent before the first is answered do not mix."""
        tenants = [world.acme, world.bolt] * 5
        answers = _exchanged(world, *(_request(world, tenant=tenant) for tenant in tenants))
        told = [json.loads(body)["tenant"] for _, body in answers]
        assert [tenant.slug for tenant in tenants] == told

    @pytest.mark.parametrize("made", _HOSTILE.values(), ids=_HOSTILE)
    def test_a_request_that_breaks_the_rules(self, world: World, made: Callable[[World], bytes]) -> None:
        """It is refused, answered by nobody, or served for the token's tenant alone; and the server goes on."""
        world.add_document(world.bolt, "secret")
        for status, body in _exchanged(world, made(world)):
            assert status < 500
            assert b"secret" not in body
        assert world.acme.slug == world.ask("GET", "/whoami").json["tenant"]

    @pytest.mark.parametrize("path", _PATHS, ids=[path[:20] for path in _PATHS])
    def test_a_path_that_breaks_the_rules(self, world: World, path: str) -> None:
        """It is no error of the server's, and public to nobody: without a token it is a 401, wherever it leads."""
        world.add_document(world.bolt, "secret")
        for status, body in _exchanged(world, _request(world, path=path)):
            assert status < 500
            assert b"secret" not in body
        anonymous = _request(world, path=path).replace(b"Authorization", b"X-Authorization")
        assert [401] == [status for status, _ in _exchanged(world, anonymous)]


def _request(
    world: World,
    method: str = "GET",
    path: str = "/whoami",
    *,
    tenant: Tenant | None = None,
    host: str | None = None,
    further: list[str] | None = None,
) -> bytes:
    """Return a writer's request as bytes; further headers are put as they are."""
    tenant = tenant or world.acme
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host or f'{tenant.slug}.localhost'}",
        f"Authorization: Bearer {world.kit.tokens.issue('writer', tenant)}",
        "Content-Length: 0",
        *(further or ()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _exchanged(world: World, *requests: bytes) -> list[tuple[int, bytes]]:
    """Send requests over one connection, and return the status and body of each answer that comes."""
    answers: list[tuple[int, bytes]] = []
    with socket.create_connection(("127.0.0.1", world.office.port), timeout=_PATIENCE) as connection:
        reader = connection.makefile("rb")
        connection.sendall(b"".join(requests))
        for _ in requests:
            try:
                status = reader.readline()
            except ConnectionError:
                break
            if not status:
                break
            headers = {}
            while (line := reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip()
            body = reader.read(int(headers.get(b"content-length", 0)))
            answers.append((int(status.split()[1]), body))
    return answers
