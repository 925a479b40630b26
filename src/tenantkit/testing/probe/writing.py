"""Ways to write: each is tried on every table and class of an application."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import delete, insert, inspect, literal, or_, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, make_transient_to_detached

from tenantkit.exceptions import TenantKitError
from tenantkit.testing.probe.shapes import Inapplicable, first, some, write, write_class
from tenantkit.testing.probe.subjects import Subject

__all__ = [
    "change_forged_object",
    "delete_foreign_row",
    "delete_forged_object",
    "delete_objects",
    "delete_where_or_true",
    "insert_for_foreign_tenant",
    "insert_link_to_foreign_row",
    "insert_many_for_foreign_tenant",
    "insert_over_foreign_row",
    "merge_foreign_object",
    "update_all",
    "update_foreign_row",
    "update_link_to_foreign_row",
    "update_objects",
    "update_where_or_true",
]

# tables: writing ---------------------------------------------------------------------------------------------------


@write
def update_all(session: Session, at: Subject) -> Any:
    """Every row."""
    column = _settable(at)
    session.execute(update(at.table).values({column: at.new_value(column)}))


@write
def update_foreign_row(session: Session, at: Subject) -> Any:
    """The other tenant's row, by its key."""
    column = _settable(at)
    changed = update(at.table).where(at.is_row(first(at.foreign_keys)))
    session.execute(changed.values({column: at.new_value(column)}))


@write
def update_where_or_true(session: Session, at: Subject) -> Any:
    """Rows under a condition that lets everything pass."""
    column = _settable(at)
    changed = update(at.table).where(or_(at.is_row(first(at.own_keys)), true()))
    session.execute(changed.values({column: at.new_value(column)}))


@write
def update_link_to_foreign_row(session: Session, at: Subject) -> Any:
    """Own rows, so that they point to the other tenant's."""
    for link in some(at.links):
        target = at.foreign_of(link)
        if target is not None:
            values = dict(zip(link.columns, target, strict=True))
            changed = update(at.table).where(at.is_row(first(at.own_keys)))
            with _apart(session):
                session.execute(changed.values(values))


@write
def delete_foreign_row(session: Session, at: Subject) -> Any:
    """The other tenant's row, by its key."""
    session.execute(delete(at.table).where(at.is_row(first(at.foreign_keys))))


@write
def delete_where_or_true(session: Session, at: Subject) -> Any:
    """Rows under a condition that lets everything pass."""
    session.execute(delete(at.table).where(or_(at.is_row(first(at.foreign_keys)), true())))


@write
def insert_for_foreign_tenant(session: Session, at: Subject) -> Any:
    """A row that says it is the other tenant's."""
    session.execute(insert(at.table).values(_row_of_foreign_tenant(at)))


@write
def insert_many_for_foreign_tenant(session: Session, at: Subject) -> Any:
    """Parameters that say a row is the other tenant's."""
    session.execute(insert(at.table), [_row_of_foreign_tenant(at)])


@write
def insert_link_to_foreign_row(session: Session, at: Subject) -> Any:
    """A row that points to the other tenant's."""
    for link in some(at.links):
        target = at.foreign_of(link)
        if target is None:
            continue
        row = _some_row(at)
        linked = zip((column.key for column in link.columns), target, strict=True)
        with _apart(session):
            session.execute(insert(at.table).values({**row, **dict(linked)}))


@write
def insert_over_foreign_row(session: Session, at: Subject) -> Any:
    """A row with the key of the other tenant's, which takes its place."""
    dialect = session.get_bind().dialect.name
    upsert: Any = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}.get(dialect)
    column = at.settable
    if upsert is None or column is None:
        raise Inapplicable
    row = {**_some_row(at), **dict(zip((one.key for one in at.key), first(at.foreign_keys), strict=True))}
    statement = upsert(at.table).values(row)
    session.execute(
        statement.on_conflict_do_update(index_elements=list(at.key), set_={column: row[column.key]})
    )


# classes: writing --------------------------------------------------------------------------------------------------


@write_class
def delete_forged_object(session: Session, at: Subject) -> Any:
    """An object made up with the other tenant's key, deleted."""
    session.delete(_forged(at))
    session.flush()


@write_class
def change_forged_object(session: Session, at: Subject) -> Any:
    """An object made up with the other tenant's key, changed."""
    column = _settable(at)
    one = _forged(at)
    session.add(one)
    setattr(one, inspect(at.entity).get_property_by_column(column).key, at.new_value(column))
    session.flush()


@write_class
def merge_foreign_object(session: Session, at: Subject) -> Any:
    """An object of the other tenant's key, merged."""
    column = _settable(at)
    name = inspect(at.entity).get_property_by_column(column).key
    session.merge(_with_key(at, **{name: at.new_value(column)}))
    session.flush()


@write_class
def update_objects(session: Session, at: Subject) -> Any:
    """Every row, by the class."""
    column = _settable(at)
    name = inspect(at.entity).get_property_by_column(column).key
    session.execute(update(at.entity).values({name: at.new_value(column)}))


@write_class
def delete_objects(session: Session, at: Subject) -> Any:
    """Every row, by the class."""
    session.execute(delete(at.entity).where(literal(1) == 1))


@contextmanager
def _apart(session: Session) -> Iterator[None]:
    """Let one attempt fail by itself, so that the next one is made."""
    with suppress(SQLAlchemyError, TenantKitError), session.begin_nested():
        yield


def _settable(at: Subject) -> Any:
    column = at.settable
    if column is None or at.new_value(column) is None:
        raise Inapplicable
    return column


def _some_row(at: Subject) -> dict[str, Any]:
    row = at.population.another(at.table, at.own.slug)
    if row is None:
        raise Inapplicable
    ruled = {one.column.key for one in at.entry.conditions}
    return {key: value for key, value in row.items() if key not in ruled}


def _row_of_foreign_tenant(at: Subject) -> dict[str, Any]:
    keys = [one.column.key for one in some(list(at.entry.stamps))]
    foreign = at.population.rows(at.table, at.foreign.slug)[0]
    return {**_some_row(at), **{key: foreign[key] for key in keys}}


def _with_key(at: Subject, **values: Any) -> Any:
    mapper = inspect(at.entity)
    key = zip(mapper.primary_key, first(at.foreign_keys), strict=True)
    named = {mapper.get_property_by_column(column).key: value for column, value in key}
    one = at.entity.__new__(at.entity)
    mapper.class_manager.setup_instance(one)
    for name, value in {**named, **values}.items():
        setattr(one, name, value)
    return one


def _forged(at: Subject) -> Any:
    one = _with_key(at)
    make_transient_to_detached(one)
    return one
