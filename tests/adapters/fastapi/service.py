"""A small FastAPI application for the adapter's promises, once with sync and once with async sessions."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import BackgroundTasks, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantkit import Settings, TenantKit, current
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.exceptions import RowNotFound
from tenantkit.isolation import TenantScoped
from tenantkit.quotas import Plan, Plans
from tenantkit.rbac import Matrix
from tenantkit.resolution import Host, TokenClaim, agree

Sessions = Literal["sync", "async"]
SECRET = "a secret of the tests, long enough for HS256"


class Base(DeclarativeBase):
    """The host's tables."""


class Note(TenantScoped, Base):
    """A row of a tenant."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class Finished:
    """Tells when the application has returned, which is after the answer where there is a background task."""

    def __init__(self, app: Any, event: threading.Event) -> None:
        self.app, self.event = app, event

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)
        self.event.set()


def make_kit(database_url: str, owner_url: str | None = None) -> TenantKit:
    """Return a kit with two roles and a plan of three notes."""
    permissions = {"notes:read": "See notes", "notes:write": "Write notes"}
    return TenantKit(
        Settings(database_url=database_url, owner_database_url=owner_url, token_secret=SECRET),
        metadata=Base.metadata,
        resolve=agree(TokenClaim("org"), Host("{tenant}.test")),
        roles=Matrix(permissions, {"writer": ["notes:*"], "reader": ["notes:read"]}),
        plans=Plans(Plan("trial", {"notes": 3}, "https://example.test/upgrade")),
    )


def make_app(kit: TenantKit, sessions: Sessions) -> FastAPI:
    """Return the application; both kinds have the same routes."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await kit.adispose()

    app = FastAPI(lifespan=lifespan)
    tenancy = Tenancy(app, kit, public=["/health"], sessions=sessions)
    app.state.finished = threading.Event()
    app.add_middleware(Finished, event=app.state.finished)
    app.get("/health")(lambda: {"status": "ok"})
    _common(app)
    (_sync_routes if sessions == "sync" else _async_routes)(app, kit, tenancy)
    return app


def _common(app: FastAPI) -> None:
    @app.get("/whoami")
    def whoami() -> dict[str, Any]:
        scope = current()
        return {"tenant": scope.tenant.slug, "actor": scope.actor.id, "request": scope.request.request_id}

    @app.websocket("/socket")
    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        await connection.send_text(current().tenant.slug)
        await connection.close()


def _note(text: str) -> Note:
    return Note(text=f"{current().tenant.slug}:{text}")


def _sync_routes(app: FastAPI, kit: TenantKit, tenancy: Tenancy) -> None:  # noqa: C901 - a list of routes
    @app.post(
        "/notes", dependencies=[tenancy.requires("notes:write"), tenancy.consumes("notes")], status_code=201
    )
    def write(session: Tenancy.Session, text: str) -> dict[str, int]:
        note = _note(text)
        session.add(note)
        kit.audit.record("note.written", note)
        return {"id": note.id}

    @app.get("/notes", dependencies=[tenancy.requires("notes:read")])
    def read(session: Tenancy.Session) -> list[str]:
        return list(session.scalars(select(Note.text).order_by(Note.id)))

    @app.get("/notes/{note_id}")
    def one(note_id: int, session: Tenancy.Session) -> str:
        note = session.get(Note, note_id)
        if note is None:
            raise RowNotFound("There is no such note.")
        return note.text

    @app.post("/boom", dependencies=[tenancy.consumes("notes")])
    def boom(session: Tenancy.Session) -> None:
        session.add(_note("boom"))
        session.flush()
        raise ZeroDivisionError

    @app.post("/conflict", dependencies=[tenancy.consumes("notes")])
    def conflict(session: Tenancy.Session) -> None:
        session.add(_note("conflict"))
        session.flush()
        raise HTTPException(409)

    @app.get("/stream")
    def stream(session: Tenancy.Session) -> StreamingResponse:
        def body() -> Iterator[str]:
            for text in session.scalars(select(Note.text)):
                yield f"{current().tenant.slug}>{text}\n"

        return StreamingResponse(body())

    @app.post("/later")
    def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(lambda: kit.session().add(_note("later")))

    @app.get("/used")
    def used(session: Tenancy.Session) -> int:
        return kit.quotas.store.used(session, "notes") or 0


def _async_routes(app: FastAPI, kit: TenantKit, tenancy: Tenancy) -> None:  # noqa: C901 - a list of routes
    @app.post(
        "/notes", dependencies=[tenancy.requires("notes:write"), tenancy.consumes("notes")], status_code=201
    )
    async def write(session: Tenancy.AsyncSession, text: str) -> dict[str, int]:
        note = _note(text)
        session.add(note)
        await kit.audit.arecord("note.written", note)
        return {"id": note.id}

    @app.get("/notes", dependencies=[tenancy.requires("notes:read")])
    async def read(session: Tenancy.AsyncSession) -> list[str]:
        return list(await session.scalars(select(Note.text).order_by(Note.id)))

    @app.get("/notes/{note_id}")
    async def one(note_id: int, session: Tenancy.AsyncSession) -> str:
        note = await session.get(Note, note_id)
        if note is None:
            raise RowNotFound("There is no such note.")
        return note.text

    @app.post("/boom", dependencies=[tenancy.consumes("notes")])
    async def boom(session: Tenancy.AsyncSession) -> None:
        session.add(_note("boom"))
        await session.flush()
        raise ZeroDivisionError

    @app.post("/conflict", dependencies=[tenancy.consumes("notes")])
    async def conflict(session: Tenancy.AsyncSession) -> None:
        session.add(_note("conflict"))
        await session.flush()
        raise HTTPException(409)

    @app.get("/stream")
    async def stream(session: Tenancy.AsyncSession) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            for text in await session.scalars(select(Note.text)):
                yield f"{current().tenant.slug}>{text}\n"

        return StreamingResponse(body())

    @app.post("/later")
    async def later(tasks: BackgroundTasks) -> None:
        async def write_later() -> None:
            kit.async_session().add(_note("later"))

        tasks.add_task(write_later)

    @app.get("/used")
    async def used(session: Tenancy.AsyncSession) -> int:
        return await session.run_sync(kit.quotas.store.used, "notes") or 0


def count_notes(kit: TenantKit) -> int:
    """Return the notes of all tenants."""
    with kit.owner_engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Note)) or 0
