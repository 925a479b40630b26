"""The identity map: get, refresh, expire, merge, and what a session answers without SQL."""

from __future__ import annotations

import pickle
from contextlib import closing

import pytest
from sqlalchemy import inspect, select
from sqlalchemy.exc import IntegrityError, InvalidRequestError, NoResultFound
from sqlalchemy.orm import Session, joinedload, make_transient, selectinload
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from tenantkit.core.scope import enter
from tenantkit.exceptions import IsolationError, ScopeChanged
from tenantkit.isolation import UnscopedSession
from tests.leaks.phrases import forged
from tests.leaks.registry import POSTGRES, Answer, View, attack, innocent, read, same, stored
from tests.leaks.schema import Document, Event, Image, Preference, Project, Step, Tag, Task, TaskDetail

NEEDS_SCOPES = "a plain session knows no scope that could change"


@innocent()
def get_own(session: Session, at: View) -> Answer:
    """``get`` of an own id returns the row."""
    return same(session.get(Document, at.own.id("document", 1)).title, at.own.say("charter"))


@innocent()
def get_own_twice(session: Session, at: View) -> Answer:
    """``get`` answers from the identity map inside its scope."""
    first = session.get(Document, at.own.id("document", 1))
    return same(session.get(Document, at.own.id("document", 1)) is first, True)


@innocent()
def get_own_with_options(session: Session, at: View) -> Answer:
    """``get`` with options, a lock and ``populate_existing`` returns the row."""
    options = {"options": [joinedload(Document.project)], "populate_existing": True}
    document = session.get(Document, at.own.id("document", 1), **options)
    locked = session.get(Document, at.own.id("document", 3), with_for_update=True)
    return same([document.project.name, locked.title], at.own.says("apollo", "draft"))


@read()
def get_foreign(session: Session, at: View) -> Answer:
    """``get`` of a foreign id returns nothing."""
    found = session.get(Document, at.foreign.id("document", 1))
    return same(found and found.title, None)


@read()
def get_one_foreign(session: Session, at: View) -> Answer:
    """``get_one`` of a foreign id finds no row."""
    try:
        return same(session.get_one(Document, at.foreign.id("document", 1)).title, None)
    except NoResultFound:
        return same(None, None)


@read()
def get_foreign_of_each_kind(session: Session, at: View) -> Answer:
    """``get`` of foreign children and subclasses returns nothing."""
    detail = session.get(TaskDetail, at.foreign.id("detail", 1))
    image = session.get(Image, at.foreign.id("asset", 1))
    return same([detail and detail.note, image and image.caption], [None, None])


@read()
def get_by_tenant_in_key(session: Session, at: View) -> Answer:
    """``get`` of a key that names the tenant finds the own row and not the foreign one."""
    found = [session.get(Preference, (side.tenant, "colour")) for side in (at.own, at.foreign)]
    return same([row and row.value for row in found], [at.own.say("colour"), None])


@read()
def get_corrupt_parent(session: Session, at: View) -> Answer:
    """An attribute that points at a foreign row is None, before and after a load by key."""
    task = session.get_one(Task, at.own.id("task", 3))
    found = [task.project, session.get(Project, task.project_id)]
    return same([row and row.name for row in found], [None, None])


@read()
def get_with_children(session: Session, at: View) -> Answer:
    """``get`` with eager loads shows no foreign child."""
    options = [selectinload(Project.tasks), joinedload(Project.documents)]
    project = session.get_one(Project, at.own.id("project", 1), options=options)
    return same(
        [row.title for row in (*project.tasks, *project.documents)], at.own.says("plan", "build", "charter")
    )


@innocent()
def refresh_own(session: Session, at: View) -> Answer:
    """``refresh`` reads an own row again."""
    document = session.get_one(Document, at.own.id("document", 1))
    session.refresh(document)
    session.refresh(document, ["title", "project"])
    return same([document.title, document.project.name], at.own.says("charter", "apollo"))


@innocent()
def refresh_own_locked(session: Session, at: View) -> Answer:
    """``refresh`` with a lock reads an own row of two tables again."""
    image = session.get_one(Image, at.own.id("asset", 1))
    session.refresh(image, with_for_update=True)
    return same([image.name, image.caption], at.own.says("image 1", "caption 1"))


