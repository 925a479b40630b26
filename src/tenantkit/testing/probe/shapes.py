"""The ways in which rows are asked for and written: each is tried on every table and class of an application."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, delete, exists, func, insert, inspect, literal, or_, select, true, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import (
    Session,
    aliased,
    joinedload,
    make_transient_to_detached,
    selectinload,
    subqueryload,
)

from tenantkit.exceptions import TenantKitError
from tenantkit.testing.probe.subjects import Subject

__all__ = ["SHAPES", "Inapplicable", "Shape"]

Body = Callable[[Session, Subject], Any]


class Inapplicable(Exception):
    """A shape has nothing to do on a table: no link, no relationship, no column to set."""


@dataclass(frozen=True, slots=True)
class Shape:
    """
    One way of reaching rows.

    Attributes:
        name: what a report calls it.
        body: does it, and returns what it saw.
        is_write: whether it writes.
        needs_class: whether it needs a mapped class.
    """

    name: str
    body: Body
    is_write: bool = False
    needs_class: bool = False


SHAPES: Final[list[Shape]] = []


def _shape(*, is_write: bool = False, needs_class: bool = False) -> Callable[[Body], Body]:
    def register(body: Body) -> Body:
        SHAPES.append(Shape(body.__name__.replace("_", " "), body, is_write, needs_class))
        return body

    return register


_read = _shape()
_read_class = _shape(needs_class=True)
_write = _shape(is_write=True)
_write_class = _shape(is_write=True, needs_class=True)


# tables: reading ---------------------------------------------------------------------------------------------------


@_read
def select_table(session: Session, at: Subject) -> Any:
    """All rows."""
    return session.execute(select(at.table)).all()


@_read
def select_keys(session: Session, at: Subject) -> Any:
    """Some columns."""
    return session.execute(select(*at.key)).all()


@_read
def select_alias(session: Session, at: Subject) -> Any:
    """An alias."""
    return session.execute(select(at.table.alias())).all()


@_read
def select_by_foreign_key(session: Session, at: Subject) -> Any:
    """The other tenant's row, by its key."""
    return session.execute(select(at.table).where(at.is_row(_first(at.foreign_keys)))).all()


@_read
def select_where_or_true(session: Session, at: Subject) -> Any:
    """A condition that lets everything pass."""
    return session.execute(select(*at.key).where(or_(at.is_row(_first(at.own_keys)), true()))).all()


@_read
def select_count(session: Session, at: Subject) -> Any:
    """How many there are."""
    return session.scalar(select(func.count()).select_from(at.table))


@_read
def select_window(session: Session, at: Subject) -> Any:
    """A window over all rows."""
    total = func.count().over()
    return session.execute(select(at.key[0], total)).all()


@_read
def select_pairs(session: Session, at: Subject) -> Any:
    """Each row beside each other one."""
    other = at.table.alias()
    return session.execute(select(at.key[0], other.c[at.key[0].key])).all()


@_read
def select_subquery(session: Session, at: Subject) -> Any:
    """Rows of a subquery."""
    return session.execute(select(select(*at.key).subquery())).all()


@_read
def select_cte(session: Session, at: Subject) -> Any:
    """Rows of a common table expression."""
    return session.execute(select(select(*at.key).cte("probed"))).all()


@_read
def select_exists(session: Session, at: Subject) -> Any:
    """Whether the other tenant's row is there."""
    return session.scalar(select(exists().where(at.is_row(_first(at.foreign_keys)))))


@_read
def select_scalar_subquery(session: Session, at: Subject) -> Any:
    """A number that a subquery counts."""
    return session.scalar(select(select(func.count()).select_from(at.table).scalar_subquery()))


@_read
def select_in_subquery(session: Session, at: Subject) -> Any:
    """Rows whose key a subquery knows."""
    other = at.table.alias()
    return session.execute(select(*at.key).where(at.key[0].in_(select(other.c[at.key[0].key])))).all()


@_read
def select_union(session: Session, at: Subject) -> Any:
    """Two halves of a set operation."""
    return session.execute(select(*at.key).union_all(select(*at.key))).all()


