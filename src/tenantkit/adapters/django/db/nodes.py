"""
What Django's compiler may be asked to compile: Django's own expressions, and others where they write no SQL.

As in SQLAlchemy's, refused is what holds SQL that a caller wrote: in it nothing can be scoped. A class of somebody
else's may change what an expression means, not how it is spelled; an object may not change what its class spells.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache, partialmethod
from typing import Any, Final

from django.core.exceptions import FieldError
from django.db.models.expressions import Col, Combinable, CombinedExpression, Func, RawSQL, Ref, Subquery
from django.db.models.functions import Cast, Collate
from django.db.models.sql import Query
from django.db.models.sql.datastructures import BaseTable, Join
from django.db.models.sql.where import ExtraWhere, WhereNode

from tenantkit.adapters.django.db.fields import check_cast, check_field
from tenantkit.adapters.django.db.origin import foreign_ancestors, is_known
from tenantkit.exceptions import StatementRefused
from tenantkit.isolation.functions import ALLOWED_FUNCTIONS

__all__ = ["RowFilter", "check_node", "check_source", "is_column_of"]

_RAW: Final = (RawSQL, ExtraWhere)
_COLUMN: Final = re.compile(r'"?(\w+)"?\."?\w+"?\Z')
_COLLATION: Final = re.compile(r"[\w-]+\Z")
_CONNECTORS: Final = frozenset(
    [value for name, value in vars(Combinable).items() if name.isupper() and isinstance(value, str)]
    + ["||", "&&"]  # of vectors and queries of a search
)
_OF_WHERE: Final = frozenset(["AND", "OR", "XOR"])
_ARRAY: Final = (
    "template",
    "%(function)s[%(expressions)s]",
)  # what lookups of PostgreSQL's arrays compare with
_SPELLS = """
    arg_joiner as_postgresql as_sql as_sqlite case_joiner filter_template frame_type logical_operator
    postgres_nested_operator postgres_operator select_format template
"""
_MEANS = """
    __annotate__ __annotate_func__ __annotations__ __annotations_cache__ __dict__ __doc__ __eq__ __firstlineno__
    __hash__ __init__ __module__ __new__ __orig_bases__ __qualname__ __repr__ __static_attributes__ __str__ __weakref__
    _resolve_output_field allow_distinct allow_order_by allows_composite_expressions arity bilateral
    can_use_none_as_rhs class_lookups conditional constraint_validation_compatible contains_aggregate
    contains_over_clause convert_value deconstruct default_alias empty_result_set_value filterable function
    get_group_by_cols get_prep_lookup get_source_expressions kind lookup_name name output_field prepare_rhs
    resolve_expression set_returning set_source_expressions window_compatible
"""
_SPELLING: Final = frozenset(_SPELLS.split())
_MEANING: Final = frozenset(_MEANS.split())  # what a class of somebody else's may say; nothing of it is SQL
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
    kind: Any = type(node)
    verdict = _verdict(kind, elements)
    if verdict is not None:
        raise StatementRefused(verdict)
    _check_own(node)
    for check in _checks_of(kind):
        check(node)
    field = _field_of(node)
    if field is not None:
        check_field(field, elements)
        if isinstance(node, Cast):
            check_cast(field, elements)
    extra = getattr(node, "extra", None)
    if extra:
        _check_extra(node, extra)
    if isinstance(node, Func):
        for name in _functions_of(node):
            _check_function(name, kind, functions)


def _check_own(node: Any) -> None:
    """Refuse an object that says otherwise than its class how it is spelled."""
    kind: Any = type(node)
    own = getattr(node, "__dict__", {})
    for name in _spelled_by(kind) & own.keys():
        if type(own[name]) is not str or own[name] != getattr(kind, name, None):  # Django 6.1 keeps some so
            raise StatementRefused(f"A {kind.__name__} was given SQL of its own ({name}). {_INSTEAD}")


def _functions_of(node: Any) -> Iterator[object]:
    """Yield the names of SQL functions that an expression calls, where they are not of a class of Django's."""
    for given in (vars(node), node.extra):
        if "function" in given:
            yield given["function"]
    kind: Any = type(node)
    if not is_known(kind):
        yield node.function


def is_column_of(node: Any, query: Any) -> bool:
    """Whether a piece of raw SQL is a bare column of a table in the query's FROM, as prefetching writes it."""
    found = (
        _COLUMN.match(node.sql)
        if type(node) is RawSQL and type(node.sql) is str and not node.params
        else None
    )
    return found is not None and bool(query.alias_refcount.get(found[1]))


