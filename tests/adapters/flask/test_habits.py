"""Flask's own habits: factories, blueprints, async views, commands, the test client, errors of its own."""

import asyncio

import pytest
from flask import Blueprint, Flask, Response, current_app, g, jsonify, request, session, stream_with_context
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import select

from tenantkit.adapters.flask import Tenancy
from tenantkit.core.scope import current_or_none
from tenantkit.exceptions import ConfigurationError, RowNotFound, TenantKitError
from tenantkit.kit import Trust
from tenantkit.resolution import Host, agree, first
from tenantkit.resolution import Session as SessionValue
from tests.integration.office import Document, central_events


@pytest.fixture
def app(kit):
    """An application with tenancy; nothing is served."""
    made = Flask("habits")
    made.extensions["tenancy"] = Tenancy(made, kit, public=["/about"], central=["/me"], optional=["/welcome"])
    return made


@pytest.fixture
def tenancy(app):
    """Its tenancy."""
    return app.extensions["tenancy"]


@pytest.fixture
def headers(kit, acme):
    """What a writer of acme sends."""
    return {"Authorization": f"Bearer {kit.tokens.issue('writer', acme)}"}


def test_the_test_client(app, tenancy, headers):
    """The framework's own client sees scope and session, with and without a preserved context."""
    app.get("/who")(lambda: tenancy.scope.tenant.slug)
    assert "acme" == app.test_client().get("/who", headers=headers).text
    with app.test_client() as client:
        assert "acme" == client.get("/who", headers=headers).text
        assert "/who" == request.path
        assert current_or_none() is None
    assert 401 == app.test_client().get("/who").status_code


def test_a_factory_and_two_applications(kit, acme):
    """One extension may be made before its applications, and serve several."""
    tenancy = Tenancy()
    blueprint = Blueprint("documents", __name__)

    @blueprint.get("/documents")
    @tenancy.requires("documents:read")
    def documents():
        return jsonify(list(tenancy.session.scalars(select(Document.name))))

    for _ in range(2):
        app = Flask("made")
        app.register_blueprint(blueprint)
        tenancy.init_app(app, kit)
        headers = {"Authorization": f"Bearer {kit.tokens.issue('reader', acme)}"}
        assert [] == app.test_client().get("/documents", headers=headers).json


def test_a_guard_of_a_whole_blueprint(app, tenancy, headers, kit, acme):
    """What stands before a blueprint is asked for each of its views, and for no other."""
    blueprint = Blueprint("writing", __name__, url_prefix="/writing")
    blueprint.before_request(tenancy.requires("documents:write").check)
    blueprint.get("/")(lambda: "written")
    app.register_blueprint(blueprint)
    app.get("/reading")(lambda: "read")
    reader = {"Authorization": f"Bearer {kit.tokens.issue('reader', acme)}"}
    client = app.test_client()
    assert (200, 403) == tuple(client.get("/writing/", headers=who).status_code for who in (headers, reader))
    assert 200 == client.get("/reading", headers=reader).status_code


def test_an_async_view(app, tenancy, headers, documents):
    """An async view is in scope, and may be guarded; its session is committed."""

    @app.post("/later")
    @tenancy.requires("documents:write")
    async def later():
        name = await asyncio.to_thread(lambda: tenancy.scope.tenant.slug)
        tenancy.session.add(Document(name=name))
        return "", 201

    assert 201 == app.test_client().post("/later", headers=headers).status_code
    assert 1 == documents()


def test_a_stream_with_the_request(app, tenancy, headers):
    """`stream_with_context` and the scope are there together while the body is made."""

    @app.get("/stream")
    def stream():
        def body():
            yield f"{request.path} {tenancy.scope.tenant.slug}"

        return Response(stream_with_context(body()))

    assert "/stream acme" == app.test_client().get("/stream", headers=headers).text


def test_what_the_application_keeps(app, tenancy, headers):
    """`g` and teardown are as they were."""
    seen = []

    @app.get("/kept")
    def kept():
        g.kept = tenancy.scope.tenant.slug
        return g.kept

    app.teardown_request(lambda error: seen.append((g.get("kept"), error)))
    assert "acme" == app.test_client().get("/kept", headers=headers).text
    assert [("acme", None)] == seen


