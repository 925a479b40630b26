"""Applications that are put together in other ways."""

import json
import sqlite3
from dataclasses import replace

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from sqlalchemy import event
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount, Route

from tenantkit import Scope, current
from tenantkit.adapters.asgi import TenancyMiddleware
from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.adapters.heads import asgi_head
from tenantkit.adapters.paths import Paths
from tenantkit.core.scope import current_or_none, enter
from tenantkit.exceptions import ConfigurationError, PermissionDenied, TenantMoved, TenantRequired
from tenantkit.kit import Trust
from tenantkit.resolution import Host, PathPrefix, agree, first
from tenantkit.resolution import Named as NamedTenant
from tenantkit.resolution import Session as SessionValue
from tests.adapters.asgi.service import call
from tests.integration.office import central_events

only_sync = pytest.mark.parametrize("desk", ["sync"], indirect=True)
only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


async def plain(_request):
    """Answer with the tenant in scope."""
    scope = current_or_none()
    return PlainTextResponse(scope.tenant.slug if scope else "nobody")


@only_sync
def test_the_middleware_alone(desk):
    """The middleware works around any ASGI application, whose refusals are problem answers as well."""
    desk.app = TenancyMiddleware(Starlette(routes=[Route("/", plain)]), desk.kit)
    assert b"acme" == desk.ask("GET", "/").body
    assert 401 == desk.raw("GET", "/", []).status


@only_sync
def test_public_paths_are_compared_exactly(desk):
    """A public path needs no tenant and has none; nothing like it is public."""
    desk.app = TenancyMiddleware(
        Starlette(routes=[Route("/{rest:path}", plain)]), desk.kit, Paths(public=["/health"])
    )
    assert b"nobody" == desk.raw("GET", "/health", []).body
    assert b"nobody" == desk.ask("GET", "/health").body
    for path in ("/health/", "/Health", "//health", "/health/../x", "/healthy", "/health;x", "/", ""):
        assert 401 == desk.raw("GET", path, []).status, path


@only_sync
def test_other_messages_pass_by(desk):
    """What is neither a request nor a websocket goes to the application as it is."""
    seen = []

    async def app(scope, _receive, _send):
        seen.append((scope["type"], current_or_none()))

    async def start():
        await TenancyMiddleware(app, desk.kit)({"type": "lifespan"}, None, None)

    desk.portal.call(start)
    assert [("lifespan", None)] == seen


def app_with(desk):
    """Return a new FastAPI application of the desk's kit."""
    desk.app = FastAPI()
    return desk.app, Tenancy(desk.app, desk.kit, public=["/open"], sessions=desk.sessions)


def test_routers_and_their_dependencies(desk):
    """A dependency of a router holds for its routes, and the scope is there in mounted applications."""
    app, tenancy = app_with(desk)
    router = APIRouter(prefix="/files", dependencies=[tenancy.requires("documents:write")])
    router.get("/mine")(lambda: current().tenant.slug)
    app.include_router(router)
    app.mount("/old", Starlette(routes=[Mount("/deep", routes=[Route("/mine", plain)])]))
    assert b'"acme"' == desk.ask("GET", "/files/mine").body
    assert 403 == desk.ask("GET", "/files/mine", user="reader").status
    assert b"bolt" == desk.ask("GET", "/old/deep/mine", "bolt").body


def test_the_scope_as_a_dependency(desk):
    """A handler can be given the scope: tenant, actor, roles and facts of the request."""
    app, _ = app_with(desk)

    @app.get("/me")
    def me(scope: Tenancy.Scope) -> list[str | None]:
        return [
            scope.tenant.slug,
            scope.actor.id,
            *scope.roles,
            scope.request.request_id,
            scope.request.client,
        ]

    headers = [*desk.credentials(), (b"x-request-id", b"r-1")]
    assert ["acme", "writer", "writer", "r-1", "192.0.2.7"] == json.loads(
        desk.raw("GET", "/me", headers).body
    )


def test_an_undeclared_permission(desk):
    """A misspelt permission is an error where the route is declared."""
    _, tenancy = app_with(desk)
    with pytest.raises(ConfigurationError, match="'documents:wrte' is not declared"):
        tenancy.requires("documents:wrte")


@pytest.mark.parametrize("units", [0, -1, 1.5, True, "1"], ids=repr)
@only_sync
@only_sqlite
def test_units_that_cannot_be_counted(desk, units):
    """Units that are no whole number from 1 up are an error where the route is declared, not at its first request."""
    _, tenancy = app_with(desk)
    with pytest.raises(ConfigurationError):
        tenancy.consumes("documents", units)


