"""Core INSERT that must work: the tenant is stamped, whatever the road."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, lambda_stmt, literal, select, true
from sqlalchemy.orm import Session

from tests.leaks.phrases import new_tag, owned_tags
from tests.leaks.registry import View, innocent, same, stored
from tests.leaks.schema import (
    Document,
    Image,
    Project,
    Tag,
    Task,
    TaskDetail,
    ledger,
    task_tags,
    tickets,
)

tags = Tag.__table__


@innocent()
def core_insert_values(session: Session, at: View) -> list[Any]:
    """A Core INSERT with values stamps the tenant."""
    session.execute(tags.insert().values(**new_tag(at, 50)))
    return [owned_tags(at, 50)]


@innocent()
def core_insert_parameters(session: Session, at: View) -> list[Any]:
    """A Core INSERT with parameters stamps the tenant."""
    session.execute(tags.insert(), new_tag(at, 50))
    return [owned_tags(at, 50)]


@innocent()
def core_insert_many(session: Session, at: View) -> list[Any]:
    """An executemany stamps the tenant on each row."""
    session.connection().execute(tags.insert(), [new_tag(at, n) for n in (50, 51, 52)])
    return [owned_tags(at, 50, 51, 52)]


@innocent()
def core_insert_multi_values(session: Session, at: View) -> list[Any]:
    """A multi-VALUES INSERT stamps the tenant on each row."""
    session.execute(tags.insert().values([new_tag(at, n) for n in (50, 51, 52)]))
    return [owned_tags(at, 50, 51, 52)]


@innocent()
def core_insert_tuples(session: Session, at: View) -> list[Any]:
    """A multi-VALUES INSERT of tuples with the own tenant works."""
    rows = [(at.own.id("ledger", n), at.own.tenant, at.own.say("x"), n) for n in (50, 51)]
    session.execute(ledger.insert().values(rows))
    return [stored(select(ledger.c.org_id).where(ledger.c.memo == at.own.say("x")), [at.own.tenant] * 2)]


@innocent()
def core_insert_returning(session: Session, at: View) -> list[Any]:
    """A Core INSERT returns its row."""
    row = session.execute(ledger.insert().values(**_entry(at, 50)).returning(ledger.c.memo)).one()
    return [same(row.memo, at.own.say("entry")), _entries(at, 50)]


def _entry(at: View, number: int) -> dict[str, Any]:
    return {"id": at.own.id("ledger", number), "memo": at.own.say("entry"), "amount": number}


def _entries(at: View, *numbers: int) -> Any:
    ids: list[UUID] = [at.own.id("ledger", n) for n in numbers]
    return stored(select(ledger.c.org_id).where(ledger.c.id.in_(ids)), [at.own.tenant] * len(numbers))


@innocent()
def core_insert_own_tenant(session: Session, at: View) -> list[Any]:
    """The own tenant may be given by values, parameters and executemany."""
    session.execute(ledger.insert().values(**_entry(at, 50), org_id=at.own.tenant))
    session.execute(ledger.insert(), {**_entry(at, 51), "org_id": at.own.tenant})
    session.execute(ledger.insert(), [{**_entry(at, n), "org_id": at.own.tenant} for n in (52, 53)])
    return [_entries(at, 50, 51, 52, 53)]


@innocent()
def core_insert_own_bindparam(session: Session, at: View) -> list[Any]:
    """The own tenant may be given by a bind parameter of the caller's."""
    statement = ledger.insert().values(org_id=bindparam("q"))
    session.execute(statement, {**_entry(at, 50), "q": at.own.tenant})
    return [_entries(at, 50)]


@innocent()
def core_insert_lambda(session: Session, at: View) -> list[Any]:
    """A lambda INSERT stamps the tenant."""
    session.execute(lambda_stmt(lambda: insert(tags)), new_tag(at, 50))
    return [owned_tags(at, 50)]


