"""
What tenancy adds to a request: each part of it, over the bare framework.

``python -m bench.http [--quick]``. The applications are called as a server calls them, without a network between. The
parts, each with those before it:

- bare: the framework and a handler that returns a constant
- public: the middleware around it, on a path that needs nothing; log line and meters
- identified: a token that was seen before, its tenant and member looked up in a directory in memory
- required: a permission of the member's role
- whole: the session of the scope, opened and closed without a statement
- whole with SQL: the same with the directory on SQLite, and one row selected in a transaction that is committed
"""

import argparse
import asyncio
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from flask import Flask
from sqlalchemy import select

from bench.contest import Result, measure, print_bar, print_table
from tenantkit import Settings, Tenant, TenantKit
from tenantkit.adapters import fastapi, flask
from tenantkit.directory import Membership
from tenantkit.testing.contracts.application import Document, make_kit

SECRET = "a secret of the benchmark, long enough for HS256"  # noqa: S105 - of a benchmark
PARTS = ("bare", "public", "identified", "required", "whole", "whole with SQL")
PUBLIC = {"public": ["/"]}
REQUESTS = 10  # in one turn


class DirectoryInMemory:
    """Answers as the directory does, without a statement."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._membership = Membership(tenant.id, "ann", frozenset({"reader"}))

    def by_id(self, _session: object, _tenant_id: str) -> Tenant:
        """Return the tenant, whatever is asked for."""
        return self._tenant

    def membership(self, *_arguments: object) -> Membership:
        """Return the membership, whoever it is asked of."""
        return self._membership


@contextmanager
def kits() -> Iterator[tuple[TenantKit, TenantKit, str]]:
    """Give a kit whose directory is in memory, one whose directory is on SQLite, and a token for both."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_url=f"sqlite:///{Path(folder) / 'bench.db'}", token_secret=SECRET)
        light, real = make_kit(settings), make_kit(settings)
        real.create_tables()
        with real.unscoped_session(reason="set up", actor="bench") as session:
            tenant = real.directory.create_tenant(session, "acme")
            real.directory.add_member(session, tenant, "ann", ["reader"])
            session.commit()
        light.directory = DirectoryInMemory(tenant)  # type: ignore[assignment]
        yield light, real, real.tokens.issue("ann", tenant)
        light.dispose()
        real.dispose()


def nothing() -> dict[str, str]:
    """Answer with a constant."""
    return {}


async def nothing_async() -> dict[str, str]:
    """Answer with a constant, on the event loop."""
    return {}


def fastapi_apps(light: TenantKit, real: TenantKit) -> dict[str, FastAPI]:
    """Return an application for each part."""
    apps = {name: FastAPI() for name in PARTS}
    tenancies = {
        name: fastapi.Tenancy(app, real if name == "whole with SQL" else light, public=PUBLIC.get(name, ()))
        for name, app in apps.items()
        if name != "bare"
    }

    async def with_session(session: fastapi.Tenancy.Session) -> dict[str, str]:  # noqa: ARG001 - asked for, and not used
        return {}

    def with_row(session: fastapi.Tenancy.Session) -> dict[str, str]:
        session.execute(select(Document.id).limit(1)).all()
        return {}

    for name, app in apps.items():
        handler: Callable[..., Any] = {"whole": with_session, "whole with SQL": with_row}.get(
            name, nothing_async
        )
        is_guarded = name in PARTS[3:]
        app.get("/", dependencies=[tenancies[name].requires("documents:read")] if is_guarded else [])(handler)
    return apps


def flask_apps(light: TenantKit, real: TenantKit) -> dict[str, Flask]:
    """Return an application for each part."""
    apps = {name: Flask(name) for name in PARTS}
    for name, app in apps.items():
        handler: Callable[..., Any] = nothing
        if name != "bare":
            kit = real if name == "whole with SQL" else light
            tenancy = flask.Tenancy(app, kit, public=PUBLIC.get(name, ()))
            if name in PARTS[4:]:
                handler = _flask_handler(tenancy, with_sql=name == "whole with SQL")
            if name in PARTS[3:]:
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


def asgi_turn(loop: asyncio.AbstractEventLoop, app: Any, token: str) -> Callable[[], object]:
    """Return a function that asks an ASGI application some times."""
    headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {token}".encode())]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    statuses: list[int] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ask() -> None:
        for _ in range(REQUESTS):
            scope = {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": "/",
                "raw_path": b"/",
                "query_string": b"",
                "root_path": "",
                "headers": headers,
                "client": ("127.0.0.1", 1),
                "server": ("127.0.0.1", 80),
                "state": {},
            }
            await app(scope, receive, send)

    def turn() -> None:
        statuses.clear()
        loop.run_until_complete(ask())
        _check(statuses)

    return turn


def wsgi_turn(app: Any, token: str) -> Callable[[], object]:
    """Return a function that asks a WSGI application some times."""
    statuses: list[int] = []

    def start_response(status: str, _headers: object, _exc_info: object = None) -> None:
        statuses.append(int(status[:3]))

    def turn() -> None:
        statuses.clear()
        for _ in range(REQUESTS):
            environ = {
                "REQUEST_METHOD": "GET",
                "SCRIPT_NAME": "",
                "PATH_INFO": "/",
                "QUERY_STRING": "",
                "SERVER_NAME": "localhost",
                "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "HTTP_HOST": "localhost",
                "HTTP_AUTHORIZATION": f"Bearer {token}",
                "REMOTE_ADDR": "127.0.0.1",
                "wsgi.url_scheme": "http",
            }
            body = app(environ, start_response)
            b"".join(body)
            close = getattr(body, "close", None)
            if close is not None:
                close()
        _check(statuses)

    return turn


def _check(statuses: list[int]) -> None:
    if set(statuses) != {200}:
        raise SystemExit(f"answered {statuses}, which is no measurement")


def show(framework: str, results: list[Result]) -> None:
    """Print what each part adds to the bare framework, in microseconds a request."""
    print_table(f"{framework}, {REQUESTS} requests a turn", results)
    medians = {one.name: one.median / REQUESTS * 1e6 for one in results}
    added = {name: medians[name] - medians["bare"] for name in medians}
    for name in PARTS[1:]:
        print(f"  {name:<28} adds {added[name]:>8.1f} us a request")
    print_bar(f"http/{framework}/identify-resolve-authorize", added["required"], 100, "us")
    print_bar(f"http/{framework}/whole-without-SQL", added["whole"], 250, "us")


def main() -> None:
    """Measure both frameworks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    rounds = 60 if parser.parse_args().quick else 400
    logging.getLogger("tenantkit").setLevel(logging.WARNING)  # as where nobody wants the lines
    print(f"{os.cpu_count()} cores")
    with kits() as (light, real, token), asyncio.Runner() as runner:
        loop = runner.get_loop()
        on_asgi = {name: asgi_turn(loop, app, token) for name, app in fastapi_apps(light, real).items()}
        show("FastAPI", measure(on_asgi, reference="bare", rounds=rounds, repeats=2))
        on_wsgi = {name: wsgi_turn(app, token) for name, app in flask_apps(light, real).items()}
        show("Flask", measure(on_wsgi, reference="bare", rounds=rounds, repeats=2))


if __name__ == "__main__":
    main()
