"""Keys as texts of a request spell them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, SmallInteger, TypeDecorator, Uuid
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.types import TypeEngine

__all__ = ["inner_type", "python_kind", "read_key"]

_INTEGER: Final = 2**31  # what the columns hold
_LIMITS: Final[Mapping[type, int]] = {SmallInteger: 2**15, BigInteger: 2**63}


def inner_type(column: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that a column has in the database, which a ``TypeDecorator`` stands before."""
    while isinstance(column, TypeDecorator):
        column = column.impl_instance
    return column


def python_kind(column: TypeEngine[Any]) -> type:
    """Return the type of a column's values, if need be from behind a ``TypeDecorator``; object where nobody says it."""
    for one in (column, inner_type(column)):
        with suppress(NotImplementedError):  # which says SQLAlchemy 2.0 where 2.1 says object
            if one.python_type is not object:
                return one.python_type
    return object


def read_key(column: TypeEngine[Any], text: str) -> Any:
    """
    Return the key that a text spells, or None where no row can have it.

    A key has one spelling: ``+7``, ``07`` and a UUID in braces or capitals are none. The database is never asked for
    what its column cannot hold, which some answer with an error.
    """
    kind, inner = python_kind(column), inner_type(column)
    read: Any = kind.fromisoformat if issubclass(kind, date) else kind
    try:
        text.encode()  # half a surrogate pair fits into no column
        key = read(text)
        if isinstance(inner, Uuid) and kind is str and str(UUID(text)) != text:
            return None
    except (ValueError, TypeError, ArithmeticError):
        return None
    if isinstance(key, int):
        limit = next((limit for size, limit in _LIMITS.items() if isinstance(inner, size)), _INTEGER)
        if not -limit <= key < limit:
            return None
    if isinstance(inner, SqlEnum) and kind is str and text not in inner.enums:
        return None
    return key if str(key) == text and "\0" not in text else None
