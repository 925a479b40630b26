"""What is made at first use, and once, whichever thread comes first."""

from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, Self, TypeVar, overload

__all__ = ["once"]

Made = TypeVar("Made")


class once(Generic[Made]):  # noqa: N801 - a decorator
    """
    A property that is made at its first use and kept, as `functools.cached_property` was before Python 3.12.

    Since then that one has no lock: two threads at a kit's first request would each make an engine, and the connections
    of the one that is lost would stay open.
    """

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make
        self._lock = RLock()
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Made: ...

    def __get__(self, instance: object, owner: type) -> "Made | Self":
        if instance is None:
            return self
        with self._lock:
            kept = instance.__dict__  # which is asked first from the next time on
            if self._name not in kept:
                kept[self._name] = self._make(instance)
            made: Made = kept[self._name]
            return made
