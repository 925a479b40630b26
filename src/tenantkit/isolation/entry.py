"""What is known of one table: which rows of it are in sight, and what must be checked when rows are written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Select, Table, exists, literal_column, or_, select
from sqlalchemy.sql import ColumnElement, FromClause

from tenantkit.exceptions import StatementRefused
from tenantkit.isolation.elements import OwnName, ScopeBind, same
from tenantkit.isolation.rules import RowRule
from tenantkit.sql.declarations import Mode

__all__ = ["Condition", "Entry", "Link", "Stamp", "column_of", "either_absent"]


@dataclass(frozen=True, slots=True)
class Link:
    """
    A foreign key whose value must name a row in sight.

    Attributes:
        columns: the columns of the key, one or several.
        parents: the columns that they refer to, in the same order.
        name: what the parent is called where a condition looks for it; never a name that a caller could give to
            something else in the same statement.
    """

    columns: tuple[Column[Any], ...]
    parents: tuple[Column[Any], ...]
    name: OwnName

    @property
    def table(self) -> Table:
        """The table that the key refers to."""
        return self.parents[0].table

    def pointing(self, values: Sequence[ColumnElement[Any]]) -> Select[Any]:
        """Return the SELECT of the parent row that values point to; the compiler scopes it."""
        parent = self.table.alias(self.name)
        keys = [column_of(parent, column) for column in self.parents]
        matches = [key == value for key, value in zip(keys, values, strict=True)]
        return select(keys[0]).select_from(parent).where(*matches).correlate_except(parent)

    def in_sight(self, values: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
        """Return the condition that values point to a row in sight."""
        return exists(self.pointing(values).with_only_columns(literal_column("1")))


@dataclass(frozen=True, slots=True)
class Stamp:
    """
    A column that a rule fills in new rows.

    Attributes:
        rule: the rule.
        column: the column.
        bind: its value.
        is_strict: whether any other value is refused, and every change.
    """

    rule: RowRule
    column: Column[Any]
    bind: ScopeBind
    is_strict: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    """
    What a rule asks of a table's rows.

    Attributes:
        rule: the rule.
        column: the column that it looks at.
        bind: the value it must equal, None for ``IS NULL``.
        null_is_shared: whether rows with NULL are in sight, too; they are never written.
    """

    rule: RowRule
    column: Column[Any]
    bind: ScopeBind | None
    null_is_shared: bool = False

    def holds(
        self, element: FromClause, new_row: FromClause | None, *, with_null: bool
    ) -> ColumnElement[bool]:
        """Return the condition on a table or an alias of it; see :meth:`Entry.criteria`."""
        own = column_of(element, self.column)
        if self.bind is None:
            return own.is_(None)
        met = same(own, self.bind if new_row is None else column_of(new_row, self.column))
        return or_(met, own.is_(None)) if with_null else met


@dataclass(frozen=True, slots=True)
class Entry:
    """
    What is known of one table.

    Attributes:
        stamps: columns filled by rules.
        conditions: what the rules ask of rows.
        parents: the links through which a child table is scoped.
        links: every foreign key to a table that is not shared, unless it pairs the tenant columns itself.
        is_writable: whether a scope may write rows; of a shared table only where it says so.
        mode: whether what is known here is enforced.
    """

    table: Table
    stamps: tuple[Stamp, ...] = ()
    conditions: tuple[Condition, ...] = ()
    parents: tuple[Link, ...] = ()
    links: tuple[Link, ...] = ()
    is_writable: bool = True
    mode: Mode = "enforce"

    @property
    def is_ruled(self) -> bool:
        """Whether rows belong to somebody."""
        return bool(self.conditions or self.parents)

    @property
    def is_scoped(self) -> bool:
        """Whether rows are filtered at all."""
        return self.mode == "enforce" and self.is_ruled

    @property
    def looked_at(self) -> frozenset[Column[Any]]:
        """The table's own columns that its conditions read."""
        return frozenset(
            [one.column for one in self.conditions]
            + [column for link in self.parents for column in link.columns]
        )

    def criteria(
        self, element: FromClause, *, for_write: bool = False, new_row: FromClause | None = None
    ) -> list[ColumnElement[bool]]:
        """
        Return the conditions for the table as it stands in a FROM clause: itself or an alias of it.

        Args:
            element: the table or alias.
            for_write: whether the rows are to be changed or deleted.
            new_row: a row that is being inserted: its stamped columns are compared with, not the scope's values.
        """
        # a row that is pointed to from a written one is looked at with a writer's eyes
        written = for_write or isinstance(getattr(element, "name", None), OwnName)
        if self.mode == "shadow" or (self.mode == "write_only" and not written):
            return []
        stamped = {stamp.column for stamp in self.stamps}
        found = [
            one.holds(
                element,
                new_row if one.column in stamped else None,
                with_null=not for_write if one.null_is_shared else self.mode == "write_only",
            )
            for one in self.conditions
        ]
        found += [
            link.in_sight([column_of(element, column) for column in link.columns]) for link in self.parents
        ]
        return found

    def is_absent(self, element: FromClause) -> ColumnElement[bool]:
        """Return the condition that an outer join supplied NULLs instead of a row."""
        certain = next(iter(self.table.primary_key.columns), None)
        if certain is None:
            certain = next((one.column for one in self.conditions if not one.column.nullable), None)
        if certain is None:
            raise StatementRefused(
                f"FULL JOIN with {self.table.fullname!r} cannot be scoped: the table has no primary key and its "
                "tenant column may be NULL. Give it a primary key or a NOT NULL tenant column."
            )
        return column_of(element, certain).is_(None)


def column_of(element: FromClause, column: Column[Any]) -> ColumnElement[Any]:
    """Return a column of a table as an alias (or the table itself) spells it."""
    found = element.corresponding_column(column)
    if found is None:
        raise StatementRefused(
            f"{column} cannot be found in {type(element).__name__} {element}; it cannot be scoped."
        )
    return found


def either_absent(criterion: ColumnElement[bool], entry: Entry, element: FromClause) -> ColumnElement[bool]:
    """Return the criterion as it holds after a FULL JOIN: the row meets it, or there is none on this side."""
    return or_(criterion, entry.is_absent(element))
