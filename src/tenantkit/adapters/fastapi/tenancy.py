"""Tenancy as an object that a FastAPI application is given."""

from collections.abc import Collection
from typing import Any, Literal, TypeAlias

from fastapi import Depends, FastAPI, Request, Response

from tenantkit.adapters.asgi import EXCHANGE_KEY, TenancyMiddleware
from tenantkit.adapters.fastapi import dependencies
from tenantkit.adapters.fastapi.documents import document
from tenantkit.adapters.paths import Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.exceptions import TenantKitError
from tenantkit.kit import TenantKit
from tenantkit.quotas import check_units
from tenantkit.rbac import Ownership

__all__ = ["Tenancy"]


class Tenancy:
    """
    Runs a FastAPI application in the scope of each request's tenant.

    Adds the middleware, the handler that turns errors into problem answers, and the documents of both. The request's
    session is committed before the answer is sent, and rolled back where the answer is an error.

    Args:
        app: the application.
        kit: the kit.
        public: paths that need no token, beside the documentation's; see :class:`~tenantkit.adapters.paths.Paths`.
        central: paths that need a token and have no tenant.
        optional: paths that are in a scope where there is a token.
        health: below it, ``/live`` and ``/ready`` answer the probes of an orchestrator.
        sessions: which kind of session a request works with; one request has one transaction.

    .. versionadded:: 0.1
    """

    Actor: TypeAlias = dependencies.ActorDep
    Scope: TypeAlias = dependencies.ScopeDep
    Session: TypeAlias = dependencies.SessionDep
    AsyncSession: TypeAlias = dependencies.AsyncSessionDep

    def __init__(
        self,
        app: FastAPI,
        kit: TenantKit,
        *,
        public: Collection[str] = (),
        central: Collection[str] = (),
        optional: Collection[str] = (),
        health: str | None = None,
        sessions: Literal["sync", "async"] = "sync",
    ) -> None:
        self._kit = kit
        is_sync = sessions == "sync"
        self._consumes = dependencies.ConsumesInThread if is_sync else dependencies.ConsumesInLoop
        self._owns = dependencies.OwnsInThread if is_sync else dependencies.OwnsInLoop
        documents = (app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url)
        paths = Paths(
            public=[*public, *filter(None, documents)], central=central, optional=optional, health=health
        )
        app.add_middleware(TenancyMiddleware, kit=kit, paths=paths)
        app.add_exception_handler(TenantKitError, _answer)
        document(app, kit, paths)

    def requires(self, permission: str) -> Any:
        """
        Return a dependency that refuses with 403 unless the actor's roles grant a permission.

        Raises:
            ConfigurationError: the permission is not declared in the matrix.
        """
        self._kit.roles.check_declared(permission)
        return Depends(dependencies.Requires(permission))

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

    def owns(self, model: type[Any], *, by: str, key: str, unless: str | None = None) -> Any:
        """
        Return a dependency that refuses with 403 unless the row that the path names is the actor's.

        A row that the tenant does not have is a 404. The session knows the row from then on: ``session.get`` of it
        costs nothing more.

        Args:
            model: the class of the row.
            by: its attribute that holds the owner's user id.
            key: the path parameter that holds the primary key.
            unless: a permission that stands in for owning.

        Raises:
            ConfigurationError: the class has no such attribute, or the permission is not declared.
        """
        if unless is not None:
            self._kit.roles.check_declared(unless)
        return Depends(self._owns(Ownership(model, by, unless), key))

    def requires_workspace(self) -> Any:
        """Return a dependency that refuses with 400 unless the token names a workspace."""
        return Depends(dependencies.RequiresWorkspace())


async def _answer(request: Request, error: Exception) -> Response:
    if not isinstance(
        error, TenantKitError
    ):  # FastAPI's handlers take any exception; this one is registered for ours
        raise error
    request.scope[EXCHANGE_KEY].error = error
    problem = problem_of(error)
    return Response(problem.body, status_code=problem.status, headers=dict(problem.headers))
