"""The applications that `bench.http` asks: one for each framework and part, and one behind fastapi-tenancy."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import django
import jwt
from django.conf import settings as django_settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command
from django.db import connection, models
from django.http import JsonResponse
from django.test import override_settings
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from sqlalchemy import select

from tenantkit import Settings, TenantKit
from tenantkit.adapters import fastapi, flask
from tenantkit.rbac import Matrix
from tenantkit.resolution import TokenClaim, agree
from tenantkit.testing.contracts.application import Document, make_kit

__all__ = ["PARTS", "SECRET", "django_sites", "fastapi_sites", "flask_sites", "kit_and_token", "peer_site"]

SECRET: Final = "a secret of the benchmark, long enough for HS256"  # noqa: S105 - of a benchmark
PARTS: Final = ("bare", "public", "identified", "required", "whole", "whole with SQL")
PUBLIC: Final = {"public": ["/"]}
GUARDED: Final = PARTS[3:]


@contextmanager
def kit_and_token() -> Iterator[tuple[TenantKit, str]]:
    """Give a kit on SQLite with one tenant and one member, and the member's token."""
    with tempfile.TemporaryDirectory() as folder:
        kit = make_kit(Settings(database_url=f"sqlite:///{Path(folder) / 'bench.db'}", token_secret=SECRET))
        kit.create_tables()
        yield kit, _member(kit)
        kit.dispose()


def _member(kit: TenantKit) -> str:
    with kit.unscoped_session(reason="set up", actor="bench") as session:
        tenant = kit.directory.create_tenant(session, "acme")
        kit.directory.add_member(session, tenant, "ann", ["reader"])
        session.commit()
    return kit.tokens.issue("ann", tenant)


def nothing(*_request: object) -> dict[str, str]:
    """Answer with a constant."""
    return {}


async def nothing_async() -> dict[str, str]:
    """Answer with a constant, on the event loop."""
    return {}


def fastapi_sites(kit: TenantKit) -> dict[str, FastAPI]:
    """Return an application of FastAPI for each part."""
    apps = {name: FastAPI() for name in PARTS}
    tenancies = {
        name: fastapi.Tenancy(app, kit, public=PUBLIC.get(name, ()))
        for name, app in apps.items()
        if name != "bare"
    }

    async def with_session(session: fastapi.Tenancy.Session) -> dict[str, str]:  # noqa: ARG001 - asked for, and not used
        return {}

    def with_row(session: fastapi.Tenancy.Session) -> dict[str, str]:
        session.execute(select(Document.id).limit(1)).all()
        return {}

    for name, app in apps.items():
        handlers: dict[str, Callable[..., Any]] = {"whole": with_session, "whole with SQL": with_row}
        guards = [tenancies[name].requires("documents:read")] if name in GUARDED else []
        app.get("/", dependencies=guards)(handlers.get(name, nothing_async))
    return apps


def peer_site() -> tuple[FastAPI, str] | None:
    """
    Return an application behind fastapi-tenancy, and a token for it; None where that is not installed.

    It finds the tenant by a claim of a verified token, in its cache in memory. It knows no members and permissions.
    """
    try:
        from fastapi_tenancy.core.config import TenancyConfig  # noqa: PLC0415 - may be missing
        from fastapi_tenancy.core.types import Tenant  # noqa: PLC0415
        from fastapi_tenancy.manager import TenancyManager  # noqa: PLC0415
        from fastapi_tenancy.middleware.tenancy import TenancyMiddleware  # noqa: PLC0415
        from fastapi_tenancy.storage.memory import InMemoryTenantStore  # noqa: PLC0415
    except ImportError:
        return None
    store = InMemoryTenantStore()
    asyncio.run(store.create(Tenant(id="acme-1", identifier="acme", name="Acme")))
    config = TenancyConfig(
        database_url="sqlite+aiosqlite:///:memory:",
        resolution_strategy="jwt",
        jwt_secret=SECRET,
        jwt_audience="bench",
        isolation_strategy="schema",
        l1_cache_enabled=True,
    )
    app = FastAPI()
    app.add_middleware(TenancyMiddleware, manager=TenancyManager(config, store))
    app.get("/")(nothing_async)
    return app, jwt.encode({"tenant_id": "acme", "aud": "bench", "exp": 2**32}, SECRET)


