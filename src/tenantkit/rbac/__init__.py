"""May they? Permissions, the roles that grant them, and whose a row is."""

from tenantkit.rbac.attributes import Attribute, FromScope
from tenantkit.rbac.authorizer import Authorizer, Mode
from tenantkit.rbac.condition import Asker, Condition
from tenantkit.rbac.conditions import AllOf, AnyOf, Not, Owner, Related, condition_from, owner_of
from tenantkit.rbac.data import role_data, role_from, rule_data, rule_from
from tenantkit.rbac.decorators import guarded
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import (
    Basis,
    Change,
    Decision,
    Grant,
    MemberRules,
    Permission,
    Resource,
    Role,
    Rule,
    Rulebook,
)
from tenantkit.rbac.ownership import Ownership, check_owner
from tenantkit.rbac.store import RuleStore
from tenantkit.rbac.tables import RuleTables

__all__ = [
    "AllOf",
    "AnyOf",
    "Asker",
    "Attribute",
    "Authorizer",
    "Basis",
    "Change",
    "Condition",
    "Decision",
    "FromScope",
    "Grant",
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
    "guarded",
    "owner_of",
    "role_data",
    "role_from",
    "rule_data",
    "rule_from",
]
