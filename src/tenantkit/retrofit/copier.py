"""Make a tenant of a database that was one organization's: an SQLite file of the application, copied in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    bindparam,
    func,
    insert,
    inspect,
    literal_column,
    select,
    update,
)
from sqlalchemy import table as sql_table
from sqlalchemy.schema import sort_tables

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.session import ScopedSession
from tenantkit.sql.declarations import ScopedBy, Shared, declaration_of

__all__ = ["Copy", "copy_into_tenant"]

_BATCH = 1_000


@dataclass(slots=True)
class Copy:
    """
    What was copied.

    Attributes:
        rows: the number of rows by table.
        keys: the new key of each row whose key was made anew, by table: ``{"notes": {1: 1001}}``.

    .. versionadded:: 0.1
    """

    rows: dict[str, int] = field(default_factory=dict)
    keys: dict[str, dict[Any, Any]] = field(default_factory=dict)


def copy_into_tenant(
    source: Engine,
    session: ScopedSession,
    metadata: MetaData | Sequence[MetaData],
    *,
    on_table: Callable[[str, int], None] | None = None,
) -> Copy:
    """
    Copy all rows of a database of one organization into the tenant of a session, in the session's transaction.

    Parents come before children. Integer keys that the database counts are made anew, and foreign keys follow them;
    other keys stay. Every row is stamped and checked as any row of the session is. The caller commits: until then
    nothing is there, and an error leaves nothing.

    Args:
        source: a plain engine of the other database: the same tables without a tenant column, or with one, which is
            not read. Moments without a zone are taken as UTC where the column knows zones. Shared tables are not
            copied: what points to them keeps its key.
        session: a session of the tenant that lifts every rule which can be, such as ``SOFT_DELETE``: deleted rows
            are copied, too. It costs one INSERT for up to 1,000 rows of a table, and an UPDATE where
            rows of a table point to each other.
        metadata: where the application's tables are declared.
        on_table: is called with the name of each table that was copied, and its rows.

    Raises:
        ConfigurationError: the tenant has rows already, a row points to none, the session lifts too little, or the
            other database has a table or column that is declared nowhere, or lacks one that must be given.

    .. versionadded:: 0.1
    """
    _check_lifted(session)
    several = (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)
    everything = sort_tables([table for one in several for table in one.tables.values()])
    tables = [table for table in everything if not isinstance(declaration_of(table), Shared | None)]
    copy = Copy()
    with source.connect() as connection:
        _refuse_unknown_tables(connection, everything)
        present = [
            _Source(connection, table, everything)
            for table in tables
            if inspect(connection).has_table(table.name)
        ]
        for one in present:
            one.check()
        for one in present:
            if session.scalar(one.counting(session)):
                raise ConfigurationError(
                    f"The tenant {session.scope.tenant.slug!r} has rows in {one.table.fullname!r} already. Copy into a "
                    "new tenant, so that nothing is there twice."
                )
        for one in present:
            name = one.table.fullname
            copy.rows[name] = one.copy(session, copy)
            if on_table is not None:
                on_table(name, copy.rows[name])
        for one in present:
            one.point(session, copy)
    return copy


def _check_lifted(session: ScopedSession) -> None:
    rules = session.get_bind().dialect.tenantkit_registry.rules_in_use
    if held := [rule.name for rule in rules if rule.liftable and rule.name not in session.lifted]:
        raise ConfigurationError(
            f"This session does not see all rows that it is to copy: {', '.join(held)} holds in it. Open it with "
            "lift=[SOFT_DELETE], or kit.session(with_deleted=True)."
        )


class _Source:
    """One table of the other database, and how its rows are written."""

    def __init__(self, connection: Connection, table: Table, order: Sequence[Table]) -> None:
        self._connection, self.table = connection, table
        self._theirs = table.to_metadata(MetaData(), schema=None)  # type: ignore[arg-type]  # none at all
        declared = declaration_of(table)
        self._tenant = declared.column if isinstance(declared, ScopedBy) else None
        found = {column["name"] for column in inspect(connection).get_columns(table.name)}
        self._unknown = found - {column.name for column in table.columns}
        columns = [one for one in table.columns if one.name != self._tenant and one.computed is None]
        self._columns = [column for column in columns if column.name in found]
        self._missing = [
            column.name for column in columns if column.name not in found and _must_be_given(column)
        ]
        self._counted = _counted_key(table)
        # what points into the same table, or to a later one, is set when all rows are there
        place = {one: number for number, one in enumerate(order)}
        self._later = [
            column
            for column in self._columns
            for key in column.foreign_keys
            if place.get(key.column.table, -1) >= place[table]
        ]
        self._pointing: list[tuple[Any, Mapping[Column[Any], Any]]] = []

    def check(self) -> None:
        """Refuse a table that would lose something, or could not be filled."""
        if self._unknown:
            raise ConfigurationError(
                f"{self.table.fullname!r} of the other database has columns that are not declared: "
                f"{', '.join(sorted(self._unknown))}. Declare them, or drop them there first, so that nothing is lost."
            )
        if self._missing:
            raise ConfigurationError(
                f"{self.table.fullname!r} of the other database lacks {', '.join(self._missing)}, which must be given. "
                "Bring it up to date by its migrations first."
            )
        if self._later and (self._counted is None or any(not column.nullable for column in self._later)):
            raise ConfigurationError(
                f"{', '.join(map(str, self._later))} point to rows that come later, and are set when those are there. "
                "That needs a counted primary key, and columns that may be NULL till then."
            )

    def counting(self, session: ScopedSession) -> Any:
        """Return the statement that counts the tenant's rows, without those that it shares or only sees."""
        count = select(func.count()).select_from(self.table)
        return (
            count
            if self._tenant is None
            else count.where(self.table.c[self._tenant] == session.scope.tenant.id)
        )

    def copy(self, session: ScopedSession, copy: Copy) -> int:
        """Write all rows, and return their number."""
        count = 0
        columns = [self._theirs.columns[column.key] for column in self._columns]
        statement = select(*columns).order_by(*self._theirs.primary_key.columns)
        for rows in self._connection.execute(statement).partitions(_BATCH):
            values = [dict(zip(self._columns, row, strict=True)) for row in rows]
            for alike in _by_columns(values):
                self._write(alike, session, copy)
            count += len(rows)
        return count

    def _write(self, values: list[dict[Column[Any], Any]], session: ScopedSession, copy: Copy) -> None:
        counted = self._counted
        written = [
            {
                column.key: None if column in self._later else _followed(column, _aware(column, value), copy)
                for column, value in one.items()
                if column is not counted
            }
            for one in values
        ]
        if counted is None:
            session.execute(insert(self.table), written)
            return
        old = [one[counted] for one in values]
        returning = insert(self.table).returning(counted, sort_by_parameter_order=True)
        new = session.scalars(returning, written).all()
        copy.keys.setdefault(self.table.fullname, {}).update(zip(old, new, strict=True))
        self._pointing += zip(new, values, strict=True) if self._later else ()

    def point(self, session: ScopedSession, copy: Copy) -> None:
        """Set what could not be set before all rows were there."""
        for column in self._later:
            changes = [
                {"new_key": key, "points_to": _followed(column, values[column], copy)}
                for key, values in self._pointing
                if values[column] is not None
            ]
            if changes and self._counted is not None:
                changed = update(self.table).where(self._counted == bindparam("new_key"))
                kept = {one: one for one in self.table.columns if one.onupdate is not None}
                session.connection().execute(
                    changed.values({**kept, column: bindparam("points_to")}), changes
                )


