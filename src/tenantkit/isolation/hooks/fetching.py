"""What stands between a result and its cursor: rows are handed out only in the scope that they were asked for."""

from abc import ABC, abstractmethod
from typing import Any

from tenantkit.isolation.pin import Pin

__all__ = ["GuardedFetch", "WrappedFetch"]


class WrappedFetch(ABC):
    """A cursor strategy around another one."""

    __slots__ = ("_inner",)
    alternate_cursor_description = None

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    @abstractmethod
    def _around(self, inner: Any) -> "WrappedFetch":
        """Return the same wrapping around another strategy."""

    def _fetch(self, how: str, result: Any, *args: Any, **kw: Any) -> Any:
        return getattr(self._inner, how)(result, *args, **kw)

    def fetchone(self, *args: Any, **kw: Any) -> Any:
        return self._fetch("fetchone", *args, **kw)

    def fetchmany(self, *args: Any, **kw: Any) -> Any:
        return self._fetch("fetchmany", *args, **kw)

    def fetchall(self, *args: Any, **kw: Any) -> Any:
        return self._fetch("fetchall", *args, **kw)

    def yield_per(self, result: Any, *args: Any, **kw: Any) -> None:
        result.cursor_strategy = self._inner
        self._inner.yield_per(result, *args, **kw)  # puts another strategy there
        result.cursor_strategy = self._around(result.cursor_strategy)

    def soft_close(self, *args: Any, **kw: Any) -> None:
        self._inner.soft_close(*args, **kw)

    def hard_close(self, *args: Any, **kw: Any) -> None:
        self._inner.hard_close(*args, **kw)

    def handle_exception(self, *args: Any, **kw: Any) -> Any:
        return self._inner.handle_exception(*args, **kw)


class GuardedFetch(WrappedFetch):
    """Compares the ambient scope with the pin before it hands out rows."""

    __slots__ = ("_pin",)

    def __init__(self, inner: Any, pin: Pin) -> None:
        super().__init__(inner)
        self._pin = pin

    def _around(self, inner: Any) -> "GuardedFetch":
        return GuardedFetch(inner, self._pin)

    @classmethod
    def guard(cls, result: Any, pin: Pin) -> None:
        """Wrap the strategy of a result that still has rows to fetch."""
        if not result._soft_closed:
            result.cursor_strategy = cls(result.cursor_strategy, pin)

    def _fetch(self, how: str, result: Any, *args: Any, **kw: Any) -> Any:
        self._pin.check_ambient()
        return super()._fetch(how, result, *args, **kw)
