"""Streamed bodies, whose parts are made in the scope of their request, in a transaction of their own."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from asgiref.sync import sync_to_async

from tenantkit.adapters.django.requests import Work
from tenantkit.core.scope import enter, outside

__all__ = ["AsyncBody", "Body"]


class _Streamed:
    """What both kinds have in common: a request's work that goes on, and ends once."""

    def __init__(self, parts: Any, work: Work) -> None:
        self._given, self._work = parts, work
        self._is_begun = self._is_over = False

    def _scope(self) -> Any:
        scope = self._work.exchange.scope
        return enter(scope) if scope is not None else outside()

    def _begin(self) -> None:
        if not self._is_begun:
            self._is_begun = True
            self._work.begin()

    def _end(self, error: BaseException | None = None, *, is_complete: bool = False) -> None:
        """End the request; a body that was not taken to its end was not delivered, and is undone."""
        if self._is_over:
            return
        self._is_over = True
        with self._scope():
            if error is not None or not is_complete:
                self._work.abandon(error)
                return
            try:
                self._work.end()
            except BaseException as failure:
                self._work.abandon(failure)
                raise
            self._work.leave()


class Body(_Streamed):
    """The parts of a body."""

    def __init__(self, parts: Iterable[bytes], work: Work) -> None:
        super().__init__(parts, work)
        self._parts = iter(parts)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            with self._scope():
                self._begin()
                return next(self._parts)
        except StopIteration:
            self._end(is_complete=True)
            raise
        except BaseException as error:
            self._end(error)
            raise

    def close(self) -> None:
        """End the request, where the server is done with it before the body is."""
        close = getattr(self._given, "close", None)
        try:
            if close is not None:
                with self._scope():
                    close()
        finally:
            self._end()


class AsyncBody(_Streamed):
    """The parts of a body that is made on an event loop; what it asks of the database is asked in Django's thread."""

    def __init__(self, parts: Any, work: Work) -> None:
        super().__init__(parts, work)
        self._parts = aiter(parts)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            with self._scope():
                if not self._is_begun:
                    await sync_to_async(self._begin)()
                part: bytes = await anext(self._parts)
                return part
        except StopAsyncIteration:
            await sync_to_async(self._end)(is_complete=True)
            raise
        except BaseException as error:
            await sync_to_async(self._end)(error)
            raise

    def close(self) -> None:
        """End the request, where the server is done with it before the body is; called in Django's thread."""
        self._end()