@innocent()
def core_insert_default_select(session: Session, at: View) -> list[Any]:
    """A column default that is a SELECT counts own rows."""
    session.execute(tickets.insert().values(subject=at.own.say("next"), org_id=at.own.tenant))
    return [stored(select(tickets.c.number).where(tickets.c.subject == at.own.say("next")), [4])]


@innocent(alone=False)
def core_insert_default_select_without_tenant(session: Session, at: View) -> list[Any]:
    """A column default that is a SELECT works beside a stamped key."""
    session.execute(tickets.insert().values(subject=at.own.say("next")))
    return [stored(select(tickets.c.number).where(tickets.c.subject == at.own.say("next")), [4])]


@innocent()
def core_insert_child(session: Session, at: View) -> list[Any]:
    """A Core INSERT into a child table under an own parent works."""
    row = {"id": at.own.id("detail", 50), "note": at.own.say("new"), "task_id": at.own.id("task", 1)}
    session.execute(TaskDetail.__table__.insert().values(**row))
    return [stored(select(TaskDetail.note).where(TaskDetail.id == row["id"]), at.own.says("new"))]


@innocent()
def core_insert_association(session: Session, at: View) -> list[Any]:
    """Core INSERTs into an association table with own ends work."""
    task = at.own.id("task", 5)
    session.execute(task_tags.insert().values(task_id=task, tag_id=at.own.id("tag", 1)))
    session.execute(task_tags.insert(), [{"task_id": task, "tag_id": at.own.id("tag", n)} for n in (2, 3)])
    return [stored(select(func.count()).select_from(task_tags).where(task_tags.c.task_id == task), [3])]


@innocent()
def core_insert_subclass_table(session: Session, at: View) -> list[Any]:
    """Core INSERTs into both tables of a joined subclass work."""
    id_ = at.own.id("asset", 50)
    session.execute(
        insert(Image.__mapper__.base_mapper.local_table).values(id=id_, kind="image", name=at.own.say("x"))
    )
    session.execute(Image.__table__.insert().values(id=id_, caption=at.own.say("x")))
    return [stored(select(Image.tenant_id).where(Image.id == id_), [at.own.tenant])]


@innocent()
def insert_from_select_own(session: Session, at: View) -> list[Any]:
    """INSERT FROM SELECT copies own rows."""
    source = select(Project.id, Project.name, Project.budget)
    session.execute(ledger.insert().from_select(["id", "memo", "amount"], source))
    wanted = at.own.says("rent", "salaries", "ink", "apollo", "gemini", "hermes")
    return [stored(select(ledger.c.memo).where(ledger.c.org_id == at.own.tenant), wanted)]


@innocent()
def insert_from_select_with_tenant(session: Session, at: View) -> list[Any]:
    """INSERT FROM SELECT may copy the tenant column."""
    source = select(Project.id, Project.tenant_id, Project.name, Project.budget)
    session.execute(ledger.insert().from_select(["id", "org_id", "memo", "amount"], source))
    return [stored(select(func.count()).select_from(ledger).where(ledger.c.org_id == at.own.tenant), [6])]


@innocent()
def insert_from_select_orm(session: Session, at: View) -> list[Any]:
    """An ORM INSERT FROM SELECT copies own rows."""
    source = select(Project.id, Project.name, Project.name, literal(1)).where(Project.budget > 0)
    session.execute(insert(Document).from_select(["id", "title", "path", "size"], source))
    found = select(Document.title).where(Document.size == 1, Document.title == Document.path)
    return [stored(found, at.own.says("apollo", "gemini", "hermes"))]


@innocent()
def insert_from_select_association(session: Session, at: View) -> list[Any]:
    """INSERT FROM SELECT links own rows in an association table."""
    source = (
        select(Task.id, Tag.id).join(Tag, true()).where(Task.title.like("%:idle"), Tag.name.like("%:%e%"))
    )
    session.execute(task_tags.insert().from_select(["task_id", "tag_id"], source))
    linked = select(func.count()).select_from(task_tags).where(task_tags.c.task_id == at.own.id("task", 5))
    return [stored(linked, [3])]
