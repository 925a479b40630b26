"""The database as its owner sees it: whose each row is, and which pointers cross the border."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from sqlalchemy import Connection, ForeignKeyConstraint, Table

from tests.leaks.schema import PARENTS, STRAYS, Base, tenant_columns

Row = tuple[Any, ...]


def all_tables() -> list[Table]:
    """The tables of the host in the order of their foreign keys, and the one that nobody declared."""
    return [*Base.metadata.sorted_tables, *STRAYS.sorted_tables]


@dataclass(frozen=True)
class Dump:
    """All rows of all tables."""

    rows: dict[str, list[Row]]

    @classmethod
    def of(cls, connection: Connection) -> Dump:
        """
        Read all tables by the driver alone.

        What is looked at shares nothing with what is under test, and ids stay as the driver gives them.
        """
        cursor = connection.connection.cursor()
        found = cls({table.name: _rows(cursor, table) for table in all_tables()})
        cursor.close()
        return found

    @cached_property
    def owners(self) -> dict[tuple[str, Any], frozenset[Any]]:
        """The tenants of each row by table and id, found through the parents where the table has no tenant column."""
        found: dict[tuple[str, Any], frozenset[Any]] = {}
        for table in Base.metadata.sorted_tables:
            for row in self.rows[table.name]:
                found[table.name, _key(table, row)] = _tenants(table, row, found)
        return found

    def beyond(self, tenant: Any) -> dict[str, list[Row]]:
        """The rows that do not belong to one tenant alone."""
        kept = {
            table.name: [
                row for row in self.rows[table.name] if self.owners[table.name, _key(table, row)] != {tenant}
            ]
            for table in Base.metadata.sorted_tables
        }
        return {**kept, **{table.name: self.rows[table.name] for table in STRAYS.sorted_tables}}

    def crossings(self) -> set[tuple[str, Any, str, Any]]:
        """The pointers from a row of one tenant to a row of another."""
        return {
            crossing
            for table in Base.metadata.sorted_tables
            for constraint in table.foreign_key_constraints
            for crossing in self._crossings(table, constraint)
        }

    def _crossings(self, table: Table, constraint: ForeignKeyConstraint) -> list[tuple[str, Any, str, Any]]:
        parent = constraint.referred_table
        targets = [element.column.name for element in constraint.elements]
        if "id" not in targets:
            return []
        column = constraint.column_keys[targets.index("id")]
        composite = len(targets) > 1
        found = []
        for row in self.rows[table.name]:
            key, value = _key(table, row), _cell(table, row, column)
            owners, parents = self.owners[table.name, key], self.owners.get((parent.name, value))
            if parents is not None and owners != parents and not composite:
                found.append((table.name, key, column, value))
        return found


def _rows(cursor: Any, table: Table) -> list[Row]:
    cursor.execute(f"SELECT {', '.join(column.name for column in table.columns)} FROM {table.name}")
    return sorted((tuple(map(_frozen, row)) for row in cursor.fetchall()), key=repr)


def _frozen(value: Any) -> Any:
    return repr(value) if isinstance(value, dict) else value


def _cell(table: Table, row: Row, name: str) -> Any:
    return row[_places(table)[name]]


@cache
def _places(table: Table) -> dict[str, int]:
    return {column.name: place for place, column in enumerate(table.columns)}


def _key(table: Table, row: Row) -> Any:
    key = tuple(_cell(table, row, column.name) for column in table.primary_key)
    return key[0] if len(key) == 1 else key


def _tenants(table: Table, row: Row, found: dict[tuple[str, Any], frozenset[Any]]) -> frozenset[Any]:
    column = tenant_columns().get(table.name)
    if column is not None:
        return frozenset({_cell(table, row, column)})
    parents = [
        found.get((parent, _cell(table, row, name)), frozenset())
        for name, parent in PARENTS.get(table.name, ())
    ]
    return frozenset().union(*parents)
