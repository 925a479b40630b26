"""Give rows that are older than their tenant column a tenant, in batches, while the application works on."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Row,
    Table,
    bindparam,
    func,
    inspect,
    select,
    tuple_,
    update,
)
from sqlalchemy.sql import ColumnElement, FromClause

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.local_settings import telling_unscoped
from tenantkit.sql.declarations import ScopedBy, declaration_of

__all__ = ["Assign", "Backfill", "Progress"]

Assign = Callable[[Connection, Sequence[Row[Any]]], Mapping[Any, Any]]


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far a backfill is, after a batch that is committed.

    Attributes:
        table: name of the table.
        done: rows changed by this run.
        left: rows still to be changed: counted when the run began, less those done. What is left at the end found no
            tenant.
        batches: batches so far.
        seconds: how long the last batch took, which is how long its rows were locked.

    .. versionadded:: 0.1
    """

    table: str
    done: int
    left: int
    batches: int
    seconds: float


class Backfill:
    """
    Gives the rows of one table their tenant, where they have none.

    Made by :meth:`to_tenant`, :meth:`through` or :meth:`by`. A run goes through the primary key in batches, each in
    a transaction of its own that locks the rows it changes. Rows that have a tenant are left alone, so a run that was
    stopped, by ``break`` or by a crash, is taken up by running it again.

    .. versionadded:: 0.1
    """

    def __init__(self, table: Table, value: "ColumnElement[Any] | Assign", *, batch_size: int) -> None:
        self._table, self._value = table, value
        self._tenant = _tenant_of(table)
        self._key = tuple(table.primary_key.columns)
        if not self._key:
            raise ConfigurationError(
                f"Table {table.fullname!r} has no primary key to go along. Give its rows their tenant by an UPDATE."
            )
        if batch_size < 1:
            raise ConfigurationError(f"A batch of {batch_size} rows is none. Use a size of 1 or more.")
        self._size = batch_size

    @classmethod
    def to_tenant(cls, table: Any, tenant_id: Any, *, batch_size: int = 20_000) -> Self:
        """
        Give all rows to one tenant: the organization that the application has worked for so far.

        Args:
            table: the table, or a class mapped to it; declared with ``scoped_by``.
            tenant_id: the tenant's id.
            batch_size: rows in a transaction.

        Raises:
            ConfigurationError: the table is not declared so, has no primary key, or the size is none.
        """
        table = _table(table)
        value = bindparam("backfill_tenant", tenant_id, type_=_tenant_of(table).type, unique=True)
        return cls(table, value, batch_size=batch_size)

    @classmethod
    def through(cls, table: Any, *columns: str, batch_size: int = 20_000) -> Self:
        """
        Give each row the tenant of the row that a path of foreign keys leads to.

        ``through(comments, "task_id", "project_id")`` goes from comments over tasks to projects, whose rows have
        their tenant already.

        Args:
            table: the table, or a class mapped to it.
            columns: names of foreign key columns, the first of this table, each next of the table it leads to.
            batch_size: rows in a transaction.

        Raises:
            ConfigurationError: a column is no foreign key, or the last one leads to a table without a tenant column.
        """
        table = _table(table)
        return cls(table, _along(table, columns), batch_size=batch_size)

    @classmethod
    def by(cls, table: Any, assign: Assign, *, batch_size: int = 1_000) -> Self:
        """
        Give each row the tenant that a function says, which may make tenants: one for each existing user.

        Args:
            table: the table, or a class mapped to it.
            assign: is called with the connection of the batch and its rows, all columns, and returns tenant ids by
                primary key (a tuple where that has several columns); a row that is left out is left alone. What it
                writes on the connection is committed with the batch.
            batch_size: rows in a transaction.

        Raises:
            ConfigurationError: as for :meth:`to_tenant`.
        """
        return cls(_table(table), assign, batch_size=batch_size)

    def run(self, engine: Engine) -> Iterator[Progress]:
        """
        Work, batch by batch; nothing happens until the iterator is asked.

        Between two batches nothing is open: wait there for a replica that lags, or leave the loop to pause.

        Args:
            engine: a plain engine of the role that owns the table. Each batch costs two statements, with :meth:`by`
                three; one more counts the rows at the beginning.

        Yields:
            the progress after each batch that changed something, and at the end.

        Raises:
            ConfigurationError: the engine is a scoped one.
        """
        return self._batches(engine, self._fill, self._tenant.is_(None))

    def undo(self, engine: Engine) -> Iterator[Progress]:
        """Take the tenant off all rows again, as :meth:`run` gave it; the column must still allow NULL."""
        return self._batches(engine, self._empty, self._tenant.is_not(None))

    def _batches(
        self, engine: Engine, change: Callable[[Connection, Any], int], wanted: ColumnElement[bool]
    ) -> Iterator[Progress]:
        if getattr(engine.dialect, "tenantkit_sights", None) is not None:
            raise ConfigurationError(
                "A backfill works for no tenant. Give it a plain engine of the role that owns the tables, such as "
                "kit.owner_engine."
            )
        with engine.connect() as connection:
            left = connection.scalar(select(func.count()).select_from(self._table).where(wanted)) or 0
        after, done, batches, changed, seconds = None, 0, 0, -1, 0.0
        is_last = False
        while not is_last:
            began = time.monotonic()
            with engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(telling_unscoped())
                end = self._end(connection, after)
                changed = change(connection, [wanted, *self._between(after, end)])
            after, is_last, batches = end, end is None, batches + 1
            done, left, seconds = done + changed, left - changed, time.monotonic() - began
            if changed or is_last:
                yield Progress(self._table.fullname, done, max(left, 0), batches, seconds)

    def _end(self, connection: Connection, after: Any) -> Any:
        """Return the last key of a batch, None if fewer rows are left."""
        keys = select(*self._key).where(*self._between(after, None)).order_by(*self._key)
        return connection.execute(keys.offset(self._size - 1).limit(1)).first()

    def _between(self, after: Any, end: Any) -> list[ColumnElement[bool]]:
        key: Any = self._key[0] if len(self._key) == 1 else tuple_(*self._key)
        found = []
        if after is not None:
            found.append(key > (after[0] if len(after) == 1 else tuple(after)))
        if end is not None:
            found.append(key <= (end[0] if len(end) == 1 else tuple(end)))
        return found

    def _fill(self, connection: Connection, where: Any) -> int:
        if isinstance(self._value, ColumnElement):
            known = self._value.is_not(None)
            changed = update(self._table).where(*where, known).values({self._tenant: self._value})
            return connection.execute(changed).rowcount
        rows = connection.execute(select(self._table).where(*where)).all()
        given = self._value(connection, rows) if rows else {}
        changes = [
            {"backfill_tenant": tenant, **{f"backfill_{n}": part for n, part in enumerate(_parts(key))}}
            for key, tenant in given.items()
            if tenant is not None
        ]
        if not changes:
            return 0
        one = [column == bindparam(f"backfill_{n}") for n, column in enumerate(self._key)]
        changed = update(self._table).where(self._tenant.is_(None), *one)
        return connection.execute(
            changed.values({self._tenant: bindparam("backfill_tenant")}), changes
        ).rowcount

    def _empty(self, connection: Connection, where: Any) -> int:
        return connection.execute(update(self._table).where(*where).values({self._tenant: None})).rowcount


