"""Operations of migrations: tables by SQL of their own, and row level security."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.migrations.operations.base import Operation
from django.db.migrations.operations.special import RunSQL

from tenantkit.adapters.django.fields import column_type

__all__ = ["CreateTables", "RowPolicies"]


class CreateTables(Operation):
    """
    Create the kit's tables as the kit declares them, on each kind of database.

    Args:
        tables: their names, parents first.
        statements: the SQL by kind of database; ``{tenant_id}`` stands for the type of tenant ids.

    .. versionadded:: 0.1
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, tables: Sequence[str], statements: Mapping[str, Sequence[str]]) -> None:
        self.tables, self.statements = list(tables), dict(statements)

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Leave the state to the operations beside this one."""

    def database_forwards(self, _app_label: str, schema_editor: Any, _from: Any, _to: Any) -> None:
        """Create the tables."""
        vendor = schema_editor.connection.vendor
        for statement in self.statements[vendor]:
            schema_editor.execute(statement.replace("{tenant_id}", column_type(vendor)), params=None)

    def database_backwards(self, _app_label: str, schema_editor: Any, _from: Any, _to: Any) -> None:
        """Drop the tables."""
        for table in reversed(self.tables):
            schema_editor.execute(f"DROP TABLE {table}", params=None)

    def describe(self) -> str:
        """Return what it does."""
        return f"Create the tables {', '.join(self.tables)}"


class RowPolicies(RunSQL):
    """
    Create the row policies of a table, as ``manage.py tenantkit policies`` writes them; on PostgreSQL only.

    Args:
        table: its name.
        create: the statements that replace the table's policies.
        drop: the statements that drop them.

    .. versionadded:: 0.1
    """

    def __init__(self, table: str, create: Sequence[str], drop: Sequence[str]) -> None:
        self.table, self.create, self.drop = table, list(create), list(drop)
        super().__init__([(one, None) for one in self.create], [(one, None) for one in self.drop])

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return what a migration file holds."""
        return type(self).__name__, [self.table, self.create, self.drop], {}

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Create the policies."""
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Drop the policies."""
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)

    def describe(self) -> str:
        """Return what it does."""
        return f"Create the row policies of {self.table}"
