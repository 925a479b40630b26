"""Tenancy as an extension of Flask."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from flask import Flask, Response, current_app, got_request_exception, request

from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.flask.commands import make_commands
from tenantkit.adapters.flask.guards import Guard
from tenantkit.adapters.guards import Guards
from tenantkit.adapters.paths import Paths
from tenantkit.adapters.problems import problem_of
from tenantkit.adapters.wsgi import EXCHANGE_KEY, TenancyMiddleware
from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope, current
from tenantkit.exceptions import ConfigurationError, TenantKitError
from tenantkit.isolation import ScopedSession, UnscopedSession
from tenantkit.kit import AuthZen, TenantKit
from tenantkit.rbac import Ownership

__all__ = ["Tenancy"]

_EXTENSION: Final = "tenantkit"


class Tenancy(Guards[Guard]):
    """
    Runs a Flask application in the scope of each request's tenant.

    Adds the WSGI middleware, the handler that turns errors into problem answers, and the commands of ``flask
    tenantkit``. The request's session is committed before the answer is sent, and rolled back where the answer is an
    error. One object may serve several applications, each with a kit of its own; what its guards need is asked of each
    when it comes, by :meth:`init_app`.

    Args:
        app: the application; or give it to :meth:`init_app`.
        kit: the kit; or give it to :meth:`init_app`.
        public: paths that need no token; see :class:`~tenantkit.adapters.paths.Paths`.
        central: paths that need a token and have no tenant.
        optional: paths that are in a scope where there is a token.
        health: below it, ``/live`` and ``/ready`` answer the probes of an orchestrator.
        context: the path where a front end asks who its user is and what they may do, such as ``/user/context``.
        authzen: what is decided for others who ask, below ``/access/v1``.

    Raises:
        ConfigurationError: there is an application and no kit.

    .. versionadded:: 0.1
    """

    def __init__(  # noqa: PLR0913 - where everything is declared, by keyword
        self,
        app: Flask | None = None,
        kit: TenantKit | None = None,
        *,
        public: Collection[str] = (),
        central: Collection[str] = (),
        optional: Collection[str] = (),
        health: str | None = None,
        context: str | None = None,
        authzen: AuthZen | None = None,
    ) -> None:
        self._paths = Paths(
            public=public, central=central, optional=optional, health=health, context=context, authzen=authzen
        )
        self._kit = kit
        self._asked: list[Callable[[TenantKit], object]] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, kit: TenantKit | None = None) -> None:
        """
        Run an application in the scope of each request's tenant.

        Args:
            app: the application; one that is mounted in another needs this, too.
            kit: its kit, where it is not the one that the extension was made with.

        Raises:
            ConfigurationError: there is no kit, the application has one already, or a view asks for a permission or
                meter that the kit does not know.
        """
        kit = kit or self._kit
        if kit is None:
            raise ConfigurationError("Tenancy needs a kit: Tenancy(app, kit), or tenancy.init_app(app, kit).")
        if _EXTENSION in app.extensions:
            raise ConfigurationError(f"The application {app.name!r} has tenancy already. Call init_app once.")
        for is_known in self._asked:
            is_known(kit)
        self._kit = self._kit or kit
        app.extensions[_EXTENSION] = kit
        app.wsgi_app = TenancyMiddleware(app.wsgi_app, kit, self._paths, session=partial(_session, app))  # type: ignore[method-assign]  # as Flask says
        app.register_error_handler(TenantKitError, _answer)
        app.before_request(_tell_route)
        got_request_exception.connect(_remember_error, app)
        app.cli.add_command(make_commands(kit))

    @property
    def session(self) -> ScopedSession:
        """The request's session, which is committed before the answer is sent."""
        return _kit().session()

    @property
    def scope(self) -> Scope:
        """The request's scope."""
        return current()

    @property
    def actor(self) -> Actor | None:
        """Who asks, also on central paths; None where nobody is known."""
        return _exchange().actor

    @contextmanager
    def unscoped_session(self) -> Iterator[UnscopedSession]:
        """Open a session over the rows of all tenants, for the support; see :meth:`Exchange.unscoped_session`."""
        with _exchange().unscoped_session() as session:
            yield session

    def _check(self, is_known: Callable[[TenantKit], object]) -> None:
        """Let each kit be asked: now, or when it comes, by :meth:`init_app`."""
        if self._kit is not None:
            is_known(self._kit)
        self._asked.append(is_known)

    def _asks(self, question: Callable[[TenantKit], object], status: int) -> Guard:  # noqa: ARG002 - nothing is documented
        return Guard(lambda: question(_kit()))

    def _consumes(self, meter: str, units: int) -> Guard:
        return Guard(lambda: _kit().quotas.consume(meter, units))

    def _owns(self, model: type[Any], by: str, key: str, unless: str | None) -> Guard:
        ownership = Ownership(model, by, unless)
        return Guard(lambda: _kit().require_owner(ownership, str((request.view_args or {})[key])))


def _session(app: Flask, environ: dict[str, Any]) -> Mapping[str, Any] | None:
    """Return the session as Flask will open it once more for the view."""
    with app.app_context():  # a session interface may ask for the current application, or for its database
        return app.session_interface.open_session(app, app.request_class(environ))


def _kit() -> TenantKit:
    kit: TenantKit = current_app.extensions[_EXTENSION]
    return kit


def _exchange() -> Exchange:
    exchange: Exchange = request.environ[EXCHANGE_KEY]
    return exchange


def _answer(error: Exception) -> Response:
    if not isinstance(error, TenantKitError):  # Flask's handlers take any; this one is registered for ours
        raise error
    _exchange().error = error
    problem = problem_of(error)
    return Response(problem.body, status=problem.status, headers=list(problem.headers))


def _tell_route() -> None:
    if request.url_rule is not None and EXCHANGE_KEY in request.environ:
        _exchange().route = f"{request.root_path.rstrip('/')}{request.url_rule.rule}"


def _remember_error(_sender: Flask, exception: Exception, **_further: Any) -> None:
    if EXCHANGE_KEY in request.environ:
        _exchange().error = exception
