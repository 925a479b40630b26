"""An adapter for Litestar: what it takes to bring tenancy to one more framework."""

from typing import Any

from litestar import Litestar, Request, Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler

from tenantkit import Actor, Scope, TenantKit, TenantKitError, current
from tenantkit.adapters.asgi import EXCHANGE_KEY, TenancyMiddleware, in_thread, session_of
from tenantkit.adapters.paths import Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.isolation import ScopedSession
from tenantkit.quotas import check_units
from tenantkit.rbac import Ownership

Connection = ASGIConnection[Any, Any, Any, Any]


class Tenancy:
    """Runs a Litestar application in the scope of each request's tenant, with sync sessions."""

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

    def requires(self, permission: str) -> Any:
        """Return a guard that refuses with 403 unless the actor's roles grant a permission."""
        self._kit.roles.check_declared(permission)

        async def guard(_connection: Connection, _handler: BaseRouteHandler) -> None:
            self._kit.roles.require(current(), permission)

        return guard

    def consumes(self, meter: str, units: int = 1) -> Any:
        """Return a guard that counts units, and refuses with 402 at the plan's limit."""
        check_units(units)
        self._kit.plans.check_meter(meter)

        async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
            await in_thread(connection.scope, self._kit.quotas.consume, meter, units)

        return guard

    def owns(self, model: type[Any], *, by: str, key: str, unless: str | None = None) -> Any:
        """Return a guard that refuses with 403 unless the row that the path names is the actor's."""
        if unless is not None:
            self._kit.roles.check_declared(unless)
        ownership = Ownership(model, by, unless)

        async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
            await in_thread(
                connection.scope, self._kit.require_owner, ownership, str(connection.path_params[key])
            )

        return guard

    def requires_workspace(self) -> Any:
        """Return a guard that refuses with 400 unless the token names a workspace."""

        async def guard(_connection: Connection, _handler: BaseRouteHandler) -> None:
            self._kit.require_workspace()

        return guard


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
