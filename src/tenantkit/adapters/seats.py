"""
Who may ask for a connection, where more requests come than there are threads and connections.

A thread that waits for a connection or for a row's lock is a thread less for those who hold it, and they need one
again: for the endpoint after its dependencies, for the commit. Forty such threads are all that there are. So a request
waits for a seat first, on the event loop, where waiting costs no thread; and there are fewer seats than threads, and
no more than connections.
"""

from typing import Any, Final
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from tenantkit.kit import TenantKit
from tenantkit.sql.pool import capacity

__all__ = ["Seat"]

_SPARE: Final = 4  # one thread in so many is never seated: it is for those who hold what the others wait for

_limiters: RunVar[WeakKeyDictionary[TenantKit, anyio.CapacityLimiter]] = RunVar("tenantkit.seats")


class Seat:
    """One request's leave to work with the sync engines from threads; taken once, however often it is asked for."""

    def __init__(self, kit: TenantKit) -> None:
        self._kit = kit
        self._limiter: anyio.CapacityLimiter | None = None

    async def take(self) -> None:
        """Wait until a thread of this request may work with the database. First come, first served."""
        if self._limiter is None:
            limiter = _limiter(self._kit)
            await limiter.acquire_on_behalf_of(self)
            self._limiter = limiter

    def leave(self) -> None:
        """Let the next request have the seat, if this one has it."""
        limiter, self._limiter = self._limiter, None
        if limiter is not None:
            limiter.release_on_behalf_of(self)


def _limiter(kit: TenantKit) -> anyio.CapacityLimiter:
    """Return the seats of a kit in the running event loop."""
    limiters: Any = _limiters.get(None)
    if limiters is None:
        limiters = WeakKeyDictionary()
        _limiters.set(limiters)
    limiter = limiters.get(kit)
    if limiter is None:
        threads = int(anyio.to_thread.current_default_thread_limiter().total_tokens)
        seats = min(capacity(kit.engine), max(1, threads - max(1, threads // _SPARE)))
        limiter = limiters[kit] = anyio.CapacityLimiter(seats)
    return limiter  # type: ignore[no-any-return]
