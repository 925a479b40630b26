"""
Operations that change a table in use without making its users wait: ``op.set_not_null_online`` and others.

PostgreSQL only. Each commits what the migration has done so far and runs outside of its transaction, in steps of which
one that is done is left out: so a migration that was cut off is simply run again. A step that needs a lock waits for it
shortly and often (:class:`Patience`). The ways are those of strong_migrations.

All take ``schema=`` and ``patience=``, and raise LockNotGranted where somebody held a lock through all attempts, and
ConfigurationError where rows are in the way.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Final

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.exc import DBAPIError

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation import Policy, TablePolicies
from tenantkit.migrations.running import Patience, Step, check_postgresql, run_steps

__all__ = [
    "AddColumnOnlineOp",
    "CreateForeignKeyOnlineOp",
    "CreateIndexOnlineOp",
    "CreatePoliciesOnlineOp",
    "CreateUniqueOnlineOp",
    "DropColumnOnlineOp",
    "DropConstraintOnlineOp",
    "DropIndexOnlineOp",
    "DropNotNullOnlineOp",
    "DropPoliciesOnlineOp",
    "SetNotNullOnlineOp",
]

_NOT_NULL: Final = (
    "SELECT attnotnull FROM pg_attribute WHERE attrelid = to_regclass(:table) AND attname = :column"
)
_CONSTRAINT: Final = "SELECT true FROM pg_constraint WHERE conrelid = to_regclass(:table) AND conname = :name"
_VALIDATED: Final = f"{_CONSTRAINT} AND convalidated"
_INDEX: Final = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
_NO_BROKEN_INDEX: Final = (
    "SELECT NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid)"
)
_LONGEST_NAME: Final = 63
_RULES: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"})


class OnlineOp(MigrateOperation, ABC):
    """An operation on one table, in steps."""

    def __init__(
        self, table_name: str, *, schema: str | None = None, patience: Patience | None = None
    ) -> None:
        # the SQL goes to the driver as it is: no percent sign is to be doubled for parameters
        dialect: Any = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]
        self._dialect, self._quoting = dialect, dialect.identifier_preparer
        self.table_name, self.schema, self.patience = table_name, schema, patience or Patience()
        self.table = self._in_schema(table_name)

    @classmethod
    def run(cls, operations: Operations, *arguments: Any, **options: Any) -> None:
        """Run it in a migration: what ``op`` calls."""
        operations.invoke(cls(*arguments, **options))

    @abstractmethod
    def steps(self) -> list[Step]:
        """Return what is to be run, in order."""

    def _in_schema(self, name: str) -> str:
        quoted: str = self._quoting.quote(name)
        return f"{self._quoting.quote_schema(self.schema)}.{quoted}" if self.schema else quoted

    def _listed(self, names: Sequence[str]) -> str:
        return ", ".join(self._quoting.quote(name) for name in names)

    def _alter(self, change: str, done: tuple[str, dict[str, Any]] | None = None) -> Step:
        return Step((f"ALTER TABLE {self.table} {change}",), self.table, done)


@Operations.register_operation("add_column_online", "run")
class AddColumnOnlineOp(OnlineOp):
    """
    ``op.add_column_online("notes", Column("org_id", Uuid))``: add a column that may be NULL and has no default.

    .. versionadded:: 0.1
    """

    def __init__(self, table_name: str, column: Column[Any], **options: Any) -> None:
        super().__init__(table_name, **options)
        if not column.nullable or column.server_default is not None or column.foreign_keys:
            raise ConfigurationError(
                f"The column {column.name!r} is not plain: a NOT NULL, a default or a foreign key makes the others "
                "wait while all rows are looked at. Add it nullable, fill it, then use set_not_null_online() and "
                "create_foreign_key_online()."
            )
        self.column = column

    def steps(self) -> list[Step]:
        """Return the ALTER TABLE."""
        name = self._quoting.quote(self.column.name)
        kind = self.column.type.compile(dialect=self._dialect)
        return [self._alter(f"ADD COLUMN IF NOT EXISTS {name} {kind}")]


class _OfColumn(OnlineOp):
    """An operation on a column."""

    def __init__(self, table_name: str, column_name: str, **options: Any) -> None:
        super().__init__(table_name, **options)
        self.column_name = column_name
        self._column = self._quoting.quote(column_name)
        # PostgreSQL 18 itself calls a NOT NULL <table>_<column>_not_null
        self._check_name = f"tenantkit_{table_name}_{column_name}_is_set"[:_LONGEST_NAME]
        self._check = self._quoting.quote(self._check_name)


@Operations.register_operation("drop_column_online", "run")
class DropColumnOnlineOp(_OfColumn):
    """
    ``op.drop_column_online("notes", "org_id")``: drop a column, if it is there.

    .. versionadded:: 0.1
    """

    def steps(self) -> list[Step]:
        """Return the ALTER TABLE."""
        return [self._alter(f"DROP COLUMN IF EXISTS {self._column}")]


@Operations.register_operation("set_not_null_online", "run")
class SetNotNullOnlineOp(_OfColumn):
    """
    ``op.set_not_null_online("notes", "org_id")``: make a column NOT NULL, never looking at rows under a lock.

    Four steps: a CHECK that is not yet valid, its validation while others read and write, SET NOT NULL, which trusts
    it, and the end of the CHECK.

    .. versionadded:: 0.1
    """

    def steps(self) -> list[Step]:
        """Return the four."""
        known = {"table": self.table, "column": self.column_name, "name": self._check_name}
        done = _NOT_NULL, {"table": self.table, "column": self.column_name}
        begun = f"SELECT coalesce(({_NOT_NULL}), false) OR coalesce(({_CONSTRAINT}), false)", known
        return [
            self._alter(f"ADD CONSTRAINT {self._check} CHECK ({self._column} IS NOT NULL) NOT VALID", begun),
            self._alter(f"VALIDATE CONSTRAINT {self._check}", done),
            self._alter(f"ALTER COLUMN {self._column} SET NOT NULL", done),
            self._alter(f"DROP CONSTRAINT IF EXISTS {self._check}"),
        ]


@Operations.register_operation("drop_not_null_online", "run")
class DropNotNullOnlineOp(_OfColumn):
    """
    ``op.drop_not_null_online("notes", "org_id")``: let a column be NULL again.

    .. versionadded:: 0.1
    """

    def steps(self) -> list[Step]:
        """Return the ALTER TABLE, after the end of what a cut off :class:`SetNotNullOnlineOp` left."""
        return [
            self._alter(f"DROP CONSTRAINT IF EXISTS {self._check}"),
            self._alter(f"ALTER COLUMN {self._column} DROP NOT NULL"),
        ]


@Operations.register_operation("create_index_online", "run")
class CreateIndexOnlineOp(OnlineOp):
    """
    ``op.create_index_online("notes_org", "notes", ["org_id"])``: create an index while others write.

    .. versionadded:: 0.1
    """

    kind = "INDEX"

    def __init__(self, name: str, table_name: str, columns: Sequence[str], **options: Any) -> None:
        super().__init__(table_name, **options)
        self.name, self.columns = name, tuple(columns)

    def steps(self) -> list[Step]:
        """Return the drop of an index that a run left invalid, and the CREATE."""
        index = self._in_schema(self.name)
        known = {"name": index}
        create = (
            f"CREATE {self.kind} CONCURRENTLY {self._quoting.quote(self.name)} ON {self.table} "
            f"({self._listed(self.columns)})"
        )
        drop, drop_if_there = (
            f"DROP INDEX CONCURRENTLY {known_or_not}{index}" for known_or_not in ("", "IF EXISTS ")
        )
        return [
            Step((drop,), self.table, (_NO_BROKEN_INDEX, known), is_concurrent=True),
            Step((create,), self.table, (_INDEX, known), is_concurrent=True, again=(drop_if_there,)),
        ]


@Operations.register_operation("create_unique_online", "run")
class CreateUniqueOnlineOp(CreateIndexOnlineOp):
    """
    ``op.create_unique_online("notes_key", "notes", ["org_id", "id"])``: create a unique constraint, by its index.

    It is what a foreign key that carries the tenant refers to.

    .. versionadded:: 0.1
    """

    kind = "UNIQUE INDEX"

    def steps(self) -> list[Step]:
        """Return the index's steps, and the constraint."""
        name, known = self._quoting.quote(self.name), {"table": self.table, "name": self.name}
        add = self._alter(f"ADD CONSTRAINT {name} UNIQUE USING INDEX {name}", (_CONSTRAINT, known))
        return [*super().steps(), add]


