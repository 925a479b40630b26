"""Flushes that change own rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.leaks.phrases import done, states
from tests.leaks.registry import View, innocent, same, stored
from tests.leaks.schema import (
    Board,
    Document,
    Event,
    Image,
    Milestone,
    Preference,
    Project,
    Task,
    TaskDetail,
)

documents, tasks, details = Document.__table__, Task.__table__, TaskDetail.__table__


@innocent()
def flush_change(session: Session, at: View) -> list[Any]:
    """A changed object is flushed."""
    document = session.get_one(Document, at.own.id("document", 1))
    document.state = done(at)
    session.flush()
    return [states(at, done(at), "new", "new")]


@innocent()
def flush_many_changes(session: Session, at: View) -> list[Any]:
    """Many changed objects are flushed at once, each with its own values."""
    for number, document in enumerate(session.scalars(select(Document).order_by(Document.size))):
        document.state = at.own.say(str(number))
    session.flush()
    return [states(at, *at.own.says("0", "1", "2"))]


@innocent()
def flush_subclass_change(session: Session, at: View) -> list[Any]:
    """A changed object of a joined subclass is flushed to both its tables."""
    image = session.get_one(Image, at.own.id("asset", 1))
    image.name, image.caption = at.own.says("new name", "new caption")
    session.flush()
    return [
        stored(select(Image.caption).where(Image.name == at.own.say("new name")), at.own.says("new caption"))
    ]


@innocent()
def flush_versioned_change(session: Session, at: View) -> list[Any]:
    """A changed object with a version counter is flushed."""
    event = session.get_one(Event, at.own.id("event", 1))
    event.name = done(at)
    session.flush()
    return [same(event.version, 2)]


@innocent()
def flush_child_change(session: Session, at: View) -> list[Any]:
    """A changed child without a tenant column is flushed."""
    session.get_one(TaskDetail, at.own.id("detail", 1)).note = done(at)
    session.flush()
    return [stored(select(TaskDetail.note).where(TaskDetail.note == done(at)), [done(at)])]


@innocent()
def flush_change_in_key_table(session: Session, at: View) -> list[Any]:
    """A changed object whose key holds the tenant is flushed."""
    session.get_one(Preference, (at.own.tenant, "colour")).value = done(at)
    session.flush()
    return [stored(select(Preference.name).where(Preference.value == done(at)), ["colour"])]


@innocent()
def flush_sql_expression(session: Session, at: View) -> list[Any]:
    """An attribute that is set to an expression is flushed."""
    document = session.get_one(Document, at.own.id("document", 1))
    document.size = Document.size + 1
    session.flush()
    return [same(document.size, at.own.much(1) + 1)]


@innocent()
def flush_move_to_own_parent(session: Session, at: View) -> list[Any]:
    """An object moves between own parents, by attribute and by key."""
    first, second = (session.get_one(Document, at.own.id("document", n)) for n in (1, 3))
    first.project = session.get_one(Project, at.own.id("project", 2))
    second.project_id = at.own.id("project", 2)
    session.flush()
    moved = select(Document.title).where(Document.project_id == at.own.id("project", 2))
    return [stored(moved, at.own.says("charter", "draft"))]


@innocent()
def flush_mend_corrupt_pointer(session: Session, at: View) -> list[Any]:
    """A corrupt pointer can be cut."""
    session.get_one(Task, at.own.id("task", 3)).project_id = None
    session.flush()
    return [stored(select(Task.project_id).where(Task.id == at.own.id("task", 3)), [None])]


@innocent()
def flush_beside_corrupt_pointer(session: Session, at: View) -> list[Any]:
    """A row with a corrupt pointer can change in its other columns."""
    session.get_one(Task, at.own.id("task", 3)).title = done(at)
    session.flush()
    return [stored(select(Task.title).where(Task.id == at.own.id("task", 3)), [done(at)])]


@innocent()
def flush_composite_key(session: Session, at: View) -> list[Any]:
    """A link by a key that holds the tenant can move to another own row."""
    milestone = session.get_one(Milestone, at.own.id("milestone", 1))
    milestone.board = session.get_one(Board, at.own.id("board", 2))
    session.flush()
    return [stored(select(Milestone.board_id).where(Milestone.id == milestone.id), [at.own.id("board", 2)])]
