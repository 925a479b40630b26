"""SELECT with functions, windows and table-valued FROMs."""

from __future__ import annotations

from sqlalchemy import (
    Integer,
    String,
    case,
    cast,
    column,
    distinct,
    func,
    literal,
    select,
    tablesample,
    true,
    type_coerce,
    values,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from tests.leaks.registry import NOT_MARIADB, POSTGRES, SQLITE, Answer, View, in_order, read, same
from tests.leaks.schema import (
    Document,
    Task,
)

documents = Document.__table__
TITLES = ("charter", "notes", "draft")


@read()
def select_count(session: Session, at: View) -> Answer:
    """A count counts own rows."""
    return same(session.scalar(select(func.count()).select_from(Task)), 5)


@read()
def select_count_primary_key(session: Session, at: View) -> Answer:
    """A count of distinct ids counts own rows."""
    return same(session.scalar(select(func.count(distinct(Task.id)))), 5)


@read()
def select_aggregates(session: Session, at: View) -> Answer:
    """Sum, minimum, maximum and average are made of own rows."""
    size = Document.size
    found = session.execute(select(func.sum(size), func.min(size), func.max(size), func.avg(size))).one()
    return same([int(value) for value in found], at.own.many(6, 1, 3, 2))


@read()
def select_group_by_having(session: Session, at: View) -> Answer:
    """Groups are made of own rows."""
    counted = select(Task.project_id, func.sum(Task.priority)).group_by(Task.project_id)
    found = session.execute(counted.having(func.sum(Task.priority) > 0)).all()
    return same([total for _, total in found], at.own.many(3, 3, 4, 5))


@read()
def select_case(session: Session, at: View) -> Answer:
    """CASE is computed over own rows."""
    big = case((Document.size >= at.own.much(2), Document.title), else_=literal("small"))
    return same(session.scalars(select(big)), [*at.own.says("notes", "draft"), "small"])


@read()
def select_scalar_functions(session: Session, at: View) -> Answer:
    """Scalar functions are computed over own rows."""
    shown = func.coalesce(func.lower(Document.title), func.upper(Document.path))
    found = session.execute(select(shown, func.length(Document.title), func.abs(Document.size))).all()
    return same([row[0] for row in found], at.own.says(*TITLES))


@read()
def select_cast(session: Session, at: View) -> Answer:
    """Casts and coercions are computed over own rows."""
    found = session.execute(
        select(cast(Task.priority, String).label("text"), type_coerce(Task.priority, Integer).label("n"))
    ).all()
    return same([row[0] for row in found], [str(n) for n in at.own.many(1, 2, 3, 4, 5)])


@read()
def select_concatenation(session: Session, at: View) -> Answer:
    """Operators are computed over own rows."""
    statement = select((Document.title + "!").label("loud")).order_by("loud")
    return in_order(session.scalars(statement), sorted(at.own.says("charter!", "draft!", "notes!")))


@read(dialects=NOT_MARIADB)
def select_filter(session: Session, at: View) -> Answer:
    """FILTER counts own rows."""
    statement = select(
        func.count(Task.id).filter(Task.priority > 0), func.count().filter(Task.parent_id.is_(None))
    )
    return same(session.execute(statement.select_from(Task)).one(), (5, 3))


@read()
def select_window(session: Session, at: View) -> Answer:
    """Windows slide over own rows."""
    order = {"order_by": Task.priority}
    found = select(func.row_number().over(**order), func.sum(Task.priority).over(**order), Task.title)
    numbers = [(n, int(total)) for n, total, _ in session.execute(found)]
    return same(numbers, list(zip(range(1, 6), at.own.many(1, 3, 6, 10, 15), strict=True)))


@read()
def select_lag_and_rank(session: Session, at: View) -> Answer:
    """LAG looks back at own rows."""
    order = {"order_by": Task.priority}
    found = session.execute(select(func.lag(Task.title).over(**order), func.rank().over(**order)))
    return same([row[0] for row in found], [None, *at.own.says("plan", "build", "ship", "audit")])


@read(dialects=POSTGRES)
def select_string_agg(session: Session, at: View) -> Answer:
    """An ordered aggregate of texts is made of own rows."""
    comma = postgresql.aggregate_order_by(literal(","), Document.size)
    return same(
        session.scalar(select(func.string_agg(Document.title, comma))), ",".join(at.own.says(*TITLES))
    )


@read(dialects=SQLITE)
def select_group_concat(session: Session, at: View) -> Answer:
    """An aggregate of texts is made of own rows."""
    found = session.scalar(select(func.group_concat(Document.title, ",")))
    return same(found.split(","), at.own.says(*TITLES))


@read(dialects=POSTGRES)
def select_values(session: Session, at: View) -> Answer:
    """A VALUES construct joined with a table finds own rows."""
    data = values(column("title", String), name="wanted").data(
        [(at.own.say("notes"),), (at.foreign.say("notes"),)]
    )
    statement = select(Document.size).join(data, data.c.title == Document.title)
    return same(session.scalars(statement), at.own.many(2))


@read(dialects=POSTGRES)
def select_generate_series(session: Session, at: View) -> Answer:
    """A table-valued function joined with a table finds own rows."""
    series = func.generate_series(0, at.own.much(2)).table_valued("n").render_derived()
    return same(
        session.scalars(select(Document.title).join(series, series.c.n == Document.size)), _first_two(at)
    )


def _first_two(at: View) -> list[str]:
    return at.own.says("charter", "notes")


@read(dialects=POSTGRES)
def select_unnest(session: Session, at: View) -> Answer:
    """An unnested array joined with a table finds own rows."""
    titles = postgresql.array([at.own.say("charter"), at.own.say("notes"), at.foreign.say("notes")])
    names = func.unnest(titles).table_valued("title").render_derived()
    return same(
        session.scalars(select(Document.title).join(names, names.c.title == Document.title)), _first_two(at)
    )


@read(dialects=SQLITE)
def select_json_each(session: Session, at: View) -> Answer:
    """A table-valued function over a column is fed with own rows."""
    pairs = func.json_each(Document.labels).table_valued("value", joins_implicitly=True)
    found = session.scalars(select(pairs.c.value).select_from(Document).join(pairs, true()))
    return same(found, at.own.says("label 1", "label 2", "label 3"))


@read(dialects=POSTGRES)
def select_tablesample(session: Session, at: View) -> Answer:
    """A sample of a table holds own rows."""
    sample = tablesample(documents, func.bernoulli(100), name="sample")
    return same(session.scalars(select(sample.c.title)), at.own.says(*TITLES))