@cache
def _verdict(kind: type, elements: tuple[type, ...]) -> str | None:
    """Return why no expression of a class may be compiled, or None."""
    if issubclass(kind, _RAW):
        return f"{kind.__name__} is raw SQL (RawSQL, raw(), extra()), which cannot be scoped. {_INSTEAD}"
    if is_known(kind) or issubclass(kind, elements):
        return None
    for ancestor in foreign_ancestors(kind):
        if own := sorted(vars(ancestor).keys() - _MEANING):
            return (
                f"{kind.__module__}.{kind.__qualname__} writes SQL of its own ({', '.join(own)}), or may. If it shows "
                "no rows but those it is given, name its class in TENANTKIT['ELEMENTS']."
            )
    if type(kind) is not type or not any(is_known(ancestor) for ancestor in kind.__mro__[1:-1]):
        return f"{kind.__module__}.{kind.__qualname__} is no expression of Django, and cannot be scoped."
    return None


@cache
def _spelled_by(kind: type) -> frozenset[str]:
    """Return the names by which a class says how it is spelled: no object of it may say it otherwise."""
    found = {
        name
        for ancestor in kind.__mro__
        for name, value in vars(ancestor).items()
        if isinstance(value, str | staticmethod | classmethod | partialmethod) or callable(value)
    }
    return _SPELLING | found - {"alias_prefix", "function"}


@cache
def _checks_of(kind: type) -> tuple[Callable[[Any], None], ...]:
    """Return what is looked at in expressions of a class."""
    return tuple(check for ancestor, check in _CHECKS.items() if issubclass(kind, ancestor))


def _check_combined(node: Any) -> None:
    if type(node.connector) is not str or node.connector not in _CONNECTORS:
        raise StatementRefused(
            f"Expressions are combined by {node.connector!r}, which is no operator. {_INSTEAD}"
        )


def _check_where(node: Any) -> None:
    if type(node.connector) is not str or node.connector not in _OF_WHERE:
        raise StatementRefused(
            f"Conditions are combined by {node.connector!r}, not by AND, OR or XOR. {_INSTEAD}"
        )


def _check_column(node: Any) -> None:
    for name in (node.alias, node.target.column):
        if name is not None:
            _check_name(name)


def _check_reference(node: Any) -> None:
    _check_name(node.refs)


def _check_name(name: object) -> None:
    if type(name) is not str or '"' in name:
        raise StatementRefused(f"A column is called {name!r}, which is no name. {_INSTEAD}")


def _check_collation(node: Any) -> None:
    if type(node.collation) is not str or not _COLLATION.match(node.collation):
        raise StatementRefused(f"{node.collation!r} is no name of a collation. {_INSTEAD}")


def _check_subquery(node: Any) -> None:
    kind: Any = type(node.query)
    if not is_known(kind):
        raise StatementRefused(f"A subquery is a {kind.__qualname__}, and no query of Django. {_INSTEAD}")
    _check_own(node.query)
    _check_query(node.query)


def _check_query(query: Any) -> None:
    if type(query.alias_prefix) is not str or not query.alias_prefix.isalpha():
        raise StatementRefused(f"A query's aliases begin with {query.alias_prefix!r}. {_INSTEAD}")


_CHECKS: Final[dict[type, Callable[[Any], None]]] = {
    CombinedExpression: _check_combined,
    WhereNode: _check_where,
    Col: _check_column,
    Ref: _check_reference,
    Collate: _check_collation,
    Subquery: _check_subquery,
    Query: _check_query,
}


def _field_of(node: Any) -> Any:
    """Return the field by which an expression is read or spelled, if it has one."""
    try:
        return getattr(node, "_output_field_or_none", None)
    except FieldError:  # of mixed types: nobody can ask it for its field, Django neither
        return None


def _check_extra(node: Any, extra: dict[str, Any]) -> None:
    for name in sorted(_SPELLING.intersection(extra)):
        if type(extra[name]) is not str or (name, extra[name]) != _ARRAY:
            raise StatementRefused(
                f"{type(node).__name__} is given its {name} as SQL, in which nothing can be scoped. {_INSTEAD}"
            )
    template = getattr(node, "template", "")
    for name, value in extra.items():
        if name != "function" and isinstance(value, str) and f"%({name})s" in template:
            raise StatementRefused(f"{type(node).__name__} is given {name!r} as SQL. {_INSTEAD}")


def _check_function(name: object, kind: type, functions: frozenset[str]) -> None:
    spelled = name.lower() if type(name) is str else ""
    if spelled not in ALLOWED_FUNCTIONS and spelled not in functions and spelled != "array":
        raise StatementRefused(
            f"{kind.__name__} calls the SQL function {str(name)!r}, of which it is not known what it reads. If it "
            "shows no rows but those it is given, name it in TENANTKIT['FUNCTIONS']."
        )


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