def test_a_handler_of_ones_own(app, tenancy, headers, documents):
    """A host may answer an error of tenantkit otherwise; the request is undone by the status it gives."""

    @app.errorhandler(RowNotFound)
    def not_here(error):
        return f"not here: {error.message}", 410

    @app.post("/gone")
    def gone():
        tenancy.session.add(Document(name="gone"))
        tenancy.session.flush()
        raise RowNotFound("There is none.")

    answer = app.test_client().post("/gone", headers=headers)
    assert (410, "not here: There is none.") == (answer.status_code, answer.text)
    assert 0 == documents()


def test_an_error_that_the_client_sees(app, tenancy, headers, documents):
    """Where errors are propagated, as in tests, the request is undone all the same."""
    app.testing = True

    @app.post("/boom")
    def boom():
        tenancy.session.add(Document(name="boom"))
        tenancy.session.flush()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        app.test_client().post("/boom", headers=headers)
    assert 0 == documents()


def test_actors(app, tenancy, headers):
    """The actor is known in a scope and on central paths, and nobody elsewhere."""
    for path in ("/me", "/about", "/welcome", "/in-scope"):
        app.add_url_rule(path, path, lambda: {"actor": tenancy.actor and tenancy.actor.id})
    client = app.test_client()
    told = {
        path: client.get(path, headers=headers).json["actor"]
        for path in ("/me", "/about", "/welcome", "/in-scope")
    }
    assert {"/me": "writer", "/about": None, "/welcome": "writer", "/in-scope": "writer"} == told
    assert client.get("/welcome").json["actor"] is None


@pytest.mark.parametrize(
    "asked",
    [
        lambda tenancy: tenancy.requires("documents:burn"),
        lambda tenancy: tenancy.consumes("fire"),
        lambda tenancy: tenancy.consumes("documents", 0),
        lambda tenancy: tenancy.owns(Document, by="author", key="document_id"),
        lambda tenancy: tenancy.owns(Document, by="name", key="document_id", unless="documents:burn"),
    ],
)
def test_what_the_kit_does_not_know(kit, asked):
    """It is an error at start: where it is asked for, or when the kit comes."""
    with pytest.raises(ConfigurationError):
        asked(Tenancy(kit=kit))
    tenancy = Tenancy()
    with pytest.raises(ConfigurationError):  # noqa: PT012 - one of the two
        asked(tenancy)
        tenancy.init_app(Flask("late"), kit)


def test_set_up_wrongly(kit, app, tenancy):
    """No kit, and tenancy twice, are errors that say what to do."""
    with pytest.raises(ConfigurationError, match="needs a kit"):
        Tenancy(Flask("no kit"))
    with pytest.raises(ConfigurationError, match="already"):
        tenancy.init_app(app)


def test_a_response_that_nobody_closes(app, tenancy, headers, kit, documents):
    """Flask's client closes no response by itself: when it is gone, so is what the request held."""

    @app.get("/stream")
    def stream():
        def body():
            tenancy.session.add(Document(name="streamed"))
            tenancy.session.flush()
            yield "one"

        return Response(stream_with_context(body()))

    client = app.test_client()
    answer = client.get("/stream", headers=headers)
    assert 1 == kit.engine.pool.checkedout()
    del answer
    assert (0, 0) == (kit.engine.pool.checkedout(), documents())
    with client.get("/stream", headers=headers) as answer:
        assert "one" == answer.text
    assert (0, 1) == (kit.engine.pool.checkedout(), documents())


def test_an_async_session(app, kit, headers):
    """A WSGI application cannot wait for an async session: it is told so, and nothing is left."""

    @app.get("/async")
    def wrong():
        kit.async_session()
        return ""

    answer = app.test_client().get("/async", headers=headers)
    assert (500, "urn:tenantkit:problem:misconfigured") == (answer.status_code, answer.json["type"])


