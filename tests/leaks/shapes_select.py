"""SELECT without joins: entities, columns, Core tables, functions, windows, table-valued FROMs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    and_,
    bindparam,
    lambda_stmt,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext import serializer
from sqlalchemy.orm import Bundle, Session, load_only

from tests.leaks.registry import POSTGRES, Answer, View, in_order, read, same
from tests.leaks.schema import (
    Base,
    Currency,
    Document,
    Event,
    Meeting,
    Preference,
    Project,
    Receipt,
    Refund,
    Task,
    ledger,
    tickets,
)
from tests.leaks.world import SHARED

documents = Document.__table__
TITLES = ("charter", "notes", "draft")


@read()
def select_entity(session: Session, at: View) -> Answer:
    """A select of an entity returns own rows."""
    return same([d.title for d in session.scalars(select(Document))], at.own.says(*TITLES))


@read()
def select_columns(session: Session, at: View) -> Answer:
    """A select of columns returns own rows."""
    return same(session.scalars(select(Document.title)), at.own.says(*TITLES))


@read()
def select_core_table(session: Session, at: View) -> Answer:
    """A Core select of a table returns own rows."""
    return same(session.scalars(select(documents.c.title)), at.own.says(*TITLES))


@read()
def select_core_whole_table(session: Session, at: View) -> Answer:
    """``table.select()`` returns own rows."""
    return same(
        [row.memo for row in session.execute(ledger.select())], at.own.says("rent", "salaries", "ink")
    )


@read()
def select_star(session: Session, at: View) -> Answer:
    """``SELECT *`` returns own rows."""
    found = session.execute(select(literal_column("*")).select_from(ledger))
    return same([row.memo for row in found], at.own.says("rent", "salaries", "ink"))


@read()
def select_tenant_in_primary_key(session: Session, at: View) -> Answer:
    """A table whose primary key holds the tenant is scoped."""
    return same(session.scalars(select(Preference.value)), at.own.says("colour", "language"))


@read()
def select_alias(session: Session, at: View) -> Answer:
    """A Core alias is scoped."""
    alias = ledger.alias("l")
    return same(session.scalars(select(alias.c.memo)), at.own.says("rent", "salaries", "ink"))


@read()
def select_shared(session: Session, at: View) -> Answer:
    """A shared table is read by everybody."""
    return same(session.scalars(select(Currency.name)), SHARED)


@read()
def select_single_inheritance(session: Session, at: View) -> Answer:
    """A single-table subclass returns own rows of its kind."""
    return same([m.name for m in session.scalars(select(Meeting))], at.own.says("standup"))


@read()
def select_single_inheritance_root(session: Session, at: View) -> Answer:
    """The root of a single-table inheritance returns own rows of all kinds."""
    return same([e.name for e in session.scalars(select(Event))], at.own.says("launch", "standup"))


@read()
def select_concrete_subclass(session: Session, at: View) -> Answer:
    """A concrete subclass returns own rows."""
    return same([r.memo for r in session.scalars(select(Refund))], at.own.says("refund 1"))


@read()
def select_concrete_union(session: Session, at: View) -> Answer:
    """The polymorphic union of a concrete inheritance is scoped in each part."""
    return same(
        [r.memo for r in session.scalars(select(Receipt))], at.own.says("receipt 1", "receipt 2", "refund 1")
    )


@read()
def select_distinct(session: Session, at: View) -> Answer:
    """DISTINCT is made of own rows."""
    return same(session.scalars(select(Event.version).distinct()), [1])


@read()
def select_distinct_states(session: Session, at: View) -> Answer:
    """DISTINCT of texts is made of own rows."""
    return same(session.scalars(select(Document.title).distinct()), at.own.says(*TITLES))


@read(dialects=POSTGRES)
def select_distinct_on(session: Session, at: View) -> Answer:
    """DISTINCT ON picks among own rows."""
    statement = select(Task.title).order_by(Task.project_id, Task.priority)
    if hasattr(postgresql, "distinct_on"):  # SQLAlchemy 2.1 has deprecated the other form
        first = statement.ext(postgresql.distinct_on(Task.project_id))
    else:
        first = statement.distinct(Task.project_id)
    return same(session.scalars(first), at.own.says("plan", "ship", "audit", "idle"))


@read()
def select_order_limit_offset(session: Session, at: View) -> Answer:
    """LIMIT and OFFSET page through own rows."""
    statement = select(Task.title).order_by(Task.priority.desc()).limit(2).offset(1)
    return in_order(session.scalars(statement), at.own.says("audit", "ship"))


@read(dialects=POSTGRES)
def select_fetch_with_ties(session: Session, at: View) -> Answer:
    """FETCH FIRST WITH TIES picks among own rows."""
    return same(
        session.scalars(select(Event.name).order_by(Event.version).fetch(1, with_ties=True)), _events(at)
    )


def _events(at: View) -> list[str]:
    return at.own.says("launch", "standup")


@read()
def where_or_true(session: Session, at: View) -> Answer:
    """An OR in the caller's criterion does not open the scope."""
    statement = select(Document.title).where(or_(Document.size < 0, true()))
    return same(session.scalars(statement), at.own.says(*TITLES))


