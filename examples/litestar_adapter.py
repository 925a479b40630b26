"""An adapter for Litestar: what it takes to bring tenancy to one more framework."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler

from tenantkit import Actor, Scope, TenantKit, TenantKitError, current
from tenantkit.adapters.asgi import EXCHANGE_KEY, TenancyMiddleware, in_thread, session_of
from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.guards import Guards
from tenantkit.adapters.paths import Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.isolation import ScopedSession, UnscopedSession
from tenantkit.rbac import Ownership

Connection = ASGIConnection[Any, Any, Any, Any]


class Tenancy(Guards[Any]):
    """Runs a Litestar application in the scope of each request's tenant, with sync sessions and Litestar's guards."""

    def __init__(self, kit: TenantKit, **paths: Any) -> None:
        self._kit = kit
        self._paths = Paths(**paths)

    def options(self) -> dict[str, Any]:
        """Return what `Litestar(...)` is given, beside its routes."""
        return {
            "dependencies": {
                "session": Provide(_session),
                "scope_": Provide(_scope, sync_to_thread=False),  # Litestar calls its own one `scope`
                "actor": Provide(_actor, sync_to_thread=False),
                "unscoped_session": Provide(_unscoped_session, sync_to_thread=False),
            },
            "exception_handlers": {TenantKitError: _answer},
            "after_exception": [_remember_error],
        }

    def around(self, app: Litestar) -> TenancyMiddleware:
        """Return the application to serve: Litestar's own middleware begins behind its router, which is too late."""

        async def telling_its_route(scope: Any, receive: Any, send: Any) -> None:
            try:
                await app(scope, receive, send)
            finally:
                if scope["type"] != "lifespan":
                    scope[EXCHANGE_KEY].route = scope.get("path_template")

        return TenancyMiddleware(telling_its_route, self._kit, self._paths)

    def _check(self, is_known: Callable[[TenantKit], object]) -> None:
        is_known(self._kit)

    def _asks(self, question: Callable[[TenantKit], object], status: int) -> Any:  # noqa: ARG002 - only documents need it
        return _guard(lambda _connection: question(self._kit))

    def _consumes(self, meter: str, units: int) -> Any:
        return _guard_in_thread(self._kit.quotas.consume, lambda _connection: (meter, units))

    def _owns(self, model: type[Any], by: str, key: str, unless: str | None) -> Any:
        ownership = Ownership(model, by, unless)
        return _guard_in_thread(
            self._kit.require_owner, lambda connection: (ownership, str(connection.path_params[key]))
        )


def _guard(check: Callable[[Connection], object]) -> Any:
    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        check(connection)

    return guard


def _guard_in_thread(check: Callable[..., object], asked: Callable[[Connection], tuple[Any, ...]]) -> Any:
    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        await in_thread(connection.scope, check, *asked(connection))

    return guard


def _unscoped_session(
    request: Request[Any, Any, Any],
) -> Callable[[], AbstractContextManager[UnscopedSession]]:
    """Return what a handler opens in its own thread: `with unscoped_session() as session:`."""
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    return exchange.unscoped_session


async def _session(request: Request[Any, Any, Any]) -> ScopedSession:
    return await session_of(request.scope)


def _scope() -> Scope:
    return current()


def _actor(request: Request[Any, Any, Any]) -> Actor | None:
    return request.scope[EXCHANGE_KEY].actor


async def _remember_error(error: Exception, scope: Any) -> None:
    if not isinstance(error, HTTPException):  # which is an answer, and no failure
        scope[EXCHANGE_KEY].error = error


def _answer(request: Request[Any, Any, Any], error: TenantKitError) -> Response[bytes]:
    request.scope[EXCHANGE_KEY].error = error
    problem = problem_of(error)
    headers = dict(problem.headers)
    return Response(
        problem.body, status_code=problem.status, media_type=headers.pop("content-type"), headers=headers
    )
