"""
Which conditions a FROM clause needs, and where they stand.

Rows of a table that an outer join may replace by NULLs are filtered in that join's ON; all others in WHERE. The
functions are pure: they read a FROM tree and return expressions.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql import ColumnElement, FromClause, Join
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import False_, Grouping, True_
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import (
    AliasedReturnsRows,
    FromGrouping,
    SelectBase,
    SelectStatementGrouping,
    TableClause,
    Values,
)

from tenantkit.exceptions import StatementRefused, UndeclaredTable
from tenantkit.isolation.entry import Entry, either_absent
from tenantkit.isolation.registry import Registry

__all__ = ["covered", "for_on", "for_where", "grouped", "table_of"]

# these answer for themselves: they are compiled as statements of their own, or name no table
_OWN_STATEMENTS = (SelectBase, UpdateBase, SelectStatementGrouping, Values, FunctionElement)


def table_of(element: FromClause) -> Table | None:
    """
    Return the table that a FROM element shows under whatever wrapping, or None if it is a statement of its own.

    Raises:
        UndeclaredTable: it is a ``sa.table()``, of which only the name is known.
        StatementRefused: it is of a kind that is not known.
    """
    inner: object = element
    while True:
        if isinstance(inner, Table):
            return inner
        if isinstance(inner, TableClause):
            raise UndeclaredTable(
                f"sa.table({inner.name!r}) is only a name. Use the declared Table or class, so that its rows can be "
                "scoped."
            )
        if isinstance(inner, FromGrouping | AliasedReturnsRows) and not isinstance(inner, Values):
            inner = inner.element
        elif isinstance(inner, _OWN_STATEMENTS):
            return None
        else:
            kind = type(inner).__name__
            raise StatementRefused(
                f"A FROM clause holds {kind} ({inner}), which cannot be scoped. Use tables, aliases, joins, "
                "subqueries, CTEs, VALUES or allowed table-valued functions."
            )


def covered(froms: Iterable[FromClause]) -> set[FromClause]:
    """Return the tables, or the aliases that show one, for which :func:`for_where` and :func:`for_on` answer."""
    return {shown for element in froms for shown in _shown(element)}


def _shown(element: FromClause) -> Iterator[FromClause]:
    if isinstance(element, FromGrouping):
        yield from _shown(element.element)
    elif isinstance(element, Join):
        yield from _shown(element.left)
        yield from _shown(element.right)
    elif isinstance(element, Table):
        yield element
    elif table_of(element) is not None:
        inner: Any = element
        while not isinstance(inner, Table):
            yield inner
            inner = inner.element


def for_where(element: FromClause, registry: Registry) -> list[ColumnElement[bool]]:
    """Return what the enclosing WHERE (or the ON of an enclosing outer join) must say of a FROM element."""
    return [criterion for criterion, _, _ in _pending(element, registry)]


def for_on(join: Join, registry: Registry) -> list[ColumnElement[bool]]:
    """Return what the ON of a join must say besides its own condition."""
    if join.full:
        return [*for_where(join.left, registry), *for_where(join.right, registry)]
    return for_where(join.right, registry) if join.isouter else []


def _pending(
    element: FromClause, registry: Registry
) -> Iterator[tuple[ColumnElement[bool], Entry, FromClause]]:
    if isinstance(element, FromGrouping):
        yield from _pending(element.element, registry)
    elif isinstance(element, Join):
        yield from _pending_of_join(element, registry)
    elif (table := table_of(element)) is not None:
        entry = registry.entry(table)
        for criterion in entry.criteria(element):
            yield criterion, entry, element


def _pending_of_join(
    join: Join, registry: Registry
) -> Iterator[tuple[ColumnElement[bool], Entry, FromClause]]:
    yield_right = not join.isouter or join.full
    sides = (join.left, join.right) if yield_right else (join.left,)
    for side in sides:
        for criterion, entry, leaf in _pending(side, registry):
            yield (either_absent(criterion, entry, leaf) if join.full else criterion), entry, leaf


def grouped(criteria: Iterable[ColumnElement[bool]]) -> tuple[ColumnElement[bool], ...]:
    """
    Put each condition of the caller into parentheses of its own.

    Constants stay bare: the compiler drops them, and some dialects cannot render one inside parentheses.
    """
    return tuple(one if isinstance(one, True_ | False_ | Grouping) else Grouping(one) for one in criteria)
