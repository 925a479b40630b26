"""The table of events."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Column, Index, MetaData, String, Table, Uuid
from sqlalchemy.types import TypeEngine

from tenantkit.sql.declarations import kit_table
from tenantkit.sql.types import Document, UtcDateTime

__all__ = ["AuditTables"]


@dataclass(frozen=True, slots=True)
class AuditTables:
    """
    The table ``tenantkit_audit_event``.

    .. versionadded:: 0.1
    """

    events: Table

    @classmethod
    def define(cls, metadata: MetaData, tenant_id: TypeEngine[Any]) -> Self:
        """Define the table in a metadata, with tenant ids of the given type."""
        events = Table(
            "tenantkit_audit_event",
            metadata,
            Column("id", Uuid, primary_key=True),
            Column("tenant_id", tenant_id, nullable=False),
            Column("occurred_at", UtcDateTime, nullable=False),
            Column("actor", String(200)),
            Column("actor_kind", String(16)),
            Column("impersonator", String(200)),
            Column("action", String(100), nullable=False),
            Column("target", String(300)),
            Column("outcome", String(16), nullable=False),
            Column("details", Document, nullable=False),
            Column("request_id", String(100)),
            Index("tenantkit_audit_event_time", "tenant_id", "occurred_at", "id"),
            info=kit_table("tenant_id"),
        )
        return cls(events)
