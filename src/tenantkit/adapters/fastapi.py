"""
Tenancy for FastAPI: middleware, dependencies and documents.

.. code-block:: python

    app = FastAPI()
    tenancy = Tenancy(app, kit)

    @app.post("/documents", dependencies=[tenancy.requires("documents:create"), tenancy.consumes("documents")])
    def upload(body: NewDocument, session: Tenancy.Session) -> DocumentOut: ...
"""

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Final, Literal, TypeAlias

from tenantkit.exceptions import DependencyMissing, TenantKitError

try:
    from fastapi import Depends, FastAPI, Request, Response, routing
    from fastapi.requests import HTTPConnection
    from fastapi.routing import APIRoute
except ImportError as error:
    raise DependencyMissing(
        "tenantkit.adapters.fastapi needs FastAPI: pip install 'tenantkit[fastapi]'."
    ) from error

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from tenantkit.adapters.asgi import ERROR_KEY, SEAT_KEY, TenancyMiddleware
from tenantkit.adapters.problems import MEDIA_TYPE, PROBLEM_SCHEMA, problem_of
from tenantkit.core.scope import Scope, current
from tenantkit.isolation import ScopedSession
from tenantkit.kit import TenantKit
from tenantkit.quotas import check_units

__all__ = ["AsyncSessionDep", "ScopeDep", "SessionDep", "Tenancy"]


async def _scope() -> Scope:
    return current()


async def _session(request: HTTPConnection) -> ScopedSession:
    kit: TenantKit = request.state.tenantkit
    session = kit.session()
    is_lasting = request.scope["type"] == "websocket"
    if not is_lasting and not session.in_transaction():  # who waits must not hold a connection
        await request.scope[SEAT_KEY].take()
    return session


async def _async_session(request: HTTPConnection) -> AsyncSession:
    kit: TenantKit = request.state.tenantkit
    return kit.async_session()


ScopeDep = Annotated[Scope, Depends(_scope)]
SessionDep = Annotated[ScopedSession, Depends(_session)]
AsyncSessionDep = Annotated[AsyncSession, Depends(_async_session)]

_SCHEME: Final = "tenantkit"
_ANSWERS: Final = {
    400: "The tenant of the request could not be settled.",
    401: "No access token, or one that does not verify.",
    402: "The plan's limit is reached; usage, limit and an upgrade link are given.",
    403: "A permission is missing and named, or the token is of another tenant.",
    404: "There is no such resource for this tenant.",
}


class _Requires:
    """The dependency that checks a permission."""

    status = 403

    def __init__(self, permission: str) -> None:
        self.permission = permission

    async def __call__(self, request: HTTPConnection) -> None:
        kit: TenantKit = request.state.tenantkit
        kit.roles.require(current(), self.permission)


class _Consumes:
    """The dependency that counts units in the request's transaction."""

    status = 402

    def __init__(self, meter: str, units: int) -> None:
        self.meter, self.units = meter, units


class _ConsumesInThread(_Consumes):
    async def __call__(self, request: HTTPConnection) -> None:
        kit: TenantKit = request.state.tenantkit
        await _session(request)
        await anyio.to_thread.run_sync(kit.quotas.consume, self.meter, self.units)


class _ConsumesInLoop(_Consumes):
    async def __call__(self, request: HTTPConnection) -> None:
        kit: TenantKit = request.state.tenantkit
        await kit.quotas.aconsume(self.meter, self.units)


class Tenancy:
    """
    Runs a FastAPI application in the scope of each request's tenant.

    Adds the middleware, the handler that turns errors into problem answers, and the documents of both. The request's
    session is committed before the answer is sent, and rolled back where the answer is an error.

    Args:
        app: the application.
        kit: the kit.
        public: paths that need no tenant, beside the documentation's; compared exactly.
        sessions: which kind of session a request works with; one request has one transaction.

    .. versionadded:: 0.1
    """

    Scope: TypeAlias = ScopeDep
    Session: TypeAlias = SessionDep
    AsyncSession: TypeAlias = AsyncSessionDep

    def __init__(
        self,
        app: FastAPI,
        kit: TenantKit,
        *,
        public: Collection[str] = (),
        sessions: Literal["sync", "async"] = "sync",
    ) -> None:
        self._kit = kit
        self._consumes = _ConsumesInThread if sessions == "sync" else _ConsumesInLoop
        documents = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
        self._public = frozenset(public) | {path for path in documents if path}
        app.add_middleware(TenancyMiddleware, kit=kit, public=self._public)
        app.add_exception_handler(TenantKitError, _answer)
        self._document(app)

    def requires(self, permission: str) -> Any:
        """
        Return a dependency that refuses with 403 unless the actor's roles grant a permission.

        Raises:
            ConfigurationError: the permission is not declared in the matrix.
        """
        self._kit.roles.check_declared(permission)
        return Depends(_Requires(permission))

    def consumes(self, meter: str, units: int = 1) -> Any:
        """
        Return a dependency that counts units, and refuses with 402 at the plan's limit.

        The units are counted in the request's transaction: a request that fails counts nothing.

        Raises:
            ConfigurationError: the meter is unknown, or the units are no whole number from 1 up.
        """
        check_units(units)
        self._kit.plans.check_meter(meter)
        return Depends(self._consumes(meter, units))

    def _document(self, app: FastAPI) -> None:
        """Let the OpenAPI document show the security scheme and every problem answer."""
        generate = app.openapi

        def openapi() -> dict[str, Any]:
            if not app.openapi_schema:
                self._describe(app, generate())
            return app.openapi_schema or {}

        app.openapi = openapi  # type: ignore[method-assign]  # the documented way to extend it

    def _describe(self, app: FastAPI, schema: dict[str, Any]) -> None:
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        components.setdefault("securitySchemes", {})[_SCHEME] = {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
        }
        for route in _api_routes(app):
            if route.path_format in self._public:
                continue
            for method in route.methods or ():
                operation = schema["paths"].get(route.path_format, {}).get(method.lower())
                if operation is not None:
                    operation["security"] = [{_SCHEME: []}]
                    operation["responses"] = _responses(route) | operation["responses"]  # the host's own stay


async def _answer(request: Request, error: Exception) -> Response:
    if not isinstance(
        error, TenantKitError
    ):  # FastAPI's handlers take any exception; this one is registered for ours
        raise error
    request.scope[ERROR_KEY] = error
    problem = problem_of(error)
    return Response(problem.body, status_code=problem.status, headers=dict(problem.headers))


def _api_routes(app: FastAPI) -> Iterator[Any]:
    """Yield the API routes, those of included routers too, which newer FastAPI keeps nested."""
    walk = getattr(routing, "iter_route_contexts", iter)
    for route in walk(app.routes):
        if isinstance(getattr(route, "original_route", route), APIRoute):
            yield route


def _responses(route: Any) -> dict[str, Any]:
    statuses = {400, 401, 403} | {dependency.status for dependency in _own_dependencies(route.dependant)}
    if route.dependant.path_params:
        statuses.add(404)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": _ANSWERS[status], "content": content} for status in sorted(statuses)}


def _own_dependencies(dependant: Any) -> Iterator[_Requires | _Consumes]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, _Requires | _Consumes):
            yield inner.call
        yield from _own_dependencies(inner)
