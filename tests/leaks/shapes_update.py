"""UPDATE: own rows change, foreign rows do not, and no row changes its tenant."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, func, lambda_stmt, literal, select, true, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased
from sqlalchemy.orm.exc import StaleDataError

from tenantkit.exceptions import IsolationError
from tests.leaks.phrases import done, states
from tests.leaks.registry import NOT_MARIADB, POSTGRES, View, attack, innocent, read, same, stored
from tests.leaks.schema import (
    Comment,
    Document,
    Image,
    Project,
    Tag,
    Task,
    TaskDetail,
    ledger,
    tickets,
)

documents, tasks, details = Document.__table__, Task.__table__, TaskDetail.__table__


def _update_all(session: Session, at: View, **options: Any) -> list[Any]:
    loaded = session.scalars(select(Document)).all()
    statement = update(Document).where(Document.size > 0).values(state=done(at))
    session.execute(statement, execution_options=options)
    return [same([d.state for d in loaded], [done(at)] * 3), states(at, *[done(at)] * 3)]


@innocent()
def update_auto(session: Session, at: View) -> list[Any]:
    """An ORM UPDATE changes own rows and the loaded objects."""
    return _update_all(session, at)


@innocent()
def update_evaluate(session: Session, at: View) -> list[Any]:
    """An ORM UPDATE that evaluates in Python changes own rows."""
    return _update_all(session, at, synchronize_session="evaluate")


@innocent()
def update_fetch(session: Session, at: View) -> list[Any]:
    """An ORM UPDATE that fetches first changes own rows."""
    return _update_all(session, at, synchronize_session="fetch")


@innocent()
def update_unsynchronized(session: Session, at: View) -> list[Any]:
    """An ORM UPDATE that leaves the session alone changes own rows."""
    statement = update(Document).values(state=done(at)).execution_options(synchronize_session=False)
    return [same(session.execute(statement).rowcount, 3), states(at, *[done(at)] * 3)]


@innocent()
def update_core(session: Session, at: View) -> list[Any]:
    """A Core UPDATE without a criterion changes own rows."""
    count = session.execute(documents.update().values(state=done(at))).rowcount
    return [same(count, 3), states(at, *[done(at)] * 3)]


@innocent()
def update_where_or(session: Session, at: View) -> list[Any]:
    """An OR in the caller's criterion changes own rows only."""
    count = session.execute(
        documents.update().where((documents.c.size > 0) | true()).values(state="x")
    ).rowcount
    return [same(count, 3), states(at, "x", "x", "x")]


@innocent()
def update_foreign_id(session: Session, at: View) -> list[Any]:
    """An UPDATE by a foreign id changes nothing."""
    statement = update(Document).where(Document.id == at.foreign.id("document", 1)).values(state="x")
    return [same(session.execute(statement).rowcount, 0)]


@innocent(dialects=NOT_MARIADB)
def update_returning(session: Session, at: View) -> list[Any]:
    """A Core UPDATE returns own rows."""
    statement = documents.update().values(state=done(at)).returning(documents.c.title)
    return [same(session.scalars(statement), at.own.says("charter", "notes", "draft"))]


@innocent(dialects=NOT_MARIADB)
def attack_07_update_returning_entities(session: Session, at: View) -> list[Any]:
    """An ORM UPDATE returns own entities."""
    found = session.scalars(update(Document).values(state=done(at)).returning(Document)).all()
    return [same([d.title for d in found], at.own.says("charter", "notes", "draft"))]


@innocent()
def update_by_primary_key(session: Session, at: View) -> list[Any]:
    """An ORM bulk UPDATE by primary key changes own rows."""
    rows = [{"id": at.own.id("document", n), "state": at.own.say(str(n))} for n in (1, 2)]
    session.execute(update(Document), rows)
    return [states(at, *at.own.says("1", "2"), "new")]


@innocent()
def update_subclass_by_primary_key(session: Session, at: View) -> list[Any]:
    """An ORM bulk UPDATE by primary key of a joined subclass changes own rows."""
    rows = [{"id": at.own.id("asset", n), "caption": done(at), "name": done(at)} for n in (1, 2)]
    session.execute(update(Image), rows)
    return [stored(select(Image.name).where(Image.caption == done(at)), [done(at)] * 2)]


