"""
Alembic: operations for row level security and for tables in use, and what autogenerate finds.

Import it in ``env.py``, and give ``context.configure(...)`` your policies as ``tenantkit_policies=``; without them
those of ``target_metadata`` are compared.
"""

from tenantkit.migrations.autogenerate import compare_policies
from tenantkit.migrations.online import (
    AddColumnOnlineOp,
    CreateForeignKeyOnlineOp,
    CreateIndexOnlineOp,
    CreatePoliciesOnlineOp,
    CreateUniqueOnlineOp,
    DropColumnOnlineOp,
    DropConstraintOnlineOp,
    DropIndexOnlineOp,
    DropNotNullOnlineOp,
    DropPoliciesOnlineOp,
    SetNotNullOnlineOp,
)
from tenantkit.migrations.operations import (
    CreatePolicyOp,
    DisableRowSecurityOp,
    DropPolicyOp,
    EnableRowSecurityOp,
)
from tenantkit.migrations.running import Patience, Step

__all__ = [
    "AddColumnOnlineOp",
    "CreateForeignKeyOnlineOp",
    "CreateIndexOnlineOp",
    "CreatePoliciesOnlineOp",
    "CreatePolicyOp",
    "CreateUniqueOnlineOp",
    "DisableRowSecurityOp",
    "DropColumnOnlineOp",
    "DropConstraintOnlineOp",
    "DropIndexOnlineOp",
    "DropNotNullOnlineOp",
    "DropPoliciesOnlineOp",
    "DropPolicyOp",
    "EnableRowSecurityOp",
    "Patience",
    "SetNotNullOnlineOp",
    "Step",
    "compare_policies",
]
