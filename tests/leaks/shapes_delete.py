"""DELETE: own rows go, foreign rows stay."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, func, lambda_stmt, select, true
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.exceptions import IsolationError
from tests.leaks.registry import POSTGRES, View, attack, innocent, same, stored
from tests.leaks.schema import (
    Asset,
    Comment,
    Document,
    Image,
    Project,
    Step,
    Tag,
    Task,
    TaskDetail,
    ledger,
    task_tags,
)

documents, details = Document.__table__, TaskDetail.__table__


def _left(at: View, *words: str) -> Any:
    return stored(select(Document.title).where(Document.tenant_id == at.own.tenant), at.own.says(*words))


@innocent()
def delete_object(session: Session, at: View) -> list[Any]:
    """A deleted object is removed."""
    session.delete(session.get_one(Document, at.own.id("document", 1)))
    session.flush()
    return [_left(at, "notes", "draft")]


@innocent()
def delete_objects(session: Session, at: View) -> list[Any]:
    """Many deleted objects are removed at once."""
    for document in session.scalars(select(Document)):
        session.delete(document)
    session.flush()
    return [_left(at)]


@innocent()
def delete_with_cascade(session: Session, at: View) -> list[Any]:
    """A deleted object takes its children and their children along."""
    session.delete(session.get_one(Task, at.own.id("task", 5)))
    session.flush()
    gone = select(func.count(Comment.id)).where(Comment.task_id == at.own.id("task", 5))
    return [
        stored(gone, [0]),
        stored(select(TaskDetail.id).where(TaskDetail.id == at.own.id("detail", 3)), []),
    ]


@innocent()
def delete_with_nulled_children(session: Session, at: View) -> list[Any]:
    """A deleted parent sets the keys of its own children to NULL."""
    project = session.get_one(Project, at.own.id("project", 2))
    session.delete(project)
    session.flush()
    return [stored(select(Task.project_id).where(Task.id == at.own.id("task", 4)), [None])]


@innocent()
def delete_subclass(session: Session, at: View) -> list[Any]:
    """A deleted object of a joined subclass is removed from all its tables."""
    session.delete(session.get_one(Asset, at.own.id("asset", 5)))
    session.flush()
    return [stored(select(Image.__table__.c.id).where(Image.__table__.c.id == at.own.id("asset", 5)), [])]


@innocent()
def delete_orphan(session: Session, at: View) -> list[Any]:
    """A child that is taken out of its collection is removed."""
    task = session.get_one(Task, at.own.id("task", 5))
    task.details.clear()
    session.flush()
    return [stored(select(TaskDetail.id).where(TaskDetail.id == at.own.id("detail", 3)), [])]


@innocent()
def delete_link(session: Session, at: View) -> list[Any]:
    """A tag that is taken off a task loses its row in the association table."""
    task = session.get_one(Task, at.own.id("task", 1))
    task.tags.remove(session.get_one(Tag, at.own.id("tag", 1)))
    session.flush()
    left = select(task_tags.c.tag_id).where(task_tags.c.task_id == task.id)
    return [stored(left, [at.own.id("tag", 2)])]


@innocent()
def delete_links_by_object(session: Session, at: View) -> list[Any]:
    """A deleted tag takes its links along."""
    session.delete(session.get_one(Tag, at.own.id("tag", 1)))
    session.flush()
    return [stored(select(task_tags.c.task_id).where(task_tags.c.tag_id == at.own.id("tag", 1)), [])]


def _delete_all(session: Session, at: View, **options: Any) -> list[Any]:
    loaded = session.scalars(select(Document)).all()
    count = session.execute(delete(Document).where(Document.size > 0), execution_options=options).rowcount
    return [same([count, sum(document in session for document in loaded)], [3, 0]), _left(at)]


@innocent()
def delete_auto(session: Session, at: View) -> list[Any]:
    """An ORM DELETE removes own rows and the loaded objects."""
    return _delete_all(session, at)


@innocent()
def delete_evaluate(session: Session, at: View) -> list[Any]:
    """An ORM DELETE that evaluates in Python removes own rows."""
    return _delete_all(session, at, synchronize_session="evaluate")


@innocent()
def delete_fetch(session: Session, at: View) -> list[Any]:
    """An ORM DELETE that fetches first removes own rows."""
    return _delete_all(session, at, synchronize_session="fetch")


@innocent()
def delete_unsynchronized(session: Session, at: View) -> list[Any]:
    """An ORM DELETE that leaves the session alone removes own rows."""
    session.execute(delete(Document).execution_options(synchronize_session=False))
    return [_left(at)]


@innocent()
def delete_core(session: Session, at: View) -> list[Any]:
    """A Core DELETE without a criterion removes own rows."""
    return [same(session.execute(ledger.delete()).rowcount, 3)]


@innocent()
def delete_where_or(session: Session, at: View) -> list[Any]:
    """An OR in the caller's criterion removes own rows only."""
    return [
        same(session.execute(documents.delete().where((documents.c.size < 0) | true())).rowcount, 3),
        _left(at),
    ]


@innocent()
def delete_foreign_id(session: Session, at: View) -> list[Any]:
    """A DELETE by a foreign id removes nothing."""
    statement = delete(Document).where(Document.id == at.foreign.id("document", 1))
    return [same(session.execute(statement).rowcount, 0)]


@innocent()
def delete_returning(session: Session, at: View) -> list[Any]:
    """A Core DELETE returns own rows."""
    found = session.scalars(documents.delete().returning(documents.c.title))
    return [same(found, at.own.says("charter", "notes", "draft"))]


