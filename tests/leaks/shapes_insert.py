"""INSERT that must work: the tenant is stamped, whatever the road."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, literal, select
from sqlalchemy.orm import Session

from tests.leaks.phrases import new_tag, owned_tags
from tests.leaks.registry import POSTGRES, View, innocent, same, stored
from tests.leaks.schema import (
    Comment,
    Document,
    Event,
    Image,
    Meeting,
    Milestone,
    Photo,
    Preference,
    Project,
    Refund,
    Step,
    Tag,
    Task,
    TaskDetail,
    ledger,
    task_tags,
)

tags = Tag.__table__


@innocent(alone=False)
def add_one(session: Session, at: View) -> list[Any]:
    """``add`` stamps the tenant, on the object too."""
    tag = Tag(**new_tag(at, 50))
    session.add(tag)
    session.flush()
    return [same(tag.tenant_id, at.own.tenant), owned_tags(at, 50)]


@innocent()
def add_many(session: Session, at: View) -> list[Any]:
    """``add_all`` stamps the tenant on each row."""
    session.add_all([Tag(**new_tag(at, n)) for n in range(50, 60)])
    session.flush()
    return [owned_tags(at, *range(50, 60))]


@innocent()
def add_with_own_tenant(session: Session, at: View) -> list[Any]:
    """The own tenant may be given."""
    session.add(Tag(**new_tag(at, 50), tenant_id=at.own.tenant))
    session.flush()
    return [owned_tags(at, 50)]


@innocent()
def add_with_server_default(session: Session, at: View) -> list[Any]:
    """A server's default is fetched after the insert."""
    values = {"id": at.own.id("document", 50), "title": at.own.say("x"), "path": at.own.say("/x"), "size": 1}
    document = Document(**values)
    session.add(document)
    session.flush()
    return [same([document.state, document.title_length], ["new", 6])]


@innocent()
def add_graph(session: Session, at: View) -> list[Any]:
    """A graph of new objects is inserted with its links."""
    task = Task(id=at.own.id("task", 50), title=at.own.say("new"), priority=1)
    task.project = Project(id=at.own.id("project", 50), name=at.own.say("new"), budget=1)
    task.tags = [Tag(**new_tag(at, 50)), session.get_one(Tag, at.own.id("tag", 1))]
    task.details = [TaskDetail(note=at.own.say("new"), steps=[Step(words=at.own.say("new"))])]
    task.comments = [Comment(body=at.own.say("new"))]
    session.add(task)
    session.flush()
    linked = select(func.count()).select_from(task_tags).where(task_tags.c.task_id == task.id)
    return [owned_tags(at, 50), stored(linked, [2]), stored(_home(at, 50), [at.own.id("project", 50)])]


def _home(at: View, number: int) -> Any:
    return select(Task.project_id).where(Task.id == at.own.id("task", number))


@innocent()
def add_child_by_key(session: Session, at: View) -> list[Any]:
    """A child without a tenant column is inserted under an own parent named by its key."""
    session.add(TaskDetail(id=at.own.id("detail", 50), note=at.own.say("new"), task_id=at.own.id("task", 5)))
    session.add(Step(id=at.own.id("step", 50), words=at.own.say("new"), detail_id=at.own.id("detail", 1)))
    session.flush()
    return [stored(select(Step.words).where(Step.id == at.own.id("step", 50)), at.own.says("new"))]


@innocent()
def add_joined_subclasses(session: Session, at: View) -> list[Any]:
    """Objects of joined subclasses are inserted into all their tables."""
    session.add(Image(id=at.own.id("asset", 50), name=at.own.say("new"), caption=at.own.say("new")))
    session.add(
        Photo(
            id=at.own.id("asset", 51),
            name=at.own.say("new"),
            caption=at.own.say("new"),
            camera=at.own.say("new"),
        )
    )
    session.flush()
    ids = [at.own.id("asset", n) for n in (50, 51)]
    return [stored(select(Image.tenant_id).where(Image.id.in_(ids)), [at.own.tenant] * 2)]


@innocent()
def add_single_and_concrete(session: Session, at: View) -> list[Any]:
    """Objects of single-table and concrete subclasses are stamped."""
    session.add(Meeting(id=at.own.id("event", 50), name=at.own.say("new")))
    session.add(Refund(id=at.own.id("refund", 50), memo=at.own.say("new")))
    session.flush()
    meeting = select(Event.__table__.c.tenant_id).where(Event.id == at.own.id("event", 50))
    refund = select(Refund.tenant_id).where(Refund.id == at.own.id("refund", 50))
    return [stored(meeting, [at.own.tenant]), stored(refund, [at.own.tenant])]


@innocent(alone=False)
def add_with_tenant_in_key(session: Session, at: View) -> list[Any]:
    """A row whose primary key holds the tenant is stamped."""
    preference = Preference(name="zone", value=at.own.say("utc"))
    session.add(preference)
    session.flush()
    value = select(Preference.value).where(Preference.org == at.own.tenant, Preference.name == "zone")
    return [same(preference.org, at.own.tenant), stored(value, at.own.says("utc"))]


