"""The tables of tokens that are kept: never the token itself, always a digest."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Column, ForeignKey, Index, MetaData, String, Table, Uuid
from sqlalchemy.types import TypeEngine

from tenantkit.sql.declarations import scoped_by
from tenantkit.sql.types import Document, UtcDateTime

__all__ = ["TokenTables"]

_DIGEST = String(64)


@dataclass(frozen=True, slots=True)
class TokenTables:
    """
    The tables ``tenantkit_login`` and ``tenantkit_refresh_token``; a scope sees those of its tenant.

    .. versionadded:: 0.1
    """

    logins: Table
    refresh_tokens: Table

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
            info=scoped_by("tenant_id"),
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
            info=scoped_by("tenant_id"),
        )
        return cls(logins, refresh_tokens)
