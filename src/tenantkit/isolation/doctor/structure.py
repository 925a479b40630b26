"""What the structure of the tables tells, on any database: columns, indexes, keys, tables nobody declared."""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection, ForeignKeyConstraint, Inspector, Table, inspect
from sqlalchemy.sql.compiler import IdentifierPreparer

from tenantkit.isolation.doctor.model import Finding
from tenantkit.isolation.entry import Condition, Entry
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import TENANT

__all__ = ["Structure"]

_NOT_OURS: Final = frozenset({"alembic_version"})


class Structure:
    """
    Compares the declared tables with those of a database.

    Args:
        connection: to the database; a handful of catalog queries for each table.
        registry: what is declared.
    """

    def __init__(self, connection: Connection, registry: Registry) -> None:
        self._inspector: Inspector = inspect(connection)
        self._quoting: IdentifierPreparer = connection.dialect.identifier_preparer
        self._entries = {entry.table: entry for entry in registry.entries}
        self._is_postgresql = connection.dialect.name == "postgresql"

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with each table, and the tables that nobody declared."""
        for entry in self._entries.values():
            if not self._inspector.has_table(entry.table.name, entry.table.schema):
                yield Finding(
                    "error",
                    "missing-table",
                    entry.table.fullname,
                    "The table is declared, and the database has none of that name. Run the migrations.",
                )
                continue
            if entry.is_ruled and entry.mode != "enforce":
                yield Finding(
                    "warning",
                    "not-enforced-yet",
                    entry.table.fullname,
                    f"The table is in the mode {entry.mode!r}: a scope reads all of its rows. Go on to 'enforce' when "
                    "no statement would change any more.",
                )
            for condition in entry.conditions:
                if condition.rule is TENANT:
                    yield from self._of_tenant_column(entry, condition)
            yield from self._foreign_keys(entry)
        yield from self._undeclared()

    def _of_tenant_column(self, entry: Entry, condition: Condition) -> Iterator[Finding]:
        table, name = entry.table, condition.column.name
        found = {column["name"]: column for column in self._inspector.get_columns(table.name, table.schema)}
        if name not in found:
            yield Finding(
                "error",
                "missing-column",
                table.fullname,
                f"The tenant column {name!r} is not there. Run the migrations.",
            )
            return
        if found[name]["nullable"] and not condition.null_is_shared and entry.mode == "enforce":
            yield Finding(
                "warning",
                "nullable-tenant",
                table.fullname,
                f"{name!r} may be NULL: such rows are nobody's, and vanish from every scope.",
                (f"ALTER TABLE {self._spelled(table)} ALTER COLUMN {self._quoted(name)} SET NOT NULL",),
            )
        yield from self._index(table, name)
        yield from self._uniques(table, name)

    def _index(self, table: Table, tenant: str) -> Iterator[Finding]:
        keys: list[Sequence[str | None]] = [
            self._inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]
        ]
        keys += [index["column_names"] for index in self._inspector.get_indexes(table.name, table.schema)]
        keys += [
            key["column_names"] for key in self._inspector.get_unique_constraints(table.name, table.schema)
        ]
        if not any(key and key[0] == tenant for key in keys):
            yield Finding(
                "warning",
                "missing-index",
                table.fullname,
                f"No index begins with {tenant!r}: each statement of a small tenant reads the rows of the large ones.",
                (self._create_index(table, tenant),),
            )

    def _create_index(self, table: Table, tenant: str) -> str:
        where = f"ON {self._spelled(table)} ({self._quoted(tenant)})"
        if self._is_postgresql:
            return f"CREATE INDEX CONCURRENTLY {where}"
        return f"CREATE INDEX {self._quoted(f'ix_{table.name}_{tenant}')} {where}"

    def _uniques(self, table: Table, tenant: str) -> Iterator[Finding]:
        keys: dict[str, list[str | None]] = {
            str(index["name"]): list(index["column_names"])
            for index in self._inspector.get_indexes(table.name, table.schema)
            if index["unique"]
        }
        for key in self._inspector.get_unique_constraints(table.name, table.schema):
            keys[str(key["name"])] = list(key["column_names"])
        for name, columns in keys.items():
            if tenant in columns or not any(columns):
                continue
            shown = ", ".join(str(column) for column in columns)
            yield Finding(
                "warning",
                "unique-without-tenant",
                table.fullname,
                f"{name} is unique over all tenants ({shown}): an error tells a tenant that another one has the value.",
                (
                    f"ALTER TABLE {self._spelled(table)} ADD UNIQUE ({self._listed(tenant, *columns)})",
                    f"ALTER TABLE {self._spelled(table)} DROP CONSTRAINT {self._quoted(name)}",
                ),
            )

    def _foreign_keys(self, entry: Entry) -> Iterator[Finding]:
        own = _tenant_column(entry)
        for link in entry.links:
            theirs = _tenant_column(self._entries[link.table])
            if own is None or theirs is None or self._has_key(entry.table, link.table, (own, theirs)):
                continue
            ours = self._listed(own, *(column.name for column in link.columns))
            parents = self._listed(theirs, *(column.name for column in link.parents))
            child, parent = self._spelled(entry.table), self._spelled(link.table)
            name = self._quoted(
                f"fk_{entry.table.name}_{'_'.join(column.name for column in link.columns)}_tenant"
            )
            cure = [
                f"ALTER TABLE {parent} ADD UNIQUE ({parents})",
                f"ALTER TABLE {child} ADD CONSTRAINT {name} FOREIGN KEY ({ours}) REFERENCES {parent} ({parents})"
                + (" NOT VALID" if self._is_postgresql else ""),
            ]
            if self._is_postgresql:
                cure.append(f"ALTER TABLE {child} VALIDATE CONSTRAINT {name}")
            yield Finding(
                "warning",
                "missing-composite-key",
                f"{entry.table.fullname}.{link.columns[0].name}",
                f"The foreign key to {link.table.fullname!r} does not carry the tenant: the database lets a row point "
                "at another tenant's, and each write costs a look-up.",
                tuple(cure),
            )

        yield from self._lost_keys(entry)

    def _lost_keys(self, entry: Entry) -> Iterator[Finding]:
        """Find foreign keys that carry the tenant in the declarations, and are not in the database."""
        own = _tenant_column(entry)
        for key in entry.table.foreign_key_constraints:
            parent = self._entries.get(key.referred_table)
            theirs = _tenant_column(parent) if parent is not None else None
            pairs = {(one.parent.name, one.column.name) for one in key.elements}
            if own is None or theirs is None or (own, theirs) not in pairs:
                continue
            if not self._has_key(entry.table, key.referred_table, (own, theirs)):
                yield Finding(
                    "error",
                    "lost-foreign-key",
                    f"{entry.table.fullname}.{next(iter(key.column_keys))}",
                    f"The foreign key to {key.referred_table.fullname!r} that carries the tenant is declared, so the "
                    "engine leaves its check to the database, which has no such key.",
                    (self._add_key(key),),
                )

    def _add_key(self, key: ForeignKeyConstraint) -> str:
        child, parent = self._spelled(key.table), self._spelled(key.referred_table)
        ours = self._listed(*key.column_keys)
        theirs = self._listed(*(one.column.name for one in key.elements))
        return f"ALTER TABLE {child} ADD FOREIGN KEY ({ours}) REFERENCES {parent} ({theirs})"

    def _has_key(self, child: Table, parent: Table, tenants: tuple[str, str]) -> bool:
        return any(
            key["referred_table"] == parent.name
            and tenants in zip(key["constrained_columns"], key["referred_columns"], strict=True)
            for key in self._inspector.get_foreign_keys(child.name, child.schema)
        )

    def _undeclared(self) -> Iterator[Finding]:
        declared = {(table.schema, table.name) for table in self._entries}
        for schema in dict.fromkeys(table.schema for table in self._entries):
            for name in self._inspector.get_table_names(schema):
                if (schema, name) not in declared and name not in _NOT_OURS:
                    yield Finding(
                        "warning",
                        "undeclared-table",
                        name if schema is None else f"{schema}.{name}",
                        "Nobody declared the table: the engine refuses it, and it has no policy. Declare it, or keep "
                        "it out of this schema.",
                    )

    def _spelled(self, table: Table) -> str:
        return self._quoting.format_table(table)

    def _listed(self, *names: object) -> str:
        return ", ".join(self._quoted(str(one)) for one in names)

    def _quoted(self, name: str) -> str:
        return self._quoting.quote(name)


def _tenant_column(entry: Entry) -> str | None:
    return next((str(one.column.name) for one in entry.conditions if one.rule is TENANT), None)