@innocent()
def add_with_composite_key(session: Session, at: View) -> list[Any]:
    """A link by a key that holds the tenant is stored."""
    session.add(
        Milestone(id=at.own.id("milestone", 50), label=at.own.say("x"), board_id=at.own.id("board", 2))
    )
    session.flush()
    return [
        stored(select(Milestone.board_id).where(Milestone.label == at.own.say("x")), [at.own.id("board", 2)])
    ]


@innocent()
def bulk_save(session: Session, at: View) -> list[Any]:
    """``bulk_save_objects`` stamps the tenant."""
    session.bulk_save_objects([Tag(**new_tag(at, n)) for n in (50, 51)])
    return [owned_tags(at, 50, 51)]


@innocent()
def bulk_mappings(session: Session, at: View) -> list[Any]:
    """``bulk_insert_mappings`` stamps the tenant."""
    session.bulk_insert_mappings(Tag, [new_tag(at, n) for n in (50, 51)])
    return [owned_tags(at, 50, 51)]


@innocent()
def bulk_mappings_joined(session: Session, at: View) -> list[Any]:
    """``bulk_insert_mappings`` of a joined subclass stamps the tenant."""
    rows = [
        {"id": at.own.id("asset", n), "kind": "image", "name": at.own.say("x"), "caption": at.own.say("x")}
        for n in (50, 51)
    ]
    session.bulk_insert_mappings(Image, rows)
    return [stored(select(Image.tenant_id).where(Image.caption == at.own.say("x")), [at.own.tenant] * 2)]


@innocent()
def orm_insert_many(session: Session, at: View) -> list[Any]:
    """An ORM bulk INSERT stamps the tenant."""
    session.execute(insert(Tag), [new_tag(at, n) for n in (50, 51)])
    return [owned_tags(at, 50, 51)]


@innocent()
def orm_insert_returning(session: Session, at: View) -> list[Any]:
    """An ORM bulk INSERT returns its entities."""
    found = session.scalars(insert(Tag).returning(Tag), [new_tag(at, n) for n in (50, 51)])
    return [same([tag.name for tag in found], at.own.says("tag 50", "tag 51")), owned_tags(at, 50, 51)]


@innocent()
def orm_insert_returning_sorted(session: Session, at: View) -> list[Any]:
    """An ORM bulk INSERT of many pages returns its rows in order, each stamped."""
    statement = insert(Tag).returning(Tag.name, Tag.id, sort_by_parameter_order=True)
    rows = session.execute(
        statement,
        [new_tag(at, n) for n in range(100, 160)],
        execution_options={"insertmanyvalues_page_size": 7},
    )
    return [
        same([row.id for row in rows], [at.own.id("tag", n) for n in range(100, 160)]),
        owned_tags(at, 100, 159),
    ]


@innocent()
def orm_insert_values(session: Session, at: View) -> list[Any]:
    """An ORM INSERT with values stamps the tenant."""
    session.execute(insert(Tag).values(**new_tag(at, 50)))
    return [owned_tags(at, 50)]


@innocent()
def write_only_add(session: Session, at: View) -> list[Any]:
    """A write-only collection adds and inserts own children."""
    project = session.get_one(Project, at.own.id("project", 1))
    project.task_stream.add(Task(id=at.own.id("task", 50), title=at.own.say("new"), priority=1))
    session.flush()
    rows = [{"id": at.own.id("task", 51), "title": at.own.say("new"), "priority": 1}]
    session.execute(project.task_stream.insert(), rows)
    home = select(Task.project_id).where(Task.title == at.own.say("new"))
    return [stored(home, [project.id, project.id])]


@innocent(dialects=POSTGRES)
def insert_in_cte(session: Session, at: View) -> list[Any]:
    """An INSERT in a CTE stamps the tenant."""
    made = insert(Tag).values(**new_tag(at, 50)).returning(Tag.name).cte("made")
    return [same(session.scalars(select(made.c.name)), at.own.says("tag 50")), owned_tags(at, 50)]


@innocent(dialects=POSTGRES)
def insert_from_cte(session: Session, at: View) -> list[Any]:
    """An INSERT from a CTE that inserts stamps both."""
    made = insert(Tag).values(**new_tag(at, 50)).returning(Tag.id, Tag.name).cte("made")
    source = select(made.c.id, made.c.name, literal(1))
    session.execute(ledger.insert().from_select(["id", "memo", "amount"], source))
    return [
        owned_tags(at, 50),
        stored(select(ledger.c.org_id).where(ledger.c.amount == 1, _new(at)), [at.own.tenant]),
    ]


def _new(at: View) -> Any:
    return ledger.c.memo == at.own.say("tag 50")
