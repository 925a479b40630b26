"""Serving an application on a free port of the loopback interface, from a thread of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tenantkit.exceptions import DependencyMissing

__all__ = ["serve_asgi", "serve_wsgi"]

_PATIENCE = 30  # seconds


@contextmanager
def serve_asgi(app: Any) -> Iterator[int]:
    """
    Serve an ASGI application by uvicorn for the length of the block; yield the port.

    Raises:
        DependencyMissing: uvicorn is not installed.
        RuntimeError: the server did not start.

    .. versionadded:: 0.1
    """
    try:
        import uvicorn  # noqa: PLC0415 - a server is loaded where one is asked for
    except ImportError as error:
        raise DependencyMissing("serve_asgi() needs uvicorn: pip install uvicorn.") from error
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            ready.set()

    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        if not ready.wait(timeout=_PATIENCE):
            raise RuntimeError(f"The server did not start within {_PATIENCE} seconds; its log says why.")
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=_PATIENCE)
        listener.close()


@contextmanager
def serve_wsgi(app: Any, *, threads: int = 8) -> Iterator[int]:
    """
    Serve a WSGI application by waitress, whose threads serve one request after the other; yield the port.

    Args:
        app: the application.
        threads: how many.

    Raises:
        DependencyMissing: waitress is not installed.

    .. versionadded:: 0.1
    """
    try:
        from waitress import wasyncore  # noqa: PLC0415
        from waitress.server import create_server  # noqa: PLC0415
    except ImportError as error:
        raise DependencyMissing("serve_wsgi() needs waitress: pip install waitress.") from error
    served: dict[int, Any] = {}
    left: dict[int, Any] = {}
    address = {"host": "127.0.0.1", "port": 0}
    # proxies' headers arrive as other servers let them; waitress would take them away
    server: Any = create_server(
        app, map=served, threads=threads, clear_untrusted_proxy_headers=False, **address
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()

    def end() -> None:
        left.update(served)
        served.clear()  # the loop ends when nothing is left that it could wait for

    try:
        yield int(server.effective_port)
    finally:
        # closed below, not by the loop: it may run this before the trigger is pulled, which must be open then
        server.trigger.pull_trigger(end)
        thread.join(timeout=_PATIENCE)
        server.task_dispatcher.shutdown(cancel_pending=True, timeout=_PATIENCE)
        wasyncore.close_all(left)
