"""
When a rule holds: what a condition promises.

It is asked of an object in Python and of rows in SQL, and answers alike, in the three values of SQL: true, false, and
unknown where an attribute is NULL or not said. A rule that allows needs true; one that denies is held off by false
alone. So nothing is opened by what is not known.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement

from tenantkit.core.scope import Scope

__all__ = ["Asker", "Condition"]


@dataclass(frozen=True, slots=True)
class Asker:
    """
    Who asks.

    Args:
        scope: the scope.
        may: whether a permission is allowed to the actor everywhere.

    .. versionadded:: 0.1
    """

    scope: Scope
    may: Callable[[str], bool]


class Condition(ABC):
    """
    Something that is true of some resources.

    Immutable, comparable, hashable. What the kit ships can be written as data and read back; see
    :func:`condition_from`. A condition of your own is a class that implements this.

    .. versionadded:: 0.1
    """

    __slots__ = ()

    @abstractmethod
    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether it is true of a resource; None where that cannot be said. Asks no database but for what is lazy."""

    @abstractmethod
    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL, over a mapped class or an alias of one."""

    @property
    @abstractmethod
    def data(self) -> Mapping[str, Any]:
        """The condition as JSON-able data."""

    @property
    def permissions(self) -> frozenset[str]:
        """The permissions that it asks for, which have to be declared."""
        return frozenset()

    @abstractmethod
    def __str__(self) -> str:
        """Return the condition in words, as they stand behind "where"."""