@only_sync
@only_sqlite
def test_a_meter_that_nobody_named(desk):
    """A misspelt meter is an error where the route is declared, and never a missing limit."""
    _, tenancy = app_with(desk)
    with pytest.raises(ConfigurationError, match="no meter 'documnets'"):
        tenancy.consumes("documnets")


def test_a_public_path_is_in_no_scope(desk):
    """A server that hands a connection's context on from one request to the next hands on no scope to a public path."""
    app, _ = app_with(desk)
    app.get("/open")(lambda: {"scope": None if current_or_none() is None else "somebody's"})

    async def send():
        with enter(Scope(desk.tenants["acme"])):
            return await call(app, "GET", "/open")

    assert {"scope": None} == json.loads(desk.portal.call(send).body)


def test_an_error_of_ones_own(desk):
    """An error of the library that a handler raises is answered by the same table."""
    app, _ = app_with(desk)

    @app.get("/denied")
    async def denied() -> None:
        raise PermissionDenied("Not on Sundays.", permission="sundays:work")

    answer = desk.ask("GET", "/denied")
    body = json.loads(answer.body)
    assert (403, "sundays:work", "Not on Sundays.") == (answer.status, body["permission"], body["detail"])


@only_sync
@only_sqlite
def test_a_session_on_a_public_path_says_what_is_wrong(desk, caplog):
    """A public path has no scope: asking for its session is refused as everywhere else, not by an AttributeError."""
    app, _ = app_with(desk)

    @app.get("/open")
    def opened(session: Tenancy.Session) -> None:
        """Never run."""

    answer = desk.raw("GET", "/open", [])
    assert 500 == answer.status
    assert not isinstance(answer.error, AttributeError)


@only_sync
@only_sqlite
def test_an_authenticated_source_without_a_token(desk):
    """A request that another source than a token authenticates has no actor: it is 401, and not an error."""

    class Proxy:
        authenticated = True

        @staticmethod
        def read(_host, _claims):
            return NamedTenant("slug", "acme", "proxy", authenticated=True)

    desk.kit.resolve = agree(Proxy())
    answer = desk.raw("GET", "/documents", [])
    assert (401, None) == (answer.status, answer.error)


@only_sync
@only_sqlite
def test_a_refusal_stands_where_it_cannot_be_recorded(desk, caplog):
    """A refused request is answered as such while the database is locked; what could not be recorded is logged."""
    impatient = "PRAGMA busy_timeout = 0"
    event.listen(desk.kit.owner_engine, "connect", lambda connection, _: connection.execute(impatient))
    desk.kit.dispose()
    locked = sqlite3.connect(desk.kit.owner_engine.url.database, isolation_level=None)
    locked.execute("BEGIN IMMEDIATE")
    answer = desk.raw("GET", "/documents", [])
    locked.close()
    assert (401, None) == (answer.status, answer.error)
    assert ["a refused request could not be recorded"] == [
        record.getMessage() for record in caplog.records if record.exc_info
    ]


@only_sync
@only_sqlite
def test_a_database_that_is_down(desk, tmp_path):
    """Where the directory cannot be asked the answer is a 5xx without a word about the database."""
    event.listen(desk.kit.owner_engine, "before_cursor_execute", _fail)
    answer = desk.ask("GET", "/documents")
    event.remove(desk.kit.owner_engine, "before_cursor_execute", _fail)
    assert 500 <= answer.status < 600
    assert b"10.0.0.1" not in answer.body


def _fail(*_):
    raise sqlite3.OperationalError("could not connect to 10.0.0.1")


def test_every_request_leaves_its_own_scope(desk):
    """An application that enters scopes by itself within a request does not disturb the request's."""
    app, _ = app_with(desk)

    @app.get("/across")
    def across() -> list[str]:
        with desk.kit.scope("bolt"):
            inner = current().tenant.slug
        return [inner, current().tenant.slug]

    assert ["bolt", "acme"] == json.loads(desk.ask("GET", "/across").body)


def test_a_sync_route_without_a_session(desk):
    """A request that never asks for a session costs no connection of the application's engine."""
    app, _ = app_with(desk)
    app.get("/nothing")(lambda: "ok")
    desk.ask("GET", "/nothing")
    assert "engine" not in vars(desk.kit)


def test_calls_in_turn_share_an_application(desk):
    """The same application serves several loops' worth of requests through one kit."""

    async def twice():
        return [(await call(desk.app, "GET", "/health")).status for _ in range(2)]

    assert [200, 200] == desk.portal.call(twice)


