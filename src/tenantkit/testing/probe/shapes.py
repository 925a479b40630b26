"""The ways in which rows are asked for and written: what one is. They stand in `reading` and `writing`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.orm import Session

from tenantkit.testing.probe.subjects import Subject

__all__ = ["SHAPES", "Inapplicable", "Shape", "first", "read", "read_class", "some", "write", "write_class"]

Body = Callable[[Session, Subject], Any]


class Inapplicable(Exception):
    """A shape has nothing to do on a table: no link, no relationship, no column to set."""


@dataclass(frozen=True, slots=True)
class Shape:
    """
    One way of reaching rows.

    Attributes:
        name: what a report calls it.
        body: does it, and returns what it saw.
        is_write: whether it writes.
        needs_class: whether it needs a mapped class.
    """

    name: str
    body: Body
    is_write: bool = False
    needs_class: bool = False


SHAPES: Final[list[Shape]] = []


def _shape(*, is_write: bool = False, needs_class: bool = False) -> Callable[[Body], Body]:
    def register(body: Body) -> Body:
        SHAPES.append(Shape(body.__name__.replace("_", " "), body, is_write, needs_class))
        return body

    return register


read = _shape()
read_class = _shape(needs_class=True)
write = _shape(is_write=True)
write_class = _shape(is_write=True, needs_class=True)


def some(found: Any) -> Any:
    """Return what was found, or end a shape that has nothing to do."""
    if not found:
        raise Inapplicable
    return found


def first(keys: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the first key, if there is one."""
    return some(keys)[0]  # type: ignore[no-any-return]
