"""Rows are handed out only in the scope that they were asked for."""

from typing import Any

from tenantkit.isolation.pin import Pin

__all__ = ["GuardedFetch"]


class GuardedFetch:
    """A cursor strategy that compares the ambient scope with the pin before it hands out rows."""

    __slots__ = ("_inner", "_pin")
    alternate_cursor_description = None

    def __init__(self, inner: Any, pin: Pin) -> None:
        self._inner = inner
        self._pin = pin

    @classmethod
    def guard(cls, result: Any, pin: Pin) -> None:
        """Wrap the strategy of a result that still has rows to fetch."""
        if not result._soft_closed and not isinstance(result.cursor_strategy, cls):
            result.cursor_strategy = cls(result.cursor_strategy, pin)

    def fetchone(self, *args: Any, **kw: Any) -> Any:
        self._pin.check_ambient()
        return self._inner.fetchone(*args, **kw)

    def fetchmany(self, *args: Any, **kw: Any) -> Any:
        self._pin.check_ambient()
        return self._inner.fetchmany(*args, **kw)

    def fetchall(self, *args: Any, **kw: Any) -> Any:
        self._pin.check_ambient()
        return self._inner.fetchall(*args, **kw)

    def yield_per(self, result: Any, *args: Any, **kw: Any) -> None:
        self._inner.yield_per(result, *args, **kw)
        self.guard(result, self._pin)

    def soft_close(self, *args: Any, **kw: Any) -> None:
        self._inner.soft_close(*args, **kw)

    def hard_close(self, *args: Any, **kw: Any) -> None:
        self._inner.hard_close(*args, **kw)

    def handle_exception(self, *args: Any, **kw: Any) -> Any:
        return self._inner.handle_exception(*args, **kw)
