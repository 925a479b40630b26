"""
The scope around a WSGI application: entered before it runs, left when its body is closed.

The session of the scope is committed when the application starts its answer, and rolled back where the answer is an
error, so a commit that fails is a 5xx and not a 200. What the body writes while it is sent is committed when it is
closed. A request has a context (``contextvars``) of its own: nothing of it is left in the thread of the server,
however the request ends.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from contextvars import copy_context
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy.orm import Session

from tenantkit.adapters.answers import ALIVE, Answer, health_answer
from tenantkit.adapters.endpoints import MAX_BODY, Call
from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.heads import wsgi_body, wsgi_head, wsgi_path
from tenantkit.adapters.paths import Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.core.scope import enter, outside
from tenantkit.exceptions import ConfigurationError, TenantKitError
from tenantkit.kit import TenantKit

__all__ = ["TenancyMiddleware"]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_FAILED: Final = 500
EXCHANGE_KEY: Final = "tenantkit.exchange"


class TenancyMiddleware:
    """
    Identifies each request and runs the application in the scope of its tenant.

    Requests of public paths pass by without a scope. Within another middleware of the same kit it does nothing: an
    application that is mounted in another runs in the other's scope.

    Args:
        app: the application.
        kit: the kit.
        paths: the paths that need no tenant.
        session: returns the framework's session of the client, from the environ of its request.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: WSGIApp,
        kit: TenantKit,
        paths: Paths | None = None,
        *,
        session: Callable[[Environ], Mapping[str, Any] | None] | None = None,
    ) -> None:
        self._app, self._kit = app, kit
        self._paths, self._session = paths or Paths(), session or _no_session
        self._paths.endpoints.check(kit)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        outer: Exchange | None = environ.get(EXCHANGE_KEY)
        if outer is not None and outer.kit is self._kit:
            return self._app(environ, start_response)
        kind = self._paths.kind(wsgi_path(environ) or "/")
        exchange = Exchange(self._kit, kind, wsgi_head(environ, self._session))
        connection = _Connection(exchange, start_response)
        if kind == "live":
            return connection.answer(ALIVE)
        if kind == "ready":
            return connection.answer(health_answer(self._kit.check_health()))
        if kind == "published":
            return connection.answer(self._paths.endpoints.publish(self._kit, wsgi_path(environ)))
        if outer is not None:  # of another kit, whose application this one is mounted in
            environ = dict(environ)
        environ[EXCHANGE_KEY] = exchange
        return connection.serve(self._answer if kind == "endpoint" else self._app, environ)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer for the kit, in the scope of the request."""
        head = wsgi_head(environ, self._session)
        call = Call(head.method, wsgi_path(environ), head.header, wsgi_body(environ, MAX_BODY))
        answer = self._paths.endpoints.answer(self._kit, call)
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", [*map(tuple, answer.headers)])
        return [answer.body]


class _Connection:
    """What an exchange is on the wire: an answer that is started, and a body that is closed."""

    def __init__(self, exchange: Exchange, start_response: StartResponse) -> None:
        self._exchange, self._start_response = exchange, start_response
        self._context = copy_context()
        self._entered = ExitStack()
        self._is_started = False
        self._replacement: Answer | None = None

    def serve(self, app: WSGIApp, environ: Environ) -> Iterable[bytes]:
        """Identify the request, and run the application in its scope."""
        return self._context.run(self._serve, app, environ)

    def answer(self, answer: Answer) -> "_Body":
        """Answer without the application."""
        self._exchange.status = answer.status
        self._is_started = True
        phrase = HTTPStatus(answer.status).phrase
        self._start_response(
            f"{answer.status} {phrase}", [*map(tuple, answer.headers), *self._exchange.headers]
        )
        return _Body(self, [answer.body])

    def _serve(self, app: WSGIApp, environ: Environ) -> Iterable[bytes]:
        try:
            self._exchange.identify()
        except Exception as error:  # noqa: BLE001 - of a session's store, of a database that is down
            return self._fail(error)
        scope = self._exchange.scope
        self._entered.enter_context(enter(scope) if scope is not None else outside())
        try:
            body = app(environ, self._start)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends the request
            return self._fail(error)
        except BaseException:
            self._abandon()
            raise
        if self._replacement is not None:
            _close(body)
            return self.answer(self._replacement)
        return _Body(self, body)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Start the answer, once the transaction is as its status promises."""
        self._exchange.status = int(status.split(" ", 1)[0])
        if not self._is_started:
            try:
                self._settle()
            except TenantKitError as error:  # only the flush of the commit found it
                self._exchange.error, self._exchange.status = error, error.status
                self._settle()
                self._replacement = problem_of(error)
        if self._replacement is not None:
            return _ignore
        self._is_started = True
        return self._start_response(
            status, [*headers, *self._exchange.headers], *([exc_info] if exc_info else ())
        )

    def _settle(self) -> None:
        """End the transaction before the answer starts; only a kept promise is a success."""
        self._end(commit=self._exchange.commits)
        self._exchange.record()

    def _refuse(self, error: TenantKitError) -> "_Body":
        self._exchange.error, self._exchange.status = error, error.status
        self._settle()
        return self.answer(problem_of(error))

    def _fail(self, error: Exception) -> "_Body":
        """Answer an error of ours that nobody answered; raise any other."""
        if isinstance(error, TenantKitError) and not self._is_started:
            return self._refuse(error)
        self._abandon(error)
        raise error

    def next_part(self, parts: Iterator[bytes]) -> bytes:
        """Return the next part of the body, made in the scope of its request."""
        return self._context.run(next, parts)

    def late_replacement(self) -> bytes | None:
        """Answer with an error if the body's first part started an answer that cannot be kept; return its body."""
        if self._replacement is None or self._is_started:
            return None
        self.answer(self._replacement)
        return self._replacement.body

    def close(self, body: Iterable[bytes], *, is_complete: bool, error: BaseException | None) -> None:
        """End the request when the server is done with it, or its client has gone."""
        self._context.run(self._close, body, is_complete, error)

    def forget(self, body: Iterable[bytes]) -> None:
        """Give back what the request holds, where nobody ends it."""
        self._context.run(self._forget, body)

    def _forget(self, body: Iterable[bytes]) -> None:
        try:
            _close(body)
        finally:
            self._abandon()

    def _close(self, body: Iterable[bytes], is_complete: bool, error: BaseException | None) -> None:  # noqa: FBT001
        try:
            _close(body)
            # a client that left in the middle of a body was not given what was promised
            self._end(commit=is_complete and self._exchange.commits)
        except Exception as caught:
            self._abandon(caught)
            raise
        if error is not None:  # the server knows of it
            self._abandon(error)
        else:
            self._leave()

    def _abandon(self, error: BaseException | None = None) -> None:
        """Undo what is not committed, record why, and give back what the request holds."""
        try:
            self._end(commit=False)
            if isinstance(error, Exception):
                self._exchange.error, self._exchange.status = error, _FAILED
                self._exchange.record()
        finally:
            self._leave()

    def _end(self, *, commit: bool) -> None:
        exchange = self._exchange
        if exchange.scope is None:
            return
        for session in exchange.kit.opened(exchange.scope):
            if not isinstance(session, Session):
                with suppress(ConfigurationError):  # it says this too, in the words of a script
                    exchange.kit.release(exchange.scope)
                raise ConfigurationError(
                    "A WSGI application works with kit.session(): nothing here can wait for an AsyncSession."
                )
            if session.in_transaction():
                (session.commit if commit else session.rollback)()

    def _leave(self) -> None:
        """Give back what the request holds."""
        with ExitStack() as leaving:
            leaving.callback(self._exchange.end)
            leaving.push(self._entered.pop_all())
            if self._exchange.scope is not None:
                leaving.callback(self._exchange.kit.release, self._exchange.scope)


