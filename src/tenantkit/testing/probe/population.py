"""Rows of two tenants for any models: every column filled, every foreign key within its tenant."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    insert,
)
from sqlalchemy.orm import Mapper

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.registry import Registry
from tenantkit.testing.probe.values import value_for

__all__ = ["NOBODY", "Population", "Side", "ValueOf"]

ValueOf = Callable[[str, int], Any]
NOBODY: Final = "nobody"  # whose shared rows are
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tenants."""

    slug: str
    scope: Scope


class Population:
    """
    The rows of tenants for the tables of a registry, made and not yet written.

    Args:
        registry: what is declared.
        mappers: classes mapped to the tables; each gets rows of its own.
        sides: the tenants.
        count: rows for each class, or for each table without one.
        start: where the numbers begin that rows are made of.
        values: the application's own values, by ``table.column``: called with the tenant's slug, or ``nobody``, and a
            number that is another for each row.

    Raises:
        ConfigurationError: a column has a type that is not known.
    """

    def __init__(
        self,
        registry: Registry,
        mappers: Iterable[Mapper[Any]],
        sides: Sequence[Side],
        *,
        count: int = 3,
        start: int = 0,
        values: Mapping[str, ValueOf] | None = None,
    ) -> None:
        self.registry = registry
        self._entries: dict[Table, Entry] = {entry.table: entry for entry in registry.entries}
        self._sides = {side.slug: side for side in sides}
        self._values = dict(values or {})
        self._number = start
        self._rows: dict[Table, dict[str, list[Values]]] = {table: {} for table in self._entries}
        mapped = [one for one in mappers if set(one.tables) <= self._entries.keys()]
        order = {table: number for number, table in enumerate(self._entries)}
        kinds: dict[tuple[Table, ...], list[Mapper[Any] | None]] = {}
        for mapper in mapped:
            tables = tuple(sorted((_table(one) for one in mapper.tables), key=order.__getitem__))
            kinds.setdefault(tables, []).append(mapper)
        covered = {table for tables in kinds for table in tables}
        kinds.update({(table,): [None] for table in self._entries if table not in covered})
        last = {tables: max(order[table] for table in tables) for tables in kinds}
        for family in _families(sorted(kinds, key=last.__getitem__)):
            owned = any(self._is_owned(tables) for tables in family)
            for slug in list(self._sides) if owned else [NOBODY]:
                for _ in range(count):  # each class gets its first row before any gets its second
                    for tables in family:
                        for kind in kinds[tables]:
                            self._add(tables, kind, slug)

    @property
    def entries(self) -> list[Entry]:
        """What is known of the tables."""
        return list(self._entries.values())

    @property
    def empty(self) -> set[Table]:
        """The tables that got no row."""
        return {table for table, rows in self._rows.items() if not any(rows.values())}

    @property
    def tables(self) -> list[Table]:
        """The declared tables, parents first."""
        return list(self._entries)

    def insert(self, connection: Connection, slugs: Collection[str]) -> None:
        """Write the rows of some tenants, and those that are shared, as the owner."""
        for table, found in self._rows.items():
            rows = [row for slug in (NOBODY, *slugs) for row in found.get(slug, [])]
            for row in rows:  # one by one: a row may refer to the one before it
                connection.execute(insert(table), row)

    def rows(self, table: Table, slug: str) -> list[Values]:
        """Return the rows of a tenant."""
        return self._rows[table].get(slug, [])

    def keys(self, table: Table, slug: str) -> list[tuple[Any, ...]]:
        """Return the primary keys of a tenant's rows."""
        columns = list(table.primary_key.columns) or list(table.columns)
        return [tuple(row.get(column.key) for column in columns) for row in self.rows(table, slug)]

    def another(self, table: Table, slug: str) -> Values | None:
        """
        Return one more row of a tenant, not written yet; None where it cannot stand alone.

        A row of a joined subclass needs its parent's row, and a row whose whole key points elsewhere needs a new one
        there.
        """
        keyed = [column for column in table.primary_key if not column.foreign_keys]
        if not keyed:
            return None
        made = self._row(table, slug, {})
        self._number += 1
        return made

    def _is_owned(self, tables: Iterable[Table]) -> bool:
        return any(self._entries[table].is_ruled for table in tables)

    def _add(self, tables: tuple[Table, ...], mapper: Mapper[Any] | None, slug: str) -> None:
        most = max((len(rows) for found in self._rows.values() for rows in found.values()), default=0)
        for turn in range(max(most, 1)):  # where keys are unique, another row is to be pointed to
            own: dict[Table, Values] = {}
            for table in tables:
                own[table] = self._row(table, slug, own, turn)
                kind = mapper.polymorphic_on if mapper is not None else None
                if mapper is not None and isinstance(kind, Column) and kind.table is table:
                    own[table][kind.key] = mapper.polymorphic_identity
            if not any(self._is_taken(table, row) for table, row in own.items()):
                for table, row in own.items():
                    self._rows[table].setdefault(slug, []).append(row)
                self._number += 1
                return

    def _is_taken(self, table: Table, row: Values) -> bool:
        """Whether a row is equal to another one where it must not be."""
        keys = [key for key in table.constraints if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)]
        names = [[column.key for column in key.columns] for key in keys]
        names += [[column.key for column in index.columns] for index in table.indexes if index.unique]
        others = [one for rows in self._rows[table].values() for one in rows]
        return any(
            all(row.get(name) is not None and row.get(name) == other.get(name) for name in key)
            for key in names
            if key
            for other in others
        )

    def _row(self, table: Table, slug: str, own: Mapping[Table, Values], turn: int = 0) -> Values:
        ruled = self._ruled(table, slug)
        row: Values = {}
        for column in table.columns:
            if column.computed is not None or (column.identity is not None and column.identity.always):
                continue
            given = self._values.get(f"{table.fullname}.{column.name}")
            if column.key in ruled:
                row[column.key] = ruled[column.key]
            elif given is not None:
                row[column.key] = given(slug, self._number)
            elif not column.foreign_keys:
                row[column.key] = value_for(column, slug, self._number)
        for key in table.foreign_key_constraints:
            linked = self._linked(key, slug, own, turn)
            row.update({name: value for name, value in linked.items() if name not in row})
            self._check_linked(key, row)
        return row

    def _ruled(self, table: Table, slug: str) -> Values:
        side, found = self._sides.get(slug), {}
        for condition in self._entries[table].conditions:
            value = condition.rule.value
            found[condition.column.key] = (
                value(side.scope) if value is not None and side is not None else None
            )
        return found

    def _linked(self, key: ForeignKeyConstraint, slug: str, own: Mapping[Table, Values], turn: int) -> Values:
        """Return the values of a foreign key: those of a row of the same tenant, or of one that is shared."""
        table, parent = key.table, key.referred_table
        ruled = self._ruled(table, slug)
        pairs = [(one.parent, one.column) for one in key.elements]
        if parent in self._entries and all(ours.key in ruled for ours, _ in pairs):
            # the tenant column itself refers to the table of tenants
            self._ensure(parent, {theirs.key: ruled[ours.key] for ours, theirs in pairs})
        chosen = self._chosen(key, slug, own, turn)
        return {ours.key: chosen.get(theirs.key) for ours, theirs in pairs if ours.key not in ruled}

    @staticmethod
    def _check_linked(key: ForeignKeyConstraint, row: Values) -> None:
        for one in key.elements:
            if row.get(one.parent.key) is None and not one.parent.nullable:
                if key.referred_table is key.table:  # the first of them points to itself
                    row[one.parent.key] = row[one.column.key]
                    continue
                raise ConfigurationError(
                    f"{one.parent} must point to a row of {key.referred_table.fullname!r}, and there is none yet: the "
                    "table is not declared, or the tables point to each other in a circle. Declare it, let a key be "
                    f"NULL, or give values={{'{one.parent}': lambda tenant, number: ...}}."
                )

    def _chosen(self, key: ForeignKeyConstraint, slug: str, own: Mapping[Table, Values], turn: int) -> Values:
        table, parent = key.table, key.referred_table
        if parent in own and parent is not table and set(key.columns) <= set(table.primary_key.columns):
            return own[parent]  # of the class that this one inherits from
        rows = self._rows.get(parent, {})
        candidates = rows.get(slug) or rows.get(NOBODY, [])
        number = len(self._rows[table].get(slug, [])) + turn
        return candidates[number % len(candidates)] if candidates else {}

    def _ensure(self, parent: Table, values: Values) -> None:
        """See to it that the table of tenants has the row of a tenant."""
        rows = [row for found in self._rows[parent].values() for row in found]
        if not any(all(row.get(key) == value for key, value in values.items()) for row in rows):
            self._rows[parent].setdefault(NOBODY, []).append({**self._row(parent, NOBODY, {}), **values})
            self._number += 1


def _families(groups: list[tuple[Table, ...]]) -> list[list[tuple[Table, ...]]]:
    """Put groups of tables together that share one, as the classes of an inheritance do, in their order."""
    families: list[list[tuple[Table, ...]]] = []
    for tables in groups:
        own = next((one for one in families if any(set(tables) & set(other) for other in one)), None)
        if own is None:
            families.append([tables])
        else:
            own.append(tables)
    ordered: list[list[tuple[Table, ...]]] = []
    while families:  # what others point to comes first; in a circle, whoever is next
        waiting = {table for family in families for tables in family for table in tables}
        ready = next((one for one in families if not _parents(one) & waiting), families[0])
        families.remove(ready)
        ordered.append(ready)
    return ordered


def _parents(family: list[tuple[Table, ...]]) -> set[Table]:
    """Return the tables that a family points to, without its own."""
    own = {table for tables in family for table in tables}
    return {key.column.table for table in own for key in table.foreign_keys} - own


def _table(one: Any) -> Table:
    assert isinstance(one, Table)  # noqa: S101 - mappers of a registry's tables
    return one
