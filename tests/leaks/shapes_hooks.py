"""Rows for hooks that no other shape reaches: each of these goes red when its hook is taken out."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from sqlalchemy import (
    ColumnDefault,
    ColumnElement,
    Sequence,
    String,
    delete,
    extract,
    func,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from tenantkit.core.scope import enter
from tenantkit.exceptions import ForeignTenant, IsolationError, ScopeChanged, StatementRefused
from tests.leaks.phrases import all_memos, new_tag, owned_tags
from tests.leaks.registry import MARIADB, POSTGRES, Answer, View, attack, innocent, read, same, stored
from tests.leaks.schema import Document, Project, Tag, TaskDetail, ledger

NEEDS_SCOPES = "a plain session knows no scope that could change"
documents = Document.__table__


class OrderedByForeign(ColumnElement[str]):
    """An element whose SQL the application makes."""

    inherit_cache = True
    type = String()


@compiles(OrderedByForeign)
def _ordered(element: OrderedByForeign, compiler: Any, **_kw: Any) -> str:
    return "(SELECT max(memo) FROM ledger)"


@attack(StatementRefused)
def alias_named_as_a_parent(session: Session, at: View) -> object:
    """An alias may not have a name by which conditions look for parents."""
    taken = Project.__table__.alias("tenantkit_parent_1")
    return session.scalars(select(TaskDetail.note).join(taken, taken.c.id.is_not(None))).all()


@attack(StatementRefused, inert="it shows the rows that it names")
def cte_named_as_a_table(session: Session, at: View) -> object:
    """A CTE may not hide a table, in which a condition could look for a parent."""
    hiding = select(documents.c.id).cte("tasks")
    return session.scalars(select(hiding.c.id)).all()


@attack(StatementRefused, inert="an order shows nothing here")
def union_ordered_by_compiled_element(session: Session, at: View) -> object:
    """An element of the application's in the ORDER BY of a UNION is refused."""
    parts = union_all(select(Tag.name), select(documents.c.title))
    return session.scalars(parts.order_by(OrderedByForeign())).all()


@attack(StatementRefused)
def unary_operator_with_a_subquery(session: Session, at: View) -> object:
    """A custom operator before its operand may not hold SQL."""
    operator = custom_op(
        f"coalesce({all_memos(at)}, '') || " if at.dialect != "mariadb" else f"{all_memos(at)}, "
    )
    return session.execute(select(UnaryExpression(Tag.name, operator=operator))).all()


@attack(StatementRefused)
def unary_modifier_with_a_subquery(session: Session, at: View) -> object:
    """A custom operator after its operand may not hold SQL."""
    modifier = custom_op(f", {all_memos(at)}")
    return session.execute(select(UnaryExpression(Tag.name, modifier=modifier))).all()


@attack(StatementRefused, dialects=POSTGRES)
def extract_of_sql(session: Session, at: View) -> object:
    """The field of an EXTRACT may not hold SQL."""
    field = f"year FROM now()), {all_memos(at)}, extract(year"
    return session.execute(select(extract(field, func.now()))).all()


@read(dialects=POSTGRES, pinned=False)
def sequence(session: Session, at: View) -> Answer:
    """A sequence counts in a scope, and answers nobody without one."""
    first, second = (session.connection().scalar(Sequence("counter")) for _ in range(2))
    return same([second - first], [1])


@read()
def default_executed_by_itself(session: Session, at: View) -> Answer:
    """A column default that is executed by itself sees own rows."""
    found = session.connection().scalar(ColumnDefault(select(func.count(ledger.c.id)).scalar_subquery()))
    return same([found], [3])


@attack(ScopeChanged, pinned=True, inert=NEEDS_SCOPES)
def stream_of_core_under_another_scope(session: Session, at: View) -> object:
    """A stream of Core does not go on under another tenant's scope."""
    connection = session.connection(execution_options={"stream_results": True, "max_row_buffer": 1})
    with closing(connection.execute(select(documents.c.title))) as rows:
        rows.fetchone()
        with enter(at.scope(at.foreign)):
            return len(rows.fetchall())


@attack(StaleDataError, inert="SQLAlchemy warns, and nothing is harmed")
def delete_of_a_vanished_row(session: Session, at: View) -> None:
    """An object whose row is not in sight any more is not deleted in silence."""
    document = session.get_one(Document, at.own.id("document", 3))
    session.execute(delete(documents).where(documents.c.id == document.id))
    session.delete(document)
    session.flush()


@innocent(dialects=MARIADB)
def two_phases(session: Session, at: View) -> list[Any]:
    """A transaction of two phases is committed."""
    with at.open(at.own, twophase=True) as other:
        other.add(Tag(**new_tag(at, 31), tenant_id=at.own.tenant))
        other.prepare()
        other.commit()
    return [owned_tags(at, 31)]


@innocent(dialects=MARIADB)
def two_phases_rolled_back(session: Session, at: View) -> list[Any]:
    """A transaction of two phases is rolled back, prepared or not."""
    for prepared in (True, False):
        with at.open(at.own, twophase=True) as other:
            other.add(Tag(**new_tag(at, 32), tenant_id=at.own.tenant))
            other.flush()
            if prepared:
                other.prepare()
            other.rollback()
    return [stored(select(func.count()).select_from(Tag).where(Tag.id == at.own.id("tag", 32)), [0])]


@attack(StatementRefused, dialects=MARIADB, inert="the server knows no such transaction")
def text_of_two_phases(session: Session, at: View) -> None:
    """What the dialect says for two phases is raw SQL in the mouth of anybody else."""
    session.execute(text("XA COMMIT :xid"), {"xid": "other"})


@attack(ForeignTenant, dialects=POSTGRES, inert="nothing is left of the foreign row in the end")
def link_to_a_row_that_was_rolled_back(session: Session, at: View) -> None:
    """A parent that was seen before a savepoint was rolled back is looked up again: it may be another's by now."""
    row = {"id": at.own.id("project", 77), "name": at.own.say("x"), "budget": 1}
    savepoint = session.begin_nested()
    session.execute(Project.__table__.insert(), row)
    savepoint.rollback()
    theirs = {**row, "name": at.foreign.say("x"), "tenant_id": at.foreign.tenant}
    with at.owner.begin() as owner:
        owner.execute(Project.__table__.insert(), theirs)
    try:
        moved = documents.update().where(documents.c.id == at.own.id("document", 1))
        session.execute(moved.values(project_id=row["id"]))
    finally:
        with at.owner.begin() as owner:
            owner.execute(delete(Project.__table__).where(Project.__table__.c.id == row["id"]))


@innocent(alone=False)
def tenant_taken_off_before_the_flush(session: Session, at: View) -> list[Any]:
    """A new object that loses its tenant before the flush gets it again, and shows it."""
    tag = Tag(**new_tag(at, 33))
    session.add(tag)
    tag.tenant_id = None
    session.flush()
    return [same([tag.tenant_id], [at.own.tenant]), owned_tags(at, 33)]


@attack(IsolationError, pinned=True, inert=NEEDS_SCOPES)
def flush_under_another_scope(session: Session, at: View) -> None:
    """A flush is refused under another tenant's scope."""
    session.add(Tag(**new_tag(at, 34)))
    with enter(at.scope(at.foreign)):
        session.flush()
