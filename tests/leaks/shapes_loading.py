"""Relationships, loaded in every way, across corrupt pointers; polymorphic loads."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import (
    Session,
    aliased,
    defer,
    immediateload,
    joinedload,
    lazyload,
    raiseload,
    selectin_polymorphic,
    selectinload,
    subqueryload,
    undefer,
    with_loader_criteria,
    with_polymorphic,
)

from tests.leaks.registry import Answer, View, read, same
from tests.leaks.schema import (
    Asset,
    Board,
    Comment,
    Document,
    Event,
    Image,
    Milestone,
    Photo,
    Project,
    Tag,
    Task,
    TaskDetail,
    Video,
)


def _homes(at: View) -> dict[str, str | None]:
    homes = dict.fromkeys(at.own.says("plan", "build"), at.own.say("apollo"))
    return {
        **homes,
        at.own.say("ship"): None,
        at.own.say("audit"): at.own.say("gemini"),
        at.own.say("idle"): None,
    }


def _loaded_homes(session: Session, at: View, option: Any) -> Answer:
    tasks = session.scalars(select(Task).options(option(Task.project)))
    return same({task.title: task.project.name if task.project else None for task in tasks}, _homes(at))


def _loaded_children(session: Session, at: View, option: Any) -> Answer:
    tasks = session.scalars(select(Task).options(option(Task.children))).unique()
    found = {task.title: [child.title for child in task.children] for task in tasks}
    childless = {title: [] for title in at.own.says("build", "ship", "audit", "idle")}
    return same(found, {at.own.say("plan"): at.own.says("build"), **childless})


def _loaded_tags(session: Session, at: View, option: Any) -> Answer:
    tasks = session.scalars(select(Task).options(option(Task.tags))).unique()
    found = {task.title: sorted(tag.name for tag in task.tags) for task in tasks}
    tagless = {title: [] for title in at.own.says("ship", "audit", "idle")}
    tagged = {at.own.say("plan"): at.own.says("blue", "red"), at.own.say("build"): at.own.says("red")}
    return same(found, {**tagged, **tagless})


def _loaded_comments(session: Session, at: View, option: Any) -> Answer:
    tasks = session.scalars(select(Task).options(option(Task.comments))).unique()
    found = [comment.body for task in tasks for comment in task.comments]
    return same(found, at.own.says("hello", "well", "bye"))


@read()
def many_to_one_joined(session: Session, at: View) -> Answer:
    """A joined load of a parent shows no foreign parent."""
    return _loaded_homes(session, at, joinedload)


@read()
def many_to_one_selectin(session: Session, at: View) -> Answer:
    """A selectin load of a parent shows no foreign parent."""
    return _loaded_homes(session, at, selectinload)


@read()
def many_to_one_subquery(session: Session, at: View) -> Answer:
    """A subquery load of a parent shows no foreign parent."""
    return _loaded_homes(session, at, subqueryload)


@read()
def many_to_one_lazy(session: Session, at: View) -> Answer:
    """A lazy load of a parent shows no foreign parent."""
    return _loaded_homes(session, at, lazyload)


@read()
def many_to_one_immediate(session: Session, at: View) -> Answer:
    """An immediate load of a parent shows no foreign parent."""
    return _loaded_homes(session, at, immediateload)


@read()
def many_to_one_raise(session: Session, at: View) -> Answer:
    """A raise load raises, and shows no parent at all."""
    task = session.scalars(select(Task).options(raiseload(Task.project)).limit(1)).one()
    with pytest.raises(InvalidRequestError):
        _ = task.project
    return same(task.title.partition(":")[0], at.own.slug)


@read()
def many_to_one_raise_on_sql(session: Session, at: View) -> Answer:
    """A raise-on-SQL load answers from the identity map with own rows only."""
    projects = session.scalars(select(Project)).all()
    option = raiseload(Task.project, sql_only=True)
    tasks = session.scalars(select(Task).where(Task.project.has()).options(option)).all()
    found = [task.project.name for task in tasks]
    return same([*found, len(projects)], [*at.own.says("apollo", "apollo", "gemini"), 3])


@read()
def one_to_many_joined(session: Session, at: View) -> Answer:
    """A joined load of children shows no foreign child."""
    return _loaded_children(session, at, joinedload)


@read()
def one_to_many_selectin(session: Session, at: View) -> Answer:
    """A selectin load of children shows no foreign child."""
    return _loaded_children(session, at, selectinload)


@read()
def one_to_many_subquery(session: Session, at: View) -> Answer:
    """A subquery load of children shows no foreign child."""
    return _loaded_children(session, at, subqueryload)


@read()
def one_to_many_lazy(session: Session, at: View) -> Answer:
    """A lazy load of children shows no foreign child."""
    return _loaded_children(session, at, lazyload)


@read()
def one_to_many_immediate(session: Session, at: View) -> Answer:
    """An immediate load of children shows no foreign child."""
    return _loaded_children(session, at, immediateload)


@read()
def one_to_many_joined_inner(session: Session, at: View) -> Answer:
    """A joined load by an inner join shows no foreign child."""
    tasks = session.scalars(select(Task).options(joinedload(Task.comments, innerjoin=True))).unique()
    return same([c.body for task in tasks for c in task.comments], at.own.says("hello", "well", "bye"))


@read()
def many_to_many_joined(session: Session, at: View) -> Answer:
    """A joined load over an association table passes no foreign link."""
    return _loaded_tags(session, at, joinedload)


@read()
def many_to_many_selectin(session: Session, at: View) -> Answer:
    """A selectin load over an association table passes no foreign link."""
    return _loaded_tags(session, at, selectinload)


@read()
def many_to_many_subquery(session: Session, at: View) -> Answer:
    """A subquery load over an association table passes no foreign link."""
    return _loaded_tags(session, at, subqueryload)


@read()
def many_to_many_lazy(session: Session, at: View) -> Answer:
    """A lazy load over an association table passes no foreign link."""
    return _loaded_tags(session, at, lazyload)


@read()
def many_to_many_backwards(session: Session, at: View) -> Answer:
    """A lazy load over an association table from the other end passes no foreign link."""
    found = {tag.name: sorted(task.title for task in tag.tasks) for tag in session.scalars(select(Tag))}
    wanted = at.own.says("build", "plan"), at.own.says("plan"), []
    return same(found, dict(zip(at.own.says("red", "blue", "green"), wanted, strict=True)))


@read()
def comments_joined(session: Session, at: View) -> Answer:
    """A joined load of children with a tenant of their own shows no foreign child."""
    return _loaded_comments(session, at, joinedload)


@read()
def comments_selectin(session: Session, at: View) -> Answer:
    """A selectin load of children with a tenant of their own shows no foreign child."""
    return _loaded_comments(session, at, selectinload)


@read()
def comments_lazy(session: Session, at: View) -> Answer:
    """A lazy load of children with a tenant of their own shows no foreign child."""
    return _loaded_comments(session, at, lazyload)


@read()
def chain_of_loads(session: Session, at: View) -> Answer:
    """A chain of different loads stays inside at each link."""
    chain = selectinload(Project.tasks).joinedload(Task.details).subqueryload(TaskDetail.steps)
    projects = session.scalars(select(Project).options(chain)).all()
    tasks = [task for project in projects for task in project.tasks]
    words = [step.words for task in tasks for detail in task.details for step in detail.steps]
    wanted = at.own.says("plan", "build", "audit", "step 1", "step 2", "step 3")
    return same([*(task.title for task in tasks), *words], wanted)


@read()
def chain_of_joined_loads(session: Session, at: View) -> Answer:
    """A chain of joined loads across a corrupt pointer stays inside."""
    chain = joinedload(Comment.task).joinedload(Task.project)
    comments = session.scalars(select(Comment).options(chain))
    found = [c.task.project.name if c.task and c.task.project else None for c in comments]
    return same(found, [*at.own.says("apollo", "apollo"), None, None])


@read()
def joined_load_with_limit(session: Session, at: View) -> Answer:
    """A joined load around a limited subquery stays inside."""
    statement = select(Project).options(joinedload(Project.tasks)).order_by(Project.budget).limit(1)
    found = [task.title for project in session.scalars(statement).unique() for task in project.tasks]
    return same(found, at.own.says("plan", "build"))


@read()
def loader_criteria_of_the_host(session: Session, at: View) -> Answer:
    """Loader criteria of the host's own work beside the scope."""
    small = with_loader_criteria(Task, Task.priority < at.own.much(2))
    projects = session.scalars(select(Project).options(selectinload(Project.tasks), small))
    return same([task.title for project in projects for task in project.tasks], at.own.says("plan"))


