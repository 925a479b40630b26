"""The office's application, called without a network between."""

from dataclasses import dataclass
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.adapters.asgi import service
from tests.integration import office


@dataclass
class Desk:
    """Where requests are made as members of a tenant."""

    kit: Any
    app: Any
    portal: Any
    tenants: dict[str, Any]
    sessions: str

    def credentials(self, slug="acme", *, user="writer", host=None):
        """Return the headers of a member."""
        token = self.kit.tokens.issue(user, self.tenants[slug])
        return [
            (b"host", (host or f"{slug}.localhost").encode()),
            (b"authorization", f"Bearer {token}".encode()),
        ]

    def ask(self, method, path, slug="acme", *, user="writer", leave_after=None):
        """Ask as a member of a tenant."""
        return self.raw(method, path, self.credentials(slug, user=user), leave_after=leave_after)

    def raw(self, method, path, headers, *, leave_after=None):
        """Ask with any headers."""

        async def request():
            return await service.call(self.app, method, path, headers, leave_after=leave_after)

        return self.portal.call(request)

    def trail(self, slug="acme"):
        """Return what a tenant's trail holds, newest first."""
        with self.kit.scope(slug):
            return self.kit.audit.latest()

    def used(self, slug="acme"):
        """Return the units of documents that a tenant used."""
        with self.kit.scope(slug):
            return self.kit.quotas.used("documents")

    @property
    def left_behind(self):
        """The connections that are not back in their pools."""
        kit = self.kit
        pools = [kit.engine.pool, kit.owner_engine.pool, kit.async_engine.pool]
        return sum(pool.checkedout() for pool in pools)


@pytest.fixture(params=["sync", "async"])
def desk(request, kit, acme, bolt):
    """Give a desk for each kind of session."""
    with start_blocking_portal("asyncio") as portal:
        app = service.make_app(kit, request.param)
        yield Desk(kit, app, portal, {"acme": acme, "bolt": bolt}, request.param)
        portal.call(kit.adispose)


@pytest.fixture
def documents(kit):
    """Count the documents of all tenants."""
    return lambda: office.counted(kit)