class _OfName(OnlineOp):
    """An operation on an index or a constraint."""

    def __init__(self, name: str, table_name: str, **options: Any) -> None:
        super().__init__(table_name, **options)
        self.name = name


@Operations.register_operation("drop_index_online", "run")
class DropIndexOnlineOp(_OfName):
    """
    ``op.drop_index_online("notes_org", "notes")``: drop an index while others write, if it is there.

    .. versionadded:: 0.1
    """

    def steps(self) -> list[Step]:
        """Return the DROP."""
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS {self._in_schema(self.name)}"
        return [Step((drop,), self.table, is_concurrent=True)]


@Operations.register_operation("drop_constraint_online", "run")
class DropConstraintOnlineOp(_OfName):
    """
    ``op.drop_constraint_online("notes_user", "notes")``: drop a constraint, if it is there.

    .. versionadded:: 0.1
    """

    def steps(self) -> list[Step]:
        """Return the ALTER TABLE."""
        return [self._alter(f"DROP CONSTRAINT IF EXISTS {self._quoting.quote(self.name)}")]


@Operations.register_operation("create_foreign_key_online", "run")
class CreateForeignKeyOnlineOp(_OfName):
    """
    ``op.create_foreign_key_online("notes_user", "notes", "users", ["org_id", "user_id"], ["org_id", "id"])``.

    Two steps: a key that is not yet valid, and its validation while others read and write. Both tables are in one
    schema. ``ondelete`` and ``onupdate`` are as in Alembic.

    .. versionadded:: 0.1
    """

    def __init__(  # noqa: PLR0917 - as Alembic has it
        self,
        name: str,
        source_table: str,
        referent_table: str,
        local_cols: Sequence[str],
        remote_cols: Sequence[str],
        *,
        ondelete: str | None = None,
        onupdate: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, source_table, **options)
        rules = [
            f" ON {moment} {rule}" for moment, rule in (("DELETE", ondelete), ("UPDATE", onupdate)) if rule
        ]
        for rule in (ondelete, onupdate):
            if rule is not None and rule.upper() not in _RULES:
                raise ConfigurationError(
                    f"A foreign key cannot do {rule!r}: use one of {', '.join(sorted(_RULES))}."
                )
        self._key = (
            f"FOREIGN KEY ({self._listed(local_cols)}) REFERENCES {self._in_schema(referent_table)} "
            f"({self._listed(remote_cols)}){''.join(rules)}"
        )

    def steps(self) -> list[Step]:
        """Return the two."""
        name, known = self._quoting.quote(self.name), {"table": self.table, "name": self.name}
        return [
            self._alter(f"ADD CONSTRAINT {name} {self._key} NOT VALID", (_CONSTRAINT, known)),
            self._alter(f"VALIDATE CONSTRAINT {name}", (_VALIDATED, known)),
        ]