@read()
def write_only_collection(session: Session, at: View) -> Answer:
    """A select of a write-only collection shows no foreign child."""
    project = session.get_one(Project, at.own.id("project", 1))
    return same(
        [task.title for task in session.scalars(project.task_stream.select())], at.own.says("plan", "build")
    )


@read()
def dynamic_collection(session: Session, at: View) -> Answer:
    """A dynamic collection shows and counts no foreign child."""
    project = session.get_one(Project, at.own.id("project", 1))
    found = [task.title for task in project.task_query.filter(Task.priority > 0)]
    return same([*found, project.task_query.count()], [*at.own.says("plan", "build"), 2])


@read()
def association_proxy(session: Session, at: View) -> Answer:
    """An association proxy lists no foreign end."""
    found = [name for task in session.scalars(select(Task)) for name in task.tag_names]
    return same(found, at.own.says("red", "blue", "red"))


@read()
def composite_key_relationship(session: Session, at: View) -> Answer:
    """A relationship over a key that holds the tenant stays inside."""
    boards = session.scalars(select(Board).options(selectinload(Board.milestones))).all()
    milestones = session.scalars(select(Milestone).options(joinedload(Milestone.board)))
    found = [m.label for board in boards for m in board.milestones] + [m.board.label for m in milestones]
    return same(found, at.own.says("alpha", "board 1"))