def flask_sites(kit: TenantKit) -> dict[str, Flask]:
    """Return an application of Flask for each part."""
    apps = {name: Flask(name) for name in PARTS}
    for name, app in apps.items():
        handler: Callable[..., Any] = nothing
        if name != "bare":
            tenancy = flask.Tenancy(app, kit, public=PUBLIC.get(name, ()))
            if name in PARTS[4:]:
                handler = _flask_handler(tenancy, with_sql=name == "whole with SQL")
            if name in GUARDED:
                handler = tenancy.requires("documents:read")(handler)
        app.get("/")(handler)
    return apps


def _flask_handler(tenancy: flask.Tenancy, *, with_sql: bool) -> Callable[[], dict[str, str]]:
    def handler() -> dict[str, str]:
        session = tenancy.session
        if with_sql:
            session.execute(select(Document.id).limit(1)).all()
        return {}

    return handler


urlpatterns: list[Any] = []


@contextmanager
def django_sites() -> Iterator[tuple[dict[str, tuple[Any, str]], str]]:
    """Give a handler of Django and a path for each part, and a token for them."""
    with tempfile.TemporaryDirectory() as folder:
        entry = {
            "ENGINE": "tenantkit.adapters.django.db.sqlite3",
            "NAME": str(Path(folder) / "django.db"),
            "CONN_MAX_AGE": None,
        }
        django_settings.configure(
            ALLOWED_HOSTS=["*"],
            DATABASES={"owner": entry, "default": entry},
            DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
            INSTALLED_APPS=["tenantkit.adapters.django", "bench"],
            ROOT_URLCONF="bench._sites",
            TENANTKIT={
                "RESOLVE": agree(TokenClaim("org")),
                "ROLES": Matrix({"documents:read": "read documents"}, {"reader": ["documents:read"]}),
                "PUBLIC": ["/public"],
                "TOKEN_SECRET": SECRET,
            },
            USE_TZ=True,
        )
        django.setup()
        urlpatterns.extend(_django_paths())
        call_command("migrate", database="owner", verbosity=0)
        bare = WSGIHandler()
        with override_settings(MIDDLEWARE=["tenantkit.adapters.django.middleware.TenancyMiddleware"]):
            behind = WSGIHandler()
        sites = {name: (behind if name != "bare" else bare, _django_path(name)) for name in PARTS}
        from tenantkit.adapters.django import tenancy  # noqa: PLC0415 - needs the settings

        yield sites, _member(tenancy.kit)
        connection.close()
        tenancy.kit.dispose()


def _django_path(part: str) -> str:
    return "/" + part.replace(" ", "-")


def _django_paths() -> list[Any]:
    from tenantkit.adapters.django import tenancy  # noqa: PLC0415 - needs the settings
    from tenantkit.adapters.django.models import TenantModel  # noqa: PLC0415

    class Page(TenantModel):
        class Meta:
            app_label = "bench"

        title = models.CharField(max_length=50)

    with connection.schema_editor() as editor:
        editor.create_model(Page)

    def view(_request: Any) -> JsonResponse:
        return JsonResponse({})

    def with_row(_request: Any) -> JsonResponse:
        list(Page.objects.values_list("id")[:1])
        return JsonResponse({})

    def with_session(_request: Any) -> JsonResponse:
        assert tenancy.session is not None  # noqa: S101 - asked for, and not used
        return JsonResponse({})

    views: dict[str, Callable[..., Any]] = {"whole": with_session, "whole with SQL": with_row}
    found = {name: views.get(name, view) for name in PARTS}
    guard = tenancy.requires("documents:read")
    return [
        path(_django_path(name)[1:], guard(one) if name in GUARDED else one) for name, one in found.items()
    ]
