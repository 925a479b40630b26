"""
The scope around an ASGI application: entered before it runs, left when the last byte and background task is done.

The session of the scope is committed before the answer starts and rolled back where the answer is an error, so a
commit that fails is a 5xx and not a 200. What a streamed body or background task writes afterwards is committed when
the application returns.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any, Final

import anyio
import anyio.to_thread
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from tenantkit.adapters.problems import Problem, problem_of
from tenantkit.adapters.seats import Seat
from tenantkit.core.ids import new_id
from tenantkit.core.scope import RequestFacts, Scope, enter, outside
from tenantkit.core.telemetry import counter, tag_span
from tenantkit.exceptions import HostMalformed, NotAuthenticated, TenantKitError
from tenantkit.kit import RequestCredentials, TenantKit

__all__ = ["TenancyMiddleware"]

logger = logging.getLogger("tenantkit.asgi")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,100}\Z", re.ASCII)
_BEARER: Final = re.compile(r"bearer +(\S+) *\Z", re.IGNORECASE)
_ERROR_STATUS: Final = 400
_BODY: Final = ("http.response.body", "http.response.pathsend")
ERROR_KEY: Final = "tenantkit.error"
SEAT_KEY: Final = "tenantkit.seat"


class TenancyMiddleware:
    """
    Identifies each request and runs the application in the scope of its tenant.

    Sets ``scope["state"]["tenantkit"]`` to the kit. Requests of public paths pass by without a scope.

    Args:
        app: the application.
        kit: the kit.
        public: paths that need no tenant, compared exactly.

    .. versionadded:: 0.1
    """

    def __init__(self, app: ASGIApp, kit: TenantKit, public: Collection[str] = ()) -> None:
        self._app = app
        self._kit = kit
        self._public = frozenset(public)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # on public paths too: there the kit says what is missing
        scope.setdefault("state", {})["tenantkit"] = self._kit
        if scope["path"] in self._public:
            with outside():  # servers hand the context of a connection's last request on to its next one
                await self._app(scope, receive, send)
        else:
            await _in_own_task(self._serve, scope, receive, send)

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        exchange = _Exchange(self._kit, scope, send)
        try:
            tenant_scope = await anyio.to_thread.run_sync(
                self._kit.identify, _credentials(scope, exchange.request_id)
            )
        except TenantKitError as error:
            await exchange.refuse(error)
            return
        tag_span(tenant=tenant_scope.tenant.slug)
        with enter(tenant_scope):
            await exchange.run(self._app, receive, tenant_scope)


async def _in_own_task(work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """
    Run a request in a task of its own, which a cancellation of the server's task reaches as one of anyio's.

    anyio's waits for the thread that works for the request. asyncio's own does not, and the thread would go on with a
    connection that is in the pool again, under the next request's transaction.
    """
    failed: list[Exception] = []

    async def run() -> None:
        try:
            await work(*arguments)
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group that would wrap it
            failed.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
    if failed:
        raise failed[0]


class _Exchange:
    """One request and its answer."""

    def __init__(self, kit: TenantKit, scope: MutableMapping[str, Any], send: Send) -> None:
        self._kit, self._asgi, self._send = kit, scope, send
        self._scope: Scope | None = None
        self._status: int | None = None
        self._is_answered = False
        self._is_replaced = False
        self._seat = scope[SEAT_KEY] = Seat(kit)
        given = _headers(scope).get("x-request-id", "")
        self.request_id = given if _REQUEST_ID.match(given) else str(new_id())

    async def run(self, app: ASGIApp, receive: Receive, scope: Scope) -> None:
        self._scope = scope
        try:
            await app(self._asgi, receive, self.send)
            # a client that left in the middle of a body was not given what was promised
            await self._end(commit=self._is_answered)
        except BaseException as error:
            await self._end(commit=False)
            if isinstance(error, Exception):
                await self._record("failed", {"status": 500, "error": type(error).__name__})
            raise
        finally:
            try:
                with anyio.CancelScope(shield=True):  # who is cut off still gives back what it holds
                    await self._kit.arelease(scope)
            finally:
                self._seat.leave()

    async def send(self, message: Message) -> None:
        if self._is_replaced:
            return
        if message["type"] == "http.response.start":
            self._status = int(message["status"])
            try:
                await self._settle(self._status)
            except TenantKitError as error:  # only the flush of the commit found it
                await self._replace(error)
                return
            message = {**message, "headers": [*message.get("headers", ()), *self._answer_headers()]}
        await self._send(message)
        if message["type"] in _BODY and not message.get("more_body"):
            self._is_answered = self._status is not None and self._status < _ERROR_STATUS

    async def _replace(self, error: TenantKitError) -> None:
        """Answer with an error instead of with what the application would have said."""
        self._is_replaced = True
        self._asgi[ERROR_KEY] = error
        await self._settle(error.status)
        await self._answer(problem_of(error))

    async def _settle(self, status: int) -> None:
        """End the transaction before the answer starts; only a kept promise is a success."""
        await self._end(commit=status < _ERROR_STATUS)
        error = self._asgi.get(ERROR_KEY)
        if isinstance(error, TenantKitError):
            await self._record(
                "refused" if status < 500 else "failed",  # noqa: PLR2004
                {"status": status, "problem": error.problem, **(error.details if error.public else {})},
            )
        self._seat.leave()  # a body may stream for hours

    async def _end(self, *, commit: bool) -> None:
        with anyio.CancelScope(shield=True):  # half an end would lose the connection
            for session in self._kit.opened(self._scope) if self._scope else ():
                if isinstance(session, AsyncSession):
                    await (session.commit() if commit else session.rollback())
                elif session.in_transaction():
                    await anyio.to_thread.run_sync(session.commit if commit else session.rollback)

    async def refuse(self, error: TenantKitError) -> None:
        """Answer a request whose tenant could not be settled."""
        try:
            await self._record(
                "refused", {"status": error.status, "problem": error.problem, "why": error.message}
            )
        finally:
            self._seat.leave()
        if self._asgi["type"] == "websocket":
            await self._send(
                {"type": "websocket.close", "code": 1008, "reason": error.title}
            )  # RFC 6455, 7.4.1
            return
        await self._answer(problem_of(error))

    async def _answer(self, problem: Problem) -> None:
        headers = [(name.encode(), value.encode()) for name, value in problem.headers]
        start = {"type": "http.response.start", "status": problem.status}
        await self._send({**start, "headers": [*headers, *self._answer_headers()]})
        await self._send({"type": "http.response.body", "body": problem.body})

    async def _record(self, outcome: Any, details: dict[str, Any]) -> None:
        """Record a refusal or failure in a transaction of its own: the request's is rolled back."""
        facts = {
            "method": self._asgi.get("method", "websocket"),
            "path": _storable(self._asgi["path"]),
            **details,
        }
        counter(f"requests_{outcome}", "Requests that were refused or failed").add(
            1, {"status": details["status"]}
        )
        await self._seat.take()
        try:
            if self._scope is not None:
                await anyio.to_thread.run_sync(self._record_in_tenant, self._scope, outcome, facts)
            else:
                await anyio.to_thread.run_sync(self._record_centrally, outcome, facts)
        except SQLAlchemyError:
            # the refusal itself must stand even where it cannot be written down
            logger.exception("a %s request could not be recorded", outcome, extra={"details": facts})

    def _record_in_tenant(self, scope: Scope, outcome: Any, facts: dict[str, Any]) -> None:
        self._kit.audit.record_apart(scope, f"request.{outcome}", outcome=outcome, details=facts)

    def _record_centrally(self, outcome: Any, facts: dict[str, Any]) -> None:
        self._kit.audit.record_central(
            f"request.{outcome}", request=_facts(self._asgi, self.request_id), outcome=outcome, details=facts
        )

    def _answer_headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"x-request-id", self.request_id.encode())]


def _storable(text: str) -> str:
    """Return a text that every database can hold, however a client spelled it."""
    return text[:500].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return the request's headers; the last of equal names wins, but a doubled Authorization is none."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope.get("headers", ()):
        name = raw_name.decode("latin-1").lower()
        if name in ("authorization", "host") and name in found:
            found[name] = ""
        else:
            found[name] = raw_value.decode("latin-1")
    return found


def _credentials(scope: Mapping[str, Any], request_id: str) -> RequestCredentials:
    headers = _headers(scope)
    if headers.get("host") == "":
        raise HostMalformed("The request has no Host header or several; send one.")
    bearer = _BEARER.match(headers.get("authorization", ""))
    if "authorization" in headers and bearer is None:
        raise NotAuthenticated("The Authorization header is not `Bearer <token>`.")
    return RequestCredentials(
        host=headers.get("host"), token=bearer[1] if bearer else None, facts=_facts(scope, request_id)
    )


def _facts(scope: Mapping[str, Any], request_id: str) -> RequestFacts:
    client = scope.get("client")
    agent = _headers(scope).get("user-agent")
    return RequestFacts(
        request_id=request_id, client=client[0] if client else None, user_agent=agent[:300] if agent else None
    )
