"""Attacks by links and identities: foreign keys, relationships, association rows, forged objects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, func, insert, lambda_stmt, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from tenantkit.exceptions import ForeignTenant, IsolationError
from tests.leaks.phrases import forged
from tests.leaks.registry import POSTGRES, View, attack
from tests.leaks.schema import (
    Comment,
    Document,
    Image,
    Milestone,
    Photo,
    Project,
    Step,
    Tag,
    Task,
    TaskDetail,
    task_tags,
)

tasks, documents, details = Task.__table__, Document.__table__, TaskDetail.__table__
FORGED = (StaleDataError, ObjectDeletedError, IsolationError)
NOTHING_FOUND = (IsolationError, IntegrityError)


def _task(at: View, **more: Any) -> dict[str, Any]:
    return {"id": at.own.id("task", 90), "title": at.own.say("new"), "priority": 1, **more}


def _away(at: View) -> dict[str, Any]:
    return {"project_id": at.foreign.id("project", 1)}


@attack(ForeignTenant)
def add_with_foreign_key(session: Session, at: View) -> None:
    """A new object may not name a foreign parent by its key."""
    session.add(Task(**_task(at, **_away(at))))
    session.flush()


@attack(ForeignTenant)
def add_with_foreign_self_key(session: Session, at: View) -> None:
    """A new object may not name a foreign parent of its own kind."""
    session.add(Task(**_task(at, parent_id=at.foreign.id("task", 1))))
    session.flush()


@attack(ForeignTenant)
def add_child_of_foreign_parent(session: Session, at: View) -> None:
    """A new child without a tenant column may not name a foreign parent."""
    session.add(TaskDetail(note=at.own.say("new"), task_id=at.foreign.id("task", 1)))
    session.flush()


@attack(ForeignTenant)
def add_grandchild_of_foreign_parent(session: Session, at: View) -> None:
    """A new grandchild may not name a foreign parent."""
    session.add(Step(words=at.own.say("new"), detail_id=at.foreign.id("detail", 1)))
    session.flush()


@attack(ForeignTenant)
def add_comment_on_foreign_task(session: Session, at: View) -> None:
    """A new child with its own tenant may not name a foreign parent."""
    session.add(Comment(body=at.own.say("new"), task_id=at.foreign.id("task", 1)))
    session.flush()


@attack(ForeignTenant)
def move_by_key(session: Session, at: View) -> None:
    """An own object may not move to a foreign parent by its key."""
    session.get_one(Document, at.own.id("document", 1)).project_id = at.foreign.id("project", 1)
    session.flush()


@attack(ForeignTenant, IsolationError, StaleDataError)
def move_by_forged_parent(session: Session, at: View) -> None:
    """An own object may not move to a forged foreign parent by its attribute."""
    parent = forged(Project, id=at.foreign.id("project", 1))
    session.add(parent)
    session.get_one(Document, at.own.id("document", 1)).project = parent
    session.flush()


@attack(ForeignTenant, IsolationError, StaleDataError)
def move_by_forged_parent_with_own_tenant(session: Session, at: View) -> None:
    """A forged foreign parent that claims the own tenant is no own parent."""
    parent = forged(Project, id=at.foreign.id("project", 1), tenant_id=at.own.tenant)
    session.add(parent)
    session.get_one(Document, at.own.id("document", 1)).project = parent
    session.flush()


@attack(IsolationError, pinned=True, ambient=False, inert="both objects stay attached to their sessions")
def move_to_object_of_another_session(session: Session, at: View) -> None:
    """An own object may not move to a parent that another tenant's session loaded."""
    parent = at.open(at.foreign).get_one(Project, at.foreign.id("project", 1))
    document = session.get_one(Document, at.own.id("document", 1))
    try:
        document.project = parent
        session.flush()
    except IsolationError:
        raise
    except Exception as error:
        raise IsolationError(str(error)) from error


