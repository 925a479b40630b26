"""
How a table says whose rows it holds: scoped by a column, scoped through a parent, or shared.

A declaration is a value in ``Table.info``, so it travels with the table and needs no registry of its own. A table
without one is refused.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy import Table, Uuid
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from tenantkit.exceptions import ConfigurationError
from tenantkit.sql.types import UtcDateTime

__all__ = [
    "INFO_KEY",
    "Mode",
    "ScopedBy",
    "ScopedThrough",
    "Shared",
    "SoftDeletable",
    "TenantScoped",
    "declaration_of",
    "declare",
    "is_kit_table",
    "kit_table",
    "ruled_column",
    "scoped_by",
    "scoped_through",
    "shared",
    "soft_deletable",
]

INFO_KEY: Final = "tenantkit"
Mode = Literal["shadow", "write_only", "enforce"]  # from the loosest on


@dataclass(frozen=True, slots=True)
class ScopedBy:
    """The rows belong to the tenant in this column; those with NULL to nobody, or to all."""

    column: str
    null_is_shared: bool = False
    mode: Mode = "enforce"


@dataclass(frozen=True, slots=True)
class ScopedThrough:
    """The rows belong to the tenant of the rows that these foreign key columns point to."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """The rows are the same for every tenant."""

    writable: bool = False


Declaration = ScopedBy | ScopedThrough | Shared
_KINDS: Final = {kind.__name__: kind for kind in (ScopedBy, ScopedThrough, Shared)}
_TENANT_COLUMN: Final = "tenant column"
_RULE_KEY: Final = "tenantkit-rule."
_OWN_KEY: Final = "tenantkit-own"
_SOFT_DELETE: Final = "soft_delete"


def scoped_by(column: str, *, null_is_shared: bool = False, mode: Mode = "enforce") -> dict[str, Any]:
    """
    Declare that a column of the table, of any name, holds the tenant.

    Args:
        column: name of the column in the database.
        null_is_shared: whether rows without a tenant are in sight of all: defaults that a tenant can replace by rows
            of its own. No scope changes them.
        mode: how far a table that is older than its tenant column has come; tables scoped through it go with it.
            ``"shadow"`` stamps new rows, and otherwise reports what would be changed or refused; ``"write_only"``
            stamps, refuses to write other tenants' rows, and does not filter what is read; ``"enforce"`` is the end.

    Returns:
        A value for ``info=`` of a ``Table`` or of ``__table_args__``.

    Raises:
        ConfigurationError: there is no such mode.

    .. versionadded:: 0.1
    """
    if mode not in get_args(Mode):
        raise ConfigurationError(f"There is no mode {mode!r}: use one of {', '.join(get_args(Mode))}.")
    return _info(ScopedBy(column, null_is_shared, mode))


def kit_table(column: str) -> dict[str, Any]:
    """
    Declare a table of the kit's own: scoped by a column, and under no rule of the application's, whatever its columns.

    .. versionadded:: 0.1
    """
    return {**scoped_by(column), _OWN_KEY: True}


def is_kit_table(table: Table) -> bool:
    """Whether a table is one of the kit's own."""
    return bool(table.info.get(_OWN_KEY))


def scoped_through(*columns: str) -> dict[str, Any]:
    """
    Declare that rows belong to the tenant of their parents: details, joined subclasses, association tables.

    A row is in sight when the row that *each* of the columns points to is.

    Args:
        columns: names of foreign key columns, each part of a foreign key to a table that is scoped.

    Returns:
        A value for ``info=`` of a ``Table`` or of ``__table_args__``.

    .. versionadded:: 0.1
    """
    if not columns:
        raise ConfigurationError("scoped_through() needs the name of at least one foreign key column.")
    return _info(ScopedThrough(columns))


def shared(*, writable: bool = False) -> dict[str, Any]:
    """
    Declare that the rows are the same for every tenant: any scope reads them, and none writes them.

    Args:
        writable: whether a scope may write them too, so that one tenant changes what all others read.

    Returns:
        A value for ``info=`` of a ``Table`` or of ``__table_args__``.

    .. versionadded:: 0.1
    """
    return _info(Shared(writable))


