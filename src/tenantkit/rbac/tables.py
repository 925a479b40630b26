"""The tables of rules that tenants have beside the matrix."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Boolean, Column, Index, Integer, MetaData, String, Table, UniqueConstraint, Uuid
from sqlalchemy.types import TypeEngine

from tenantkit.sql.declarations import kit_table
from tenantkit.sql.types import Document, UtcDateTime

__all__ = ["RuleTables"]


@dataclass(frozen=True, slots=True)
class RuleTables:
    """
    The tables of tenants' own roles and of what was granted to members; a scope sees its own.

    Nothing is changed in them but for its end, so that they are their own history.

    .. versionadded:: 0.1
    """

    rulebooks: Table
    roles: Table
    grants: Table

    @classmethod
    def define(cls, metadata: MetaData, tenant_id: TypeEngine[Any]) -> Self:
        """Define the tables in a metadata, with tenant ids of the given type."""
        rulebooks = Table(
            "tenantkit_rulebook",
            metadata,
            Column("tenant_id", tenant_id, primary_key=True),
            Column("version", Integer, nullable=False),
            Column("has_grants", Boolean, nullable=False),
            Column("changed_at", UtcDateTime, nullable=False),
            info=kit_table("tenant_id"),
        )
        roles = Table(
            "tenantkit_role",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("name", String(100), nullable=False),
            # the name again while it counts: unique then, and not afterwards
            Column("current_name", String(100)),
            Column("definition", Document, nullable=False),
            Column("defined_at", UtcDateTime, nullable=False),
            Column("defined_by", String(200)),
            Column("ended_at", UtcDateTime),
            Column("ended_by", String(200)),
            UniqueConstraint("tenant_id", "current_name", name="tenantkit_role_current"),
            info=kit_table("tenant_id"),
        )
        grants = Table(
            "tenantkit_grant",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("user_id", String(200), nullable=False),
            Column("rule", Document, nullable=False),
            Column("until", UtcDateTime),
            Column("delegated", Boolean, nullable=False),
            Column("given_at", UtcDateTime, nullable=False),
            Column("given_by", String(200)),
            Column("ended_at", UtcDateTime),
            Column("ended_by", String(200)),
            Index("tenantkit_grant_user", "tenant_id", "user_id"),
            info=kit_table("tenant_id"),
        )
        return cls(rulebooks, roles, grants)