@attack(IsolationError, pinned=True, ambient=False)
def move_to_detached_object_of_another_session(session: Session, at: View) -> None:
    """An own object may not move to a parent that another tenant's session had loaded."""
    other = at.open(at.foreign)
    parent = other.get_one(Project, at.foreign.id("project", 1))
    other.expunge_all()
    session.get_one(Document, at.own.id("document", 1)).project = parent
    session.flush()


@attack(ForeignTenant)
def move_by_bulk_mapping(session: Session, at: View) -> None:
    """``bulk_update_mappings`` may not move an own row to a foreign parent."""
    session.bulk_update_mappings(Document, [{"id": at.own.id("document", 1), **_away(at)}])


@attack(ForeignTenant)
def move_by_bulk_update(session: Session, at: View) -> None:
    """An ORM bulk UPDATE by primary key may not move an own row to a foreign parent."""
    rows = [
        {"id": at.own.id("document", 3), "project_id": None},
        {"id": at.own.id("document", 1), **_away(at)},
    ]
    session.execute(update(Document), rows)


@attack(ForeignTenant)
def move_by_update(session: Session, at: View) -> None:
    """An ORM UPDATE may not move own rows to a foreign parent."""
    session.execute(update(Document).values(**_away(at)))


@attack(ForeignTenant)
def move_by_core_update(session: Session, at: View) -> None:
    """A Core UPDATE may not move own rows to a foreign parent."""
    session.execute(documents.update().values(**_away(at)))


@attack(ForeignTenant)
def move_by_parameter(session: Session, at: View) -> None:
    """A Core UPDATE with parameters may not move own rows to a foreign parent."""
    session.connection().execute(documents.update(), _away(at))


@attack(ForeignTenant)
def move_by_bindparam(session: Session, at: View) -> None:
    """A bind parameter of the caller's may not move own rows to a foreign parent."""
    statement = documents.update().values(project_id=bindparam("home"))
    session.connection().execute(
        statement, [{"home": at.own.id("project", 1)}, {"home": at.foreign.id("project", 1)}]
    )


@attack(ForeignTenant)
def move_by_ordered_values(session: Session, at: View) -> None:
    """``ordered_values`` may not move own rows to a foreign parent."""
    session.execute(documents.update().ordered_values((documents.c.project_id, at.foreign.id("project", 1))))


@attack(ForeignTenant)
def move_by_lambda(session: Session, at: View) -> None:
    """A lambda UPDATE may not move own rows to a foreign parent."""
    home = at.foreign.id("project", 1)
    session.execute(lambda_stmt(lambda: documents.update().values(project_id=home)))


@attack(ForeignTenant, dialects=POSTGRES)
def move_in_cte(session: Session, at: View) -> object:
    """An UPDATE in a CTE may not move own rows to a foreign parent."""
    moved = documents.update().values(**_away(at)).returning(documents.c.title).cte("moved")
    return session.scalars(select(moved.c.title)).all()


@attack(*NOTHING_FOUND, quiet=True)
def move_by_literal_expression(session: Session, at: View) -> None:
    """An expression over a foreign id moves no own row to a foreign parent."""
    home = func.coalesce(literal(None, documents.c.project_id.type), at.foreign.id("project", 1))
    session.execute(documents.update().values(project_id=home))


@attack(*NOTHING_FOUND, quiet=True)
def move_by_subquery(session: Session, at: View) -> None:
    """A subquery finds no foreign parent to move to."""
    home = select(Project.id).where(Project.name == at.foreign.say("apollo")).scalar_subquery()
    session.execute(documents.update().values(project_id=home))


@attack(*NOTHING_FOUND, quiet=True)
def move_by_corrupt_pointer(session: Session, at: View) -> None:
    """A corrupt pointer of an own row is not copied to another own row."""
    home = select(Task.project_id).where(Task.id == at.own.id("task", 3)).scalar_subquery()
    session.execute(documents.update().where(documents.c.size > 0).values(project_id=home))


