"""Rows that point from one tenant to another: what stands in the way of keys that carry the tenant."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, ForeignKeyConstraint, MetaData, Table, func, select
from sqlalchemy.sql import ColumnElement, FromClause

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.local_settings import telling_unscoped
from tenantkit.sql.declarations import ScopedBy, ScopedThrough, declaration_of

__all__ = ["Crossing", "find_crossings"]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Crossing:
    """
    A foreign key over which rows point to another tenant's.

    Attributes:
        table: name of the table.
        columns: names of the columns of the key.
        refers_to: name of the table that it refers to.
        rows: how many rows do.
        keys: the primary keys of the first ten.

    .. versionadded:: 0.1
    """

    table: str
    columns: tuple[str, ...]
    refers_to: str
    rows: int
    keys: tuple[tuple[Any, ...], ...]

    def __str__(self) -> str:
        """Return a sentence."""
        more = ", ..." if self.rows > len(self.keys) else ""
        keys = ", ".join(str(key[0] if len(key) == 1 else key) for key in self.keys)
        return (
            f"{self.rows} rows of {self.table} belong to another tenant than the rows of {self.refers_to} that "
            f"{', '.join(self.columns)} points to: {keys}{more}"
        )


def find_crossings(engine: Engine, metadata: MetaData | Sequence[MetaData]) -> Iterator[Crossing]:
    """
    Find the rows whose tenant is not that of the row they point to; where either has none yet, nothing is said.

    Args:
        engine: a plain engine of the role that owns the tables. Each foreign key costs one statement that reads the
            table, and one more where there is something.
        metadata: where the tables are declared; those with ``scoped_by`` and ``scoped_through`` are looked at.

    Yields:
        each foreign key that has such rows.

    Raises:
        ConfigurationError: the engine is a scoped one.

    .. versionadded:: 0.1
    """
    if getattr(engine.dialect, "tenantkit_sights", None) is not None:
        raise ConfigurationError(
            "Who points to whom is seen by the owner of the tables. Give a plain engine, such as kit.owner_engine."
        )
    several = (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)
    tables = [table for one in several for table in one.sorted_tables if _is_owned(table)]
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(telling_unscoped())
        for table in tables:
            for key in sorted(table.foreign_key_constraints, key=lambda key: tuple(key.column_keys)):
                if not _is_owned(key.referred_table):
                    continue
                where = _strays(table, key)
                rows = connection.scalar(select(func.count()).where(*where)) or 0
                if rows:
                    columns = list(table.primary_key.columns) or list(table.columns)
                    found = connection.execute(
                        select(*columns).where(*where).order_by(*columns).limit(_SHOWN)
                    )
                    names = tuple(column.name for column in key.columns)
                    keys = tuple(tuple(row) for row in found)
                    yield Crossing(table.fullname, names, key.referred_table.fullname, rows, keys)


def _is_owned(table: Table) -> bool:
    return isinstance(declaration_of(table), ScopedBy | ScopedThrough)


def _strays(table: Table, key: ForeignKeyConstraint) -> list[ColumnElement[bool]]:
    parent = key.referred_table.alias()
    ours, to_ours = _owner(table, table)
    theirs, to_theirs = _owner(parent, key.referred_table)
    return [*_over(table, key, parent), *to_ours, *to_theirs, ours != theirs]


def _owner(source: FromClause, table: Table) -> tuple[ColumnElement[Any], list[ColumnElement[bool]]]:
    """Return the tenant of a row, and the joins that lead to it."""
    declared = declaration_of(table)
    if isinstance(declared, ScopedBy):
        return source.columns[_key_of(table, declared.column)], []
    assert isinstance(declared, ScopedThrough)  # noqa: S101 - asked before
    first = _key_of(table, declared.columns[0])
    key = next(key for key in table.foreign_key_constraints if first in key.column_keys)
    parent = key.referred_table.alias()
    tenant, joins = _owner(parent, key.referred_table)
    return tenant, [*_over(source, key, parent), *joins]


def _over(source: FromClause, key: ForeignKeyConstraint, parent: FromClause) -> list[ColumnElement[bool]]:
    return [source.columns[one.parent.key] == parent.columns[one.column.key] for one in key.elements]


def _key_of(table: Table, name: str) -> str:
    return next(column.key for column in table.columns if column.name == name)
