"""Conditions on whose a resource is, and on what it is related to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import aliased
from sqlalchemy.types import TypeEngine

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.conditions.attributes import (
    check_comparable,
    column_of,
    mapper_of_object,
    read_attribute,
    relationship_of,
)
from tenantkit.rbac.conditions.promise import Asker, Condition
from tenantkit.rbac.resources import Resource
from tenantkit.sql.spelling import python_kind, read_key

__all__ = ["Owner", "Related", "owner_of"]


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
        mapper = mapper_of_object(resource)
        if mapper is not None:
            _check_owner(self.by, mapper.column_attrs[self.by].columns[0].type)
        if owner is None:
            return None
        return actor is not None and str(owner) == actor.id

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return the same as SQL."""
        column = column_of(model, self.by)
        if self.unless is not None and asker.may(self.unless):
            return true()
        actor = asker.scope.actor
        _check_owner(self.by, column.type)
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


def _check_owner(name: str, column: TypeEngine[Any]) -> None:
    check_comparable(name, column)
    kind = python_kind(column)
    if kind not in (int, str, UUID):
        raise ConfigurationError(
            f"{name!r} holds {kind.__name__}, and a user's id is a text, a number or a UUID."
        )


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
        mapper = mapper_of_object(resource)
        if (
            mapper is not None
            and relationship_of(mapper.class_, self.name).uselist
            and isinstance(related, Mapping)
        ):
            related = related.values()
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