@attack(ForeignTenant)
def move_child_by_update(session: Session, at: View) -> None:
    """An UPDATE of a child table may not give own rows to a foreign parent."""
    session.execute(details.update().values(task_id=at.foreign.id("task", 1)))


@attack(ForeignTenant)
def move_child_by_key(session: Session, at: View) -> None:
    """A child without a tenant column may not move to a foreign parent by its key."""
    session.get_one(TaskDetail, at.own.id("detail", 1)).task_id = at.foreign.id("task", 1)
    session.flush()


@attack(*FORGED, quiet=True)
def steal_child_by_update(session: Session, at: View) -> None:
    """An UPDATE takes no child away from a foreign parent."""
    statement = details.update().where(details.c.task_id == at.foreign.id("task", 1))
    session.execute(statement.values(task_id=at.own.id("task", 1)))


@attack(*FORGED)
def steal_child_by_collection(session: Session, at: View) -> None:
    """A forged foreign child that is put into an own collection does not move."""
    child = forged(TaskDetail, id=at.foreign.id("detail", 1))
    session.add(child)
    task = session.get_one(Task, at.own.id("task", 5))
    task.details.append(child)
    session.flush()


@attack(ForeignTenant)
def insert_with_foreign_key(session: Session, at: View) -> None:
    """A Core INSERT may not name a foreign parent."""
    session.execute(tasks.insert().values(**_task(at, **_away(at))))


@attack(ForeignTenant)
def insert_many_with_foreign_key(session: Session, at: View) -> None:
    """An executemany may not name a foreign parent in any of its rows."""
    rows = [
        _task(at, project_id=at.own.id("project", 1)),
        {**_task(at, **_away(at)), "id": at.own.id("task", 91)},
    ]
    session.connection().execute(tasks.insert(), rows)


@attack(ForeignTenant)
def insert_multi_values_with_foreign_key(session: Session, at: View) -> None:
    """A multi-VALUES INSERT may not name a foreign parent in any of its rows."""
    rows = [_task(at, project_id=None), {**_task(at, **_away(at)), "id": at.own.id("task", 91)}]
    session.execute(tasks.insert().values(rows))


@attack(ForeignTenant)
def insert_orm_with_foreign_key(session: Session, at: View) -> object:
    """An ORM bulk INSERT with RETURNING may not name a foreign parent."""
    return [task.title for task in session.scalars(insert(Task).returning(Task), [_task(at, **_away(at))])]


@attack(ForeignTenant)
def insert_mapping_with_foreign_key(session: Session, at: View) -> None:
    """``bulk_insert_mappings`` may not name a foreign parent."""
    session.bulk_insert_mappings(Task, [_task(at, **_away(at))])


@attack(ForeignTenant)
def insert_saved_with_foreign_key(session: Session, at: View) -> None:
    """``bulk_save_objects`` may not name a foreign parent."""
    session.bulk_save_objects([Task(**_task(at, **_away(at)))])


@attack(*NOTHING_FOUND, quiet=True)
def insert_by_literal_select(session: Session, at: View) -> None:
    """INSERT FROM SELECT of a literal names no foreign parent."""
    task, home = _task(at), literal(at.foreign.id("project", 1), documents.c.project_id.type)
    source = select(literal(task["id"], tasks.c.id.type), literal(task["title"]), literal(1), home)
    session.execute(tasks.insert().from_select(["id", "title", "priority", "project_id"], source))


@attack(*NOTHING_FOUND, quiet=True)
def insert_by_foreign_select(session: Session, at: View) -> None:
    """INSERT FROM SELECT copies no corrupt pointer of an own row."""
    columns = ["id", "title", "path", "size", "project_id"]
    source = select(Task.id, Task.title, Task.title.label("path"), Task.priority, Task.project_id)
    session.execute(documents.insert().from_select(columns, source.where(Task.title.like("%:ship"))))


@attack(*NOTHING_FOUND, quiet=True)
def insert_by_scalar_subquery(session: Session, at: View) -> None:
    """A scalar subquery in VALUES finds no foreign parent."""
    home = select(Project.id).where(Project.name == at.foreign.say("apollo")).scalar_subquery()
    session.execute(tasks.insert().values(**_task(at, project_id=home)))


