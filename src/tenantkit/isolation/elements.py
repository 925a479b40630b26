"""The elements of SQL that scoping itself writes, told apart from a caller's by their classes."""

from typing import Any, Final

from sqlalchemy import Boolean, String, TypeDecorator
from sqlalchemy.sql import ColumnElement, operators
from sqlalchemy.sql.elements import BinaryExpression, BindParameter
from sqlalchemy.sql.functions import Function
from sqlalchemy.types import TypeEngine

__all__ = [
    "PARENT_PREFIX",
    "RESERVED_PREFIX",
    "OwnFunction",
    "OwnName",
    "SameText",
    "ScopeBind",
    "kinds_of",
    "same",
]

RESERVED_PREFIX: Final = "tenantkit_"
PARENT_PREFIX: Final = "tenantkit_parent_"


class ScopeBind(BindParameter[Any]):
    """A bound value that only the pin of a connection can fill."""

    inherit_cache = True


class SameText(BinaryExpression[Any]):
    """Two texts that are the same letter by letter, also where a database compares texts more loosely."""

    __visit_name__ = "same_text"
    inherit_cache = True


class OwnFunction(Function[Any]):
    """A function that scoping itself calls, though it is not on the list of those that statements may call."""

    inherit_cache = True


class OwnName(str):
    """The name of an alias that scoping itself writes; a caller's of this form is refused."""

    __slots__ = ()


def kinds_of(type_: TypeEngine[Any]) -> list[TypeEngine[Any]]:
    """Return the types that a type is on any database: without decorations, and in its variants."""
    if isinstance(type_, TypeDecorator):
        return kinds_of(type_.impl_instance)
    variants = getattr(type_, "_variant_mapping", {}).values()
    return [type_, *(kind for variant in variants for kind in kinds_of(variant))]


def same(column: ColumnElement[Any], value: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a column holds exactly a value."""
    if any(isinstance(one, String) for one in kinds_of(column.type)):
        return SameText(column, value, operators.eq, type_=Boolean())
    return column == value
