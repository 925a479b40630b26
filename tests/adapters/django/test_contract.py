"""The contract of adapters, held to by Django's: under WSGI and ASGI, with sync and async views."""

import gc
import logging
import re
import warnings
from contextlib import ExitStack
from inspect import iscoroutinefunction
from types import ModuleType
from typing import ClassVar

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import include, path
from sqlalchemy import make_url

from tenantkit.adapters.django import tenancy
from tenantkit.testing.contracts import AdapterContract
from tenantkit.testing.contracts.adapter import SECRET
from tenantkit.testing.contracts.application import (
    MOUNTED,
    PATHS,
    ROUTES,
    Base,
    FrameworkError,
    checks,
    parts,
    write,
)
from tenantkit.testing.services.model import Login
from tests.adapters.django import project

# under ASGI each request that is served has a thread and a connection, of which a server has not so many
POOLED = {"pool": {"min_size": 1, "max_size": 8}}


def rule(path):
    """Return a path as Django spells it; methods share one pattern, whatever they call its parameter."""
    return re.sub(r"{\w+}", "<str:key>", path.removeprefix("/"))


def answered(reply):
    """Return the framework's answer."""
    return JsonResponse(reply.content, status=reply.status, safe=False)


def sync_view(route):
    """Return a view of a route of the contract's application."""

    def view(request, **given):
        try:
            if route.unscoped:
                with tenancy.unscoped_session(request) as session:
                    reply = route.work(tenancy.kit, session)
            else:
                reply = (
                    route.work() if route.sessionless else route.work(tenancy.kit, tenancy.session, **given)
                )
        except FrameworkError as error:
            return HttpResponse(status=error.status)
        if route.path == "/organizations":
            reply.content["actor"] = tenancy.actor(request).id
        return answered(reply)

    return guarded(view, route)


def async_view(route):
    """Return the same, for an event loop; a session over all tenants works in a thread."""

    async def view(request, **given):
        if route.unscoped:
            return await sync_to_async(sync_view(route))(request)
        try:
            if route.sessionless:
                reply = route.work()
            else:
                reply = await tenancy.kit.async_session().run_sync(
                    lambda session: route.work(tenancy.kit, session, **given)
                )
        except FrameworkError as error:
            return HttpResponse(status=error.status)
        if route.path == "/organizations":
            reply.content["actor"] = tenancy.actor(request).id
        return answered(reply)

    return guarded(view, route)


def guarded(view, route):
    """Put a route's guards before a view."""
    for guard in reversed(checks(tenancy, route)):
        view = guard(view)
    return view


def by_method(views):
    """Return one view for several methods of a path, each with its name of the parameter."""

    def named(request, given):
        return dict(zip(views[request.method][1], given.values(), strict=True))

    def view(request, **given):
        if request.method not in views:
            return HttpResponseNotAllowed(list(views))
        return views[request.method][0](request, **named(request, given))

    async def aview(request, **given):
        if request.method not in views:
            return HttpResponseNotAllowed(list(views))
        return await views[request.method][0](request, **named(request, given))

    return aview if iscoroutinefunction(next(iter(views.values()))[0]) else view


def stream(request, count, ending):
    """Stream a body."""
    return StreamingHttpResponse(
        parts(lambda name: write(tenancy.session, name), count, ending), content_type="text/plain"
    )


async def astream(request, count, ending):
    """Stream a body from an event loop."""

    async def body():
        names = []
        for part in parts(names.append, count, ending):
            for name in names:
                await tenancy.kit.async_session().run_sync(write, name)
            names.clear()
            yield part

    return StreamingHttpResponse(body(), content_type="text/plain")


def urls(make_view, streaming):
    """Return the paths of the contract's application, with another one included."""

    def patterns(routes):
        grouped = {}
        for route in routes:
            names = re.findall(r"{(\w+)}", route.path)
            grouped.setdefault(rule(route.path), {})[route.method] = make_view(route), names
        return [path(spelled, by_method(views)) for spelled, views in grouped.items()]

    mounted = path("mounted/", include(patterns(MOUNTED)))
    return [*patterns(ROUTES), mounted, path("stream/<str:count>/<str:ending>", streaming)]


@pytest.fixture(scope="class", autouse=True)
def project_pointed_back(request):
    """Point the project elsewhere again, when the server has stopped."""
    with ExitStack() as stack:
        request.cls.stack = stack
        yield


@pytest.fixture(autouse=True)
def bodies_are_collected(request):
    """Let Django's files of bodies, which it does not close where a stream fails, be collected without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        if "stream" in request.node.name or "leaves" in request.node.name:
            gc.collect()


@pytest.fixture(autouse=True)
def no_requests_in_records(monkeypatch):
    """Keep Django's records, which hold requests, from pytest, which holds records."""
    monkeypatch.setattr(logging.getLogger("django.request"), "disabled", True)


class DjangoContract(AdapterContract):
    """What the three have in common."""

    template = "/documents/<str:key>"
    options: ClassVar = {}

    def make_kit(self, settings, **options):
        """Return a kit that looks on; Django makes its own."""
        self.given = settings, options
        return super().make_kit(settings, **options)

    def application(self, kit):
        """Return Django's application."""
        settings, options = self.given
        entries = [entry(settings.database_url, **self.options), entry(settings.owner_database_url)]
        tenancy_ = {
            "TOKEN_SECRET": SECRET,
            "RESOLVE": kit.resolve,
            "ROLES": kit.roles,
            "PLANS": kit.plans,
            "DIMENSIONS": kit.dimensions,
            "METADATA": [Base.metadata],
            "CHECKS": options["checks"],
            "ENGINE_OPTIONS": {"pool_size": 3, "max_overflow": 0},
            **{name.upper(): paths for name, paths in PATHS.items()},
        }
        pointer = project.Pointer(*entries, **tenancy_)
        self.stack.callback(pointer.close)
        self.stack.enter_context(pointer.pointed())
        urlconf = ModuleType("urls_of_the_contract")
        urlconf.urlpatterns = self.urls()
        middleware = [
            "django.middleware.common.CommonMiddleware",
            "tenantkit.adapters.django.middleware.TenancyMiddleware",
        ]
        self.stack.enter_context(override_settings(ROOT_URLCONF=urlconf, MIDDLEWARE=middleware))
        return self.handler()

    def serving_kit(self, kit):
        """Return the kit that Django made of its settings."""
        return tenancy.kit


def entry(secret, **options):
    """Return the entry of DATABASES for a URL."""
    url = make_url(secret.get_secret_value())
    if url.get_backend_name() == "sqlite":
        return project.database(url.database)
    login = Login(url.username, url.password or "", url.host or "", url.port, url.database)
    return project.database(login, **options)


class TestWsgi(DjangoContract):
    """On waitress."""

    interface = "wsgi"
    handler = WSGIHandler

    def urls(self):
        return urls(sync_view, stream)


class TestAsgi(DjangoContract):
    """On uvicorn, with views that run in threads; it differs from the others in what is not the database's."""

    databases = ("sqlite",)
    handler = ASGIHandler
    options: ClassVar = POOLED

    def urls(self):
        return urls(sync_view, astream)


class TestAsync(DjangoContract):
    """On uvicorn, with views that run on the loop; their connections are what differs, so it is PostgreSQL."""

    databases = ("postgresql",)
    handler = ASGIHandler
    options: ClassVar = POOLED

    def urls(self):
        return urls(async_view, astream)
