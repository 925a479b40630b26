"""May they? Permissions, the roles that grant them, and whose a row is."""

from tenantkit.rbac.attributes import Attribute, FromScope
from tenantkit.rbac.authorizer import Authorizer, Mode
from tenantkit.rbac.condition import Asker, Condition
from tenantkit.rbac.conditions import AllOf, AnyOf, Not, Owner, Related, condition_from, owner_of
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import Basis, Decision, Grant, MemberRules, Permission, Resource, Role, Rule
from tenantkit.rbac.ownership import Ownership, check_owner

__all__ = [
    "AllOf",
    "AnyOf",
    "Asker",
    "Attribute",
    "Authorizer",
    "Basis",
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
    "check_owner",
    "condition_from",
    "owner_of",
]
