"""The table of counters."""

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, String, Table
from sqlalchemy.types import TypeEngine

from tenantkit.sql.declarations import kit_table

__all__ = ["QuotaTables"]


@dataclass(frozen=True, slots=True)
class QuotaTables:
    """
    The table ``tenantkit_quota_counter``: units used, per tenant and meter.

    .. versionadded:: 0.1
    """

    counters: Table

    @classmethod
    def define(cls, metadata: MetaData, tenant_id: TypeEngine[Any]) -> Self:
        """Define the table in a metadata, with tenant ids of the given type."""
        counters = Table(
            "tenantkit_quota_counter",
            metadata,
            Column("tenant_id", tenant_id, primary_key=True),
            Column("meter", String(64), primary_key=True),
            Column("used", BigInteger, nullable=False),
            CheckConstraint("used >= 0", name="tenantkit_quota_counter_used"),
            info=kit_table("tenant_id"),
        )
        return cls(counters)
