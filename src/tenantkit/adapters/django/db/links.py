"""
Foreign keys of written rows: each must point to a row in sight.

An UPDATE carries the question in its WHERE, so that it costs nothing; where it then changes no row, the key is looked
up to say why. An INSERT has no WHERE, so its keys are looked up before, once a transaction.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from django.db.models.expressions import Case, Expression, Value
from django.db.models.functions import Cast

from tenantkit.adapters.django.db.nodes import RowFilter
from tenantkit.adapters.django.db.scoping import Scoping
from tenantkit.adapters.django.db.sights import Sight
from tenantkit.exceptions import ForeignTenant
from tenantkit.isolation.entry import Entry, Link

__all__ = ["EXACT", "Guarded", "Links", "exact_key", "plain_values"]

_ROW = "tenantkit_parent_row"
EXACT: Final = (int, str, UUID, type(None))  # types that cannot lie about what their values are equal to


class Links:
    """The foreign keys of one table, on the connection of one statement."""

    def __init__(self, compiler: Scoping, sight: Sight, entry: Entry) -> None:
        self._compiler, self._sight = compiler, sight
        self._connection = compiler.connection
        self.by_column: dict[str, Link] = {
            link.columns[0].name: link for link in entry.links if len(link.columns) == 1
        }

    def look_up(self, field: Any, values: Iterable[object]) -> None:
        """
        Refuse keys that point to no row in sight. Costs a statement, unless all were seen in this transaction.

        Raises:
            ForeignTenant: one does.
        """
        link = self.by_column[field.column]
        target = field.target_field
        given = [exact_key(target, value) for value in values if value is not None]
        odd = [value for value in given if type(value) not in EXACT]
        wanted = {value for value in given if type(value) in EXACT}
        known = self._connection.tenancy.known(link.table.name, link.parents[0].name)
        wanted -= known
        if wanted and self._count(link, target, wanted) != len(wanted):
            odd += wanted
        else:
            known |= wanted
        for value in odd:
            if not self._count(link, target, [value]):
                raise ForeignTenant(
                    f"{link.columns[0]} = {value!r} points to no row of {link.table.name!r} in this scope: it is "
                    "missing or another tenant's. Load or create the row in this scope first."
                )

    def _count(self, link: Link, target: Any, wanted: Collection[object]) -> int:
        """Return how many of some keys are in sight."""
        condition = self._sight.condition_of_parent(link)
        quote = self._connection.ops.quote_name
        column, marks = quote(link.parents[0].name), ", ".join(["%s"] * len(wanted))
        sql = (  # of names of tables and columns, and of marks
            f"SELECT COUNT(*) FROM {quote(link.table.name)} {_ROW} "
            f"WHERE {_ROW}.{column} IN ({marks}) AND ({condition.spelled(_ROW)})"
        )
        params = [target.get_db_prep_value(value, self._connection, prepared=False) for value in wanted]
        params += self._connection.tenancy.values(self._sight, condition.binds)
        with self._connection.cursor() as cursor:
            cursor.execute(*self._compiler.admitted(sql, tuple(params)))
            return int(cursor.fetchone()[0])

    def in_sight(self, field: Any, value: object) -> RowFilter:
        """Return the condition that a key points to a row in sight."""
        link = self.by_column[field.column]
        found = self.pointing(link, "%s")
        target = field.target_field
        stored = target.get_db_prep_value(exact_key(target, value), self._connection, prepared=False)
        return RowFilter(f"EXISTS ({found[0]})", [stored, *found[1]])

    def pointing(self, link: Link, key: str) -> tuple[str, list[Any]]:
        """Return the SELECT of the key of the row in sight that a key points to, and its parameters."""
        condition = self._sight.condition_of_parent(link)
        quote = self._connection.ops.quote_name
        column = f"{_ROW}.{quote(link.parents[0].name)}"
        sql = (
            f"SELECT {column} FROM {quote(link.table.name)} {_ROW} "
            f"WHERE {column} = {key} AND ({condition.spelled(_ROW)})"
        )
        return sql, self._connection.tenancy.values(self._sight, condition.binds)


class Guarded(Expression):
    """A key that an expression makes, if it points to a row in sight, else NULL."""

    def __init__(self, key: Any, link: Link, links: Links) -> None:
        super().__init__(output_field=key.output_field)
        self._key, self._link, self._links = key, link, links

    def resolve_expression(self, *_args: Any, **_options: Any) -> "Guarded":
        """Return itself: what it holds was resolved before."""
        return self

    def get_source_expressions(self) -> list[Any]:
        """Return the expression."""
        return [self._key]

    def set_source_expressions(self, exprs: list[Any]) -> None:
        """Exchange the expression."""
        (self._key,) = exprs

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:  # noqa: ARG002 - as Django calls it
        """Return the look-up."""
        key, params = compiler.compile(self._key)
        sql, own = self._links.pointing(self._link, f"({key})")
        return f"({sql})", [*params, *own]


def exact_key(target: Any, value: Any) -> Any:
    """
    Return a key as it is looked up and written: of an exact type, so that it cannot say to be equal to another.

    Args:
        target: the field that a foreign key points to, or the key itself.
        value: what was given.
    """
    value = target.to_python(value)
    if type(value) in EXACT:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, UUID):
        return UUID(int=object.__getattribute__(value, "int"))
    return value


def plain_values(expression: Any) -> list[object] | None:
    """Return all values that an expression can have, where it only chooses among plain ones; else None."""
    found: list[object] = []
    for leaf in _leaves(expression):
        if (
            type(leaf) is not Value or type(leaf.value) not in EXACT
        ):  # the database could read it as another key
            return None
        found.append(leaf.value)
    return found


def _leaves(expression: Any) -> Iterator[Any]:
    if isinstance(expression, Case):
        for case in expression.cases:
            yield from _leaves(case.result)
        yield from _leaves(expression.default)
    elif (
        isinstance(expression, Cast) and type(expression.source_expressions[0]) is Case
    ):  # as bulk_update() writes it
        yield from _leaves(expression.source_expressions[0])
    else:
        yield expression
