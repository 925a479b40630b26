"""
Row level security in Alembic: operations for migrations, and what autogenerate finds.

Import it in ``env.py``, and give ``context.configure(...)`` your policies as ``tenantkit_policies=``; without them
those of ``target_metadata`` are compared.
"""

from tenantkit.migrations.autogenerate import compare_policies
from tenantkit.migrations.operations import (
    CreatePolicyOp,
    DisableRowSecurityOp,
    DropPolicyOp,
    EnableRowSecurityOp,
)

__all__ = [
    "CreatePolicyOp",
    "DisableRowSecurityOp",
    "DropPolicyOp",
    "EnableRowSecurityOp",
    "compare_policies",
]