def soft_deletable(column: str) -> dict[str, Any]:
    """
    Declare that rows with a value in this column are deleted softly, and so out of sight.

    Add it to what the table says otherwise: ``info=scoped_by("org_id") | soft_deletable("removed_at")``. For new
    classes there is :class:`SoftDeletable`.

    Args:
        column: name of the column in the database; NULL while the row lives.

    Returns:
        A value for ``info=`` of a ``Table`` or of ``__table_args__``.

    .. versionadded:: 0.1
    """
    return {f"{_RULE_KEY}{_SOFT_DELETE}": column}


def ruled_column(table: Table, rule: str) -> str | None:
    """Return the name of the column that a table itself puts under a rule, or None."""
    marked = (column.name for column in table.columns if column.info.get(_RULE_KEY) == rule)
    found: str | None = table.info.get(f"{_RULE_KEY}{rule}", next(marked, None))
    return found


def _info(declaration: Declaration) -> dict[str, Any]:
    # a key for each kind, so that of two in one dictionary none is lost; plain values, which Alembic can write down
    return {f"{INFO_KEY}.{type(declaration).__name__}": asdict(declaration)}


def declare(table: Table, info: Mapping[str, Any]) -> Table:
    """
    Declare a table that cannot be edited, such as a reflected one; call it before the engine is scoped.

    Raises:
        ConfigurationError: the table is declared otherwise already.

    .. versionadded:: 0.1
    """
    table.info.update(info)
    declaration_of(table)
    return table


def declaration_of(table: Table) -> Declaration | None:
    """
    Return what a table declares, or None; a tenant column from :class:`TenantScoped` is a declaration too.

    Raises:
        ConfigurationError: it declares several things, or something unknown.

    .. versionadded:: 0.1
    """
    found = [
        _declared(table, str(key), value)
        for key, value in table.info.items()
        if str(key).partition(".")[0] == INFO_KEY
    ]
    said = {one.column for one in found if isinstance(one, ScopedBy)}  # more of the mixin's column
    found += [
        ScopedBy(column.name)
        for column in table.columns
        if column.info.get(INFO_KEY) == _TENANT_COLUMN and column.name not in said
    ]
    if len(set(found)) > 1:
        raise ConfigurationError(
            f"Table {table.fullname!r} is declared in several ways: {', '.join(map(str, found))}. Its rows belong to "
            "one tenant or to all; keep one of them."
        )
    return found[0] if found else None


def _declared(table: Table, key: str, value: object) -> Declaration:
    try:
        return _KINDS[key.partition(".")[2]](**value)  # type: ignore[arg-type]  # else it is not ours
    except (KeyError, TypeError):
        raise ConfigurationError(
            f"Table {table.fullname!r} holds {value!r} under info[{key!r}]; use scoped_by(), scoped_through() or "
            "shared()."
        ) from None


class TenantScoped:
    """
    Mixin for declarative classes whose rows belong to a tenant: adds ``tenant_id``, a UUID, indexed, not null.

    The tenant is stamped by the session and never passed. For other names or types declare the column yourself
    and name it with :func:`scoped_by`.

    .. versionadded:: 0.1
    """

    @declared_attr
    @classmethod
    def tenant_id(cls) -> Mapped[UUID]:
        """The tenant that the row belongs to."""
        return mapped_column(Uuid, nullable=False, index=True, info={INFO_KEY: _TENANT_COLUMN}, sort_order=-1)


class SoftDeletable:
    """
    Mixin for declarative classes whose rows are deleted softly: adds ``deleted_at``, NULL while a row lives.

    Rows with a moment in it are out of sight of every statement, whatever its shape; ``kit.session(with_deleted=True)``
    sees them. A table without a tenant column of its own can have it, too.

    .. versionadded:: 0.1
    """

    @declared_attr
    @classmethod
    def deleted_at(cls) -> Mapped[datetime | None]:
        """When the row was deleted, in UTC."""
        return mapped_column(UtcDateTime, nullable=True, info={_RULE_KEY: _SOFT_DELETE})
