"""An application with documents, pages and countries, and the hands that work in it, sync or async."""

import inspect
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import ForeignKey, String, delete, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from tenantkit import Settings, TenantKit
from tenantkit.audit import central_tenant_id
from tenantkit.isolation import TenantScoped, UnscopedSession, shared
from tenantkit.quotas import Plan, Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import Host, TokenClaim, agree

SECRET = "a-secret-of-the-office-of-more-than-32-bytes"
LIMIT = 5
PATIENCE = 20  # seconds; only a failure takes them
UPGRADE = "https://office.example/upgrade"


class Base(DeclarativeBase):
    """Where the office's tables are declared."""


class Country(Base):
    """The same for every tenant."""

    __tablename__ = "countries"
    __table_args__ = {"info": shared()}
    code: Mapped[str] = mapped_column(String(2), primary_key=True)


class Document(TenantScoped, Base):
    """A document; that its country exists is looked at by the database when it commits, and not before."""

    __tablename__ = "documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country: Mapped[str | None] = mapped_column(
        ForeignKey("countries.code", deferrable=True, initially="DEFERRED")
    )


class Page(TenantScoped, Base):
    """A page of a document."""

    __tablename__ = "pages"
    id: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id"))
    text: Mapped[str]
    document: Mapped[Document] = relationship()


@dataclass(frozen=True)
class Place:
    """A database: its kind, the URLs of the application's role and of the owner, and whether it has policies."""

    kind: str
    url: str
    owner_url: str
    policies: bool = False


def make_kit(
    place, *, metadata=Base.metadata, trust=None, clock=None, engine_options=None, checks=None, **settings
):
    """Return a kit of the office on a database."""
    given = {"database_url": place.url, "owner_database_url": place.owner_url, "token_secret": SECRET}
    given["policies"] = place.policies
    return TenantKit(
        Settings(**given | settings),
        metadata=metadata,
        resolve=agree(TokenClaim("org"), Host("{tenant}.localhost")),
        roles=Matrix(
            {"documents:read": "See documents", "documents:write": "Change documents"},
            {"writer": ["documents:*"], "reader": ["documents:read"]},
        ),
        plans=Plans(Plan("default"), Plan("trial", {"documents": LIMIT}, UPGRADE), meters=["pages"]),
        trust=trust,
        clock=clock,
        checks=checks,
        engine_options=engine_options,
    )


def sign_up(kit, slug, **options):
    """Create a tenant with a writer and a reader and an empty trail, and return it."""
    with kit.unscoped_session(reason=f"sign up {slug}", actor="test") as session:
        tenant = kit.directory.create_tenant(session, slug, **{"plan": "trial"} | options)
        for role in ("writer", "reader"):
            kit.directory.add_member(session, tenant, role, [role])
        events = kit.audit.trail.tables.events
        session.execute(delete(events).where(events.c.tenant_id == tenant.id))
        session.commit()
    return tenant


def listening(kit):
    """Wait until a kit is told of others' changes; return what waits for the next one."""
    told = threading.Event()
    cache, began = kit.directory_cache, threading.Event()
    clear, forget = cache.clear, cache.forget
    cache.clear = lambda: (clear(), began.set())
    cache.forget = lambda tenant_id: (forget(tenant_id), told.set())
    if not kit.announcements.is_heard():
        assert began.wait(PATIENCE)
    return lambda: told.wait(PATIENCE) and not told.clear()


def counted(kit, entity=Document):
    """Return the number of rows of all tenants, as the owner sees what is committed."""
    with UnscopedSession(kit.owner_engine, policies=kit.settings.policies) as session:
        return session.scalar(select(func.count()).select_from(entity))


def central_events(kit, action=None):
    """Return what the central trail holds, oldest first."""
    events = kit.audit.trail.tables.events
    with Session(kit.owner_engine) as session:
        rows = session.execute(select(events).order_by(events.c.id)).all()
    nobody = central_tenant_id(events.c.tenant_id.type.python_type)
    return [row for row in rows if row.tenant_id == nobody and action in (None, row.action)]


async def settled(value):
    """Return a value, or what it is awaited to: so that one body works with both kinds of session."""
    return await value if inspect.isawaitable(value) else value


class Hands:
    """Works with a kit by sync or by async sessions, by the same words."""

    def __init__(self, kit, kind):
        self.kit, self.kind = kit, kind

    @asynccontextmanager
    async def scope(self, tenant, **options):
        """Enter a scope; its session is closed when it is left."""
        if self.kind == "sync":
            with self.kit.scope(tenant, **options) as scope:
                yield scope
        else:
            async with self.kit.ascope(tenant, **options) as scope:
                yield scope

    @asynccontextmanager
    async def impersonation(self, tenant, **options):
        """Enter a scope for somebody from outside."""
        if self.kind == "sync":
            with self.kit.impersonation(tenant, **options) as scope:
                yield scope
        else:
            async with self.kit.aimpersonation(tenant, **options) as scope:
                yield scope

    @property
    def session(self):
        """The session of the scope."""
        return self.kit.session() if self.kind == "sync" else self.kit.async_session()

    @property
    def pool(self):
        """The pool of the engine that the sessions work on."""
        return (self.kit.engine if self.kind == "sync" else self.kit.async_engine).pool

    async def do(self, name, *arguments, **options):
        """Call a method of the session."""
        return await settled(getattr(self.session, name)(*arguments, **options))

    async def add(self, *objects):
        """Add objects and flush."""
        self.session.add_all(objects)
        await self.do("flush")

    async def names(self):
        """Return the names of the documents in sight."""
        return list(await self.do("scalars", select(Document.name).order_by(Document.id)))

    async def twin(self, room, name, *arguments, **options):
        """Call a method of the kit, or its twin."""
        prefix = "" if self.kind == "sync" else "a"
        return await settled(getattr(getattr(self.kit, room), prefix + name)(*arguments, **options))

    async def consume(self, meter="documents", units=1):
        """Count units."""
        return await self.twin("quotas", "consume", meter, units)

    async def used(self, meter="documents"):
        """Return the units used."""
        store = self.kit.quotas.store
        if self.kind == "sync":
            return store.used(self.session, meter) or 0
        return await self.session.run_sync(store.used, meter) or 0
