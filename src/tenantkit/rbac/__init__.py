"""May they? Permissions, the roles that grant them, and whose a row is."""

from tenantkit.rbac.authorizer import Authorizer, Mode
from tenantkit.rbac.cases import Case, Cases, Coverage, read_cases
from tenantkit.rbac.conditions import (
    AllOf,
    AnyOf,
    Asker,
    Attribute,
    Condition,
    FromScope,
    Not,
    Owner,
    Related,
    condition_from,
    owner_of,
)
from tenantkit.rbac.data import role_data, role_from, rule_data, rule_from
from tenantkit.rbac.decorators import guarded
from tenantkit.rbac.difference import Difference, differences
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import (
    Basis,
    Change,
    Decision,
    Drift,
    Grant,
    MemberRules,
    Permission,
    Role,
    Rule,
    Rulebook,
)
from tenantkit.rbac.ownership import Ownership, check_owner
from tenantkit.rbac.resources import Resource
from tenantkit.rbac.showing import Grid, grid_of
from tenantkit.rbac.store import RuleStore
from tenantkit.rbac.tables import RuleTables

__all__ = [
    "AllOf",
    "AnyOf",
    "Asker",
    "Attribute",
    "Authorizer",
    "Basis",
    "Case",
    "Cases",
    "Change",
    "Condition",
    "Coverage",
    "Decision",
    "Difference",
    "Drift",
    "FromScope",
    "Grant",
    "Grid",
    "Matrix",
    "MemberRules",
    "Mode",
    "Not",
    "Owner",
    "Ownership",
    "Permission",
    "Related",
    "Resource",
    "Role",
    "Rule",
    "RuleStore",
    "RuleTables",
    "Rulebook",
    "check_owner",
    "condition_from",
    "differences",
    "grid_of",
    "guarded",
    "owner_of",
    "read_cases",
    "role_data",
    "role_from",
    "rule_data",
    "rule_from",
]