class _OfPolicies(OnlineOp):
    """An operation on all policies of a table at once: between them it would show nothing, or everything."""

    def __init__(self, table_name: str, policies: Sequence[Policy], **options: Any) -> None:
        super().__init__(table_name, **options)
        self.policies = TablePolicies(Table(table_name, MetaData(), schema=self.schema), tuple(policies))

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return (_verb(self), self.table)


@Operations.register_operation("create_policies_online", "run")
class CreatePoliciesOnlineOp(_OfPolicies):
    """
    ``op.create_policies_online("notes", [Policy(...)])``: create or replace a table's policies, and force them.

    .. versionadded:: 0.1
    """

    def steps(self) -> list[Step]:
        """Return the one step."""
        return [Step((*self.policies.drop(), *self.policies.create()), self.table)]

    def reverse(self) -> "DropPoliciesOnlineOp":
        """Return what undoes it."""
        return DropPoliciesOnlineOp(self.table_name, self.policies.policies, schema=self.schema)


@Operations.register_operation("drop_policies_online", "run")
class DropPoliciesOnlineOp(_OfPolicies):
    """
    ``op.drop_policies_online("notes", [Policy(...)])``: drop a table's policies, and disable them.

    .. versionadded:: 0.1
    """

    def steps(self) -> list[Step]:
        """Return the one step."""
        return [Step(tuple(self.policies.drop()), self.table)]

    def reverse(self) -> CreatePoliciesOnlineOp:
        """Return what undoes it."""
        return CreatePoliciesOnlineOp(self.table_name, self.policies.policies, schema=self.schema)


def _verb(operation: _OfPolicies) -> str:
    return (
        "create_policies_online" if isinstance(operation, CreatePoliciesOnlineOp) else "drop_policies_online"
    )


@renderers.dispatch_for(CreatePoliciesOnlineOp)
@renderers.dispatch_for(DropPoliciesOnlineOp)
def _rendered(context: AutogenContext, operation: _OfPolicies) -> str:
    context.imports.add("from tenantkit.isolation import Policy")
    schema = f", schema={operation.schema!r}" if operation.schema else ""
    policies = ", ".join(repr(one) for one in operation.policies.policies)
    return f"op.{_verb(operation)}({operation.table_name!r}, [{policies}]{schema})"


_IN_THE_WAY: Final = {
    "23514": "has rows with NULL in the column. Run the backfill again, and then the migration",
    "23503": "has rows that point to none, or to another tenant's. find_crossings() lists them; mend them, and go on",
    "23505": "has rows that are equal where they are to be unique. Mend them, and run the migration again",
}


def _implementation(operations: Operations, operation: OnlineOp) -> None:
    check_postgresql(operations, "Use Alembic's own operations there, in a maintenance window.")
    try:
        run_steps(operations, operation.steps(), operation.patience)
    except DBAPIError as error:
        says = _IN_THE_WAY.get(getattr(error.orig, "sqlstate", None) or "")
        if says is None:
            raise
        reason = " ".join(str(error.orig).split())  # with the detail, which names a key
        raise ConfigurationError(f"{operation.table} {says}. PostgreSQL says: {reason}") from error


for _kind in (
    AddColumnOnlineOp,
    DropColumnOnlineOp,
    SetNotNullOnlineOp,
    DropNotNullOnlineOp,
    CreateIndexOnlineOp,
    CreateUniqueOnlineOp,
    DropIndexOnlineOp,
    DropConstraintOnlineOp,
    CreateForeignKeyOnlineOp,
    CreatePoliciesOnlineOp,
    DropPoliciesOnlineOp,
):
    Operations.implementation_for(_kind)(_implementation)
