"""Values for columns of any type: the same each time, and told apart by whose row they are in."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import Column, SmallInteger, types
from sqlalchemy.types import TypeEngine

from tenantkit.exceptions import ConfigurationError
from tenantkit.sql.spelling import inner_type, python_kind

__all__ = ["SPACE", "value_for"]

SPACE: Final = UUID("8d1e3f5c-52f5-4dd2-8f5b-3c3f8a2f6a10")
_BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)
_MOST: Final = 1_000_000  # of hours and days; more is no date any more
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def value_for(column: Column[Any], slug: str, number: int) -> Any:
    """
    Return a value for a column.

    Args:
        column: the column.
        slug: whose row it is.
        number: counts the rows of all tenants, so that no two values of a column are equal where they need not be.

    Raises:
        ConfigurationError: the type is not known, and the column may not be NULL.
    """
    made = _made(inner_type(column.type), column, slug, number)
    if made is not None or column.nullable:
        return made
    raise ConfigurationError(
        f"There is no value for {column}, whose type is {column.type!r}. Give one: "
        f"values={{{str(column)!r}: lambda tenant, number: ...}}."
    )


def _made(kind: TypeEngine[Any], column: Column[Any], slug: str, number: int) -> Any:
    if isinstance(kind, types.Enum):
        members: list[Any] = list(kind.enum_class) if kind.enum_class is not None else list(kind.enums)
        return members[number % len(members)]
    if isinstance(kind, types.ARRAY):
        return [_made(kind.item_type, column, slug, number)]
    if isinstance(kind, types.JSON):
        return {"of": slug, "number": number}
    made = _of_python(python_kind(column.type), slug, number)
    if isinstance(kind, types.String) and isinstance(made, str):
        return _cut(f"{slug} {column.name} {number}", number, kind.length)
    if isinstance(kind, types.DateTime) and not kind.timezone and column.type is kind:
        return made.replace(tzinfo=None)
    return number % 30_000 if isinstance(kind, SmallInteger) else made


def _of_python(python: Any, slug: str, number: int) -> Any:
    if isinstance(python, type) and issubclass(python, Enum):
        return list(python)[number % len(python)]
    maker = _MAKERS.get(python)
    return maker(slug, number) if maker is not None else None


def _cut(text: str, number: int, length: int | None) -> str:
    if length is None or len(text) <= length:
        return text
    short = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        short = _DIGITS[digit] + short
    return short.rjust(min(length, 8), "0")[-length:]


_MAKERS: Final[dict[Any, Callable[[str, int], Any]]] = {
    bool: lambda _slug, number: bool(number % 2),
    int: lambda _slug, number: 1_000_000 + number,
    float: lambda _slug, number: float(number),
    Decimal: lambda _slug, number: Decimal(number),
    UUID: lambda slug, number: uuid5(SPACE, f"{slug} {number}"),
    datetime: lambda _slug, number: _BEGIN + timedelta(hours=number % _MOST),
    date: lambda _slug, number: _BEGIN.date() + timedelta(days=number % _MOST),
    time: lambda _slug, number: time(number // 60 % 24, number % 60),
    timedelta: lambda _slug, number: timedelta(minutes=number),
    bytes: lambda slug, number: f"{slug} {number}".encode(),
    str: lambda slug, number: f"{slug} {number}",
}