@innocent()
def attack_07_delete_returning_entities(session: Session, at: View) -> list[Any]:
    """An ORM DELETE returns own entities."""
    found = session.scalars(delete(Document).returning(Document)).all()
    return [same([d.title for d in found], at.own.says("charter", "notes", "draft"))]


@innocent()
def delete_executemany(session: Session, at: View) -> list[Any]:
    """A Core DELETE by executemany removes own rows, and no foreign one among the ids."""
    statement = documents.delete().where(documents.c.id == bindparam("b_id"))
    session.connection().execute(
        statement, [{"b_id": side.id("document", 1)} for side in (at.own, at.foreign)]
    )
    return [_left(at, "notes", "draft")]


@innocent()
def delete_where_in_select(session: Session, at: View) -> list[Any]:
    """A subquery in the criterion reads own rows."""
    session.execute(delete(Document).where(Document.project_id.in_(select(Project.id))))
    return [_left(at, "notes", "draft")]


@innocent()
def delete_where_not_exists(session: Session, at: View) -> list[Any]:
    """A correlated subquery in the criterion follows no corrupt pointer."""
    home = select(Project.id).where(Project.id == documents.c.project_id).exists()
    session.execute(documents.delete().where(~home))
    return [_left(at, "charter")]


@innocent()
def delete_lambda(session: Session, at: View) -> list[Any]:
    """A lambda DELETE removes own rows."""
    session.execute(lambda_stmt(lambda: delete(documents)))
    return [_left(at)]


@innocent()
def delete_child(session: Session, at: View) -> list[Any]:
    """A DELETE on a grandchild and on a child table removes rows of own parents."""
    steps = session.execute(Step.__table__.delete()).rowcount
    return [same([steps, session.execute(details.delete()).rowcount], [3, 3])]


@innocent()
def delete_association(session: Session, at: View) -> list[Any]:
    """A DELETE on an association table removes rows with both ends own."""
    return [same(session.execute(task_tags.delete()).rowcount, 3)]


@innocent()
def update_write_only(session: Session, at: View) -> list[Any]:
    """A write-only collection updates own children."""
    project = session.get_one(Project, at.own.id("project", 2))
    changed = session.execute(project.task_stream.update().values(priority=0)).rowcount
    return [same(changed, 1)]


@innocent(dialects=POSTGRES)
def attack_07_delete_using(session: Session, at: View) -> list[Any]:
    """DELETE USING reads own rows of the other table."""
    statement = documents.delete().where(documents.c.project_id == Project.id)
    return [same(session.execute(statement).rowcount, 1), _left(at, "notes", "draft")]


@innocent(dialects=POSTGRES)
def attack_07_delete_using_orm(session: Session, at: View) -> list[Any]:
    """An ORM DELETE USING an unlinked table removes own rows."""
    statement = delete(Document).where(Tag.name == at.own.say("red"), Tag.name != documents.c.title)
    session.execute(statement.execution_options(synchronize_session=False))
    return [_left(at)]


@innocent(dialects=POSTGRES)
def attack_07_delete_using_foreign(session: Session, at: View) -> list[Any]:
    """DELETE USING removes no own row because of a foreign one."""
    session.execute(
        documents.delete().where(Tag.name == at.foreign.say("red"), Tag.name != documents.c.title)
    )
    return [_left(at, "charter", "notes", "draft")]


@innocent(dialects=POSTGRES, since=(2, 1))
def attack_07_delete_using_method(session: Session, at: View) -> list[Any]:
    """``delete().using()`` reads own rows."""
    statement = delete(Document).using(Project).where(Document.project_id == Project.id)
    session.execute(statement.execution_options(synchronize_session=False))
    return [_left(at, "notes", "draft")]


@innocent(dialects=POSTGRES)
def delete_in_cte(session: Session, at: View) -> list[Any]:
    """A DELETE in a CTE removes own rows."""
    gone = documents.delete().returning(documents.c.title).cte("gone")
    return [same(session.scalars(select(gone.c.title)), at.own.says("charter", "notes", "draft")), _left(at)]


@attack(IntegrityError, IsolationError, quiet=True)
def delete_parent_of_foreign_child(session: Session, at: View) -> None:
    """A deleted parent does not take a foreign child along, nor change its key."""
    session.delete(session.get_one(Task, at.own.id("task", 1)))
    session.flush()


@attack(IntegrityError, IsolationError, quiet=True)
def delete_tag_of_foreign_task(session: Session, at: View) -> None:
    """A deleted tag does not take a foreign task's link along."""
    session.delete(session.get_one(Tag, at.own.id("tag", 2)))
    session.flush()


@attack(IsolationError, quiet=True)
def delete_association_by_foreign_key(session: Session, at: View) -> None:
    """A DELETE on an association table by either end removes no foreign link."""
    session.execute(task_tags.delete().where(task_tags.c.task_id == at.foreign.id("task", 1)))
    session.execute(task_tags.delete().where(task_tags.c.tag_id == at.foreign.id("tag", 2)))


@attack(IsolationError, quiet=True)
def delete_child_by_foreign_key(session: Session, at: View) -> None:
    """A DELETE on a child table by a foreign parent removes nothing."""
    session.execute(details.delete().where(details.c.task_id == at.foreign.id("task", 5)))
    session.execute(Image.__table__.delete().where(Image.__table__.c.id == at.foreign.id("asset", 1)))