@innocent()
def update_mappings(session: Session, at: View) -> list[Any]:
    """``bulk_update_mappings`` changes own rows."""
    rows = [{"id": at.own.id("document", n), "state": done(at)} for n in (1, 2)]
    session.bulk_update_mappings(Document, rows)
    return [states(at, done(at), done(at), "new")]


@innocent()
def update_executemany(session: Session, at: View) -> list[Any]:
    """A Core UPDATE by executemany changes own rows, and no foreign one among the ids."""
    statement = (
        documents.update().where(documents.c.id == bindparam("b_id")).values(state=bindparam("b_state"))
    )
    rows = [{"b_id": side.id("document", 1), "b_state": done(at)} for side in (at.own, at.foreign)]
    session.connection().execute(statement, rows)
    return [states(at, done(at), "new", "new")]


@innocent()
def update_from(session: Session, at: View) -> list[Any]:
    """UPDATE FROM reads own rows of the other table."""
    statement = update(Document).where(Document.project_id == Project.id).values(state=Project.name)
    session.execute(statement.execution_options(synchronize_session=False))
    return [states(at, at.own.say("apollo"), "new", "new")]


@innocent()
def update_from_core(session: Session, at: View) -> list[Any]:
    """UPDATE FROM an alias of the same table reads own rows."""
    other = documents.alias("other")
    statement = documents.update().where(documents.c.size == other.c.size).values(state=other.c.title)
    session.execute(statement)
    return [states(at, *at.own.says("charter", "notes", "draft"))]


@innocent()
def update_from_subquery(session: Session, at: View) -> list[Any]:
    """UPDATE FROM a subquery reads own rows."""
    totals = (
        select(tasks.c.project_id, func.max(tasks.c.title).label("last"))
        .group_by(tasks.c.project_id)
        .subquery()
    )
    statement = (
        documents.update().where(documents.c.project_id == totals.c.project_id).values(state=totals.c.last)
    )
    session.execute(statement)
    # The draft has no project, and the notes point at a foreign one, as one own task does.
    return [states(at, at.own.say("plan"), at.own.say("ship"), "new")]


@innocent()
def update_correlated(session: Session, at: View) -> list[Any]:
    """A correlated subquery in SET reads own rows."""
    name = select(Project.name).where(Project.id == Document.project_id).scalar_subquery()
    statement = update(Document).values(state=func.coalesce(name, "none"))
    session.execute(statement.execution_options(synchronize_session=False))
    return [states(at, at.own.say("apollo"), "none", "none")]


@innocent()
def update_where_in_select(session: Session, at: View) -> list[Any]:
    """A subquery in the criterion reads own rows."""
    homes = select(Project.id).where(Project.budget > 0)
    session.execute(update(Document).where(Document.project_id.in_(homes)).values(state="x"))
    return [states(at, "x", "new", "new")]


@innocent()
def update_link_by_subquery(session: Session, at: View) -> list[Any]:
    """A foreign key may be set to an own row that a subquery finds."""
    home = select(Project.id).where(Project.name == at.own.say("hermes")).scalar_subquery()
    statement = update(Document).values(project_id=home).execution_options(synchronize_session=False)
    session.execute(statement)
    wanted = [at.own.id("project", 3)] * 3
    return [stored(select(Document.project_id).where(Document.tenant_id == at.own.tenant), wanted)]


@innocent()
def update_ordered(session: Session, at: View) -> list[Any]:
    """``ordered_values`` changes own rows."""
    statement = documents.update().ordered_values((documents.c.size, 1), (documents.c.state, done(at)))
    session.execute(statement)
    return [states(at, *[done(at)] * 3)]


@innocent()
def update_lambda(session: Session, at: View) -> list[Any]:
    """A lambda UPDATE changes own rows."""
    word = done(at)
    session.execute(lambda_stmt(lambda: documents.update().values(state=word)))
    return [states(at, *[word] * 3)]


