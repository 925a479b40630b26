"""Tenancy as an object that a FastAPI application is given."""

from collections.abc import Callable, Collection
from typing import Any, Literal, TypeAlias

from fastapi import Depends, FastAPI, Request, Response

from tenantkit.adapters.asgi import EXCHANGE_KEY, TenancyMiddleware
from tenantkit.adapters.fastapi import dependencies
from tenantkit.adapters.fastapi.documents import document
from tenantkit.adapters.guards import Guards
from tenantkit.adapters.paths import Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.exceptions import TenantKitError
from tenantkit.kit import AuthZen, TenantKit
from tenantkit.rbac import Ownership

__all__ = ["Tenancy"]


class Tenancy(Guards[Any]):
    """
    Runs a FastAPI application in the scope of each request's tenant.

    Adds the middleware, the handler that turns errors into problem answers, and the documents of both. The request's
    session is committed before the answer is sent, and rolled back where the answer is an error. Its guards are
    dependencies: ``dependencies=[tenancy.requires("documents:read")]``.

    Args:
        app: the application.
        kit: the kit.
        public: paths that need no token, beside the documentation's; see :class:`~tenantkit.adapters.paths.Paths`.
        central: paths that need a token and have no tenant.
        optional: paths that are in a scope where there is a token.
        health: below it, ``/live`` and ``/ready`` answer the probes of an orchestrator.
        context: the path where a front end asks who its user is and what they may do, such as ``/user/context``.
        authzen: what is decided for others who ask, below ``/access/v1``.
        sessions: which kind of session a request works with; one request has one transaction.

    .. versionadded:: 0.1
    """

    Actor: TypeAlias = dependencies.ActorDep
    Scope: TypeAlias = dependencies.ScopeDep
    Session: TypeAlias = dependencies.SessionDep
    AsyncSession: TypeAlias = dependencies.AsyncSessionDep
    UnscopedSession: TypeAlias = dependencies.UnscopedSessionDep

    def __init__(  # noqa: PLR0913 - where everything is declared, by keyword
        self,
        app: FastAPI,
        kit: TenantKit,
        *,
        public: Collection[str] = (),
        central: Collection[str] = (),
        optional: Collection[str] = (),
        health: str | None = None,
        context: str | None = None,
        authzen: AuthZen | None = None,
        sessions: Literal["sync", "async"] = "sync",
    ) -> None:
        self._kit, self._is_sync = kit, sessions == "sync"
        documents = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
        paths = Paths(
            public=[*public, *filter(None, documents)],
            central=central,
            optional=optional,
            health=health,
            context=context,
            authzen=authzen,
        )
        paths.endpoints.check(kit)  # Starlette makes its middleware at the first request
        app.add_middleware(TenancyMiddleware, kit=kit, paths=paths)
        app.add_exception_handler(TenantKitError, _answer)
        document(app, kit, paths)

    def _check(self, is_known: Callable[[TenantKit], object]) -> None:
        is_known(self._kit)

    def _asks(self, question: Callable[[TenantKit], object], status: int) -> Any:
        return Depends(dependencies.Asks(question, status))

    def _consumes(self, meter: str, units: int) -> Any:
        kind = dependencies.ConsumesInThread if self._is_sync else dependencies.ConsumesInLoop
        return Depends(kind(meter, units))

    def _owns(self, model: type[Any], by: str, key: str, unless: str | None) -> Any:
        kind = dependencies.OwnsInThread if self._is_sync else dependencies.OwnsInLoop
        return Depends(kind(Ownership(model, by, unless), key))


async def _answer(request: Request, error: Exception) -> Response:
    if not isinstance(
        error, TenantKitError
    ):  # FastAPI's handlers take any exception; this one is registered for ours
        raise error
    request.scope[EXCHANGE_KEY].error = error
    problem = problem_of(error)
    return Response(problem.body, status_code=problem.status, headers=dict(problem.headers))
