"""
The scope around an ASGI application: entered before it runs, left when the last byte and background task is done.

The session of the scope is committed before the answer starts and rolled back where the answer is an error, so a
commit that fails is a 5xx and not a 200. What a streamed body or background task writes afterwards is committed when
the application returns.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from importlib.util import find_spec
from typing import Any, Final

from tenantkit.exceptions import DependencyMissing, TenantKitError

if find_spec("anyio") is None:
    raise DependencyMissing("tenantkit.adapters.asgi needs anyio: pip install 'tenantkit[asyncio]'.")

import anyio
import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from tenantkit.adapters.answers import ALIVE, Answer, health_answer
from tenantkit.adapters.endpoints import MAX_BODY, Call
from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.heads import asgi_body, asgi_head
from tenantkit.adapters.own_task import in_own_task
from tenantkit.adapters.paths import PathKind, Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.adapters.seats import Seat
from tenantkit.core.scope import enter, outside
from tenantkit.isolation import ScopedSession
from tenantkit.kit import TenantKit

__all__ = ["TenancyMiddleware", "in_thread", "session_of"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_BODY: Final = ("http.response.body", "http.response.pathsend")
_FAILED: Final = 500
EXCHANGE_KEY: Final = "tenantkit.exchange"
SEAT_KEY: Final = "tenantkit.seat"


class TenancyMiddleware:
    """
    Identifies each request and runs the application in the scope of its tenant.

    Sets ``scope["state"]["tenantkit"]`` to the kit. Requests of public paths pass by without a scope. Within another
    middleware of the same kit it does nothing: an application that is mounted in another runs in the other's scope.

    Args:
        app: the application.
        kit: the kit.
        paths: the paths that need no tenant.

    .. versionadded:: 0.1
    """

    def __init__(self, app: ASGIApp, kit: TenantKit, paths: Paths | None = None) -> None:
        self._app = app
        self._kit = kit
        self._paths = paths or Paths()
        self._paths.endpoints.check(kit)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        outer: Exchange | None = scope.get(EXCHANGE_KEY)
        if outer is not None and outer.kit is self._kit:
            await self._app(scope, receive, send)
            return
        kept = {key: scope[key] for key in (EXCHANGE_KEY, SEAT_KEY) if key in scope}
        state["tenantkit"] = self._kit  # on public paths too: there the kit says what is missing
        kind = self._paths.kind(_path(scope))
        exchange = scope[EXCHANGE_KEY] = Exchange(self._kit, kind, asgi_head(scope))
        try:
            if kind in ("live", "ready", "published"):
                await self._tell(kind, exchange, scope, send)
            else:
                app = self._answer if kind == "endpoint" and scope["type"] == "http" else self._app
                connection = _Connection(exchange, scope, send)
                if exchange.is_public:
                    await connection.run(app, receive)
                else:
                    await in_own_task(connection.serve, app, receive)
        finally:
            exchange.route = exchange.route or _route(scope)
            exchange.end()
            if outer is not None:  # of another kit, whose application this one is mounted in
                scope.update(kept)
                state["tenantkit"] = outer.kit

    async def _tell(
        self, kind: PathKind, exchange: Exchange, scope: MutableMapping[str, Any], send: Send
    ) -> None:
        if kind == "published":
            answer = self._paths.endpoints.publish(self._kit, _path(scope))
        elif kind == "live":
            answer = ALIVE
        else:
            answer = health_answer(await anyio.to_thread.run_sync(self._kit.check_health))
        exchange.status = answer.status
        await _send_answer(send, answer, exchange.headers)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer for the kit, in the scope of the request."""
        head = asgi_head(scope)
        call = Call(head.method, _path(scope), head.header, await asgi_body(receive, MAX_BODY))
        await scope[SEAT_KEY].take()
        answer = await anyio.to_thread.run_sync(self._paths.endpoints.answer, self._kit, call)
        await _send_answer(send, answer, ())


async def session_of(scope: MutableMapping[str, Any]) -> ScopedSession:
    """
    Return the session of a request's scope, once a thread of the request may work with it.

    A request waits for its turn on the event loop, where waiting costs no thread; a socket, which lasts, does not.

    Raises:
        ScopeRequired: the request is in no scope.

    .. versionadded:: 0.1
    """
    exchange: Exchange = scope[EXCHANGE_KEY]
    session = exchange.kit.session()
    is_lasting = scope["type"] == "websocket"
    if not is_lasting and not session.in_transaction():  # who waits must not hold a connection
        await scope[SEAT_KEY].take()
    return session


async def in_thread(scope: MutableMapping[str, Any], work: Callable[..., object], *arguments: object) -> None:
    """
    Do what works with the session of a request's scope in a thread, once a thread of the request may.

    .. versionadded:: 0.1
    """
    await session_of(scope)
    await anyio.to_thread.run_sync(work, *arguments)


