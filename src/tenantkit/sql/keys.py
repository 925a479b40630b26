"""Constraints that carry the tenant, so that the database itself keeps tenants apart."""

from typing import Any

from sqlalchemy import ForeignKeyConstraint, UniqueConstraint

from tenantkit.exceptions import ConfigurationError

__all__ = ["tenant_foreign_key", "tenant_unique"]


def tenant_unique(*columns: str, tenant: str = "tenant_id", **options: Any) -> UniqueConstraint:
    """
    Return a constraint that columns are unique within a tenant; its index begins with the tenant.

    ``tenant_unique("id")`` is what a :func:`tenant_foreign_key` of another table refers to.

    Args:
        columns: names of columns, beside the tenant's.
        tenant: name of the tenant column.
        options: as for ``sqlalchemy.UniqueConstraint``.

    .. versionadded:: 0.1
    """
    if not columns:
        raise ConfigurationError("tenant_unique() needs the name of at least one column beside the tenant's.")
    return UniqueConstraint(tenant, *columns, **options)


def tenant_foreign_key(
    column: str, refers_to: str, *, tenant: str = "tenant_id", their_tenant: str | None = None, **options: Any
) -> ForeignKeyConstraint:
    """
    Return a foreign key that carries the tenant: the database refuses a row that points at another tenant's.

    The table that it refers to needs ``tenant_unique("id")``. Setting a relationship over it to None would set the
    tenant to None, too; see the page on declaring tables.

    Args:
        column: name of the column.
        refers_to: the column that it refers to, as ``"projects.id"``, or with a schema.
        tenant: name of this table's tenant column.
        their_tenant: name of the other table's, if it is another.
        options: as for ``sqlalchemy.ForeignKeyConstraint``.

    Raises:
        ConfigurationError: ``refers_to`` names no column of a table.

    .. versionadded:: 0.1
    """
    table, _, key = refers_to.rpartition(".")
    if not table or not key:
        raise ConfigurationError(f"tenant_foreign_key() refers to {refers_to!r}; write it as 'projects.id'.")
    return ForeignKeyConstraint([tenant, column], [f"{table}.{their_tenant or tenant}", refers_to], **options)