@only_sync
def test_the_session_of_starlette_names_the_tenant(desk, monkeypatch):
    """Its middleware stands outside of tenancy's; the cookie is signed, so that a forged one names nobody."""
    monkeypatch.setattr(desk.kit, "resolve", agree(SessionValue("tenant")))

    async def choose(request):
        request.session["tenant"] = request.path_params["slug"]
        return PlainTextResponse("chosen")

    inner = Starlette(routes=[Route("/", plain), Route("/choose/{slug}", choose)])
    tenancy = TenancyMiddleware(inner, desk.kit, Paths(public=["/choose/*"]))
    desk.app = SessionMiddleware(tenancy, secret_key="of the test")
    token = desk.credentials(host="localhost")
    for slug in ("acme", "bolt"):
        chosen = desk.raw("GET", f"/choose/{slug}", [])
        cookie = dict(chosen.headers)[b"set-cookie"].split(b";")[0]
        assert slug.encode() == desk.raw("GET", "/", [*token, (b"cookie", cookie)]).body
    for given in ([], [(b"cookie", b"session=forged")]):
        assert 400 == desk.raw("GET", "/", [*token, *given]).status


class Named(BaseUser):
    """Somebody with a name, which users choose, and no id."""

    is_authenticated, display_name = True, "writer"


class Known(Named):
    """Somebody with an id."""

    identity = "writer"


@pytest.mark.parametrize(
    ("user", "status"),
    [(Known(), 200), (Named(), 401), ({"name": "writer"}, 401)],
    ids=["known", "named", "other"],
)
@only_sync
def test_the_user_of_starlette(desk, monkeypatch, user, status):
    """Whom the framework's middleware signed in is recognized by an id, if the application says so; a name is none."""

    class Backend(AuthenticationBackend):
        async def authenticate(self, conn):
            if conn.headers.get("x-pass") != "good":
                return None
            return AuthCredentials(), user

    recognize = {"writer": {"sub": "writer"}}.get
    monkeypatch.setattr(desk.kit, "trust", Trust(recognize=lambda view: recognize(view.user() or "")))
    monkeypatch.setattr(desk.kit, "resolve", first(Host("{tenant}.localhost")))
    inner = TenancyMiddleware(Starlette(routes=[Route("/", plain)]), desk.kit)
    desk.app = AuthenticationMiddleware(inner, backend=Backend())
    host = (b"host", b"acme.localhost")
    answer = desk.raw("GET", "/", [host, (b"x-pass", b"good")])
    assert (status, b"Cookie") == (answer.status, dict(answer.headers).get(b"vary"))
    assert 401 == desk.raw("GET", "/", [host]).status


@pytest.mark.parametrize(
    ("scope", "location"),
    [
        ({"path": "/t/before/x"}, "/t/acme/x"),
        ({"path": "/app/t/before/x", "root_path": "/app"}, "/app/t/acme/x"),
        ({"path": "/t/before/x", "root_path": "/app"}, "/app/t/acme/x"),
        ({"path": "/app", "root_path": "/app"}, None),
    ],
    ids=["plain", "mounted", "taken away by a proxy", "the mount itself"],
)
@only_sync
def test_where_an_application_is_mounted(desk, monkeypatch, scope, location):
    """Patterns begin there, and a redirect leads to where the client has to go."""
    monkeypatch.setattr(desk.kit, "resolve", first(PathPrefix("/t/{tenant}")))
    with desk.kit.unscoped_session(reason="rename", actor="test") as session:
        desk.kit.directory.rename(session, desk.tenants["acme"], slug="before")
        desk.kit.directory.rename(session, replace(desk.tenants["acme"], slug="before"), slug="acme")
        session.commit()
    head = asgi_head({"headers": desk.credentials(host="localhost"), **scope})
    exchange = Exchange(desk.kit, "tenant", head)
    if location is None:
        with pytest.raises(TenantRequired):
            exchange.identify()
        return
    with pytest.raises(TenantMoved) as caught:
        exchange.identify()
    assert location == caught.value.location


@only_sync
def test_a_broken_store_of_sessions(desk, monkeypatch, caplog):
    """Its error is the server's, and is recorded as any other; the line in the log is written."""

    class Broken(dict):
        def __getattribute__(self, name):
            raise ConnectionError("the store is away")

    async def outer(scope, receive, send):
        await inner({**scope, "user": Broken()}, receive, send)

    inner = TenancyMiddleware(Starlette(routes=[Route("/", plain)]), desk.kit)
    monkeypatch.setattr(desk.kit, "trust", Trust(recognize=lambda view: {"sub": view.user()}))
    desk.app = outer
    with caplog.at_level("INFO", "tenantkit.requests"):
        desk.raw("GET", "/", [(b"host", b"acme.localhost")])
    assert [500] == [record.status for record in caplog.records if record.name == "tenantkit.requests"]
    (event,) = central_events(desk.kit, "request.failed")
    assert "ConnectionError" == event.details["error"]
