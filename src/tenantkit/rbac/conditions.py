"""Conditions on whose a resource is and what it belongs to, those made of others, and all of them as data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, not_, or_, true
from sqlalchemy.orm import aliased

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.attributes import Attribute, FromScope, column_of, read_attribute, relationship_of
from tenantkit.rbac.condition import Asker, Condition
from tenantkit.rbac.model import Resource
from tenantkit.sql.spelling import read_key

__all__ = ["AllOf", "AnyOf", "Not", "Owner", "Related", "condition_from", "owner_of"]


@dataclass(frozen=True, slots=True)
class Owner(Condition):
    """
    The resource is the actor's; see :func:`owner_of`.

    .. versionadded:: 0.1
    """

    by: str
    unless: str | None = None

    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether the attribute holds the actor's id, or the actor has the permission that stands in."""
        if self.unless is not None and asker.may(self.unless):
            return True
        owner, actor = read_attribute(resource, self.by), asker.scope.actor
        if owner is None:
            return None
        return actor is not None and str(owner) == actor.id

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL."""
        column = column_of(model, self.by)
        if self.unless is not None and asker.may(self.unless):
            return true()
        actor = asker.scope.actor
        key = None if actor is None else read_key(column.type, actor.id)
        if key is None:
            return column != column  # type: ignore[no-any-return] # noqa: PLR0124 - false, and unknown where it is NULL
        found: ColumnElement[bool] = column == key
        return found

    @property
    def data(self) -> Mapping[str, Any]:
        """The condition as data."""
        return {"owner": self.by} | ({"unless": self.unless} if self.unless else {})

    @property
    def permissions(self) -> frozenset[str]:
        """The permission that stands in."""
        return frozenset({self.unless} if self.unless else ())

    def __str__(self) -> str:
        return f"{self.by} is the actor" + (f", or the actor has {self.unless!r}" if self.unless else "")


def owner_of(by: str, *, unless: str | None = None) -> Owner:
    """
    Make a condition that is true of the actor's own resources.

    Args:
        by: the attribute that holds the owner's user id.
        unless: a permission that stands in for owning, such as ``system:admin``.

    .. versionadded:: 0.1
    """
    return Owner(by, unless)


@dataclass(frozen=True, slots=True)
class Related(Condition):
    """
    A condition is true of what the resource is related to: of the one, or of one of the many.

    Args:
        name: the relationship. In Python it is read as an attribute, which may load it.
        where: the condition.

    .. versionadded:: 0.1
    """

    name: str
    where: Condition

    def holds(self, asker: Asker, resource: Any) -> bool | None:
        """Whether it is true of one that is related; None where the data does not say what is."""
        related = read_attribute(resource, self.name, of="relationships")
        if related is None:
            return None if isinstance(resource, Resource | Mapping) else False
        many = related if isinstance(related, Iterable) and not isinstance(related, Mapping) else (related,)
        return any(self.where.holds(asker, one) is True for one in many)

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL: an EXISTS."""
        relationship = relationship_of(model, self.name)
        # an alias, since a relation may lead back to the class that is asked about
        target = aliased(relationship.mapper.class_)
        attribute = getattr(model, self.name).of_type(target)
        within = self.where.clause(asker, target)
        found: ColumnElement[bool] = (attribute.any if relationship.uselist else attribute.has)(within)
        return found

    @property
    def data(self) -> Mapping[str, Any]:
        """The condition as data."""
        return {"related": self.name, "where": self.where.data}

    @property
    def permissions(self) -> frozenset[str]:
        """What the condition inside asks for."""
        return self.where.permissions

    def __str__(self) -> str:
        return f"of its {self.name}, {self.where}"


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


def condition_from(data: Any) -> Condition:
    """
    Return the condition that data describes: what :attr:`Condition.data` gives.

    ``{"owner": "created_by"}``, ``{"attribute": "status", "is": "draft"}``, ``{"related": "folder", "where": {...}}``,
    ``{"all": [...]}``, ``{"any": [...]}``, ``{"not": {...}}``.

    Raises:
        ConfigurationError: it describes none.

    .. versionadded:: 0.1
    """
    match data:
        case {"owner": str(by), **rest} if not rest:
            return Owner(by)
        case {"owner": str(by), "unless": str(unless), **rest} if not rest:
            return Owner(by, unless)
        case {"attribute": str(name), **rest} if len(rest) == 1:
            return Attribute(name, *_comparison(name, *rest.popitem()))
        case {"related": str(name), "where": where, **rest} if not rest:
            return Related(name, condition_from(where))
        case {"all": list(several)} | {"any": list(several)} if several and len(data) == 1:
            made = map(condition_from, several)
            return AllOf(*made) if "all" in data else AnyOf(*made)
        case {"not": one, **rest} if not rest:
            return Not(condition_from(one))
    raise ConfigurationError(
        f"{data!r} is no condition. One is written as {{owner = ...}}, {{attribute = ..., is = ...}}, "
        "{related = ..., where = ...}, {all = [...]}, {any = [...]} or {not = ...}."
    )


def _comparison(name: str, operator: Any, value: Any) -> tuple[Any, Any]:
    if operator in ("present", "missing"):
        if value is not True:
            raise ConfigurationError(f"{operator!r} of the attribute {name!r} is true, or is left out.")
        return operator, None
    match value:
        case {"scope": str(known), **rest} if not rest:
            return operator, FromScope(known)
    return operator, value
