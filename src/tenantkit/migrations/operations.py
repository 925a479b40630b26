"""The operations: ``op.enable_row_security``, ``op.create_policy`` and their reversals."""

from typing import Any, Literal

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import MetaData, Table

from tenantkit.isolation import Policy, TablePolicies
from tenantkit.migrations.running import check_postgresql, run_statements

__all__ = ["CreatePolicyOp", "DisableRowSecurityOp", "DropPolicyOp", "EnableRowSecurityOp"]


class _OfTable(MigrateOperation):
    """An operation on the row level security of one table."""

    def __init__(self, table_name: str, *, schema: str | None = None) -> None:
        self.table_name, self.schema = table_name, schema

    @property
    def _shown(self) -> str:
        return f"{self.schema}.{self.table_name}" if self.schema else self.table_name

    def _on(self, *policies: Policy) -> TablePolicies:
        return TablePolicies(Table(self.table_name, MetaData(), schema=self.schema), policies)


@Operations.register_operation("enable_row_security")
class EnableRowSecurityOp(_OfTable):
    """
    Enable and force row level security of a table.

    .. versionadded:: 0.1
    """

    @classmethod
    def enable_row_security(
        cls, operations: Operations, table_name: str, *, schema: str | None = None
    ) -> None:
        """Enable and force row level security of a table; locks it (ACCESS EXCLUSIVE) for a moment."""
        operations.invoke(cls(table_name, schema=schema))

    def statements(self) -> list[str]:
        """Return the SQL."""
        return self._on().create()

    def reverse(self) -> "DisableRowSecurityOp":
        """Return what undoes it."""
        return DisableRowSecurityOp(self.table_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return ("enable_row_security", self._shown)


@Operations.register_operation("disable_row_security")
class DisableRowSecurityOp(_OfTable):
    """
    Disable row level security of a table.

    .. versionadded:: 0.1
    """

    @classmethod
    def disable_row_security(
        cls, operations: Operations, table_name: str, *, schema: str | None = None
    ) -> None:
        """Disable row level security of a table, and force it no longer."""
        operations.invoke(cls(table_name, schema=schema))

    def statements(self) -> list[str]:
        """Return the SQL."""
        return self._on().drop()

    def reverse(self) -> EnableRowSecurityOp:
        """Return what undoes it."""
        return EnableRowSecurityOp(self.table_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return ("disable_row_security", self._shown)


class _OfPolicy(_OfTable):
    """An operation on one policy, which says all of it, so that it can be undone."""

    def __init__(self, policy: Policy, table_name: str, *, schema: str | None = None) -> None:
        super().__init__(table_name, schema=schema)
        self.policy = policy


@Operations.register_operation("create_policy")
class CreatePolicyOp(_OfPolicy):
    """
    Create a policy.

    .. versionadded:: 0.1
    """

    @classmethod
    def create_policy(  # noqa: PLR0913 - as Alembic has it: what it says stands in the script
        cls,
        operations: Operations,
        name: str,
        table_name: str,
        *,
        using: str,
        check: str | None = None,
        command: Literal["ALL", "SELECT"] = "ALL",
        role: Literal["PUBLIC", "CURRENT_USER"] = "PUBLIC",
        schema: str | None = None,
    ) -> None:
        """Create a policy; ``CURRENT_USER`` is the role that runs the migrations."""
        operations.invoke(cls(Policy(name, command, role, using, check), table_name, schema=schema))

    def statements(self) -> list[str]:
        """Return the SQL."""
        return [self._on().statement(self.policy)]

    def reverse(self) -> "DropPolicyOp":
        """Return what undoes it."""
        return DropPolicyOp(self.policy, self.table_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return ("create_policy", self._shown, self.policy.name)


@Operations.register_operation("drop_policy")
class DropPolicyOp(_OfPolicy):
    """
    Drop a policy.

    .. versionadded:: 0.1
    """

    @classmethod
    def drop_policy(
        cls, operations: Operations, name: str, table_name: str, *, schema: str | None = None
    ) -> None:
        """Drop a policy."""
        policy = Policy(name, "ALL", "PUBLIC", "false", None)
        operations.invoke(cls(policy, table_name, schema=schema))

    def statements(self) -> list[str]:
        """Return the SQL."""
        return [f"DROP POLICY {self.policy.name} ON {self._on().name}"]

    def reverse(self) -> CreatePolicyOp:
        """Return what undoes it."""
        return CreatePolicyOp(self.policy, self.table_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """Return what ``alembic check`` shows."""
        return ("drop_policy", self._shown, self.policy.name)


Operation = EnableRowSecurityOp | DisableRowSecurityOp | CreatePolicyOp | DropPolicyOp


@Operations.implementation_for(EnableRowSecurityOp)
@Operations.implementation_for(DisableRowSecurityOp)
@Operations.implementation_for(CreatePolicyOp)
@Operations.implementation_for(DropPolicyOp)
def _run(operations: Operations, operation: Operation) -> None:
    check_postgresql(operations, 'Guard it: if op.get_context().dialect.name == "postgresql".')
    run_statements(operations, operation.statements())


@renderers.dispatch_for(EnableRowSecurityOp)
@renderers.dispatch_for(DisableRowSecurityOp)
def _rendered_table(_context: AutogenContext, operation: _OfTable) -> str:
    verb = operation.to_diff_tuple()[0]
    return f"op.{verb}({', '.join([repr(operation.table_name), *_schema(operation)])})"


@renderers.dispatch_for(CreatePolicyOp)
def _rendered_create(_context: AutogenContext, operation: CreatePolicyOp) -> str:
    policy = operation.policy
    parts = [repr(policy.name), repr(operation.table_name), f"using={policy.using!r}"]
    parts += [f"check={policy.check!r}"] if policy.check is not None else []
    parts += [f"command={policy.command!r}", f"role={policy.role!r}", *_schema(operation)]
    return f"op.create_policy({', '.join(parts)})"


@renderers.dispatch_for(DropPolicyOp)
def _rendered_drop(_context: AutogenContext, operation: DropPolicyOp) -> str:
    parts = [repr(operation.policy.name), repr(operation.table_name), *_schema(operation)]
    return f"op.drop_policy({', '.join(parts)})"


def _schema(operation: _OfTable) -> list[str]:
    return [f"schema={operation.schema!r}"] if operation.schema else []