@_read
def select_join(session: Session, at: Subject) -> Any:
    """Each parent beside its rows, with and without a match."""
    found: list[Any] = []
    for link in _some(at.links):
        parent = link.table.alias()
        met = and_(
            *(ours == parent.c[theirs.key] for ours, theirs in zip(link.columns, link.parents, strict=True))
        )
        shown = at.key[0], parent.c[link.parents[0].key]
        found += session.execute(select(*shown).select_from(at.table.join(parent, met))).all()
        found += session.execute(select(*shown).select_from(at.table.outerjoin(parent, met))).all()
        found += session.execute(select(*shown).select_from(parent.outerjoin(at.table, met))).all()
    return found


# classes: reading --------------------------------------------------------------------------------------------------


@_read_class
def load_objects(session: Session, at: Subject) -> Any:
    """All objects."""
    return _identities(session.scalars(select(at.entity)).unique())


@_read_class
def load_objects_by_query(session: Session, at: Subject) -> Any:
    """All objects, by the older interface."""
    return _identities(session.query(at.entity))


@_read_class
def load_foreign_object(session: Session, at: Subject) -> Any:
    """The other tenant's object, by its key."""
    return _identities(
        one for one in [session.get(at.entity, _first(_keys_of_class(at, at.foreign.slug)))] if one
    )


@_read_class
def load_alias(session: Session, at: Subject) -> Any:
    """Objects of an alias."""
    return _identities(session.scalars(select(aliased(at.entity))).unique())


@_read_class
def load_columns(session: Session, at: Subject) -> Any:
    """Every attribute that is a column or is computed in SQL."""
    mapper = inspect(at.entity)
    return session.execute(select(*(getattr(at.entity, one.key) for one in mapper.column_attrs))).all()


@_read_class
def relationships_when_touched(session: Session, at: Subject) -> Any:
    """Objects that relationships lead to, loaded one by one."""
    names = _some(_relationships(at))
    return [
        (name, _identities(_related(one, name)))
        for one in session.scalars(select(at.entity)).unique()
        for name in names
    ]


@_read_class
def relationships_loaded_along(session: Session, at: Subject) -> Any:
    """Objects that relationships lead to, loaded with the others in three ways."""
    found = []
    for name in _some(_relationships(at)):
        for loading in (joinedload, selectinload, subqueryload):
            session.expunge_all()
            statement = select(at.entity).options(loading(getattr(at.entity, name)))
            found += [(name, _identities(_related(one, name))) for one in session.scalars(statement).unique()]
    return found


@_read_class
def relationships_asked_for(session: Session, at: Subject) -> Any:
    """Objects that have something related, and that have not."""
    found = []
    for name in _some(_relationships(at)):
        attribute = getattr(at.entity, name)
        related = attribute.any() if attribute.property.uselist else attribute.has()
        found += [
            (name, _identities(session.scalars(select(at.entity).where(condition)).unique()))
            for condition in (related, ~related)
        ]
    return found


# tables: writing ---------------------------------------------------------------------------------------------------


@_write
def update_all(session: Session, at: Subject) -> Any:
    """Every row."""
    column = _settable(at)
    session.execute(update(at.table).values({column: at.new_value(column)}))


@_write
def update_foreign_row(session: Session, at: Subject) -> Any:
    """The other tenant's row, by its key."""
    column = _settable(at)
    changed = update(at.table).where(at.is_row(_first(at.foreign_keys)))
    session.execute(changed.values({column: at.new_value(column)}))


@_write
def update_where_or_true(session: Session, at: Subject) -> Any:
    """Rows under a condition that lets everything pass."""
    column = _settable(at)
    changed = update(at.table).where(or_(at.is_row(_first(at.own_keys)), true()))
    session.execute(changed.values({column: at.new_value(column)}))


@_write
def update_link_to_foreign_row(session: Session, at: Subject) -> Any:
    """Own rows, so that they point to the other tenant's."""
    for link in _some(at.links):
        target = at.foreign_of(link)
        if target is not None:
            values = dict(zip(link.columns, target, strict=True))
            changed = update(at.table).where(at.is_row(_first(at.own_keys)))
            with _apart(session):
                session.execute(changed.values(values))


@_write
def delete_foreign_row(session: Session, at: Subject) -> Any:
    """The other tenant's row, by its key."""
    session.execute(delete(at.table).where(at.is_row(_first(at.foreign_keys))))


@_write
def delete_where_or_true(session: Session, at: Subject) -> Any:
    """Rows under a condition that lets everything pass."""
    session.execute(delete(at.table).where(or_(at.is_row(_first(at.foreign_keys)), true())))