@innocent()
def expire_and_read(session: Session, at: View) -> Answer:
    """An expired attribute is loaded again."""
    document = session.get_one(Document, at.own.id("document", 1))
    session.expire(document)
    first = document.title
    session.expire_all()
    return same([first, document.path], at.own.says("charter", "/charter"))


@innocent()
def read_after_commit(session: Session, at: View) -> Answer:
    """An object is read again after a commit, and after a rollback."""
    image = session.get_one(Image, at.own.id("asset", 1))
    session.commit()
    first = image.caption
    session.rollback()
    return same([first, image.name], at.own.says("caption 1", "image 1"))


@attack(InvalidRequestError, ObjectDeletedError, IsolationError)
def refresh_forged(session: Session, at: View) -> object:
    """``refresh`` of an object with a foreign identity finds nothing."""
    claimed = forged(Document, id=at.foreign.id("document", 1))
    session.add(claimed)
    session.refresh(claimed)
    return claimed.title


@attack(ObjectDeletedError, IsolationError)
def read_forged(session: Session, at: View) -> object:
    """An unloaded attribute of an object with a foreign identity finds nothing."""
    claimed = forged(Document, id=at.foreign.id("document", 1))
    session.add(claimed)
    return claimed.title


@attack(quiet=True)
def read_forged_collection(session: Session, at: View) -> object:
    """A collection of an object with a foreign identity is empty."""
    claimed = forged(Project, id=at.foreign.id("project", 1))
    session.add(claimed)
    return [task.title for task in claimed.tasks if task.title.startswith(at.foreign.slug)]


@innocent()
def merge_own(session: Session, at: View) -> list[object]:
    """``merge`` of a detached own object changes the own row."""
    document = session.get_one(Document, at.own.id("document", 1))
    session.expunge(document)
    document.title = at.own.say("merged")
    session.merge(document)
    session.flush()
    return [stored(select(Document.title).where(Document.id == document.id), at.own.says("merged"))]


@innocent()
def merge_new(session: Session, at: View) -> list[object]:
    """``merge`` of a new object inserts and stamps it."""
    new = Tag(id=at.own.id("tag", 80), name=at.own.say("merged"))
    session.merge(new)
    session.flush()
    return [stored(select(Tag.tenant_id).where(Tag.id == new.id), [at.own.tenant])]


@innocent()
def merge_without_load(session: Session, at: View) -> Answer:
    """``merge`` of an own object without a load returns it."""
    document = session.get_one(Document, at.own.id("document", 1))
    session.expunge(document)
    return same(session.merge(document, load=False).title, at.own.say("charter"))


@attack(IntegrityError, IsolationError)
def merge_foreign_id(session: Session, at: View) -> None:
    """``merge`` of a new object with a foreign id changes no foreign row."""
    session.merge(Tag(id=at.foreign.id("tag", 3), name=at.own.say("stolen")))
    session.flush()


@attack(IntegrityError, StaleDataError, IsolationError)
def merge_forged(session: Session, at: View) -> None:
    """``merge`` of an object with a foreign identity, not loaded, changes no foreign row."""
    claimed = forged(Document, id=at.foreign.id("document", 1))
    merged = session.merge(claimed, load=False)
    merged.title = at.own.say("stolen")
    session.flush()


@attack(pinned=True, ambient=False)
def merge_object_of_another_tenant(session: Session, at: View) -> object:
    """An object that another tenant's session loaded cannot be merged."""
    theirs = at.open(at.foreign).get_one(Document, at.foreign.id("document", 1))
    return session.merge(theirs, load=False).title


@attack(pinned=True, ambient=False)
def add_object_of_another_tenant(session: Session, at: View) -> object:
    """An object that another tenant's session loaded cannot be added, even when it is detached."""
    other = at.open(at.foreign)
    theirs = other.get_one(Document, at.foreign.id("document", 1))
    other.expunge(theirs)
    session.add(theirs)
    return theirs.title


