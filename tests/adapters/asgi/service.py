"""The office behind FastAPI, with the same routes for both kinds of session, asked without a network between."""

from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from sqlalchemy import select
from starlette.background import BackgroundTask

from tenantkit import current
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.exceptions import RowNotFound
from tests.integration.office import Document, Page


@dataclass
class Answer:
    """What an application sent, and the error it raised."""

    status: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""
    error: BaseException | None = None

    def header(self, name):
        """Return the values of a header."""
        return [value.decode() for key, value in self.headers if key == name.encode()]


async def call(app, method="GET", path="/", headers=(), *, leave_after=None) -> Answer:
    """Send one request; with `leave_after` the client hangs up when it has so many parts of the body."""
    answer, parts, gone = Answer(), 0, anyio.Event()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.partition("?")[0],
        "raw_path": path.partition("?")[0].encode(),
        "query_string": path.partition("?")[2].encode(),
        "root_path": "",
        "headers": list(headers),
        "client": ("192.0.2.7", 40000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    sent = False

    async def receive():
        nonlocal sent
        if sent:
            await gone.wait()
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        nonlocal parts
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], list(message["headers"])
            return
        answer.body += message.get("body", b"")
        parts += 1
        if parts == leave_after:
            gone.set()
            await anyio.lowlevel.checkpoint()

    try:
        await app(scope, receive, send)
    except Exception as error:  # noqa: BLE001 - what a server would log
        answer.error = error
    return answer


def write(session, name="a", country=None):
    """Add a document and leave it to the commit."""
    session.add(Document(name=name, country=country))
    return {}


def write_page(session, document_id):
    """Add a page to a document that may be another tenant's."""
    session.add(Page(document_id=int(document_id), text="t"))
    return {}


def read(session):
    """Return the names in sight, with the tenant in scope."""
    return {"tenant": current().tenant.slug, "names": list(session.scalars(select(Document.name)))}


def show(session, document_id):
    """Return a document."""
    if (found := session.get(Document, int(document_id))) is None:
        raise RowNotFound("There is no such document.")
    return {"id": found.id, "name": found.name}


def refuse(session, status):
    """Write, and answer with an error of the framework."""
    session.add(Document(name="refused"))
    session.flush()
    raise HTTPException(int(status))


def answer_with(session, status):
    """Write, and answer with a status of one's own."""
    session.add(Document(name=status))
    session.flush()
    return JSONResponse({}, status_code=int(status))


def misuse(session):
    """Send a statement that cannot be scoped."""
    from sqlalchemy import text

    return session.execute(text("SELECT 1")).all()


def misconfigured(_session):
    """Ask for a permission that nobody declared."""
    raise ValueError("not a word of this to the client")


def make_app(kit, sessions):
    """Return the application."""
    app = FastAPI()
    tenancy = Tenancy(app, kit, public=["/health"], sessions=sessions)

    def expose(method, path, work, *dependencies):
        if sessions == "sync":

            def endpoint(request: Request, session: Tenancy.Session):
                return work(session, **request.query_params)

        else:

            async def endpoint(request: Request, session: Tenancy.AsyncSession):
                return await session.run_sync(lambda inner: work(inner, **request.query_params))

        app.add_api_route(
            path, endpoint, methods=[method], dependencies=list(dependencies), response_model=None
        )

    writes = tenancy.requires("documents:write")
    expose("POST", "/documents", write, writes, tenancy.consumes("documents"))
    expose("POST", "/pages", write_page, writes)
    expose("GET", "/documents", read, tenancy.requires("documents:read"))
    expose("GET", "/document", show)
    expose("POST", "/refused", refuse, tenancy.consumes("documents"))
    expose("POST", "/answered", answer_with, tenancy.consumes("documents"))
    expose("GET", "/misuse", misuse)
    expose("GET", "/broken", misconfigured)
    app.get("/health")(lambda: {"status": "ok"})
    _later(app, kit, sessions)
    return app


def _parts(session, number):
    """Write a document and return a part of a body that tells of it."""
    session.add(Document(name=f"part {number}"))
    session.flush()
    return f"{current().tenant.slug} {number}\n"


def _body(kit, sessions):
    """Return a function that makes a body, part by part, and may break off."""

    def parts(count, fail):
        for number in range(count):
            yield _parts(kit.session(), number)
        if fail:
            raise ZeroDivisionError

    async def async_parts(count, fail):
        for number in range(count):
            yield await kit.async_session().run_sync(_parts, number)
        if fail:
            raise ZeroDivisionError

    return parts if sessions == "sync" else async_parts


def _later(app, kit, sessions):
    """Expose what goes on after the answer has begun."""
    body = _body(kit, sessions)

    def task(fail):
        list(body(1, fail))

    async def async_task(fail):
        _ = [part async for part in body(1, fail)]

    @app.get("/stream")
    async def stream(count: int = 3, *, fail: bool = False) -> StreamingResponse:
        return StreamingResponse(body(count, fail))

    @app.post("/task")
    async def with_task(status: int = 202, *, fail: bool = False) -> JSONResponse:
        afterwards = BackgroundTask(task if sessions == "sync" else async_task, fail)
        return JSONResponse({}, status_code=status, background=afterwards)