@_write
def insert_for_foreign_tenant(session: Session, at: Subject) -> Any:
    """A row that says it is the other tenant's."""
    session.execute(insert(at.table).values(_row_of_foreign_tenant(at)))


@_write
def insert_many_for_foreign_tenant(session: Session, at: Subject) -> Any:
    """Parameters that say a row is the other tenant's."""
    session.execute(insert(at.table), [_row_of_foreign_tenant(at)])


@_write
def insert_link_to_foreign_row(session: Session, at: Subject) -> Any:
    """A row that points to the other tenant's."""
    for link in _some(at.links):
        target = at.foreign_of(link)
        if target is None:
            continue
        row = _some_row(at)
        linked = zip((column.key for column in link.columns), target, strict=True)
        with _apart(session):
            session.execute(insert(at.table).values({**row, **dict(linked)}))


@_write
def insert_over_foreign_row(session: Session, at: Subject) -> Any:
    """A row with the key of the other tenant's, which takes its place."""
    dialect = session.get_bind().dialect.name
    upsert: Any = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}.get(dialect)
    column = at.settable
    if upsert is None or column is None:
        raise Inapplicable
    row = {**_some_row(at), **dict(zip((one.key for one in at.key), _first(at.foreign_keys), strict=True))}
    statement = upsert(at.table).values(row)
    session.execute(
        statement.on_conflict_do_update(index_elements=list(at.key), set_={column: row[column.key]})
    )


# classes: writing --------------------------------------------------------------------------------------------------


@_write_class
def delete_forged_object(session: Session, at: Subject) -> Any:
    """An object made up with the other tenant's key, deleted."""
    session.delete(_forged(at))
    session.flush()


@_write_class
def change_forged_object(session: Session, at: Subject) -> Any:
    """An object made up with the other tenant's key, changed."""
    column = _settable(at)
    one = _forged(at)
    session.add(one)
    setattr(one, inspect(at.entity).get_property_by_column(column).key, at.new_value(column))
    session.flush()


@_write_class
def merge_foreign_object(session: Session, at: Subject) -> Any:
    """An object of the other tenant's key, merged."""
    column = _settable(at)
    name = inspect(at.entity).get_property_by_column(column).key
    session.merge(_with_key(at, **{name: at.new_value(column)}))
    session.flush()


@_write_class
def update_objects(session: Session, at: Subject) -> Any:
    """Every row, by the class."""
    column = _settable(at)
    name = inspect(at.entity).get_property_by_column(column).key
    session.execute(update(at.entity).values({name: at.new_value(column)}))


@_write_class
def delete_objects(session: Session, at: Subject) -> Any:
    """Every row, by the class."""
    session.execute(delete(at.entity).where(literal(1) == 1))


# parts -------------------------------------------------------------------------------------------------------------


def _some(found: Any) -> Any:
    if not found:
        raise Inapplicable
    return found


@contextmanager
def _apart(session: Session) -> Iterator[None]:
    """Let one attempt fail by itself, so that the next one is made."""
    with suppress(SQLAlchemyError, TenantKitError), session.begin_nested():
        yield


def _first(keys: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    return _some(keys)[0]  # type: ignore[no-any-return]


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
    keys = [one.column.key for one in _some(list(at.entry.stamps))]
    foreign = at.population.rows(at.table, at.foreign.slug)[0]
    return {**_some_row(at), **{key: foreign[key] for key in keys}}


def _relationships(at: Subject) -> list[str]:
    lazy = {"raise", "raise_on_sql", "noload", "write_only", "dynamic"}
    return [one.key for one in inspect(at.entity).relationships if one.lazy not in lazy]


def _related(one: Any, name: str) -> Iterator[Any]:
    found = getattr(one, name)
    if found is None:
        return iter(())
    if isinstance(found, dict):
        return iter(found.values())
    return iter(found) if hasattr(found, "__iter__") else iter((found,))


def _identities(objects: Any) -> list[Any]:
    return sorted((inspect(one).identity for one in objects), key=repr)


def _keys_of_class(at: Subject, slug: str) -> list[tuple[Any, ...]]:
    return at.population.keys(at.table, slug)


def _with_key(at: Subject, **values: Any) -> Any:
    mapper = inspect(at.entity)
    key = zip(mapper.primary_key, _first(_keys_of_class(at, at.foreign.slug)), strict=True)
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