def test_the_commands(app, kit, acme):
    """Tenants and members are made, tokens issued, the database examined; what fails says why, without a trace."""
    run = app.test_cli_runner().invoke
    assert "All tables are there." in run(args=["tenantkit", "create-tables"]).output
    assert (
        "'wind'"
        in run(args=["tenantkit", "create-tenant", "wind", "--name", "Wind", "--plan", "trial"]).output
    )
    assert (
        "as reader, writer" in run(args=["tenantkit", "add-member", "wind", "w", "writer", "reader"]).output
    )
    token = run(args=["tenantkit", "issue-token", "wind", "w"]).output.strip()
    assert "w" == kit.tokens.verify(token).user_id
    assert "errors" in run(args=["tenantkit", "doctor"]).output
    assert "Deleted 0 logins" in run(args=["tenantkit", "prune-tokens"]).output
    for arguments, why in (
        (["create-tenant", "wind"], "Another tenant has this slug"),
        (["create-tenant", "a b"], "slug"),
        (["add-member", "wind", "w", "reader"], "already"),
        (["add-member", "wind", "v", "king"], "king"),
        (["issue-token", "nobody", "w"], "nobody"),
    ):
        done = run(args=["tenantkit", *arguments])
        assert (1, True) == (done.exit_code, why in done.output), arguments
        assert "Traceback" not in done.output


def test_outside_of_a_request(app, tenancy):
    """There is no scope in a shell or a command, and the message says how to enter one."""
    with app.app_context(), pytest.raises(TenantKitError, match=r"kit\.scope"):
        _ = tenancy.session


def test_the_session_names_user_and_tenant(kit, acme, bolt, monkeypatch):
    """A browser that signed in by Flask's session goes from tenant to tenant by what the application puts into it."""

    def recognize(view):
        user = (view.session() or {}).get("user")
        return None if user is None else {"sub": user}

    monkeypatch.setattr(kit, "trust", Trust(recognize=recognize))
    monkeypatch.setattr(kit, "resolve", agree(SessionValue("tenant")))
    app = Flask("browser")
    app.secret_key = "of the test"
    tenancy = Tenancy(app, kit, public=["/choose/*"])

    @app.get("/choose/<slug>")
    def choose(slug):
        session.update(user="writer", tenant=slug)
        return "chosen"

    @app.get("/who")
    def who():
        return jsonify([tenancy.scope.tenant.slug, tenancy.actor.id, session["user"]])

    client = app.test_client()
    assert 401 == client.get("/who").status_code
    for slug in ("acme", "bolt"):
        client.get(f"/choose/{slug}")
        answer = client.get("/who")
        assert [slug, "writer", "writer"] == answer.json
        assert "Cookie" in answer.headers.getlist("vary")
    client.set_cookie("session", "forged.of.somebody")
    assert 401 == client.get("/who").status_code


def test_a_store_of_sessions_asks_the_application(kit, acme, monkeypatch):
    """It may use the current application, and is asked once for a request, beside Flask's own asking."""

    class Stored(SecureCookieSessionInterface):
        asked = 0

        def open_session(self, app, request):
            assert current_app.name == app.name
            Stored.asked += 1
            return super().open_session(app, request)

    monkeypatch.setattr(
        kit,
        "trust",
        Trust(recognize=lambda view: {"sub": "writer", "seen": [view.session(), view.session()]}),
    )
    monkeypatch.setattr(kit, "resolve", first(Host("{tenant}.localhost")))
    app = Flask("stored")
    app.secret_key, app.session_interface = "of the test", Stored()
    Tenancy(app, kit, optional=["/"])
    app.get("/")(lambda: "here")
    assert "here" == app.test_client().get("/", headers={"Host": "acme.localhost"}).text
    assert 2 == Stored.asked


def test_a_broken_store_of_sessions(kit, acme, monkeypatch, caplog):
    """Its error is recorded as any other, and the request ends."""

    class Broken(SecureCookieSessionInterface):
        def open_session(self, app, request):
            raise ConnectionError("the store is away")

    monkeypatch.setattr(kit, "trust", Trust(recognize=lambda view: view.session()))
    app = Flask("broken")
    app.session_interface = Broken()
    Tenancy(app, kit)
    with caplog.at_level("INFO", "tenantkit.requests"), pytest.raises(ConnectionError):
        app.test_client().get("/")
    assert [500] == [record.status for record in caplog.records if record.name == "tenantkit.requests"]
    (event,) = central_events(kit, "request.failed")
    assert "ConnectionError" == event.details["error"]