class _Connection:
    """What an exchange is on the wire: one request, or one socket."""

    def __init__(self, exchange: Exchange, scope: MutableMapping[str, Any], send: Send) -> None:
        self._kit, self._exchange, self._asgi, self._send = exchange.kit, exchange, scope, send
        self._is_begun = False
        self._is_answered = False
        self._is_replaced = False
        self._seat = scope[SEAT_KEY] = Seat(exchange.kit)

    async def serve(self, app: ASGIApp, receive: Receive) -> None:
        """Identify the request, and run the application in its scope."""
        try:
            if not self._exchange.recall():  # a way into a thread and back costs more than all the rest
                await anyio.to_thread.run_sync(self._exchange.identify)
        except Exception as error:  # noqa: BLE001 - of a session's store, of a database that is down
            await self._fail(error)
            return
        await self.run(app, receive)

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        """Run the application in the scope of the request, or in none."""
        scope = self._exchange.scope
        # servers hand the context of a connection's last request on to its next one
        with enter(scope) if scope is not None else outside():
            await self._run(app, receive)

    async def _run(self, app: ASGIApp, receive: Receive) -> None:
        try:
            await app(self._asgi, receive, self.send)
            # a client that left in the middle of a body was not given what was promised
            await self._end(commit=self._is_answered)
        except BaseException as error:
            await self._end(commit=False)
            if not isinstance(error, Exception):
                raise
            await self._fail(error)
        finally:
            try:
                if self._exchange.scope is not None and self._exchange.scope.held:
                    with anyio.CancelScope(shield=True):  # who is cut off still gives back what it holds
                        await self._kit.arelease(self._exchange.scope)
            finally:
                self._seat.leave()

    async def _fail(self, error: Exception) -> None:
        """Answer an error of ours that nobody answered; raise any other."""
        if self._is_replaced and error is self._exchange.error:
            return
        if isinstance(error, TenantKitError) and not self._is_begun:
            await self._replace(error)
            return
        self._exchange.error, self._exchange.status = error, _FAILED
        await self._record()
        raise error

    async def send(self, message: Message) -> None:
        """Send what the application says, once the transaction is as its status promises."""
        if self._is_replaced:
            return
        if message["type"] == "http.response.start":
            self._exchange.status = int(message["status"])
            if (unanswered := self._unanswered()) is not None:
                await self._replace(unanswered)
                return
            try:
                await self._settle()
            except TenantKitError as error:  # only the flush of the commit found it
                await self._replace(error)
                return
            message = {**message, "headers": [*message.get("headers", ()), *_encoded(self._exchange.headers)]}
        self._is_begun = True
        await self._send(message)
        if message["type"] in _BODY and not message.get("more_body"):
            self._is_answered = self._exchange.commits

    def _unanswered(self) -> TenantKitError | None:
        """Return our error that a mounted application, which knows no better, is answering with a 500."""
        error = sys.exception()
        if self._exchange.status != _FAILED or error is self._exchange.error:
            return None
        return error if isinstance(error, TenantKitError) else None

    async def _replace(self, error: TenantKitError) -> None:
        """Answer with an error instead of with what the application would have said."""
        self._is_replaced = True
        self._exchange.error, self._exchange.status = error, error.status
        await self._settle()
        if self._asgi["type"] == "websocket":
            # RFC 6455, 7.4.1: the policy of the server
            await self._send({"type": "websocket.close", "code": 1008, "reason": error.title})
            return
        await _send_answer(self._send, problem_of(error), self._exchange.headers)

    async def _settle(self) -> None:
        """End the transaction before the answer starts; only a kept promise is a success."""
        try:
            await self._end(commit=self._exchange.commits)
            if self._exchange.error is not None:
                await self._record()
        finally:
            self._seat.leave()  # a body may stream for hours

    async def _end(self, *, commit: bool) -> None:
        scope = self._exchange.scope
        sessions = self._kit.opened(scope) if scope is not None else ()
        if not sessions:
            return
        with anyio.CancelScope(shield=True):  # half an end would lose the connection
            for session in sessions:
                if isinstance(session, AsyncSession):
                    await (session.commit() if commit else session.rollback())
                elif session.in_transaction():
                    await anyio.to_thread.run_sync(session.commit if commit else session.rollback)

    async def _record(self) -> None:
        await self._seat.take()
        await anyio.to_thread.run_sync(self._exchange.record)


async def _send_answer(send: Send, answer: Answer, headers: tuple[tuple[str, str], ...]) -> None:
    all_headers = _encoded((*answer.headers, *headers))
    await send({"type": "http.response.start", "status": answer.status, "headers": all_headers})
    await send({"type": "http.response.body", "body": answer.body})


def _encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]


def _path(scope: Mapping[str, Any]) -> str:
    """Return the path below where the application is mounted, as Starlette reads it."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _route(scope: Mapping[str, Any]) -> str | None:
    """Return the template of the route that was taken, where the framework leaves it in the scope."""
    template = getattr(scope.get("route"), "path_format", None) or getattr(scope.get("route"), "path", None)
    return None if template is None else f"{scope.get('root_path', '')}{template}"