@innocent()
def update_case(session: Session, at: View) -> list[Any]:
    """CASE and arithmetic in SET work."""
    state = case((Document.size > at.own.much(1), literal("big")), else_=literal("small"))
    session.execute(update(Document).values(state=state, size=Document.size + 0))
    return [states(at, "small", "big", "big")]


@innocent()
def update_child(session: Session, at: View) -> list[Any]:
    """An UPDATE of a child table changes rows of own parents."""
    count = session.execute(details.update().values(note=done(at))).rowcount
    return [same(count, 3)]


@innocent()
def update_child_orm(session: Session, at: View) -> list[Any]:
    """An ORM UPDATE of a child entity changes rows of own parents."""
    count = session.execute(
        update(TaskDetail).where(TaskDetail.note.like("%")).values(note=done(at))
    ).rowcount
    return [same(count, 3)]


@innocent()
def update_subclass(session: Session, at: View) -> list[Any]:
    """An UPDATE of a subclass table changes rows of own parents."""
    count = session.execute(Image.__table__.update().values(caption=done(at))).rowcount
    return [same(count, 3)]


@innocent()
def update_existing_table(session: Session, at: View) -> list[Any]:
    """An UPDATE of a table with its own tenant column changes own rows."""
    count = session.execute(ledger.update().values(memo=done(at))).rowcount
    return [same([count, session.execute(tickets.update().values(subject=done(at))).rowcount], [3, 2])]


@innocent()
def update_alias(session: Session, at: View) -> list[Any]:
    """A subquery on an alias of the updated table reads own rows."""
    other = aliased(Document)
    largest = select(func.max(other.size)).scalar_subquery()
    session.execute(update(Document).where(Document.size == largest).values(state=done(at)))
    return [states(at, done(at), "new", "new")]


@innocent(dialects=POSTGRES)
def update_from_values(session: Session, at: View) -> list[Any]:
    """UPDATE FROM a CTE changes own rows."""
    chosen = select(Document.id).where(Document.size > at.own.much(2)).cte("chosen")
    session.execute(documents.update().where(documents.c.id == chosen.c.id).values(state=done(at)))
    return [states(at, done(at), "new", "new")]


@read()
def update_set_foreign_text(session: Session, at: View) -> Any:
    """A subquery in SET reads no foreign row."""
    theirs = select(Comment.body).where(Comment.body == at.foreign.say("hello")).scalar_subquery()
    statement = update(Document).values(state=func.coalesce(theirs, "none"))
    session.execute(statement.execution_options(synchronize_session=False))
    return same(session.scalars(select(Document.state).distinct()), ["none"])


@read()
def update_set_foreign_name(session: Session, at: View) -> Any:
    """UPDATE FROM without a link between the tables reads no foreign row."""
    red = documents.update().where(Tag.name.like("%:red"), Tag.name != documents.c.title)
    session.execute(red.values(state=Tag.name))
    return same(session.scalars(select(Document.state).distinct()), at.own.says("red"))


@attack(StaleDataError, IsolationError)
def update_foreign_by_primary_key(session: Session, at: View) -> None:
    """An ORM bulk UPDATE by a foreign primary key changes nothing."""
    session.execute(update(Document), [{"id": at.foreign.id("document", 1), "state": "stolen"}])


@attack(StaleDataError, IsolationError)
def update_foreign_mapping(session: Session, at: View) -> None:
    """``bulk_update_mappings`` of a foreign primary key changes nothing."""
    session.bulk_update_mappings(Document, [{"id": at.foreign.id("document", 1), "state": "stolen"}])


@attack(StaleDataError, IsolationError)
def update_foreign_subclass_mapping(session: Session, at: View) -> None:
    """``bulk_update_mappings`` of a foreign subclass row changes nothing."""
    session.bulk_update_mappings(Image, [{"id": at.foreign.id("asset", 1), "caption": "stolen"}])


@attack(IsolationError, IntegrityError, quiet=True)
def attack_07_update_of_extra_from(session: Session, at: View) -> object:
    """An extra FROM of an UPDATE reads no foreign row."""
    theirs = (Project.name == at.foreign.say("apollo")) & (Project.name != documents.c.title)
    session.execute(documents.update().where(theirs).values(state=Project.name))
    return session.scalars(select(Document.state)).all()
