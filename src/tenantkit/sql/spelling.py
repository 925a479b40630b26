"""Keys as texts of a request spell them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, SmallInteger, TypeDecorator, Uuid
from sqlalchemy import Enum as SqlEnum
from sqlalchemy.types import TypeEngine

__all__ = ["read_key"]

_INTEGER: Final = 2**31  # what the columns hold
_LIMITS: Final[Mapping[type, int]] = {SmallInteger: 2**15, BigInteger: 2**63}


def inner_type(column: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type that a column has in the database, which a ``TypeDecorator`` stands before."""
    return column.impl_instance if isinstance(column, TypeDecorator) else column


def python_kind(column: TypeEngine[Any]) -> type:
    """Return the type of a column's values: what a ``TypeDecorator`` says, or what is behind one that says nothing."""
    said: type = object
    with suppress(NotImplementedError):  # so says SQLAlchemy 2.0, and 2.1 says object
        said = column.python_type
    inner = inner_type(column)
    return inner.python_type if said is object and inner is not column else said


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
