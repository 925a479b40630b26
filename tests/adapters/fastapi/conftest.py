"""A real server on a real database, for each kind of session."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tenantkit import Tenant, TenantKit
from tenantkit.testing.services import find_postgres
from tenantkit.testing.serving import serve_asgi
from tests.adapters.fastapi import service

# the server closes a connection after a failure, and a client may learn of it only with its next request
UNPOOLED = httpx.Limits(max_keepalive_connections=0)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """The server that tests find or start."""
    with find_postgres() as server:
        yield server


@dataclass
class Client:
    """Asks the served application as a member of a tenant."""

    kit: TenantKit
    app: FastAPI
    port: int
    tenants: dict[str, Tenant]
    http: httpx.Client

    def token(self, slug: str = "acme", user: str = "writer") -> str:
        return self.kit.tokens.issue(user, self.tenants[slug])

    def ask(
        self,
        method: str,
        path: str,
        slug: str = "acme",
        *,
        user: str = "writer",
        host: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        sent = {"Host": host or f"{slug}.test", "Authorization": f"Bearer {self.token(slug, user)}"}
        return self.bare(method, path, sent | (headers or {}))

    def bare(self, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
        return self.http.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers)


@pytest.fixture(params=["sqlite", "postgresql"])
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TenantKit]:
    """A kit on an empty database; on PostgreSQL it works as a role without privileges."""
    if request.param == "sqlite":
        made = service.make_kit(f"sqlite:///{tmp_path / 'app.db'}")
        made.create_tables()
        yield made
        made.dispose()
        return
    with request.getfixturevalue("postgres").database() as database:
        made = service.make_kit(database.app_url, database.owner_url)
        made.create_tables()
        yield made
        made.dispose()


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, kit: TenantKit) -> Iterator[Client]:
    """The served application, with two tenants of two members each."""
    tenants = {}
    with kit.unscoped_session(reason="set up the test", actor="test") as session:
        for slug in ("acme", "bolt"):
            tenants[slug] = kit.directory.create_tenant(session, slug, plan="trial")
            for role in ("writer", "reader"):
                kit.directory.add_member(session, tenants[slug], role, [role])
        session.commit()
    app = service.make_app(kit, request.param)
    with serve_asgi(app) as port, httpx.Client(timeout=20, limits=UNPOOLED) as http:
        yield Client(kit, app, port, tenants, http)