class _Body:
    """The body of an answer, whose parts are made in the scope of its request."""

    def __init__(self, connection: _Connection, body: Iterable[bytes]) -> None:
        self._connection, self._body = connection, body
        self._parts = iter(body)
        self._is_complete = False
        self._is_closed = False
        self._error: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            part = self._connection.next_part(self._parts)
        except StopIteration:
            self._is_complete = True
            if (replacement := self._replaced()) is not None:
                return replacement
            raise
        except BaseException as error:
            self._error = error
            raise
        return self._replaced() or part

    def _replaced(self) -> bytes | None:
        """Return what is sent instead of everything that the application would have said."""
        replacement = self._connection.late_replacement()
        if replacement is not None:
            self._parts = iter(())
        return replacement

    def close(self) -> None:
        """End the request."""
        if not self._is_closed:
            self._is_closed = True
            self._connection.close(self._body, is_complete=self._is_complete, error=self._error)

    def __del__(self) -> None:
        # a server has to close a body (PEP 3333); a test's client may forget, and must not keep a connection
        if not self._is_closed:
            self._is_closed = True
            self._connection.forget(self._body)


def _ignore(_written: bytes) -> None:
    """Stand for `write` of an answer that was replaced."""


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


def _no_session(_environ: Environ) -> None:
    return None
