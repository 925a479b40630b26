"""
What an INSERT becomes: its stamped columns come from the scope, its links point to rows in sight.

Statements in, statements out; nothing is rendered or run here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, Alias, Column, Insert, Table, select, true
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.util import immutabledict

from tenantkit.exceptions import StatementRefused
from tenantkit.isolation.entry import Entry, Link
from tenantkit.isolation.refusals import refusal
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.writes import (
    MISSING,
    Values,
    guarded,
    insert_refused,
    is_expression,
    is_value,
    key_of,
    null_or_in_sight,
    refuse_stamp_change,
)

__all__ = ["columns_of_set", "is_inserted", "stamped_rows", "stamped_select"]


def stamped_rows(
    statement: Any, state: Any, entry: Entry, parameter_keys: Iterable[str] | None
) -> tuple[Any, list[Values]]:
    """
    Return an INSERT .. VALUES with what rules stamp, and its rows of values.

    Args:
        statement: the INSERT.
        state: its compile state, which knows what the ORM makes of it.
        entry: what is known of the table.
        parameter_keys: keys of the parameter sets it is executed with, whose values are filled and checked then.
    """
    several = state._has_multi_parameters
    given: Sequence[Mapping[Any, Any]] = (
        state._multi_parameters if several else [state._dict_parameters or {}]
    )
    rows = [Values(one) for one in given]
    changed = [_guarded_row(entry, row) for row in rows]
    if several:  # rows of plain values are never cached, so their binds can be made here and found again
        for row, new in zip(rows, changed, strict=True):
            new.update(_bound_row(entry, row))
    keys = set(parameter_keys or ())
    missing = {
        stamp.column: stamp.bind
        for stamp in entry.stamps
        if rows[0].of(stamp.column) is MISSING and stamp.column.key not in keys
    }
    scoped = statement._clone()
    if several:
        pairs = zip(given, changed, strict=True)
        scoped._multi_values = ([{**_exchanged(one, new), **missing} for one, new in pairs],)
    elif missing or changed[0]:
        scoped._values = immutabledict({**_exchanged(statement._values or {}, changed[0]), **missing})
    return scoped, rows


def _exchanged(given: Mapping[Any, Any], new: Mapping[str, Any]) -> dict[Any, Any]:
    return {key: new.get(key_of(key), value) for key, value in given.items()}


def _guarded_row(entry: Entry, row: Values) -> dict[str, Any]:
    """Refuse expressions for stamped columns, guard those for links; return what is exchanged, by column key."""
    for stamp in entry.stamps:
        value = row.of(stamp.column)
        if stamp.is_strict and value is not MISSING and not is_value(value):
            raise refusal(insert_refused(stamp.column, entry.table))
    changed: dict[str, Any] = {}
    for link in entry.links:
        for column in link.columns:
            if is_expression(row.of(column)):
                changed[column.key] = guarded(link, row.of(column))
                row.replaced(column, changed[column.key])
    return changed


def _bound_row(entry: Entry, row: Values) -> dict[str, Any]:
    """Turn the plain values that are checked before the INSERT runs into binds; return them by column key."""
    changed: dict[str, Any] = {}
    links = [column for link in entry.links for column in link.columns]
    for column in (*(stamp.column for stamp in entry.stamps), *links):
        value = row.of(column)
        if value is not MISSING and is_value(value) and not isinstance(value, BindParameter):
            changed[column.key] = BindParameter(None, value, type_=column.type, unique=True)
            row.replaced(column, changed[column.key])
    return changed


def stamped_select(statement: Any, entry: Entry, registry: Registry) -> Any:
    """Return an INSERT .. SELECT whose stamped columns come from the scope and whose links are in sight."""
    source = statement.select.subquery()
    names = [key_of(name) for name in statement._select_names]
    given: dict[str, Any] = dict(zip(names, source.c, strict=True))
    origins = dict(zip(names, statement.select.selected_columns, strict=True))
    for stamp in entry.stamps:
        origin = origins.get(stamp.column.key)
        if origin is not None and not stamp.is_strict:
            continue
        if origin is not None and not _is_stamped(origin, registry):
            raise refusal(insert_refused(stamp.column, entry.table))
        given[stamp.column.key] = stamp.bind
    conditions = []
    for link in entry.links:
        keys = [column.key for column in link.columns]
        if not set(keys) <= set(given) or all(_is_new_row(origins[key], link) for key in keys):
            continue
        conditions.append(null_or_in_sight(link, [given[key] for key in keys]))
        if len(keys) == 1:
            given[keys[0]] = guarded(link, given[keys[0]])
    scoped = statement._clone()
    scoped._select_names = list(given)
    # SQLite reads ON CONFLICT after a SELECT without WHERE as the ON of a join
    scoped.select = select(*given.values()).select_from(source).where(*(conditions or [true()]))
    return scoped


def _is_stamped(column: Any, registry: Registry) -> bool:
    """Whether a selected column is one that a rule stamps; its value is exchanged for the scope's anyway."""
    for base in getattr(column, "base_columns", ()):
        table = getattr(base, "table", None)
        if not isinstance(table, Table):
            return False
        if any(stamp.column.name == base.name for stamp in registry.entry(table).stamps):
            return True
    return False


def columns_of_set(entry: Entry, given: Mapping[Any, Any]) -> dict[Any, Any]:
    """
    Return the SET of an upsert by column, plain values as binds whose names can be found again.

    SQLAlchemy renders keys that are no column of the table as they stand, so those are refused.
    """
    found: dict[Any, Any] = {}
    for key, value in given.items():
        column = entry.table.columns.get(key) if isinstance(key, str) else _own_column(entry, key)
        if column is None:
            raise refusal(
                StatementRefused(
                    f"The upsert sets {str(key)!r}, which is no column of {entry.table.fullname!r}."
                )
            )
        for stamp in entry.stamps:
            if column is stamp.column:
                refuse_stamp_change(stamp)
        plain = is_value(value) and not isinstance(value, BindParameter)
        found[column] = BindParameter(None, value, type_=column.type, unique=True) if plain else value
    return found


def _own_column(entry: Entry, key: Any) -> Any:
    """Return the table's column that a key is, annotated by the ORM or not, or None."""
    return next((own for own in entry.table.columns if hash(own) == hash(key)), None)


def is_inserted(value: Any, column: Column[Any]) -> bool:
    """Whether a value is what the INSERT was given for the same column."""
    alias = getattr(value, "table", None)
    return (
        isinstance(alias, Alias)
        and alias.name in ("excluded", "inserted")
        and alias.element == column.table  # the ORM's is annotated
        and value.key == column.key
    )


def _is_new_row(origin: Any, link: Link) -> bool:
    """Whether a column is the key of a parent that the same statement inserts, which no snapshot shows yet."""
    source = getattr(origin, "table", None)
    if not isinstance(source, CTE) or not isinstance(source.element, Insert):
        return False
    written, place = source.element, [column is origin for column in source.c].index(True)
    returned = list(written._all_selected_columns)[place]
    return written.table is link.table and any(returned is column for column in link.parents)
