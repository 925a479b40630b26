"""What a shape is, and how one is declared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, Executable
from sqlalchemy.orm import Session

from tenantkit.exceptions import IsolationError
from tests.leaks.world import Side

ALL = ("sqlite", "postgresql", "mariadb")
SQLITE = ("sqlite",)
POSTGRES = ("postgresql",)
MARIADB = ("mariadb",)
NOT_MARIADB = (*SQLITE, *POSTGRES)


class Kind(Enum):
    """What a shape must show."""

    READ = "read"
    INNOCENT = "innocent"
    ATTACK = "attack"


@dataclass(frozen=True, slots=True)
class View:
    """What the body of a shape is given besides its session: the world seen from one side."""

    own: Side
    foreign: Side
    dialect: str
    engine: Engine
    owner: Engine
    open: Callable[..., Session]
    scope: Callable[[Side], Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement returned, and what it had to return."""

    actual: Any
    expected: Any
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """What the owner must find in the database after the commit."""

    statement: Executable
    expected: Any


Body = Callable[[Session, View], Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """
    One way of reaching rows: a body, and what it must show.

    ``refusals`` are the errors that an attack may end in. A ``quiet`` attack may also end in nothing: no error,
    no foreign row seen, none touched. An ``inert`` shape can't do harm on a plain session, and says why.
    A ``pinned`` shape makes no sense without a scope, and one that is not ``ambient`` cannot run where only one scope
    is entered. An expectation that is not for a tenant ``alone`` needs the library. What is not ``transactional``
    cannot run behind policies.
    """

    name: str
    family: str
    body: Body
    kind: Kind
    promise: str
    dialects: Sequence[str] = ALL
    since: tuple[int, int] = (2, 0)
    refusals: tuple[type[Exception], ...] = ()
    quiet: bool = False
    inert: str = ""
    pinned: bool = False
    ambient: bool = True
    alone: bool = True
    transactional: bool = True

    def applies(self, dialect: str) -> bool:
        """Tell whether this dialect, with this SQLAlchemy, can run the shape."""
        return dialect in self.dialects and self.since <= _installed()


SHAPES: dict[str, Shape] = {}


def _installed() -> tuple[int, int]:
    major, minor = sqlalchemy.__version__.split(".")[:2]
    return int(major), int(minor)


def _declare(kind: Kind, options: dict[str, Any]) -> Callable[[Body], Body]:
    def register(body: Body) -> Body:
        name = body.__name__
        if name in SHAPES:
            raise ValueError(f"two shapes are called {name}")
        family = body.__module__.rpartition("shapes_")[2]
        promise = (body.__doc__ or "").strip()
        SHAPES[name] = Shape(name, family, body, kind, promise, **options)
        return body

    return register


def read(**options: Any) -> Callable[[Body], Body]:
    """Declare a shape that must return the own rows and no others."""
    return _declare(Kind.READ, options)


def innocent(**options: Any) -> Callable[[Body], Body]:
    """Declare a shape that must work: refusing it is a failure."""
    return _declare(Kind.INNOCENT, options)


def attack(*refusals: type[Exception], **options: Any) -> Callable[[Body], Body]:
    """Declare a shape that must be refused, with one of these errors."""
    return _declare(Kind.ATTACK, {"refusals": refusals or (IsolationError,), **options})


def same(actual: Any, expected: Any) -> Answer:
    """Expect these rows in any order."""
    return Answer(_plain(actual), expected)


def in_order(actual: Any, expected: Any) -> Answer:
    """Expect these rows in this order."""
    return Answer(_plain(actual), expected, ordered=True)


def stored(statement: Executable, expected: Any) -> Stored:
    """Expect the owner to find this after the commit."""
    return Stored(statement, expected)


def _plain(result: Any) -> Any:
    return result.all() if hasattr(result, "all") else result
