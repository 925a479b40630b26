"""A request in a task of its own."""

import asyncio
import contextvars
import threading

import anyio
import pytest
from anyio import from_thread, to_thread
from anyio.lowlevel import checkpoint

from tenantkit.adapters.own_task import in_own_task


class Work:
    """A request whose thread goes on until it is let go."""

    def __init__(self):
        self.let_go, self.told = threading.Event(), []

    async def serve(self, *words):
        self.told.extend(words)
        try:
            await to_thread.run_sync(self._in_thread)
        finally:
            self.told.append("over")

    def _in_thread(self):
        from_thread.run_sync(self.begun.set)
        self.let_go.wait()
        self.told.append("thread")


@pytest.mark.parametrize("cuts", [1, 3])
def test_a_cancellation_waits_for_the_thread(cuts):
    """Asyncio's own cancellation, however often, ends the task after the thread, not before."""

    async def main():
        work = Work()
        work.begun = asyncio.Event()
        task = asyncio.create_task(in_own_task(work.serve, "began"))
        await work.begun.wait()
        for _ in range(cuts):
            task.cancel()
            await checkpoint()
            assert not task.done()
        work.let_go.set()
        await asyncio.wait([task])
        return task.cancelled(), work.told

    assert (True, ["began", "thread", "over"]) == asyncio.run(main())


def test_a_cancel_scope_around_it_waits_too():
    """A scope of anyio's outside cuts it off, and goes on once the thread is over."""

    async def main():
        work = Work()
        work.begun = asyncio.Event()
        with anyio.CancelScope() as cut:
            async with anyio.create_task_group() as group:
                group.start_soon(in_own_task, work.serve)
                await work.begun.wait()
                asyncio.get_running_loop().call_soon(work.let_go.set)
                cut.cancel()
        return cut.cancelled_caught, work.told

    assert (True, ["thread", "over"]) == asyncio.run(main())


def test_an_error_is_the_caller_s():
    """What the work raises is raised as it is, in no group."""

    async def fail():
        raise KeyError("a")

    with pytest.raises(KeyError, match="a"):
        asyncio.run(in_own_task(fail))


def test_an_error_while_it_is_cut_off():
    """Work that fails while it ends is not hidden by the cancellation."""

    async def fail():
        try:
            await anyio.Event().wait()
        finally:
            raise KeyError("a")

    async def main():
        task = asyncio.create_task(in_own_task(fail))
        await checkpoint()
        await checkpoint()
        task.cancel()
        await asyncio.wait([task])
        return task.exception()

    assert isinstance(asyncio.run(main()), KeyError)


def test_it_has_a_context_of_its_own():
    """What the work sets is not seen outside; what was set outside is seen by the work."""
    name = contextvars.ContextVar("name", default="none")

    async def work(seen):
        seen.append(name.get())
        name.set("inner")

    async def main():
        seen = []
        name.set("outer")
        await in_own_task(work, seen)
        return [*seen, name.get()]

    assert ["outer", "outer"] == asyncio.run(main())


def test_without_asyncio_it_is_called():
    """Outside of a task of asyncio's, as on trio, the work is awaited where it stands."""
    seen = []

    async def work():
        seen.append("done")

    with pytest.raises(StopIteration):
        in_own_task(work).send(None)
    assert ["done"] == seen


def test_a_task_that_somebody_else_cancels_before_it_began():
    """Whoever waits for it is told, and does not wait for ever."""

    async def main():
        outer = asyncio.create_task(in_own_task(checkpoint))
        await checkpoint()  # it has made the task, which has not begun
        (inner,) = asyncio.all_tasks() - {asyncio.current_task(), outer}
        inner.cancel()
        await asyncio.wait([outer])
        return outer.cancelled()

    assert asyncio.run(main())


def test_a_request_that_is_closed_cuts_its_work_off():
    """A server that drops the coroutine leaves no work behind."""
    told = []

    async def work():
        try:
            await anyio.Event().wait()
        finally:
            told.append("over")

    async def main():
        request = in_own_task(work)
        waited = request.send(None)
        await checkpoint()
        assert not waited.done()
        request.close()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})

    asyncio.run(main())
    assert ["over"] == told
