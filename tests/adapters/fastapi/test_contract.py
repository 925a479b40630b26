"""The contract of adapters, held to by FastAPI's."""

from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.background import BackgroundTask

from tenantkit import current
from tenantkit.adapters.fastapi import Tenancy
from tenantkit.testing.contracts import AdapterContract, BackgroundTaskPromises, WebSocketPromises
from tenantkit.testing.contracts.application import (
    MOUNTED,
    PATHS,
    ROUTES,
    FrameworkError,
    checks,
    parts,
    write,
)


def answered(reply):
    """Return the framework's answer."""
    return JSONResponse(reply.content, reply.status)


def expose(app, kit, tenancy, route, sessions):
    """Add a route of the contract's application."""

    def sync_endpoint(request: Request, session: Tenancy.Session):
        try:
            return answered(route.work(kit, session, **request.path_params))
        except FrameworkError as error:
            raise HTTPException(error.status) from error

    async def async_endpoint(request: Request, session: Tenancy.AsyncSession):
        try:
            return answered(
                await session.run_sync(lambda inner: route.work(kit, inner, **request.path_params))
            )
        except FrameworkError as error:
            raise HTTPException(error.status) from error

    def sessionless_endpoint(actor: Tenancy.Actor):
        reply = route.work()
        if route.path == "/organizations":
            reply.content["actor"] = actor.id
        return answered(reply)

    def unscoped_endpoint(session: Tenancy.UnscopedSession):
        return answered(route.work(kit, session))

    endpoint = sync_endpoint if sessions == "sync" else async_endpoint
    if route.sessionless or route.unscoped:
        endpoint = sessionless_endpoint if route.sessionless else unscoped_endpoint
    app.add_api_route(
        route.path,
        endpoint,
        methods=[route.method],
        dependencies=checks(tenancy, route),
        response_model=None,
    )


def add_stream(app, kit, sessions):
    """Add the streamed body."""

    async def async_parts(count, ending):
        names = []
        for part in parts(names.append, count, ending):
            for name in names:
                await kit.async_session().run_sync(write, name)
            names.clear()
            yield part

    @app.get("/stream/{count}/{ending}")
    async def stream(count: str, ending: str):
        if sessions == "sync":
            return StreamingResponse(parts(lambda name: write(kit.session(), name), count, ending))
        return StreamingResponse(async_parts(count, ending))


def add_task(app, kit, sessions):
    """Add the background task."""

    def sync_task(ending):
        write(kit.session(), "task")
        if ending == "badly":
            raise ZeroDivisionError

    async def async_task(ending):
        await kit.async_session().run_sync(write, "task")
        if ending == "badly":
            raise ZeroDivisionError

    @app.post("/task/{status}/{ending}")
    async def with_task(status: int, ending: str):
        task = BackgroundTask(sync_task if sessions == "sync" else async_task, ending)
        return JSONResponse({}, status, background=task)


def add_socket(app, kit, sessions):
    """Add the socket."""

    @app.websocket("/socket")
    async def socket(connection: WebSocket):
        await connection.accept()
        await connection.send_text(current().tenant.slug)
        name = await connection.receive_text()
        if sessions == "sync":
            write(kit.session(), name)
            kit.session().commit()
        else:
            await kit.async_session().run_sync(write, name)
            await kit.async_session().commit()
        await connection.send_text("written")
        await connection.close()


class Promises(AdapterContract, BackgroundTaskPromises, WebSocketPromises):
    """What FastAPI has."""

    sessions = ""

    def application(self, kit):
        @asynccontextmanager
        async def lifespan(_app):
            yield
            await kit.adispose()

        app, mounted = FastAPI(lifespan=lifespan), FastAPI()
        tenancy = Tenancy(app, kit, **PATHS, sessions=self.sessions)
        for route in ROUTES:
            expose(app, kit, tenancy, route, self.sessions)
        for route in MOUNTED:
            expose(mounted, kit, tenancy, route, self.sessions)
        for add in (add_stream, add_task, add_socket):
            add(app, kit, self.sessions)
        app.mount("/mounted", mounted)
        return app


class TestSync(Promises):
    """With sync sessions."""

    sessions = "sync"


class TestAsync(Promises):
    """With async sessions."""

    sessions = "async"
