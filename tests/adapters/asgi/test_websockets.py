"""Websockets: identified when they open, in scope until they close."""

import warnings

import pytest
from fastapi import FastAPI, WebSocket
from sqlalchemy import select
from starlette.websockets import WebSocketDisconnect

from tenantkit import current
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.core.scope import current_or_none
from tests.integration.office import Document, central_events, counted

with warnings.catch_warnings():  # newer releases would like another client
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient


@pytest.fixture(params=["sync", "async"])
def sockets(request, kit, acme, bolt):
    """Give a function that opens a websocket as a member of a tenant."""
    app = FastAPI()
    tenancy = Tenancy(app, kit, sessions=request.param)
    _serve(app, kit, tenancy, request.param)
    tenants = {"acme": acme, "bolt": bolt}

    with TestClient(app) as client:

        def open_(path="/who", slug="acme", *, user="writer", host=None, headers=None):
            token = kit.tokens.issue(user, tenants[slug])
            given = {"host": host or f"{slug}.localhost", "authorization": f"Bearer {token}"}
            return client.websocket_connect(path, headers=given if headers is None else headers)

        yield open_
        client.portal.call(kit.adispose)


def _serve(app, kit, tenancy, sessions):
    """Add the endpoints."""

    @app.websocket("/who")
    async def who(socket: WebSocket) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            await socket.send_text(f"{current().tenant.slug} {current().actor.id}")

    @app.websocket("/write")
    async def write(socket: WebSocket) -> None:
        await socket.accept()
        session = kit.session() if sessions == "sync" else kit.async_session()
        async for name in socket.iter_text():
            session.add(Document(name=name))
            committed = session.commit()
            names = session.scalars(select(Document.name).order_by(Document.id))
            if sessions == "async":
                await committed
                names = await names
            await socket.send_json(list(names))

    kind = Tenancy.Session if sessions == "sync" else Tenancy.AsyncSession

    @app.websocket("/given")
    async def given(socket: WebSocket, scope: Tenancy.Scope, session: kind) -> None:
        await socket.accept()
        await socket.send_text(f"{scope.tenant.slug} {session.info}")

    @app.websocket("/guarded", dependencies=[tenancy.requires("documents:write")])
    async def guarded(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("in")


def refused(connect):
    """Return how a websocket was refused."""
    with pytest.raises(WebSocketDisconnect) as caught, connect:
        pytest.fail("opened")
    return caught.value


def test_a_socket_is_in_scope_until_it_closes(sockets):
    """Every message of a websocket is handled in the scope of who opened it."""
    with sockets(slug="acme") as first, sockets(slug="bolt") as second:
        for _ in range(2):
            for socket, slug in ((first, "acme"), (second, "bolt")):
                socket.send_text("who?")
                assert f"{slug} writer" == socket.receive_text()
    assert current_or_none() is None


def test_a_socket_writes_as_its_tenant(sockets, kit):
    """What a websocket writes belongs to its tenant; it commits by itself, message by message."""
    with sockets("/write", "acme") as first, sockets("/write", "bolt") as second:
        for socket, slug in ((first, "acme"), (second, "bolt")):
            for number in range(2):
                socket.send_text(f"{slug}{number}")
                assert [f"{slug}{one}" for one in range(number + 1)] == socket.receive_json()
    assert 4 == counted(kit)
    assert 0 == kit.engine.pool.checkedout() + kit.async_engine.pool.checkedout()


REFUSED = {
    "no token": {"headers": {"host": "acme.localhost"}},
    "a bad token": {"headers": {"host": "acme.localhost", "authorization": "Bearer a.b.c"}},
    "another host": {"host": "bolt.localhost"},
    "an unknown tenant": {"host": "nobody.localhost"},
    "a malformed host": {"host": "evil.com:80@acme.localhost"},
    "no member": {"user": "stranger"},
}


@pytest.mark.parametrize("options", REFUSED.values(), ids=REFUSED)
def test_a_socket_of_nobody_is_refused(sockets, kit, options):
    """A websocket without a tenant is closed with 1008 before it opens, and is in the central trail."""
    error = refused(sockets(**options))
    assert 1008 == error.code
    assert error.reason
    (event,) = central_events(kit, "request.refused")
    assert ("refused", "websocket", "/who") == (event.outcome, event.details["method"], event.details["path"])


def test_a_refusal_does_not_tell_why(sockets):
    """The reason of the close frame is the problem's title and nothing of the token."""
    error = refused(sockets(headers={"host": "acme.localhost", "authorization": "Bearer a.b.c"}))
    assert "The token is not valid" == error.reason


def test_scope_and_session_can_be_asked_for(sockets):
    """An endpoint is given scope and session as an HTTP endpoint is."""
    with sockets("/given") as socket:
        assert "acme {}" == socket.receive_text()


def test_a_permission_can_be_required(sockets):
    """A permission holds for a websocket too: with it the socket opens, without it it does not."""
    with sockets("/guarded") as socket:
        assert "in" == socket.receive_text()
    with pytest.raises(Exception, match=r".*") as caught, sockets("/guarded", user="reader"):
        pytest.fail("opened")
    assert isinstance(caught.value, WebSocketDisconnect)
