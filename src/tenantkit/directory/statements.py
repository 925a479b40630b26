"""The statements of the directory; builds them and runs none."""

from typing import Any

from sqlalchemy import Column, Executable, Row, select

from tenantkit.core.tenant import Tenant
from tenantkit.directory.tables import DirectoryTables

__all__ = ["membership_of", "tenant_by_id", "tenant_by_slug", "tenant_of"]


def _columns(tables: DirectoryTables) -> list[Column[Any]]:
    tenant = tables.tenants.c
    return [tenant.id, tenant.slug, tenant.name, tenant.active, tenant.plan]


def tenant_by_slug(tables: DirectoryTables, slug: str) -> Executable:
    """Select the tenant of a slug."""
    return select(*_columns(tables)).where(tables.tenants.c.slug == slug)


def tenant_by_id(tables: DirectoryTables, tenant_id: Any) -> Executable:
    """Select the tenant of an id."""
    return select(*_columns(tables)).where(tables.tenants.c.id == tenant_id)


def tenant_of(row: Row[Any]) -> Tenant:
    """Return the tenant that a row of the above shows."""
    return Tenant(id=row.id, slug=row.slug, name=row.name, active=row.active, plan=row.plan)


def membership_of(tables: DirectoryTables, tenant_id: Any, user_id: str) -> Executable:
    """Select the roles of an active member."""
    member = tables.memberships.c
    return select(member.roles).where(member.tenant_id == tenant_id, member.user_id == user_id, member.active)
