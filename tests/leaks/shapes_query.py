"""The legacy Query, whose every verb is scoped too."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased, joinedload

from tests.leaks.registry import Answer, View, in_order, innocent, read, same, stored
from tests.leaks.schema import Document, Image, Project, Tag, Task

TITLES = ("charter", "notes", "draft")


@read()
def query_all(session: Session, at: View) -> Answer:
    """``all`` returns own rows."""
    return same([d.title for d in session.query(Document).all()], at.own.says(*TITLES))


@read()
def query_count(session: Session, at: View) -> Answer:
    """``count`` counts own rows."""
    return same([session.query(Document).count(), session.query(Document.title).distinct().count()], [3, 3])


@read()
def query_exists(session: Session, at: View) -> Answer:
    """``exists`` sees no foreign row."""
    found = session.query(Document).filter(Document.title == at.foreign.say("charter")).exists()
    return same(session.query(found).scalar(), False)


@read()
def query_get(session: Session, at: View) -> Answer:
    """``first`` and ``one_or_none`` by a foreign id find nothing."""
    theirs = session.query(Document).filter_by(id=at.foreign.id("document", 1))
    found = [theirs.first(), theirs.one_or_none()]
    return same([row and row.title for row in found], [None, None])


@read()
def query_first(session: Session, at: View) -> Answer:
    """``first`` in an order returns an own row."""
    least, most = (
        session.query(Task).order_by(order).first() for order in (Task.priority, Task.priority.desc())
    )
    return same([least.title, most.title], at.own.says("plan", "idle"))


@read()
def query_slice(session: Session, at: View) -> Answer:
    """A slice holds own rows."""
    found = session.query(Task.title).order_by(Task.priority)[1:3]
    return in_order([row[0] for row in found], at.own.says("build", "ship"))


@read()
def query_join(session: Session, at: View) -> Answer:
    """Joins, outer joins and aliases stay inside."""
    child = aliased(Task)
    statement = session.query(Task.title, Project.name, child.title).outerjoin(Task.project)
    found = (
        statement.outerjoin(child, child.parent_id == Task.id).filter(Task.priority <= at.own.much(3)).all()
    )
    plan, build, ship, apollo = at.own.says("plan", "build", "ship", "apollo")
    return same(found, [(plan, apollo, build), (build, apollo, None), (ship, None, None)])


@read()
def query_union(session: Session, at: View) -> Answer:
    """``union`` returns own rows."""
    low = session.query(Task).filter(Task.priority == at.own.much(1))
    found = low.union(session.query(Task).filter(Task.priority >= at.own.much(4)))
    return same([task.title for task in found], at.own.says("plan", "audit", "idle"))


@read()
def query_with_entities(session: Session, at: View) -> Answer:
    """``with_entities`` and ``group_by`` count own rows."""
    query = session.query(Task).join(Task.tags)
    found = query.with_entities(Tag.name, func.count(Task.id)).group_by(Tag.name).all()
    return same(found, list(zip(at.own.says("red", "blue"), (2, 1), strict=True)))


@read()
def query_from_statement(session: Session, at: View) -> Answer:
    """``from_statement`` returns own rows."""
    found = session.query(Document).from_statement(select(Document.__table__))
    return same([d.title for d in found], at.own.says(*TITLES))


@read()
def query_yield_per(session: Session, at: View) -> Answer:
    """``yield_per`` returns own rows."""
    return same([d.title for d in session.query(Document).yield_per(1)], at.own.says(*TITLES))


@read()
def query_scalar(session: Session, at: View) -> Answer:
    """``scalar`` of a sum adds own rows."""
    return same(session.query(func.sum(Document.size)).scalar(), at.own.much(6))


@read()
def query_subquery(session: Session, at: View) -> Answer:
    """A query as subquery and as IN operand stays inside."""
    names = session.query(Project.id).subquery()
    found = session.query(Task.title).filter(Task.project_id.in_(select(names.c.id)))
    return same([row[0] for row in found], at.own.says("plan", "build", "audit"))


@read()
def query_joined_load(session: Session, at: View) -> Answer:
    """A joined load with a limit shows no foreign row."""
    found = (
        session.query(Task)
        .options(joinedload(Task.tags), joinedload(Task.project))
        .order_by(Task.priority)
        .limit(3)
    )
    tasks = found.all()
    names = [tag.name for task in tasks for tag in task.tags] + [t.project.name for t in tasks if t.project]
    return same(names, at.own.says("red", "blue", "red", "apollo", "apollo"))


@read()
def query_polymorphic(session: Session, at: View) -> Answer:
    """A query of a joined subclass returns own rows."""
    return same(
        session.query(Image.caption).filter(Image.name.like("%:image 1")).all(), [(at.own.say("caption 1"),)]
    )


@innocent()
def query_update(session: Session, at: View) -> list[object]:
    """``update`` changes own rows."""
    count = session.query(Document).update({Document.state: at.own.say("done")})
    return [same(count, 3), stored(_states(at), at.own.says("done", "done", "done"))]


@innocent()
def query_update_unsynchronized(session: Session, at: View) -> list[object]:
    """``update`` without synchronization changes own rows."""
    query = session.query(Document).filter(Document.size > 0)
    count = query.update({"state": at.own.say("done")}, synchronize_session=False)
    return [same(count, 3), stored(_states(at), at.own.says("done", "done", "done"))]


@innocent()
def query_delete(session: Session, at: View) -> list[object]:
    """``delete`` removes own rows."""
    count = session.query(Document).delete(synchronize_session="fetch")
    return [same(count, 3), stored(_states(at), [])]


def _states(at: View) -> object:
    return select(Document.state).where(Document.tenant_id == at.own.tenant)
