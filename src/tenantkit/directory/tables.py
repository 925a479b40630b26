"""The tables of the directory."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.types import TypeEngine

from tenantkit.core.tenant import SLUG_MAX_LENGTH
from tenantkit.sql.declarations import kit_table
from tenantkit.sql.types import Document, UtcDateTime

__all__ = ["DirectoryTables"]


@dataclass(frozen=True, slots=True)
class DirectoryTables:
    """
    The tables of tenants, their slugs, members, invitations, domains and workspaces; a scope sees its own.

    .. versionadded:: 0.1
    """

    tenants: Table
    slugs: Table
    memberships: Table
    invitations: Table
    domains: Table
    workspaces: Table

    @classmethod
    def define(cls, metadata: MetaData, tenant_id: TypeEngine[Any]) -> Self:
        """Define the tables in a metadata, with tenant ids of the given type."""
        tenants = Table(
            "tenantkit_tenant",
            metadata,
            Column("id", tenant_id, primary_key=True),
            Column("slug", String(SLUG_MAX_LENGTH), nullable=False),
            Column("name", String(200), nullable=False),
            Column("status", String(16), nullable=False),
            Column("plan", String(64), nullable=False),
            Column("region", String(64)),
            Column("settings", Document, nullable=False),
            Column("entry", Document, nullable=False),
            Column("created_at", UtcDateTime, nullable=False),
            Column("status_since", UtcDateTime, nullable=False),
            UniqueConstraint("slug", name="tenantkit_tenant_slug"),
            Index("tenantkit_tenant_status", "status", "status_since"),
            info=kit_table("id"),
        )

        def of_tenant() -> Column[Any]:
            return Column(
                "tenant_id", tenant_id, ForeignKey(tenants.c.id, ondelete="CASCADE"), nullable=False
            )

        slugs = Table(
            "tenantkit_slug",
            metadata,
            Column("slug", String(SLUG_MAX_LENGTH), primary_key=True),
            of_tenant(),
            Column("since", UtcDateTime, nullable=False),
            Index("tenantkit_slug_tenant", "tenant_id"),
            info=kit_table("tenant_id"),
        )
        memberships = Table(
            "tenantkit_membership",
            metadata,
            Column("tenant_id", tenant_id, ForeignKey(tenants.c.id, ondelete="CASCADE"), primary_key=True),
            Column("user_id", String(200), primary_key=True),
            Column("roles", Document, nullable=False),
            Column("permissions", Document, nullable=False),
            Column("guest", Boolean, nullable=False),
            Column("owner", Boolean, nullable=False),
            Column("status", String(16), nullable=False),
            Column("invited_by", String(200)),
            Column("joined_at", UtcDateTime, nullable=False),
            Index("tenantkit_membership_user", "user_id", "tenant_id"),
            info=kit_table("tenant_id"),
        )
        invitations = Table(
            "tenantkit_invitation",
            metadata,
            Column("id", Uuid, primary_key=True),
            of_tenant(),
            Column("digest", String(64), nullable=False),
            Column("email", String(320), nullable=False),
            Column("roles", Document, nullable=False),
            Column("guest", Boolean, nullable=False),
            Column("invited_by", String(200)),
            Column("created_at", UtcDateTime, nullable=False),
            Column("expires_at", UtcDateTime, nullable=False),
            Column("sent", Integer, nullable=False),
            Column("accepted_at", UtcDateTime),
            Column("accepted_by", String(200)),
            Column("revoked_at", UtcDateTime),
            UniqueConstraint("digest", name="tenantkit_invitation_digest"),
            Index("tenantkit_invitation_tenant", "tenant_id", "email"),
            Index("tenantkit_invitation_expiry", "expires_at"),
            info=kit_table("tenant_id"),
        )
        domains = Table(
            "tenantkit_domain",
            metadata,
            Column("tenant_id", tenant_id, ForeignKey(tenants.c.id, ondelete="CASCADE"), primary_key=True),
            Column("name", String(253), primary_key=True),
            Column("challenge", String(64), nullable=False),
            Column("created_at", UtcDateTime, nullable=False),
            Column("verified_at", UtcDateTime),
            # the name again once it is verified: unique then, and not before
            Column("verified_name", String(253)),
            UniqueConstraint("verified_name", name="tenantkit_domain_verified"),
            info=kit_table("tenant_id"),
        )
        workspaces = Table(
            "tenantkit_workspace",
            metadata,
            Column("id", Uuid, primary_key=True),
            of_tenant(),
            Column("slug", String(SLUG_MAX_LENGTH), nullable=False),
            Column("name", String(200), nullable=False),
            Column("created_at", UtcDateTime, nullable=False),
            Column("archived_at", UtcDateTime),
            UniqueConstraint("tenant_id", "slug", name="tenantkit_workspace_slug"),
            info=kit_table("tenant_id"),
        )
        return cls(tenants, slugs, memberships, invitations, domains, workspaces)
