"""
The self-test of the hooks: known statements are compiled when an engine is scoped, and their conditions counted.

The hooks are not all public, so a SQLAlchemy that stopped calling one would scope nothing and raise nothing. This
makes it raise at start.
"""

from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    delete,
    exists,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.engine import Dialect

from tenantkit.exceptions import CanaryFailed, IsolationError
from tenantkit.isolation.elements import RESERVED_PREFIX
from tenantkit.isolation.registry import Registry
from tenantkit.sql.declarations import scoped_by, scoped_through

__all__ = ["check_hooks"]

_metadata = MetaData()
_row: Final = Table(
    "canary_row",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", Integer, nullable=False),
    Column("value", Integer),
    info=scoped_by("owner"),
)
_child: Final = Table(
    "canary_child",
    _metadata,
    Column("id", Integer, primary_key=True),
    Column("row_id", ForeignKey(_row.c.id)),
    info=scoped_through("row_id"),
)


def _statements() -> dict[str, tuple[Any, int]]:
    """Return statements with the number of times the scope must appear in each."""
    other = _row.alias("canary_other")
    inner = select(_row.c.id).where(_row.c.value == 1)
    return {
        "select": (select(_row), 1),
        "alias": (select(other), 1),
        "join": (select(_row.c.id).join_from(_row, other, _row.c.id == other.c.id), 2),
        "outer join": (select(_row.c.id).join_from(_row, other, _row.c.id == other.c.id, isouter=True), 2),
        "full join": (select(_row.c.id).join_from(_row, other, _row.c.id == other.c.id, full=True), 4),
        "cartesian": (select(_row.c.id, other.c.id), 2),
        "subquery": (select(inner.subquery()), 1),
        "common table expression": (select(inner.cte()), 1),
        "exists": (select(other.c.id).where(exists().where(_row.c.id == other.c.id)), 2),
        "scalar subquery": (select(inner.scalar_subquery()), 1),
        "union": (inner.union(select(other.c.id)), 2),
        "child": (select(_child), 1),
        "update": (update(_row).values(value=2), 1),
        "delete": (delete(_row).where(_row.c.value == 1), 1),
        "delete child": (delete(_child), 1),
        "insert": (insert(_row).values(value=1), 1),
        "insert of several rows": (insert(_row).values([{"value": 1}, {"value": 2}]), 2),
        "insert from select": (insert(_row).from_select(["value"], inner), 2),
    }


@cache
def check_hooks(kind: type[Dialect]) -> None:
    """
    Compile the known statements for a class of scoped dialects.

    Raises:
        CanaryFailed: a condition is missing, or raw text was let through.
    """
    dialect: Any = kind(paramstyle="named")  # type: ignore[call-arg]  # so that binds can be counted by name
    dialect.tenantkit_registry = Registry(_metadata)
    for name, (statement, expected) in _statements().items():
        if name == "insert of several rows" and not dialect.supports_multivalues_insert:
            continue
        try:
            rendered = str(statement.compile(dialect=dialect))
        except Exception as error:
            raise CanaryFailed(
                f"A {name} statement cannot be compiled ({type(error).__name__}: {error}). This version of SQLAlchemy "
                "or this dialect does not call the hooks of tenantkit as they are meant; use a supported one."
            ) from error
        found = rendered.count(f":{RESERVED_PREFIX}")
        if found != expected:
            raise CanaryFailed(
                f"A {name} statement carries {found} conditions instead of {expected}, so rows could leak: {rendered}. "
                "This version of SQLAlchemy or this dialect does not call the hooks of tenantkit; use a supported one."
            )
        if "child" in name and "canary_child," in rendered.replace("\n", " "):
            raise CanaryFailed(f"The EXISTS of a child table is not correlated: {rendered}")
    try:
        select(text("1")).compile(dialect=dialect)
    except IsolationError:
        return
    raise CanaryFailed("Raw text was let through. This SQLAlchemy does not call the hooks of tenantkit.")