@attack(pinned=True, ambient=False)
def merge_child_of_another_tenant(session: Session, at: View) -> object:
    """A row without a tenant column, which another tenant's session has loaded and holds, cannot be merged."""
    theirs = at.open(at.foreign).get_one(Step, at.foreign.id("step", 1))
    return session.merge(theirs, load=False).words


@attack(pinned=True, ambient=False)
def add_child_of_another_tenant(session: Session, at: View) -> object:
    """A row without a tenant column, which another tenant's session has loaded and let go, cannot be added."""
    other = at.open(at.foreign)
    theirs = other.get_one(Step, at.foreign.id("step", 1))
    other.expunge(theirs)
    session.add(theirs)
    return theirs.words


@attack(pinned=True, ambient=False)
def add_unpickled_child(session: Session, at: View) -> object:
    """A row without a tenant column that comes out of a cache cannot be added: nothing shows whose it is."""
    theirs = pickle.loads(pickle.dumps(at.open(at.foreign).get_one(Step, at.foreign.id("step", 1))))
    session.add(theirs)
    return theirs.words


@attack(pinned=True, ambient=False)
def merge_unpickled_child(session: Session, at: View) -> object:
    """A row without a tenant column that comes out of a cache cannot be merged unseen."""
    theirs = pickle.loads(pickle.dumps(at.open(at.foreign).get_one(Step, at.foreign.id("step", 1))))
    return session.merge(theirs, load=False).words


@innocent()
def own_child_comes_back(session: Session, at: View) -> Answer:
    """A row without a tenant column can be let go and added, or merged, in its own scope, out of a cache too."""
    step = session.get_one(Step, at.own.id("step", 1))
    session.expunge(step)
    step = pickle.loads(pickle.dumps(step))
    session.add(step)
    session.expunge(step)
    return same(session.merge(step, load=False).words, at.own.say("step 1"))


@attack(IsolationError, IntegrityError, pinned=True, ambient=False, inert="the copy keeps its id")
def add_copy_of_another_tenant(session: Session, at: View) -> None:
    """An object that was made transient again cannot be added with its foreign tenant."""
    other = at.open(at.foreign)
    theirs = other.get_one(Tag, at.foreign.id("tag", 3))
    other.expunge(theirs)
    make_transient(theirs)
    session.add(theirs)
    session.flush()


@attack(pinned=True)
def merge_object_of_unscoped_session(session: Session, at: View) -> object:
    """An object that a session of all tenants loaded cannot be merged."""
    with UnscopedSession(at.owner) as everybody:
        theirs = everybody.get_one(Document, at.foreign.id("document", 1))
    return session.merge(theirs, load=False).title


@attack(pinned=True)
def add_object_of_unscoped_session(session: Session, at: View) -> object:
    """An object that a session of all tenants loaded cannot be added, not even an own one."""
    with UnscopedSession(at.owner) as everybody:
        ours = everybody.get_one(Project, at.own.id("project", 1))
        seen = sorted(task.title for task in everybody.scalars(select(Task)))
    session.add(ours)
    return seen


@innocent()
def cross_session_of_one_tenant(session: Session, at: View) -> Answer:
    """An object moves between two sessions of its own tenant."""
    other = at.open(at.own)
    document = other.get_one(Document, at.own.id("document", 1))
    other.expunge(document)
    session.add(document)
    return same([document.title, document.project.name], at.own.says("charter", "apollo"))


