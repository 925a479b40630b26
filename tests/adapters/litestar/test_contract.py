"""The contract of adapters, held to by the example that shows how to write one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import anyio.to_thread
from litestar import Litestar, MediaType, Request, Response, WebSocket, asgi, route, websocket
from litestar.background_tasks import BackgroundTask
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.response import Stream

from examples.litestar_adapter import Tenancy
from tenantkit import Actor, current
from tenantkit.isolation import ScopedSession
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


def rule(path):
    """Return a path as Litestar spells it."""
    return path.replace("}", ":str}")


def answered(reply):
    """Return the framework's answer."""
    return Response(reply.content, status_code=reply.status, media_type=MediaType.JSON)


def made(kit, tenancy, of):
    """Return the handler of a route of the contract's application."""

    async def handler(request: Request, session: NamedDependency[ScopedSession]) -> Response:
        work = partial(of.work, kit, session, **request.path_params)
        try:
            return answered(await anyio.to_thread.run_sync(work))
        except FrameworkError as error:
            raise HTTPException(status_code=error.status) from error

    async def sessionless(actor: NamedDependency[Actor | None]) -> Response:
        reply = of.work()
        if of.path == "/organizations":
            reply.content["actor"] = actor.id
        return answered(reply)

    def unscoped(unscoped_session: NamedDependency[Callable[[], AbstractContextManager]]) -> Response:
        with unscoped_session() as session:
            return answered(of.work(kit, session))

    decorated = route(
        rule(of.path),
        http_method=[of.method],
        status_code=200,
        guards=checks(tenancy, of),
    )
    if of.unscoped:
        return route(rule(of.path), http_method=[of.method], sync_to_thread=True)(unscoped)
    return decorated(sessionless if of.sessionless else handler)


async def in_threads(body):
    """Yield the parts of a body that works in threads: anyio's, which are waited for when a client leaves."""
    while (part := await anyio.to_thread.run_sync(next, body, None)) is not None:
        yield part


def made_later(kit):
    """Return the handlers of the stream, the task and the socket."""

    @route("/stream/{count:str}/{ending:str}", http_method=["GET"], sync_to_thread=False)
    def stream(request: Request) -> Stream:
        return Stream(in_threads(parts(lambda name: write(kit.session(), name), **request.path_params)))

    def task(ending):
        write(kit.session(), "task")
        if ending == "badly":
            raise ZeroDivisionError

    @route("/task/{status:int}/{ending:str}", http_method=["POST"], sync_to_thread=False)
    def with_task(request: Request) -> Response:
        given = request.path_params
        return Response({}, status_code=given["status"], background=BackgroundTask(task, given["ending"]))

    @websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(current().tenant.slug)
        write(kit.session(), await socket.receive_text())
        kit.session().commit()
        await socket.send_text("written")
        await socket.close()

    return [stream, with_task, socket]


class TestLitestar(AdapterContract, BackgroundTaskPromises, WebSocketPromises):
    """With sync sessions."""

    template = "/documents/{document_id}"  # Litestar has one name for a parameter of equal paths

    def application(self, kit):
        tenancy = Tenancy(kit, **PATHS)
        inner = Litestar([made(kit, tenancy, of) for of in MOUNTED], **tenancy.options())

        @asgi("/mounted", is_mount=True, copy_scope=True)
        async def mounted(scope: dict, receive: object, send: object) -> None:
            await inner(scope, receive, send)

        handlers = [*(made(kit, tenancy, of) for of in ROUTES), *made_later(kit), mounted]
        return tenancy.around(Litestar(handlers, **tenancy.options()))
