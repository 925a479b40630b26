"""The field of tenant ids, whose type is one for a project and set once: ``TENANTKIT["TENANT_ID_TYPE"]``."""

from typing import Any, Final

from django.conf import settings
from django.db import models

__all__ = ["column_type", "tenant_id_field"]

_FIELDS: Final[dict[str, Any]] = {
    "uuid": models.UUIDField,
    "int": models.IntegerField,
    "str": lambda **options: models.CharField(max_length=64, **options),
}
_COLUMNS: Final = {
    ("uuid", "postgresql"): "UUID",
    ("uuid", "sqlite"): "CHAR(32)",
    ("int", "postgresql"): "INTEGER",
    ("int", "sqlite"): "INTEGER",
    ("str", "postgresql"): "VARCHAR(64)",
    ("str", "sqlite"): "VARCHAR(64)",
}


def _kind() -> str:
    return str(getattr(settings, "TENANTKIT", {}).get("TENANT_ID_TYPE", "uuid"))


def tenant_id_field(**options: Any) -> Any:
    """Return a field of the type of the project's tenant ids."""
    return _FIELDS[_kind()](**options)


def column_type(vendor: str) -> str:
    """Return the type of its column."""
    return _COLUMNS[_kind(), vendor]
