"""A task for each request, so that what cancels the server's task leaves no thread behind."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio

__all__ = ["in_own_task"]


async def in_own_task(work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
    """
    Run a request in a task of its own, which a cancellation of the server's task reaches as one of anyio's.

    anyio's waits for the thread that works for the request. asyncio's own does not, and the thread would go on with a
    connection that is in the pool again, under the next request's transaction. A task group of anyio's would do, at
    twice the price. An event loop that ends cancels all tasks as asyncio does: servers end their requests before.
    """
    if not _is_asyncio():
        await work(*arguments)  # trio knows no other cancellation
        return
    loop = asyncio.get_running_loop()
    reached, ended = anyio.CancelScope(), loop.create_future()

    async def run() -> None:
        with reached:
            await work(*arguments)

    def end(_task: object) -> None:
        if not ended.done():
            ended.set_result(None)

    task = loop.create_task(run())
    task.add_done_callback(end)
    try:
        await ended
    except asyncio.CancelledError:
        reached.cancel()
        await _until_over(task)
        task.result()
        raise
    except GeneratorExit:
        reached.cancel()
        raise
    task.result()


async def _until_over(task: asyncio.Task[None]) -> None:
    """Wait for a task, however often the waiting itself is cancelled."""
    with anyio.CancelScope(shield=True):
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait((task,))


def _is_asyncio() -> bool:
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False
