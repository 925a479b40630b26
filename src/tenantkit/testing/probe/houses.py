"""Two databases of the same tables: in one both tenants live, in the other one never was."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, delete, select, text

from tenantkit.isolation.local_settings import telling_unscoped
from tenantkit.testing.probe.population import Population

__all__ = ["Dump", "House", "key_columns"]

Dump = dict[Table, dict[tuple[Any, ...], dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class House:
    """
    A database with some tenants.

    Attributes:
        owner: a plain engine of the role that owns the tables.
        engine: the scoped engine.
        population: the rows of all tenants.
        slugs: the tenants that live here.
    """

    owner: Engine
    engine: Engine
    population: Population
    slugs: Collection[str]

    @contextmanager
    def as_owner(self) -> Iterator[Connection]:
        """Connect as the owner, who sees all rows."""
        with self.owner.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(telling_unscoped())
            elif connection.dialect.name in (
                "mysql",
                "mariadb",
            ):  # rows that point to each other are deleted, too
                connection.execute(text("SET foreign_key_checks = 0"))
            yield connection

    def fill(self) -> None:
        """Write all rows anew."""
        with self.as_owner() as connection:
            for table in reversed(self.tables):
                connection.execute(delete(table))
            self.population.insert(connection, self.slugs)

    def look(self) -> Dump:
        """Read every row as the owner, by its key."""
        found: Dump = {}
        with self.as_owner() as connection:
            for table in self.tables:
                rows = connection.execute(select(table)).all()
                names = [column.key for column in table.columns]
                values = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
                keys = [column.key for column in key_columns(table)]
                found[table] = {tuple(one[key] for key in keys): one for one in values}
        return found

    @property
    def tables(self) -> list[Table]:
        """The declared tables, parents first."""
        return self.population.tables

    def close(self) -> None:
        """Close the connections."""
        self.owner.dispose()
        self.engine.dispose()


def key_columns(table: Table) -> list[Any]:
    """Return the primary key, or all columns where there is none."""
    return list(table.primary_key.columns) or list(table.columns)


def _plain(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value
