"""Column types that mean the same on every database."""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import JSON, DateTime, Integer, String, TypeDecorator, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from tenantkit.exceptions import ConfigurationError

__all__ = ["Document", "UtcDateTime", "tenant_id_type"]

Document: Final = JSON().with_variant(JSONB(), "postgresql")


class UtcDateTime(TypeDecorator[datetime]):
    """
    An aware moment, stored and read in UTC; a naive one is refused.

    .. versionadded:: 0.1
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite stores no zone, so it is taken off."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ConfigurationError(f"{value!r} has no time zone. Use datetime.now(UTC).")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the moment in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def tenant_id_type(name: str) -> TypeEngine[Any]:
    """Return the column type of tenant ids for a setting of ``uuid``, ``int`` or ``str``."""
    kinds: dict[str, TypeEngine[Any]] = {"uuid": Uuid(), "int": Integer(), "str": String(64)}
    return kinds[name]
