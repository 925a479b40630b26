"""The contract of adapters, held to by Flask's."""

from flask import Flask, Response, abort, jsonify, stream_with_context
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from tenantkit.adapters.flask import Tenancy
from tenantkit.testing.contracts import AdapterContract
from tenantkit.testing.contracts.application import (
    MOUNTED,
    PATHS,
    ROUTES,
    FrameworkError,
    checks,
    parts,
    write,
)


def rule(path):
    """Return a path as Flask spells it."""
    return path.replace("{", "<").replace("}", ">")


def expose(app, kit, tenancy, route):
    """Add a route of the contract's application."""

    def view(**given):
        try:
            if route.unscoped:
                with tenancy.unscoped_session() as session:
                    reply = route.work(kit, session)
            else:
                reply = route.work() if route.sessionless else route.work(kit, tenancy.session, **given)
        except FrameworkError as error:
            abort(error.status)
        if route.path == "/organizations":
            reply.content["actor"] = tenancy.actor.id
        return jsonify(reply.content), reply.status

    for guard in reversed(checks(tenancy, route)):
        view = guard(view)
    app.add_url_rule(rule(route.path), f"{route.method} {route.path}", view, methods=[route.method])


def make_app(kit):
    """Return the contract's application, with another one mounted in it."""
    app, mounted = Flask("contract"), Flask("mounted")
    tenancy = Tenancy(kit=kit, **PATHS)
    for route in ROUTES:
        expose(app, kit, tenancy, route)
    for route in MOUNTED:
        expose(mounted, kit, tenancy, route)

    @app.get("/stream/<count>/<ending>")
    def stream(count, ending):
        body = parts(lambda name: write(tenancy.session, name), count, ending)
        return Response(stream_with_context(body), mimetype="text/plain")

    tenancy.init_app(mounted)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/mounted": mounted.wsgi_app})
    tenancy.init_app(app)
    return app


class TestFlask(AdapterContract):
    """On waitress, whose threads serve one request after the other."""

    interface = "wsgi"
    template = "/documents/<name>"

    def application(self, kit):
        return make_app(kit)
