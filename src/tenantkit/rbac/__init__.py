"""May they? Roles and the permissions that they grant, and whose a row is."""

from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.ownership import Ownership, check_owner

__all__ = ["Matrix", "Ownership", "check_owner"]