@attack(ForeignTenant)
def insert_write_only_of_forged_parent(session: Session, at: View) -> None:
    """The write-only collection of a forged foreign parent inserts nothing."""
    parent = forged(Project, id=at.foreign.id("project", 1))
    session.add(parent)
    session.execute(parent.task_stream.insert(), [_task(at)])


@attack(ForeignTenant)
def link_own_task_to_foreign_tag(session: Session, at: View) -> None:
    """A Core INSERT into an association table may not name a foreign tag."""
    session.execute(task_tags.insert().values(task_id=at.own.id("task", 5), tag_id=at.foreign.id("tag", 1)))


@attack(ForeignTenant)
def link_foreign_task_to_own_tag(session: Session, at: View) -> None:
    """A Core INSERT into an association table may not name a foreign task."""
    session.execute(task_tags.insert(), {"task_id": at.foreign.id("task", 5), "tag_id": at.own.id("tag", 1)})


@attack(ForeignTenant)
def link_foreign_rows(session: Session, at: View) -> None:
    """A Core INSERT into an association table may not link two foreign rows."""
    session.execute(
        task_tags.insert(), [{"task_id": at.foreign.id("task", 5), "tag_id": at.foreign.id("tag", 1)}]
    )


@attack(*NOTHING_FOUND, quiet=True)
def link_by_select(session: Session, at: View) -> None:
    """INSERT FROM SELECT links no foreign rows in an association table."""
    source = select(Task.id, literal(at.foreign.id("tag", 1), tasks.c.id.type)).where(
        Task.title.like("%:idle")
    )
    session.execute(task_tags.insert().from_select(["task_id", "tag_id"], source))


@attack(ForeignTenant, IsolationError)
def link_forged_tag(session: Session, at: View) -> None:
    """A collection may not link a forged foreign tag."""
    tag = forged(Tag, id=at.foreign.id("tag", 1), tenant_id=at.own.tenant)
    session.add(tag)
    task = session.get_one(Task, at.own.id("task", 5))
    task.tags.append(tag)
    session.flush()


@attack(*FORGED, IntegrityError, quiet=True)
def move_link_by_update(session: Session, at: View) -> None:
    """An UPDATE of an association table may not turn an own link to a foreign tag."""
    statement = task_tags.update().where(task_tags.c.task_id == at.own.id("task", 1))
    session.execute(
        statement.where(task_tags.c.tag_id == at.own.id("tag", 1)).values(tag_id=at.foreign.id("tag", 1))
    )


@attack(IsolationError, IntegrityError)
def insert_subclass_row_of_foreign_asset(session: Session, at: View) -> None:
    """A subclass row may not be inserted under a foreign base row."""
    session.execute(Image.__table__.insert().values(id=at.foreign.id("asset", 4), caption=at.own.say("x")))


@attack(IsolationError, IntegrityError)
def insert_subsubclass_row_of_foreign_asset(session: Session, at: View) -> None:
    """A row of a subclass of a subclass may not be inserted under a foreign base row."""
    session.execute(Photo.__table__.insert(), [{"id": at.foreign.id("asset", 1), "camera": at.own.say("x")}])


@attack(ForeignTenant)
def link_over_composite_key_of_foreign_tenant(session: Session, at: View) -> None:
    """A key that holds the tenant may not name another one."""
    session.add(
        Milestone(label=at.own.say("x"), board_id=at.foreign.id("board", 1), tenant_id=at.foreign.tenant)
    )
    session.flush()


@attack(IsolationError, IntegrityError, quiet=True, inert="with the own tenant the key names no row")
def link_over_composite_key(session: Session, at: View) -> None:
    """A key that holds the tenant links no foreign row."""
    session.add(Milestone(label=at.own.say("x"), board_id=at.foreign.id("board", 1)))
    session.flush()