def _parts(key: Any) -> tuple[Any, ...]:
    return tuple(key) if isinstance(key, tuple | Row) else (key,)


def _table(table: Any) -> Table:
    found = table if isinstance(table, Table) else inspect(table).local_table
    return cast("Table", found)


def _tenant_of(table: Table) -> Column[Any]:
    declared = declaration_of(table)
    if not isinstance(declared, ScopedBy) or declared.column not in table.columns:
        raise ConfigurationError(
            f"Table {table.fullname!r} has no tenant column that is declared. Add one, and "
            f'info=scoped_by("tenant_id", mode="shadow").'
        )
    return table.columns[declared.column]


def _along(table: Table, columns: Sequence[str]) -> ColumnElement[Any]:
    if not columns:
        raise ConfigurationError("through() needs the name of at least one foreign key column.")
    joins: list[ColumnElement[bool]] = []
    here: FromClause = table
    real = table
    for name in columns:
        found = [key for key in real.foreign_key_constraints if name in {one.name for one in key.columns}]
        if len(found) != 1:
            what = "is part of several foreign keys" if found else "is no foreign key"
            raise ConfigurationError(f"{real.fullname}.{name} {what}, so it leads to no tenant.")
        real = found[0].referred_table
        there = real.alias()
        joins += [here.columns[one.parent.key] == there.columns[one.column.key] for one in found[0].elements]
        here = there
    return select(here.columns[_tenant_of(real).key]).where(*joins).correlate(table).scalar_subquery()
