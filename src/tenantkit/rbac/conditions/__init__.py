"""When a rule holds: conditions on a resource, asked of objects and of rows."""

from tenantkit.rbac.conditions.attributes import Attribute, FromScope, read_attribute
from tenantkit.rbac.conditions.compounds import AllOf, AnyOf, Not
from tenantkit.rbac.conditions.data import condition_from
from tenantkit.rbac.conditions.promise import Asker, Condition
from tenantkit.rbac.conditions.relations import Owner, Related, owner_of

__all__ = [
    "AllOf",
    "AnyOf",
    "Asker",
    "Attribute",
    "Condition",
    "FromScope",
    "Not",
    "Owner",
    "Related",
    "condition_from",
    "owner_of",
    "read_attribute",
]
