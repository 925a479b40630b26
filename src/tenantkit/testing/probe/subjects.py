"""What is attacked: a table or a mapped class, with the keys of both tenants."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import Mapper

from tenantkit.isolation.entry import Entry, Link
from tenantkit.testing.probe.population import Population, Side

__all__ = ["Subject"]

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """
    A table, or a class that is mapped to it.

    Attributes:
        entry: what is declared of the table.
        mapper: the class, None for the table by itself.
        population: the rows of both tenants.
        own: the tenant at work.
        foreign: the other one.
    """

    entry: Entry
    mapper: Mapper[Any] | None
    population: Population
    own: Side
    foreign: Side

    @property
    def name(self) -> str:
        """How a report calls it."""
        return self.mapper.class_.__name__ if self.mapper is not None else self.table.fullname

    @property
    def table(self) -> Table:
        """The table."""
        return self.entry.table

    @property
    def entity(self) -> Any:
        """The mapped class."""
        return self.mapper.class_ if self.mapper is not None else None

    @property
    def key(self) -> tuple[Column[Any], ...]:
        """The columns of the primary key."""
        return tuple(self.table.primary_key.columns) or tuple(self.table.columns)

    @property
    def own_keys(self) -> list[Key]:
        """The keys of the tenant's rows."""
        return self.population.keys(self.table, self.own.slug)

    @property
    def foreign_keys(self) -> list[Key]:
        """The keys of the other tenant's rows."""
        return self.population.keys(self.table, self.foreign.slug)

    def is_row(self, key: Key) -> Any:
        """Return the condition that a row has a key."""
        found = self.key[0] == key[0]
        for column, value in zip(self.key[1:], key[1:], strict=True):
            found = found & (column == value)
        return found

    @property
    def links(self) -> list[Link]:
        """The foreign keys to tables that belong to tenants."""
        return list(self.entry.links)

    def foreign_of(self, link: Link) -> Key | None:
        """Return the key of a row of the other tenant that a foreign key could point to."""
        rows = self.population.rows(link.table, self.foreign.slug)
        return tuple(rows[0][column.key] for column in link.parents) if rows else None

    @property
    def settable(self) -> Column[Any] | None:
        """A column that an UPDATE may set to anything: no key, no link, not the tenant."""
        unique = {column for key in self.table.constraints for column in getattr(key, "columns", ())}
        looked_at = self.entry.looked_at
        for column in self.table.columns:
            if column in unique or column in looked_at or column.foreign_keys or column.unique:
                continue
            if column.computed is None and column.identity is None and not self._is_discriminator(column):
                return column
        return None

    def _is_discriminator(self, column: Column[Any]) -> bool:
        return self.mapper is not None and self.mapper.polymorphic_on is column

    def new_value(self, column: Column[Any]) -> Any:
        """Return another value for a column: that of a row that is not there."""
        row = self.population.another(self.table, self.own.slug)
        return None if row is None else row.get(column.key)