@read()
def deferred_column(session: Session, at: View) -> Answer:
    """A deferred column is loaded later from own rows."""
    documents = session.scalars(select(Document).options(defer(Document.path))).all()
    return same([d.path for d in documents], at.own.says("/charter", "/notes", "/draft"))


@read()
def undeferred_column_property(session: Session, at: View) -> Answer:
    """A column property that is loaded through a relationship counts no foreign child."""
    option = joinedload(Task.project).options(undefer(Project.task_count))
    tasks = session.scalars(select(Task).options(option))
    return same([t.project.task_count for t in tasks if t.project], [2, 2, 1])


@read()
def polymorphic_root(session: Session, at: View) -> Answer:
    """A select of a joined root returns own rows, each of its class, whose columns load later."""
    found = [getattr(a, "caption", getattr(a, "codec", None)) for a in session.scalars(select(Asset))]
    return same(found, [*at.own.says("caption 1", "caption 2", "av1", "caption 5"), None])


@read()
def polymorphic_subclass(session: Session, at: View) -> Answer:
    """A select of a joined subclass returns own rows, its subclasses too."""
    found = [image.caption for image in session.scalars(select(Image))]
    return same(found, at.own.says("caption 1", "caption 2", "caption 5"))


@read()
def polymorphic_leaf(session: Session, at: View) -> Answer:
    """A select of a subclass of a subclass returns own rows."""
    found = [(p.camera, p.caption, p.name) for p in session.scalars(select(Photo))]
    return same(found, [tuple(at.own.says("leica", "caption 5", "photo 5"))])


@read()
def polymorphic_with(session: Session, at: View) -> Answer:
    """Entities from a polymorphic FROM are own rows."""
    every = with_polymorphic(Asset, "*")
    found = [a.name for a in session.scalars(select(every).order_by(every.name))]
    return same(found, at.own.says("asset 4", "image 1", "image 2", "photo 5", "video 3"))


@read()
def polymorphic_selectin(session: Session, at: View) -> Answer:
    """A selectin load of subclass columns returns own rows."""
    assets = session.scalars(select(Asset).options(selectin_polymorphic(Asset, [Image, Video]))).all()
    found = [a.__dict__.get("caption", a.__dict__.get("codec")) for a in assets]
    return same(found, [*at.own.says("caption 1", "caption 2", "av1", "caption 5"), None])


@read()
def polymorphic_relationship(session: Session, at: View) -> Answer:
    """A collection of a joined inheritance shows no foreign member."""
    project = session.get_one(Project, at.own.id("project", 1))
    return same([asset.name for asset in project.assets], at.own.says("image 1", "video 3"))


@read()
def polymorphic_eager_of_type(session: Session, at: View) -> Answer:
    """A joined load of subclasses shows no foreign member."""
    every = with_polymorphic(Asset, [Image], flat=True)
    projects = session.scalars(select(Project).options(joinedload(Project.assets.of_type(every)))).unique()
    found = [asset.name for project in projects for asset in project.assets]
    return same(found, at.own.says("image 1", "video 3", "photo 5"))


@read()
def polymorphic_alias(session: Session, at: View) -> Answer:
    """An alias of a joined subclass returns own rows."""
    alias = aliased(Image, flat=True)
    return same(session.scalars(select(alias.caption).where(alias.name.like("%:image%"))), _captions(at))


def _captions(at: View) -> list[str]:
    return at.own.says("caption 1", "caption 2")


@read()
def single_inheritance_count(session: Session, at: View) -> Answer:
    """A count of a single-table hierarchy counts own rows."""
    return same(
        session.execute(select(Event.kind, func.count()).group_by(Event.kind)), [("event", 1), ("meeting", 1)]
    )
