"""Conditions that are made of others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.conditions.promise import Asker, Condition

__all__ = ["AllOf", "AnyOf", "Not"]


@dataclass(frozen=True, init=False)
class _Several(Condition):
    conditions: tuple[Condition, ...]

    def __init__(self, *conditions: Condition) -> None:
        if not conditions:
            raise ConfigurationError(f"{type(self).__name__}() needs a condition at least.")
        object.__setattr__(self, "conditions", conditions)

    @property
    def permissions(self) -> frozenset[str]:
        """What the conditions inside ask for."""
        return frozenset().union(*(one.permissions for one in self.conditions))

    def _each(self, asker: Asker, resource: Any) -> list[bool | None]:
        return [one.holds(asker, resource) for one in self.conditions]

    def _clauses(self, asker: Asker, model: Any) -> list[ColumnElement[bool]]:
        return [one.clause(asker, model) for one in self.conditions]


class AllOf(_Several):
    """
    All of the conditions are true.

    .. versionadded:: 0.1
    """

    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether all are true."""
        each = self._each(asker, resource)
        return False if False in each else None if None in each else True

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL."""
        return and_(*self._clauses(asker, model))

    @property
    def data(self) -> Mapping[str, Any]:
        """The condition as data."""
        return {"all": [one.data for one in self.conditions]}

    def __str__(self) -> str:
        return " and ".join(f"({one})" for one in self.conditions)


class AnyOf(_Several):
    """
    One of the conditions is true.

    .. versionadded:: 0.1
    """

    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether one is true."""
        each = self._each(asker, resource)
        return True if True in each else None if None in each else False

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL."""
        return or_(*self._clauses(asker, model))

    @property
    def data(self) -> Mapping[str, Any]:
        """The condition as data."""
        return {"any": [one.data for one in self.conditions]}

    def __str__(self) -> str:
        return " or ".join(f"({one})" for one in self.conditions)


@dataclass(frozen=True, slots=True)
class Not(Condition):
    """
    A condition is false; where it is unknown, so is this.

    .. versionadded:: 0.1
    """

    condition: Condition

    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether the condition is false."""
        found = self.condition.holds(asker, resource)
        return None if found is None else not found

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL."""
        return not_(self.condition.clause(asker, model))

    @property
    def data(self) -> Mapping[str, Any]:
        """The condition as data."""
        return {"not": self.condition.data}

    @property
    def permissions(self) -> frozenset[str]:
        """What the condition inside asks for."""
        return self.condition.permissions

    def __str__(self) -> str:
        return f"not ({self.condition})"
