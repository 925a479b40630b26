"""
What a field writes into a statement: its type where something is cast to it, and what stands around its values.

Django's fields write what is known. A field of somebody else's that writes is refused, unless it is named.
"""

from enum import IntEnum
from functools import cache
from typing import Any, Final

from django.db.models.fields.generated import GeneratedField

from tenantkit.adapters.django.db.origin import foreign_ancestors, is_known
from tenantkit.exceptions import StatementRefused

__all__ = ["check_cast", "check_field"]

_AROUND_VALUES: Final = frozenset(["get_placeholder", "get_placeholder_sql", "select_format"])
_TYPE: Final = frozenset(["cast_db_type", "db_type", "db_type_parameters", "rel_db_type"])
_UNSEEN: Final = frozenset(["__getattr__", "__getattribute__"])
_PARTS: Final = ("base_field", "output_field", "target_field")
_NUMBERS: Final = ("decimal_places", "max_digits", "max_length", "size")
_INSTEAD: Final = "Take a field of Django's as it is, or name the field's class in TENANTKIT['ELEMENTS']."


def check_field(field: Any, elements: tuple[type, ...]) -> None:
    """
    Refuse a field that writes SQL of its own around values.

    Args:
        field: the field by which an expression is read, or a value is written.
        elements: classes of the application's own that may write SQL.

    Raises:
        StatementRefused: it does.
    """
    _check(field, _AROUND_VALUES, elements)


def check_cast(field: Any, elements: tuple[type, ...]) -> None:
    """
    Refuse a field as the type of a cast, if its type is SQL of a caller's own.

    Raises:
        StatementRefused: it is.
    """
    _check(field, _TYPE, elements)
    own = vars(field)
    for name in _NUMBERS:
        number = own.get(name)
        if number is not None and type(number) is not int and not isinstance(number, IntEnum):
            raise StatementRefused(
                f"A {type(field).__name__} has {name}={number!r}, which is no number. {_INSTEAD}"
            )
    for part in _PARTS:
        inner = own.get(part) if part != "target_field" else getattr(field, part, None)
        if (
            inner is not None
            and inner is not field
            and (part != "output_field" or isinstance(field, GeneratedField))
        ):
            check_cast(inner, elements)


def _check(field: Any, writes: frozenset[str], elements: tuple[type, ...]) -> None:
    kind = type(field)
    if (verdict := _verdict(kind, writes, elements)) is not None:  # type: ignore[arg-type]  # a class is hashable
        raise StatementRefused(verdict)
    if given := writes & vars(field).keys():
        raise StatementRefused(f"A {kind.__name__} was given SQL of its own ({min(given)}). {_INSTEAD}")


@cache
def _verdict(kind: type, writes: frozenset[str], elements: tuple[type, ...]) -> str | None:
    """Return why a field of a class may not write into a statement, or None."""
    if is_known(kind) or issubclass(kind, elements):
        return None
    looked_at = writes | _UNSEEN | (frozenset(_PARTS) if writes is _TYPE else frozenset())
    for ancestor in foreign_ancestors(kind):
        if own := sorted(looked_at.intersection(vars(ancestor))):
            return (
                f"The field {kind.__module__}.{kind.__qualname__} writes SQL of its own ({', '.join(own)}). If it "
                "shows no rows but those it is given, name its class in TENANTKIT['ELEMENTS']."
            )
    return None