@read()
def where_or_core(session: Session, at: View) -> Answer:
    """An OR between Core columns does not open the scope."""
    statement = select(ledger.c.memo).where(or_(ledger.c.amount >= 0, literal(1) == 1))
    return same(session.scalars(statement), at.own.says("rent", "salaries", "ink"))


@read()
def where_both_tenants(session: Session, at: View) -> Answer:
    """A caller's criterion on both tenants returns own rows."""
    statement = select(Document.title).where(Document.tenant_id.in_([at.own.tenant, at.foreign.tenant]))
    return same(session.scalars(statement), at.own.says(*TITLES))


@read()
def where_foreign_tenant(session: Session, at: View) -> Answer:
    """A caller's criterion on the other tenant returns nothing."""
    statement = select(Document.title).where(Document.tenant_id == at.foreign.tenant)
    return same(session.scalars(statement), [])


@read()
def where_foreign_tenant_or_own(session: Session, at: View) -> Answer:
    """A caller's own criterion in an OR with the foreign one returns own rows."""
    ours, theirs = ledger.c.org_id == at.own.tenant, ledger.c.org_id == at.foreign.tenant
    return same(
        session.scalars(select(ledger.c.memo).where(ours | theirs)), at.own.says("rent", "salaries", "ink")
    )


@read()
def where_foreign_id(session: Session, at: View) -> Answer:
    """A foreign id finds nothing."""
    statement = select(Document.title).where(Document.id == at.foreign.id("document", 1))
    return same(session.scalars(statement), [])


@read()
def where_ids_in(session: Session, at: View) -> Answer:
    """Own ids among foreign ones find own rows."""
    ids = [at.own.id("document", 1), at.foreign.id("document", 1)]
    return same(session.scalars(select(Document.title).where(Document.id.in_(ids))), at.own.says("charter"))


@read()
def where_tuple_in(session: Session, at: View) -> Answer:
    """Pairs in IN find own rows."""
    pairs = [(side.id("document", 1), side.say("charter")) for side in (at.own, at.foreign)]
    statement = select(Document.title).where(tuple_(Document.id, Document.title).in_(pairs))
    return same(session.scalars(statement), at.own.says("charter"))


@read()
def where_not_in(session: Session, at: View) -> Answer:
    """NOT IN returns the other own rows."""
    statement = select(Document.title).where(Document.id.not_in([at.own.id("document", 1)]))
    return same(session.scalars(statement), at.own.says("notes", "draft"))


@read()
def where_like(session: Session, at: View) -> Answer:
    """LIKE with a pattern for everything returns own rows."""
    return same(session.scalars(select(Document.title).where(Document.title.like("%"))), at.own.says(*TITLES))


@read()
def where_between_and(session: Session, at: View) -> Answer:
    """Ranges return own rows."""
    statement = select(Document.title).where(
        and_(Document.size.between(0, 10**9), Document.labels.is_not(None))
    )
    return same(session.scalars(statement), at.own.says(*TITLES))


@read()
def where_json(session: Session, at: View) -> Answer:
    """JSON paths are read in own rows."""
    path = Document.labels["kind"].as_string()
    return same(
        session.scalars(select(path).where(path.is_not(None))), at.own.says("label 1", "label 2", "label 3")
    )


@read()
def select_lambda(session: Session, at: View) -> Answer:
    """A lambda statement is scoped, the second time too."""
    size = -1
    twice = [session.scalars(_by_size(size)).all() for _ in range(2)]
    return same(twice, [at.own.says(*TITLES)] * 2)


