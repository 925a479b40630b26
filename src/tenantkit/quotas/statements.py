"""The statements of the counters; builds them and runs none. Each runs in a scope and touches its tenant only."""

from typing import Any

from sqlalchemy import Executable, Insert, select, update

from tenantkit.quotas.tables import QuotaTables
from tenantkit.sql.upsert import insert_if_absent

__all__ = ["guarded_add", "open_counter", "used"]


def open_counter(dialect: str, tables: QuotaTables, tenant_id: Any, meter: str) -> Insert:
    """Insert the counter at 0 unless it is there."""
    values = {"tenant_id": tenant_id, "meter": meter, "used": 0}
    return insert_if_absent(dialect, tables.counters, values)


def guarded_add(tables: QuotaTables, meter: str, units: int, limit: int | None) -> Executable:
    """Add units where the limit allows it; the row lock orders competitors, and no row means no room."""
    counter = tables.counters.c
    statement = update(tables.counters).where(counter.meter == meter).values(used=counter.used + units)
    if limit is not None:
        statement = statement.where(counter.used + units <= limit)
    return statement.returning(counter.used)


def used(tables: QuotaTables, meter: str) -> Executable:
    """Select the units used."""
    return select(tables.counters.c.used).where(tables.counters.c.meter == meter)