@innocent(pinned=True, ambient=False)
def two_sessions_side_by_side(session: Session, at: View) -> Answer:
    """Sessions of two tenants work side by side."""
    other = at.open(at.foreign)
    own = session.get_one(Document, at.own.id("document", 1))
    other.get_one(Document, at.foreign.id("document", 1))
    none = other.get(Document, at.own.id("document", 1))
    return same([own.project.name, none], [at.own.say("apollo"), None])


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_get_under_another_scope(session: Session, at: View) -> object:
    """``get`` from the identity map is refused under another tenant's scope."""
    held = session.get_one(Document, at.own.id("document", 1))  # else it leaves the identity map at once
    with enter(at.scope(at.foreign)):
        return session.get(Document, at.own.id("document", 1)) is held


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_lazy_load_under_another_scope(session: Session, at: View) -> object:
    """A lazy load from the identity map is refused under another tenant's scope."""
    held = session.get_one(Project, at.own.id("project", 1))
    task = session.get_one(Task, at.own.id("task", 1))
    with enter(at.scope(at.foreign)):
        return task.project is held


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_yield_per_under_another_scope(session: Session, at: View) -> object:
    """A stream does not go on under another tenant's scope."""
    with closing(session.scalars(select(Task).execution_options(yield_per=1))) as tasks:
        next(tasks)
        with enter(at.scope(at.foreign)):
            return next(tasks) is not None


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_stream_under_another_scope(session: Session, at: View) -> object:
    """A stream of rows does not go on under another tenant's scope."""
    statement = select(Task.title).execution_options(stream_results=True, max_row_buffer=1)
    with closing(session.execute(statement)) as rows:
        rows.fetchone()
        with enter(at.scope(at.foreign)):
            return len(rows.fetchall())


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_execute_under_another_scope(session: Session, at: View) -> object:
    """A statement is refused under another tenant's scope."""
    with enter(at.scope(at.foreign)):
        return len(session.scalars(select(Document.id)).all())


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_refresh_under_another_scope(session: Session, at: View) -> object:
    """Refresh and expired attributes are refused under another tenant's scope."""
    document = session.get_one(Document, at.own.id("document", 1))
    session.expire(document)
    with enter(at.scope(at.foreign)):
        return document.title


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_flush_under_another_scope(session: Session, at: View) -> None:
    """A flush is refused under another tenant's scope."""
    session.add(Tag(id=at.own.id("tag", 81), name=at.own.say("late")))
    with enter(at.scope(at.foreign)):
        session.flush()


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def attack_21_connection_under_another_scope(session: Session, at: View) -> object:
    """The session's connection is refused under another tenant's scope."""
    connection = session.connection()
    with enter(at.scope(at.foreign)):
        return len(session.connection().execute(select(Document.id)).all()) + len(connection.info)


@innocent(pinned=True)
def own_scope_entered_again(session: Session, at: View) -> Answer:
    """A session works under its own tenant's scope, entered anew."""
    with enter(at.scope(at.own)):
        return same(session.get_one(Document, at.own.id("document", 1)).title, at.own.say("charter"))


@innocent()
def inspection(session: Session, at: View) -> Answer:
    """The state of an object can be inspected, changed and rolled back."""
    event = session.get_one(Event, at.own.id("event", 1))
    event.name = at.own.say("other")
    changed = inspect(event).attrs.name.history.has_changes()
    session.rollback()
    return same([changed, event.name], [True, at.own.say("launch")])


@read(dialects=POSTGRES)
def get_locked_of(session: Session, at: View) -> Answer:
    """FOR UPDATE OF on an outer join with a child table locks own rows."""
    statement = select(Task).outerjoin(Task.details).with_for_update(of=Task, skip_locked=True)
    found = [task.title for task in session.scalars(statement)]
    with pytest.raises(NoResultFound):
        session.get_one(Task, at.foreign.id("task", 1), with_for_update={"of": Task})
    return same(found, at.own.says("plan", "build", "ship", "audit", "idle"))


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def merge_key_after_scope_changed(session: Session, at: View) -> object:
    """``merge`` of an object with a known key is not answered from the identity map in another scope."""
    known = session.get_one(Document, at.own.id("document", 1))
    with enter(at.scope(at.foreign)):
        return session.merge(Document(id=known.id)).title


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def iterate_after_scope_changed(session: Session, at: View) -> object:
    """The objects of a session are not listed in another scope."""
    known = session.get_one(Document, at.own.id("document", 1))
    with enter(at.scope(at.foreign)):
        return [found.title for found in session if found is known]


@attack(pinned=True, inert="without the library all sessions are of one kind")
def add_object_lent_to_unscoped_session(session: Session, at: View) -> object:
    """An own object that was in a session of all tenants, where it may have loaded anything, does not come back."""
    ours = session.get_one(Project, at.own.id("project", 1))
    session.expunge(ours)
    with UnscopedSession(at.owner) as everybody:
        everybody.add(ours)
        everybody.refresh(ours)
        everybody.expunge(ours)
    session.add(ours)
    return ours.task_count