def _followed(column: Column[Any], value: Any, copy: Copy) -> Any:
    """Return the value, or the new key of the row that it pointed to."""
    for key in column.foreign_keys:
        parent = key.column.table
        if value is None or parent.fullname not in copy.rows:
            continue
        if key.column is not _counted_key(parent):
            if key.column.foreign_keys and key.column is not column:  # a subclass's key is its parent's
                return _followed(key.column, value, copy)
            continue
        new = copy.keys.get(parent.fullname, {})
        if value not in new:
            raise ConfigurationError(
                f"{column} = {value!r} points to no row of {parent.fullname!r} in the other database. Mend it there "
                "first: here the key may be another row's."
            )
        return new[value]
    return value


def _by_columns(rows: list[dict[Column[Any], Any]]) -> list[list[dict[Column[Any], Any]]]:
    """
    Put rows together that have a value in the same columns.

    A None in a JSON column is left out, since as a parameter it would become JSON's null and not SQL's.
    """
    groups: dict[frozenset[Column[Any]], list[dict[Column[Any], Any]]] = {}
    for row in rows:
        given = {
            column: value
            for column, value in row.items()
            if value is not None or not isinstance(column.type, JSON) or column.default is not None
        }
        groups.setdefault(frozenset(given), []).append(given)
    return list(groups.values())


def _aware(column: Column[Any], value: Any) -> Any:
    """Return a moment in UTC where the column knows zones: SQLite keeps none."""
    if isinstance(value, datetime) and value.tzinfo is None and getattr(column.type, "timezone", False):
        return value.replace(tzinfo=UTC)
    return value


def _refuse_unknown_tables(connection: Connection, tables: Sequence[Table]) -> None:
    declared = {table.name for table in tables} | {"alembic_version"}
    for name in inspect(connection).get_table_names():
        if name in declared or name.startswith("sqlite_"):
            continue
        if connection.execute(select(literal_column("1")).select_from(sql_table(name)).limit(1)).first():
            raise ConfigurationError(
                f"The other database has rows in {name!r}, which is declared nowhere. Declare the table, or drop it "
                "there first, so that nothing is lost."
            )


def _counted_key(table: Table) -> Column[Any] | None:
    """Return the primary key that the database counts, if it is one column and no foreign key."""
    key = list(table.primary_key.columns)
    if len(key) != 1 or key[0].foreign_keys or not isinstance(key[0].type, Integer):
        return None
    return key[0] if key[0].autoincrement in (True, "auto") else None


def _must_be_given(column: Column[Any]) -> bool:
    if column.nullable or column.default is not None or column.server_default is not None:
        return False
    return column is not _counted_key(column.table)
