"""Ways to read: each is tried on every table and class of an application."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import and_, exists, func, inspect, or_, select, true
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload

from tenantkit.testing.probe.shapes import first, read, read_class, some
from tenantkit.testing.probe.subjects import Subject

__all__ = [
    "load_alias",
    "load_columns",
    "load_foreign_object",
    "load_objects",
    "load_objects_by_query",
    "relationships_asked_for",
    "relationships_loaded_along",
    "relationships_when_touched",
    "select_alias",
    "select_by_foreign_key",
    "select_count",
    "select_cte",
    "select_exists",
    "select_in_subquery",
    "select_join",
    "select_keys",
    "select_pairs",
    "select_scalar_subquery",
    "select_subquery",
    "select_table",
    "select_union",
    "select_where_or_true",
    "select_window",
]

# tables: reading ---------------------------------------------------------------------------------------------------


@read
def select_table(session: Session, at: Subject) -> Any:
    """All rows."""
    return session.execute(select(at.table)).all()


@read
def select_keys(session: Session, at: Subject) -> Any:
    """Some columns."""
    return session.execute(select(*at.key)).all()


@read
def select_alias(session: Session, at: Subject) -> Any:
    """An alias."""
    return session.execute(select(at.table.alias())).all()


@read
def select_by_foreign_key(session: Session, at: Subject) -> Any:
    """The other tenant's row, by its key."""
    return session.execute(select(at.table).where(at.is_row(first(at.foreign_keys)))).all()


@read
def select_where_or_true(session: Session, at: Subject) -> Any:
    """A condition that lets everything pass."""
    return session.execute(select(*at.key).where(or_(at.is_row(first(at.own_keys)), true()))).all()


@read
def select_count(session: Session, at: Subject) -> Any:
    """How many there are."""
    return session.scalar(select(func.count()).select_from(at.table))


@read
def select_window(session: Session, at: Subject) -> Any:
    """A window over all rows."""
    total = func.count().over()
    return session.execute(select(at.key[0], total)).all()


@read
def select_pairs(session: Session, at: Subject) -> Any:
    """Each row beside each other one."""
    other = at.table.alias()
    return session.execute(select(at.key[0], other.c[at.key[0].key])).all()


@read
def select_subquery(session: Session, at: Subject) -> Any:
    """Rows of a subquery."""
    return session.execute(select(select(*at.key).subquery())).all()


@read
def select_cte(session: Session, at: Subject) -> Any:
    """Rows of a common table expression."""
    return session.execute(select(select(*at.key).cte("probed"))).all()


@read
def select_exists(session: Session, at: Subject) -> Any:
    """Whether the other tenant's row is there."""
    return session.scalar(select(exists().where(at.is_row(first(at.foreign_keys)))))


@read
def select_scalar_subquery(session: Session, at: Subject) -> Any:
    """A number that a subquery counts."""
    return session.scalar(select(select(func.count()).select_from(at.table).scalar_subquery()))


@read
def select_in_subquery(session: Session, at: Subject) -> Any:
    """Rows whose key a subquery knows."""
    other = at.table.alias()
    return session.execute(select(*at.key).where(at.key[0].in_(select(other.c[at.key[0].key])))).all()


@read
def select_union(session: Session, at: Subject) -> Any:
    """Two halves of a set operation."""
    return session.execute(select(*at.key).union_all(select(*at.key))).all()


@read
def select_join(session: Session, at: Subject) -> Any:
    """Each parent beside its rows, with and without a match."""
    found: list[Any] = []
    for link in some(at.links):
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


@read_class
def load_objects(session: Session, at: Subject) -> Any:
    """All objects."""
    return _identities(session.scalars(select(at.entity)).unique())


@read_class
def load_objects_by_query(session: Session, at: Subject) -> Any:
    """All objects, by the older interface."""
    return _identities(session.query(at.entity))


@read_class
def load_foreign_object(session: Session, at: Subject) -> Any:
    """The other tenant's object, by its key."""
    return _identities(one for one in [session.get(at.entity, first(at.foreign_keys))] if one)


@read_class
def load_alias(session: Session, at: Subject) -> Any:
    """Objects of an alias."""
    return _identities(session.scalars(select(aliased(at.entity))).unique())


@read_class
def load_columns(session: Session, at: Subject) -> Any:
    """Every attribute that is a column or is computed in SQL."""
    mapper = inspect(at.entity)
    return session.execute(select(*(getattr(at.entity, one.key) for one in mapper.column_attrs))).all()


@read_class
def relationships_when_touched(session: Session, at: Subject) -> Any:
    """Objects that relationships lead to, loaded one by one."""
    names = some(_relationships(at))
    return [
        (name, _identities(_related(one, name)))
        for one in session.scalars(select(at.entity)).unique()
        for name in names
    ]


@read_class
def relationships_loaded_along(session: Session, at: Subject) -> Any:
    """Objects that relationships lead to, loaded with the others in three ways."""
    found = []
    for name in some(_relationships(at)):
        for loading in (joinedload, selectinload, subqueryload):
            session.expunge_all()
            statement = select(at.entity).options(loading(getattr(at.entity, name)))
            found += [(name, _identities(_related(one, name))) for one in session.scalars(statement).unique()]
    return found


@read_class
def relationships_asked_for(session: Session, at: Subject) -> Any:
    """Objects that have something related, and that have not."""
    found = []
    for name in some(_relationships(at)):
        attribute = getattr(at.entity, name)
        related = attribute.any() if attribute.property.uselist else attribute.has()
        found += [
            (name, _identities(session.scalars(select(at.entity).where(condition)).unique()))
            for condition in (related, ~related)
        ]
    return found


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
