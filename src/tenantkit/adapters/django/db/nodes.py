"""
What Django's compiler may be asked to compile: Django's own expressions, and others where they write no SQL.

As in SQLAlchemy's, refused is what holds SQL that a caller wrote: in it nothing can be scoped.
"""

import re
import sys
from functools import cache
from typing import Any, Final

from django.core.exceptions import FieldError
from django.db.models.expressions import Col, Combinable, CombinedExpression, Func, RawSQL
from django.db.models.sql.datastructures import BaseTable, Join
from django.db.models.sql.where import ExtraWhere

from tenantkit.exceptions import StatementRefused
from tenantkit.isolation.functions import ALLOWED_FUNCTIONS

__all__ = ["RowFilter", "check_field", "check_node", "check_source", "is_column_of"]

_RAW: Final = (RawSQL, ExtraWhere)
_COLUMN: Final = re.compile(r'"?(\w+)"?\."?\w+"?\Z')
_SPELLED: Final = frozenset(
    [
        "arg_joiner",
        "as_postgresql",
        "as_sql",
        "as_sqlite",
        "case_joiner",
        "filter_template",
        "function",
        "template",
    ]
)
_WRITES: Final = _SPELLED - {"function"} | {
    "batch_process_rhs",
    "get_db_prep_lookup",
    "get_rhs_op",
    "postgres_operator",
    "process_lhs",
    "process_rhs",
    "select_format",
}
_FIELD_WRITES: Final = frozenset(
    [
        "cast_db_type",
        "db_type",
        "db_type_parameters",
        "get_placeholder",
        "get_placeholder_sql",
        "rel_db_type",
        "select_format",
    ]
)
_ARRAY: Final = (
    "template",
    "%(function)s[%(expressions)s]",
)  # what lookups of PostgreSQL's arrays compare with
_NUMBERS_OF_TYPES: Final = ("decimal_places", "max_digits", "max_length", "size")
_NUMBERS: Final = (int, type(None))
_CONNECTORS: Final = frozenset(
    vars(Combinable)[name]
    for name in vars(Combinable)
    if name.isupper() and isinstance(vars(Combinable)[name], str)
)
_OURS: Final = "tenantkit.adapters.django."
_INSTEAD: Final = (
    "Write it with expressions; or as text in the kit's session, with vouch(); or, for all tenants' rows, in "
    "unscoped()."
)


class RowFilter:
    """A condition that scoping adds to a WHERE: text and parameters, ready."""

    contains_aggregate = False
    contains_over_clause = False

    def __init__(self, sql: str, params: list[Any]) -> None:
        self._sql, self._params = sql, params

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # noqa: ARG002 - as Django calls it
        """Return the condition."""
        return self._sql, self._params


def check_node(node: Any, functions: frozenset[str], elements: tuple[type, ...]) -> None:
    """
    Refuse an expression that holds SQL of a caller's own.

    Args:
        node: what is to be compiled.
        functions: names of SQL functions that may be called besides the built-in list.
        elements: classes of the application's own expressions that may write SQL.

    Raises:
        StatementRefused: it is raw SQL, a function that is not on the list, or of a class that is not known.
    """
    kind = type(node)
    own = getattr(node, "__dict__", {})
    if given := [name for name in _WRITES.intersection(own) if not _is_of_class(own[name], kind, name)]:
        raise StatementRefused(f"A {kind.__name__} was given SQL of its own ({min(given)}). {_INSTEAD}")
    if "function" in own:  # as a SearchQuery has it
        _check_function(own["function"], kind, functions)
    verdict = _verdict(kind, elements)  # type: ignore[arg-type]  # a class is hashable
    if verdict is not None:
        raise StatementRefused(verdict)
    field = _field_of(node)
    if field is not None:
        check_field(field, elements)
    if isinstance(node, CombinedExpression) and node.connector not in _CONNECTORS:
        raise StatementRefused(
            f"Expressions are combined by {node.connector!r}, which is no operator. {_INSTEAD}"
        )
    if isinstance(node, Col) and '"' in str(node.alias):
        raise StatementRefused(f"A column is of {node.alias!r}, which is no alias of a table.")
    extra = getattr(node, "extra", None)
    if extra:
        _check_extra(node, extra, functions)
    elif isinstance(node, Func) and not _is_known(kind):  # type: ignore[arg-type]  # a class is hashable
        _check_function(node.function, kind, functions)


def is_column_of(node: Any, query: Any) -> bool:
    """Whether a piece of raw SQL is a bare column of a table in the query's FROM, as prefetching writes it."""
    found = _COLUMN.match(node.sql) if type(node) is RawSQL and not node.params else None
    return found is not None and bool(query.alias_refcount.get(found[1]))


