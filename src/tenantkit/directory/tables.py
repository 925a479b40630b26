"""The tables of the directory."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Boolean, Column, ForeignKey, MetaData, String, Table, UniqueConstraint
from sqlalchemy.types import TypeEngine

from tenantkit.core.tenant import SLUG_MAX_LENGTH
from tenantkit.sql.declarations import scoped_by
from tenantkit.sql.types import Document, UtcDateTime

__all__ = ["DirectoryTables"]


@dataclass(frozen=True, slots=True)
class DirectoryTables:
    """
    The tables ``tenantkit_tenant`` (a scope sees its own row) and ``tenantkit_membership``.

    .. versionadded:: 0.1
    """

    tenants: Table
    memberships: Table

    @classmethod
    def define(cls, metadata: MetaData, tenant_id: TypeEngine[Any]) -> Self:
        """Define the tables in a metadata, with tenant ids of the given type."""
        tenants = Table(
            "tenantkit_tenant",
            metadata,
            Column("id", tenant_id, primary_key=True),
            Column("slug", String(SLUG_MAX_LENGTH), nullable=False),
            Column("name", String(200), nullable=False),
            Column("plan", String(64), nullable=False),
            Column("active", Boolean, nullable=False),
            Column("created_at", UtcDateTime, nullable=False),
            UniqueConstraint("slug", name="tenantkit_tenant_slug"),
            info=scoped_by("id"),
        )
        memberships = Table(
            "tenantkit_membership",
            metadata,
            Column("tenant_id", tenant_id, ForeignKey(tenants.c.id, ondelete="CASCADE"), primary_key=True),
            Column("user_id", String(200), primary_key=True),
            Column("roles", Document, nullable=False),
            Column("active", Boolean, nullable=False),
            info=scoped_by("tenant_id"),
        )
        return cls(tenants, memberships)
