"""May they? Roles and the permissions that they grant."""

from tenantkit.rbac.matrix import Matrix

__all__ = ["Matrix"]