@cache
def _verdict(kind: type, elements: tuple[type, ...]) -> str | None:
    """Return why no expression of a class may be compiled, or None."""
    if issubclass(kind, _RAW):
        return f"{kind.__name__} is raw SQL (RawSQL, raw(), extra()), which cannot be scoped. {_INSTEAD}"
    if _is_known(kind) or issubclass(kind, elements):
        return None
    for ancestor in kind.__mro__:
        if ancestor is object or _is_known(ancestor):
            continue
        own = sorted(name for name in vars(ancestor) if name.startswith("as_") or name in _WRITES)
        if own:
            return (
                f"{kind.__module__}.{kind.__qualname__} writes SQL of its own ({', '.join(own)}). If it shows no rows "
                "but those it is given, name its class in TENANTKIT['ELEMENTS']."
            )
    if not any(_is_known(ancestor) and ancestor is not object for ancestor in kind.__mro__[1:]):
        return f"{kind.__module__}.{kind.__qualname__} is no expression of Django, and cannot be scoped."
    return None


@cache
def _is_known(kind: type) -> bool:
    """Whether a class is Django's or ours: it stands where it says, so that no other can claim to."""
    if not kind.__module__.startswith(("django.", _OURS)):
        return False
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def _check_extra(node: Any, extra: dict[str, Any], functions: frozenset[str]) -> None:
    for name in sorted(_SPELLED.intersection(extra)):
        if name != "function" and (name, extra[name]) != _ARRAY:
            raise StatementRefused(
                f"{type(node).__name__} is given its {name} as SQL, in which nothing can be scoped. {_INSTEAD}"
            )
    template = getattr(node, "template", "")
    for name, value in extra.items():
        if name != "function" and isinstance(value, str) and f"%({name})s" in template:
            raise StatementRefused(f"{type(node).__name__} is given {name!r} as SQL. {_INSTEAD}")
    if isinstance(node, Func) and ("function" in extra or not _is_known(type(node))):  # type: ignore[arg-type]
        _check_function(extra.get("function", node.function), type(node), functions)


def _check_function(name: object, kind: type, functions: frozenset[str]) -> None:
    spelled = str(name).lower()
    if spelled not in ALLOWED_FUNCTIONS and spelled not in functions and spelled != "array":
        raise StatementRefused(
            f"{kind.__name__} calls the SQL function {str(name)!r}, of which it is not known what it reads. If it "
            "shows no rows but those it is given, name it in TENANTKIT['FUNCTIONS']."
        )


def _is_of_class(value: object, kind: type, name: str) -> bool:
    """Whether an attribute says what its class says, as Django 6.1 keeps the template of a subquery."""
    return type(value) is str and value == getattr(kind, name, None)


def _field_of(node: Any) -> Any:
    """Return the field by which an expression is read or spelled, if it has one."""
    try:
        return getattr(node, "_output_field_or_none", None)
    except FieldError:  # of mixed types: nobody can ask it for its field, Django neither
        return None


def check_field(field: Any, elements: tuple[type, ...]) -> None:
    """
    Refuse a field that holds SQL of a caller's own, in its type or around its values.

    Raises:
        StatementRefused: it does.
    """
    kind, own = type(field), vars(field)
    if (verdict := _verdict_on_field(kind, elements)) is not None:  # type: ignore[arg-type]  # a class is hashable
        raise StatementRefused(verdict)
    if given := _FIELD_WRITES.intersection(own):
        raise StatementRefused(f"A {kind.__name__} was given SQL of its own ({min(given)}). {_INSTEAD}")
    for name in _NUMBERS_OF_TYPES:
        if type(number := own.get(name)) not in _NUMBERS:
            raise StatementRefused(f"A {kind.__name__} has {name}={number!r}, which is no number. {_INSTEAD}")
    if "base_field" in own:  # of an array
        check_field(own["base_field"], elements)


@cache
def _verdict_on_field(kind: type, elements: tuple[type, ...]) -> str | None:
    """Return why no field of a class may be part of a statement, or None."""
    if _is_known(kind) or issubclass(kind, elements):
        return None
    for ancestor in kind.__mro__:
        own = [] if _is_known(ancestor) else sorted(_FIELD_WRITES.intersection(vars(ancestor)))
        if own:
            return (
                f"The field {kind.__module__}.{kind.__qualname__} writes SQL of its own ({', '.join(own)}). If it "
                "shows no rows but those it is given, name its class in TENANTKIT['ELEMENTS']."
            )
    return None


def check_source(source: Any) -> None:
    """
    Refuse what stands in a FROM clause and is neither a table nor a join of one.

    Raises:
        StatementRefused: it is.
    """
    if type(source) not in (BaseTable, Join):
        raise StatementRefused(
            f"A FROM clause holds a {type(source).__module__}.{type(source).__qualname__}, which cannot be scoped. Use "
            "models, relations, FilteredRelation and subqueries."
        )
