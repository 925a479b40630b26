"""Inserting a row unless it is there, on each database that can."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import postgresql, sqlite

from tenantkit.exceptions import ConfigurationError

__all__ = ["insert_if_absent"]


def insert_if_absent(dialect: str, table: Table, values: Mapping[str, Any]) -> Insert:
    """
    Return an INSERT that does nothing where the row exists already.

    Raises:
        ConfigurationError: the database is neither PostgreSQL nor SQLite.

    .. versionadded:: 0.1
    """
    if dialect == "postgresql":
        return postgresql.insert(table).values(**values).on_conflict_do_nothing()
    if dialect == "sqlite":
        return sqlite.insert(table).values(**values).on_conflict_do_nothing()
    raise ConfigurationError(f"The kit's tables live on PostgreSQL or SQLite, not on {dialect}.")
