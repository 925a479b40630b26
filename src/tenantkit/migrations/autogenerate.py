"""What autogenerate finds: the difference between the declared policies and those of the database."""

from collections.abc import Iterator
from typing import Any, Literal, cast

from alembic.autogenerate import comparators
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.util import DispatchPriority, PriorityDispatchResult

from tenantkit.isolation import Policies, Policy, TablePolicies
from tenantkit.isolation.catalog import StoredPolicy, StoredTable
from tenantkit.migrations.online import CreatePoliciesOnlineOp
from tenantkit.migrations.operations import (
    CreatePolicyOp,
    DisableRowSecurityOp,
    DropPolicyOp,
    EnableRowSecurityOp,
)

__all__ = ["compare_policies"]

_OURS = "tenantkit_"


@comparators.dispatch_for("schema", priority=DispatchPriority.LAST)  # after the tables that it speaks of
def compare_policies(context: AutogenContext, upgrade: UpgradeOps, _schemas: Any) -> PriorityDispatchResult:
    """
    Add to a migration what makes the policies of the database the declared ones.

    .. versionadded:: 0.1
    """
    connection, metadata = context.connection, context.metadata
    if connection is None or metadata is None or connection.dialect.name != "postgresql":
        return PriorityDispatchResult.CONTINUE
    declared: Policies = context.opts.get("tenantkit_policies") or Policies(metadata)
    is_online = bool(context.opts.get("tenantkit_online"))
    for one in declared.tables:
        upgrade.ops.extend(_changes(one, StoredTable.read(connection, one.name), is_online=is_online))
    for table in declared.without:  # one that is taken back to shadow, for example
        upgrade.ops.extend(_leftovers(table, StoredTable.read(connection, table.name)))
    return PriorityDispatchResult.CONTINUE


def _leftovers(declared: TablePolicies, stored: StoredTable | None) -> Iterator[MigrateOperation]:
    name, schema = declared.table.name, declared.table.schema
    found = (
        [one for one in stored.policies.values() if one.name.startswith(_OURS)] if stored is not None else []
    )
    for policy in found:
        yield DropPolicyOp(_as_stored(policy), name, schema=schema)
    if found:
        yield DisableRowSecurityOp(name, schema=schema)


def _changes(
    declared: TablePolicies, stored: StoredTable | None, *, is_online: bool
) -> Iterator[MigrateOperation]:
    name, schema = declared.table.name, declared.table.schema
    if is_online and stored is not None and not stored.policies:
        yield CreatePoliciesOnlineOp(name, declared.policies, schema=schema)
        return
    if stored is None or not (stored.enabled and stored.forced):
        yield EnableRowSecurityOp(name, schema=schema)
    found = dict(stored.policies) if stored is not None else {}
    for policy in declared.policies:
        there = found.pop(policy.name, None)
        if there is not None and there.is_as_declared(policy, name):
            continue
        if there is not None:
            yield DropPolicyOp(_as_stored(there), name, schema=schema)
        yield CreatePolicyOp(policy, name, schema=schema)
    for other in found.values():
        if other.name.startswith(_OURS):
            yield DropPolicyOp(_as_stored(other), name, schema=schema)


def _as_stored(stored: StoredPolicy) -> Policy:
    command = cast("Literal['ALL', 'SELECT']", stored.command)
    return Policy(stored.name, command, stored.role, stored.using or "true", stored.check)
