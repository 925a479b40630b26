"""The statements of the directory, and what their rows are; builds them and runs none."""

from typing import Any, Final

from sqlalchemy import Row, Select, select

from tenantkit.core.tenant import EntryRules, Tenant
from tenantkit.directory.model import Membership
from tenantkit.directory.tables import DirectoryTables

__all__ = ["membership_from", "memberships", "tenant_by_slug", "tenant_from", "tenants"]

_TENANT: Final = ("id", "slug", "name", "status", "plan", "region", "settings", "entry")
_MEMBERSHIP: Final = (
    "tenant_id",
    "user_id",
    "roles",
    "permissions",
    "guest",
    "status",
    "invited_by",
    "joined_at",
)


def tenants(tables: DirectoryTables) -> Select[Any]:
    """Select tenants."""
    return select(*(tables.tenants.c[name] for name in _TENANT))


def tenant_by_slug(tables: DirectoryTables, slug: str) -> Select[Any]:
    """Select the tenant that has a slug, or had it."""
    return tenants(tables).join(tables.slugs).where(tables.slugs.c.slug == slug)


def tenant_from(row: Row[Any]) -> Tenant:
    """Return the tenant that a row of the above shows."""
    found: dict[str, Any] = {name: row._mapping[name] for name in _TENANT}  # noqa: SLF001 - SQLAlchemy's public name
    entry = found["entry"]
    lists = {name: tuple(entry[name]) for name in ("allow", "deny") if name in entry}
    found["entry"] = EntryRules(**entry | lists)
    return Tenant(**found)


def memberships(tables: DirectoryTables) -> Select[Any]:
    """Select memberships."""
    return select(*(tables.memberships.c[name] for name in _MEMBERSHIP))


def membership_from(row: Row[Any]) -> Membership:
    """Return the membership that a row of the above shows."""
    found: dict[str, Any] = {name: row._mapping[name] for name in _MEMBERSHIP}  # noqa: SLF001
    found |= {name: frozenset(found[name]) for name in ("roles", "permissions")}
    return Membership(**found)
