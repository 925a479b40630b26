"""SELECT from tables without a tenant column and from joined inheritances, alone and joined."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session, with_polymorphic

from tests.leaks.phrases import rows_of, told
from tests.leaks.registry import Answer, View, read, same
from tests.leaks.schema import (
    Asset,
    Image,
    Photo,
    Project,
    Step,
    Tag,
    Task,
    TaskDetail,
    Video,
    task_tags,
)

tasks, projects, tags = Task.__table__, Project.__table__, Tag.__table__


@read()
def association_alone(session: Session, at: View) -> Answer:
    """An association table on its own shows rows with both ends own."""
    found = rows_of(session, select(task_tags))
    wanted = [(at.own.id("task", task), at.own.id("tag", tag)) for task, tag in ((1, 1), (1, 2), (2, 1))]
    return same(found, wanted)


@read()
def association_outer(session: Session, at: View) -> Answer:
    """An association table on the nullable side passes no foreign link."""
    statement = select(Tag.name, func.count(task_tags.c.task_id))
    counted = statement.outerjoin(task_tags, task_tags.c.tag_id == Tag.id).group_by(Tag.name)
    return same(
        rows_of(session, counted), list(zip(at.own.says("red", "blue", "green"), (2, 1, 0), strict=True))
    )


@read()
def join_child_table(session: Session, at: View) -> Answer:
    """A child table on its own shows the rows of own parents."""
    return same(session.scalars(select(TaskDetail.note)), at.own.says("first", "second", "third"))


@read()
def join_grandchild_table(session: Session, at: View) -> Answer:
    """A grandchild table on its own shows the rows of own grandparents."""
    return same(session.scalars(select(Step.words)), at.own.says("step 1", "step 2", "step 3"))


@read()
def join_children_outer(session: Session, at: View) -> Answer:
    """Child tables on the nullable side show own rows."""
    statement = select(Task.title, Step.words).outerjoin(Task.details).outerjoin(TaskDetail.steps)
    near = ("plan", "step 1"), ("build", "step 2"), ("build", "step 3")
    return same(rows_of(session, statement), told(at, *near, ("ship", None), ("audit", None), ("idle", None)))


@read()
def join_child_with_parent(session: Session, at: View) -> Answer:
    """The criterion of a child table does not correlate with the same parent in the statement."""
    statement = select(TaskDetail.note, Task.title).join(Task, Task.priority > 0)
    return same(len(rows_of(session, statement)), 15)


@read()
def subclass_table_alone(session: Session, at: View) -> Answer:
    """A subclass table on its own shows the rows of own parents."""
    captions = Image.__table__.c.caption
    return same(session.scalars(select(captions)), at.own.says("caption 1", "caption 2", "caption 5"))


@read()
def join_of_type(session: Session, at: View) -> Answer:
    """A join to a joined subclass finds own pairs."""
    statement = select(Project.name, Image.caption).join(Project.assets.of_type(Image))
    return same(rows_of(session, statement), told(at, ("apollo", "caption 1"), ("gemini", "caption 5")))


@read()
def join_of_type_outer(session: Session, at: View) -> Answer:
    """An outer join to a joined subclass shows no foreign row."""
    statement = select(Project.name, Image.caption).outerjoin(Project.assets.of_type(Image))
    found = ("apollo", "caption 1"), ("gemini", "caption 5"), ("hermes", None)
    return same(rows_of(session, statement), told(at, *found))


@read()
def join_with_polymorphic(session: Session, at: View) -> Answer:
    """A polymorphic FROM shows own rows of all kinds."""
    every = with_polymorphic(Asset, [Image, Video])
    found = rows_of(session, select(every.name, every.Image.caption, every.Video.codec))
    return same(found, told(at, *_assets()))


def _assets() -> list[tuple[str | None, ...]]:
    images = ("image 1", "caption 1", None), ("image 2", "caption 2", None), ("photo 5", "caption 5", None)
    return [*images, ("video 3", None, "av1"), ("asset 4", None, None)]


@read()
def join_with_polymorphic_flat(session: Session, at: View) -> Answer:
    """A flat polymorphic FROM shows own rows of all kinds."""
    every = with_polymorphic(Asset, [Image, Video], flat=True, aliased=True)
    found = rows_of(session, select(every.name, every.Image.caption, every.Video.codec))
    return same(found, told(at, *_assets()))


@read()
def join_with_polymorphic_nested(session: Session, at: View) -> Answer:
    """A polymorphic FROM inside an outer join shows no foreign row."""
    every = with_polymorphic(Asset, [Image, Photo, Video], flat=True)
    statement = select(Project.name, every.name).outerjoin(Project.assets.of_type(every))
    found = ("apollo", "image 1"), ("apollo", "video 3"), ("gemini", "photo 5"), ("hermes", None)
    return same(rows_of(session, statement), told(at, *found))
