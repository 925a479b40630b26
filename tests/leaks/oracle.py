"""A strategy that composes statements over the airline world; it knows SQL, and nothing of tenants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    case,
    cast,
    except_,
    exists,
    func,
    intersect,
    join,
    literal,
    not_,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy import orm as sa_orm

from tests.leaks.oracle_tables import DOMAINS, ENTITIES, TABLES

INTEGERS = st.integers(0, 3)
WORDS = st.sampled_from(["n1", "ann", "late", "fog", "ewr"])


@dataclass(frozen=True, slots=True)
class Named:
    """An expression, whether it is a number or a text, and what it means if it can find partners."""

    expression: Any
    kind: str
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Something to select from: an element of FROM and its columns."""

    element: Any
    columns: tuple[Named, ...]
    elements: tuple[Any, ...] = ()

    def of(self, kind: str) -> list[Named]:
        """The columns of one kind."""
        return [column for column in self.columns if column.kind == kind]


@dataclass
class Composer:
    """Draws statements: in Core or with entities, for one dialect."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    dialect: str
    with_entities: bool
    full_joins: bool = True

    def often(self, out_of: int) -> bool:
        """Draw yes once in so many times; a failing example shrinks towards no."""
        return self.draw(st.integers(1, out_of)) == out_of

    def one(self, choices: Sequence[Any]) -> Any:
        """Draw one of some things, simple ones first."""
        return self.draw(st.sampled_from(list(choices)))

    # FROM ------------------------------------------------------------------------------------------------------

    def table(self, table: Any = None) -> Source:
        """An alias of a table, as an element of Core or as an entity."""
        table = self.one(TABLES) if table is None else table
        if self.with_entities:
            element = sa_orm.aliased(ENTITIES[table.name])
            columns = [(getattr(element, column.name), column) for column in table.columns]
        else:
            element = table.alias()
            columns = [(element.c[column.name], column) for column in table.columns]
        found = tuple(
            Named(spelled, "text" if isinstance(column.type, String) else "int", DOMAINS.get(str(column), ""))
            for spelled, column in columns
            if column.name != "carrier_id"
        )
        return Source(element, found, (element,))

    def source(self, depth: int) -> Source:
        """A table, a subquery or a CTE."""
        if depth <= 0 or not self.often(4):
            return self.table()
        inner, kinds = self.select(depth - 1)
        element = inner.cte() if self.often(3) else inner.subquery()
        columns = tuple(Named(spelled, kind) for spelled, kind in zip(element.c, kinds, strict=True))
        return Source(element, columns, (element,))

    def joined(self, depth: int) -> Source:
        """One source, or several that are joined in any way and nesting."""
        left = self.source(depth)
        for _ in range(self.one([0, 1, 1, 2])):
            right = self.source(depth)
            if self.often(4):
                right = self.join(right, self.source(depth))
            left = self.join(left, right)
        return left

    def join(self, left: Source, right: Source) -> Source:
        """Join two sources."""
        how = self.one(["inner", "left", "full"] if self.full_joins else ["inner", "left"])
        condition = self.link(left, right)
        if how != "full" and self.often(3):
            condition = self.one([and_, or_])(condition, self.predicate(right.columns, 0))
        joining = sa_orm.join if self.with_entities else join
        element = joining(left.element, right.element, condition, isouter=how != "inner", full=how == "full")
        return Source(element, left.columns + right.columns, left.elements + right.elements)

    def link(self, left: Source, right: Source) -> ColumnElement[bool]:
        """Equate two columns that mean the same thing, or any two."""
        pairs = [
            (a, b)
            for a in left.columns
            for b in right.columns
            if a.domain == b.domain and a.domain and a.kind == b.kind
        ]
        if not pairs or self.often(4):
            pairs = [
                (a, b) for a in left.columns for b in right.columns if a.kind == b.kind == "int"
            ] or pairs
        if not pairs:
            pairs = [(a, b) for a in left.columns for b in right.columns if a.kind == b.kind]
        if not pairs:
            return self.text(left.columns[0]) == self.text(right.columns[0])
        a, b = self.one(pairs)
        return a.expression == b.expression

    def text(self, column: Named) -> Any:
        """A column as text."""
        return column.expression if column.kind == "text" else cast(column.expression, String)

    # WHERE -----------------------------------------------------------------------------------------------------

    def predicate(
        self, columns: Sequence[Named], depth: int, outer: Sequence[Any] = ()
    ) -> ColumnElement[bool]:
        """A condition on columns, with subqueries down to a depth."""
        forms = [self.comparison, self.nullness, self.membership, self.both_or_either]
        if depth > 0:
            forms += [self.in_subquery, self.existence, self.scalar_comparison, self.negation]
        return self.one(forms)(columns, depth, outer)

    def comparison(self, columns: Sequence[Named], *_: Any) -> ColumnElement[bool]:
        """Compare a column with a value or with another column of its kind."""
        column = self.one(columns)
        others = [other.expression for other in columns if other.kind == column.kind]
        value = self.draw(INTEGERS if column.kind == "int" else WORDS)
        right = self.one([value, self.one(others)])
        return self.one([column.expression == right, column.expression > right, column.expression != right])

    def nullness(self, columns: Sequence[Named], *_: Any) -> ColumnElement[bool]:
        """Ask whether a column is NULL."""
        column = self.one(columns).expression
        return self.one([column.is_not(None), column.is_(None), column.is_distinct_from(None)])

    def membership(self, columns: Sequence[Named], *_: Any) -> ColumnElement[bool]:
        """Ask whether a column is one of some values."""
        column = self.one(columns)
        values = self.draw(st.lists(INTEGERS if column.kind == "int" else WORDS, max_size=2))
        return self.one([column.expression.in_(values), column.expression.not_in(values)])

    def both_or_either(
        self, columns: Sequence[Named], depth: int, outer: Sequence[Any]
    ) -> ColumnElement[bool]:
        """Two conditions in one."""
        pair = [self.comparison(columns), self.predicate(columns, depth - 1, outer)]
        return self.one([and_, or_])(*pair)

    def negation(self, columns: Sequence[Named], depth: int, outer: Sequence[Any]) -> ColumnElement[bool]:
        """The opposite of a condition."""
        return not_(self.predicate(columns, depth - 1, outer))

    def in_subquery(self, columns: Sequence[Named], depth: int, *_: Any) -> ColumnElement[bool]:
        """Ask whether a column is in a subquery."""
        column = self.one(columns)
        inner, _kinds = self.select(depth - 1, kinds=[column.kind])
        return self.one([column.expression.in_(inner), column.expression.not_in(inner)])

    def existence(self, columns: Sequence[Named], depth: int, outer: Sequence[Any]) -> ColumnElement[bool]:
        """Ask whether a subquery that refers to the outer row has rows."""
        inner = self.joined(depth - 1)
        linked = self.link(Source(None, tuple(columns)), inner)
        found = exists(
            select(literal(1)).select_from(inner.element).where(linked, self.predicate(inner.columns, 0))
        )
        found = found.correlate(*outer) if outer else found
        return self.one([found, ~found])

    def scalar_comparison(
        self, columns: Sequence[Named], depth: int, outer: Sequence[Any]
    ) -> ColumnElement[bool]:
        """Compare an aggregate in a scalar subquery with a number."""
        return self.scalar(columns, depth, outer) >= self.draw(INTEGERS)

    def scalar(self, columns: Sequence[Named], depth: int, outer: Sequence[Any]) -> Any:
        """An aggregate in a scalar subquery, with or without a link to the outer row."""
        inner = self.joined(depth - 1)
        value = self.aggregate(inner.columns)
        found = select(value).select_from(inner.element)
        if columns and outer and self.often(2):
            found = found.where(self.link(Source(None, tuple(columns)), inner))
        found = found.correlate(*outer) if outer else found
        return found.scalar_subquery()

    def aggregate(self, columns: Sequence[Named]) -> Any:
        """A number that is made of many rows."""
        numbers = [column.expression for column in columns if column.kind == "int"]
        if not numbers:
            return func.count()
        column = self.one(numbers)
        counted = [func.count(), func.count(column), func.count(column.distinct())]
        return self.one([*counted, func.sum(column), func.max(column), func.min(column)])

    # SELECT ----------------------------------------------------------------------------------------------------

    def expression(self, source: Source, kind: str, depth: int) -> Any:
        """A value of a kind, made of one row."""
        columns = source.of(kind)
        if kind == "text":
            plain = self.one(columns).expression if columns else self.text(self.one(source.columns))
            return self.one([plain, func.coalesce(plain, "none"), func.upper(plain)])
        if not columns:
            return func.length(self.one(source.columns).expression)
        column = self.one(columns).expression
        forms = [column, func.coalesce(column, 7), column + self.draw(INTEGERS), func.abs(column)]
        forms.append(case((self.predicate(source.columns, 0), column), else_=literal(9)))
        if depth > 0 and self.often(3):
            return self.scalar(source.columns, depth, source.elements)
        return self.one(forms)

    def window(self, source: Source) -> Any:
        """A value made of the rows around one; equal rows get equal values."""
        by = self.one(source.columns).expression
        return self.one([func.rank().over(order_by=by), func.count().over(partition_by=by)])

    def select(self, depth: int, kinds: Sequence[str] | None = None) -> tuple[Any, list[str]]:
        """A SELECT, or two in a set operation, with columns of some kinds."""
        wanted = (
            list(kinds)
            if kinds
            else self.draw(st.lists(st.sampled_from(["int", "text"]), min_size=1, max_size=3))
        )
        if depth > 0 and self.often(6):
            parts = [self.simple(depth - 1, wanted) for _ in range(2)]
            return self.one([union_all, union, except_, intersect])(*parts), wanted
        statement = self.simple(depth, wanted)
        if self.often(4):
            statement = statement.order_by(*statement.selected_columns).limit(self.draw(st.integers(1, 4)))
            if self.often(3):
                statement = statement.offset(self.draw(INTEGERS))
        return statement, wanted

    def simple(self, depth: int, kinds: Sequence[str]) -> Select[Any]:
        """A SELECT without order."""
        source = self.joined(depth)
        if self.dialect == "postgresql" and depth > 0 and self.often(6):
            source = self.lateral(source, depth)
        if "text" not in kinds and self.often(4):
            return self.grouped(source, depth, kinds)
        values = [self.expression(source, kind, depth) for kind in kinds]
        if self.often(8) and kinds[0] == "int":
            values[0] = self.window(source)
        statement = select(*labelled(values)).select_from(source.element)
        if self.often(2):
            statement = statement.where(self.predicate(source.columns, depth, source.elements))
        return statement.distinct() if self.often(6) else statement

    def grouped(self, source: Source, depth: int, kinds: Sequence[str]) -> Select[Any]:
        """A SELECT of groups, or of one group that is everything."""
        by = [self.one(source.columns).expression] if self.often(2) else []
        values = [self.aggregate(source.columns) for _ in kinds]
        statement = select(*labelled(values)).select_from(source.element).group_by(*by)
        if self.often(3):
            statement = statement.where(self.predicate(source.columns, depth, source.elements))
        return (
            statement.having(self.aggregate(source.columns) >= self.draw(INTEGERS))
            if self.often(3)
            else statement
        )

    def lateral(self, left: Source, depth: int) -> Source:
        """Join a lateral subquery that refers to what stands left of it."""
        inner = self.table()
        value = self.one(inner.columns)
        found = select(value.expression.label("lateral_value")).select_from(inner.element)
        found = found.where(self.link(left, inner)).correlate(*left.elements)
        element = found.lateral()
        joining = sa_orm.join if self.with_entities else join
        both = joining(left.element, element, true(), isouter=self.often(2))
        columns = (*left.columns, replace(value, expression=element.c.lateral_value, domain=""))
        return Source(both, columns, (*left.elements, element))


def labelled(values: Sequence[Any]) -> list[Any]:
    """Give each value a name, so that subqueries can be referred to."""
    return [value.label(f"c{place}") for place, value in enumerate(values)]


@st.composite
def selects(draw: Any, dialect: str, full_joins: bool = True) -> Any:
    """SELECT statements."""
    composer = Composer(draw, dialect, draw(st.booleans()), full_joins)
    statement, _ = composer.select(draw(st.integers(0, 2)))
    return statement