def _by_size(size: int) -> Any:
    return lambda_stmt(lambda: select(Document.title).order_by(Document.size)) + (
        lambda statement: statement.where(Document.size > size)
    )


@read()
def select_from_statement(session: Session, at: View) -> Answer:
    """``from_statement`` of a Core select returns own entities."""
    statement = select(Document).from_statement(select(documents))
    return same([d.title for d in session.scalars(statement)], at.own.says(*TITLES))


@read()
def select_bundle(session: Session, at: View) -> Answer:
    """A bundle returns own rows."""
    found = session.execute(select(Bundle("pair", Document.title, Document.size))).all()
    return same([row.pair.title for row in found], at.own.says(*TITLES))


@read()
def select_with_only_columns(session: Session, at: View) -> Answer:
    """``with_only_columns`` keeps the scope."""
    statement = select(Document).where(Document.size > 0).with_only_columns(Document.title)
    return same(session.scalars(statement), at.own.says(*TITLES))


@read()
def select_load_only(session: Session, at: View) -> Answer:
    """A partial load keeps the scope."""
    statement = select(Document).options(load_only(Document.title))
    return same([d.title for d in session.scalars(statement)], at.own.says(*TITLES))


@read()
def select_pickled(session: Session, at: View) -> Answer:
    """A statement that was pickled is scoped."""
    statement = serializer.loads(
        serializer.dumps(select(ledger.c.memo).where(ledger.c.amount > 0)), Base.metadata
    )
    return same(session.scalars(statement), at.own.says("rent", "salaries", "ink"))


@read()
def select_with_parameters(session: Session, at: View) -> Answer:
    """One statement with other parameters, twice, is scoped twice."""
    statement = select(Document.title).where(Document.size >= bindparam("least"))
    found = [sorted(session.scalars(statement, {"least": n})) for n in (0, at.own.much(3))]
    return same(found, [sorted(at.own.says(*TITLES)), at.own.says("draft")])


@read()
def select_on_connection(session: Session, at: View) -> Answer:
    """A statement on the session's connection is scoped."""
    found = session.connection().execute(select(documents.c.title))
    return same([row.title for row in found], at.own.says(*TITLES))


@read()
def select_yield_per(session: Session, at: View) -> Answer:
    """Entities that come in batches are own rows."""
    found = session.scalars(select(Task).execution_options(yield_per=2))
    return same([task.title for task in found], _tasks(at))


@read()
def select_stream_results(session: Session, at: View) -> Answer:
    """A streamed result holds own rows."""
    found = session.execute(select(Task.title).execution_options(stream_results=True)).partitions(2)
    return same([row.title for part in found for row in part], _tasks(at))


def _tasks(at: View) -> list[str]:
    return at.own.says("plan", "build", "ship", "audit", "idle")


@read()
def select_for_update(session: Session, at: View) -> Answer:
    """FOR UPDATE locks and returns own rows."""
    return same(session.scalars(select(Document.title).with_for_update()), at.own.says(*TITLES))


@read()
def select_column_property(session: Session, at: View) -> Answer:
    """A column property over another table counts own rows."""
    found = [(p.name, p.task_count) for p in session.scalars(select(Project))]
    return same(found, list(zip(at.own.says("apollo", "gemini", "hermes"), (2, 1, 0), strict=True)))


@read()
def select_hybrid(session: Session, at: View) -> Answer:
    """A hybrid is computed over own rows."""
    statement = select(Document.weight).where(Document.weight > 0)
    return same(session.scalars(statement), at.own.many(2, 4, 6))


@read(pinned=True, ambient=False)
def select_by_two_tenants(session: Session, at: View) -> Answer:
    """One statement object, run for two tenants in turn, answers each with its own rows."""
    statement = select(tickets.c.subject).order_by(tickets.c.subject)
    other = at.open(at.foreign)
    found = [
        session.scalars(statement).all(),
        other.scalars(statement).all(),
        session.scalars(statement).all(),
    ]
    own, foreign = (side.says("ticket 1", "ticket 2") for side in (at.own, at.foreign))
    return same(
        [sorted(part) == sorted(want) for part, want in zip(found, (own, foreign, own), strict=True)],
        [True] * 3,
    )
