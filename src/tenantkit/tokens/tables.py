"""The tables of tokens that are kept: never the token itself, always a digest."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint, Uuid
from sqlalchemy.types import TypeEngine

from tenantkit.sql.declarations import kit_table
from tenantkit.sql.types import Document, UtcDateTime

__all__ = ["TokenTables"]

_DIGEST = String(64)


@dataclass(frozen=True, slots=True)
class TokenTables:
    """
    The tables of logins, refresh tokens, API keys, share links and lockouts.

    A scope sees the rows of its tenant; lockouts belong to none, so no scope sees them.

    .. versionadded:: 0.1
    """

    logins: Table
    refresh_tokens: Table
    api_keys: Table
    share_links: Table
    lockouts: Table

    @classmethod
    def define(cls, metadata: MetaData, tenant_id: TypeEngine[Any]) -> Self:
        """Define the tables in a metadata, with tenant ids of the given type."""
        logins = Table(
            "tenantkit_login",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("user_id", String(200), nullable=False),
            Column("claims", Document, nullable=False),
            Column("device", String(200)),
            Column("client", String(64)),
            Column("user_agent", String(300)),
            Column("created_at", UtcDateTime, nullable=False),
            Column("last_used_at", UtcDateTime, nullable=False),
            Column("idle_until", UtcDateTime, nullable=False),
            Column("expires_at", UtcDateTime, nullable=False),
            Column("revoked_at", UtcDateTime),
            Column("revoked_because", String(32)),
            Index("tenantkit_login_user", "user_id", "tenant_id"),
            Index("tenantkit_login_idle", "idle_until"),
            Index("tenantkit_login_revoked", "revoked_at"),
            info=kit_table("tenant_id"),
        )
        refresh_tokens = Table(
            "tenantkit_refresh_token",
            metadata,
            Column("digest", _DIGEST, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("login_id", Uuid, ForeignKey(logins.c.id, ondelete="CASCADE"), nullable=False),
            Column("issued_at", UtcDateTime, nullable=False),
            Column("used_at", UtcDateTime),
            Column("salt", String(64)),
            Column("access_token_id", String(36)),
            Index("tenantkit_refresh_token_login", "login_id"),
            info=kit_table("tenant_id"),
        )
        api_keys = Table(
            "tenantkit_api_key",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("digest", _DIGEST, nullable=False),
            Column("hint", String(40), nullable=False),
            Column("name", String(200), nullable=False),
            Column("user_id", String(200)),
            Column("roles", Document, nullable=False),
            Column("permissions", Document),
            Column("created_by", String(200)),
            Column("created_at", UtcDateTime, nullable=False),
            Column("expires_at", UtcDateTime),
            Column("last_used_at", UtcDateTime),
            Column("revoked_at", UtcDateTime),
            UniqueConstraint("digest", name="tenantkit_api_key_digest"),
            Index("tenantkit_api_key_tenant", "tenant_id"),
            info=kit_table("tenant_id"),
        )
        share_links = Table(
            "tenantkit_share_link",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("digest", _DIGEST, nullable=False),
            Column("resource", String(300), nullable=False),
            Column("level", String(32), nullable=False),
            Column("email", String(320)),
            Column("shared_by", String(200)),
            Column("created_at", UtcDateTime, nullable=False),
            Column("expires_at", UtcDateTime, nullable=False),
            Column("max_uses", Integer),
            Column("uses", Integer, nullable=False),
            Column("last_used_at", UtcDateTime),
            Column("revoked_at", UtcDateTime),
            UniqueConstraint("digest", name="tenantkit_share_link_digest"),
            Index("tenantkit_share_link_resource", "tenant_id", "resource"),
            Index("tenantkit_share_link_expiry", "expires_at"),
            info=kit_table("tenant_id"),
        )
        lockouts = Table(
            "tenantkit_lockout",
            metadata,
            Column("subject", _DIGEST, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("attempts", Integer, nullable=False),
            Column("last_at", UtcDateTime, nullable=False),
            Index("tenantkit_lockout_last", "last_at"),
            info=kit_table("tenant_id"),
        )
        return cls(logins, refresh_tokens, api_keys, share_links, lockouts)
