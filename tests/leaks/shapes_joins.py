"""SELECT with joins: own rows only, on both sides, whatever pointers are corrupt."""

from __future__ import annotations

from sqlalchemy import and_, func, or_, select, true
from sqlalchemy.orm import Session, aliased, contains_eager, join, outerjoin

from tests.leaks.phrases import rows_of, told
from tests.leaks.registry import NOT_MARIADB, POSTGRES, Answer, View, read, same
from tests.leaks.schema import (
    Comment,
    Currency,
    Document,
    Project,
    Tag,
    Task,
    ledger,
    task_tags,
    tickets,
)

tasks, projects, tags = Task.__table__, Project.__table__, Tag.__table__


def _task_projects(at: View) -> list[tuple[str | None, ...]]:
    found = ("plan", "apollo"), ("build", "apollo"), ("audit", "gemini")
    return told(at, *found, ("ship", None), ("idle", None))


@read()
def join_inner(session: Session, at: View) -> Answer:
    """An inner join finds own pairs."""
    statement = select(Task.title, Project.name).join(Task.project)
    return same(rows_of(session, statement), _task_projects(at)[:3])


@read()
def join_inner_core(session: Session, at: View) -> Answer:
    """An inner join of tables finds own pairs."""
    statement = select(tasks.c.title, projects.c.name).join_from(tasks, projects)
    return same(rows_of(session, statement), _task_projects(at)[:3])


@read()
def join_left(session: Session, at: View) -> Answer:
    """A left join keeps own rows and shows no foreign partner."""
    statement = select(Task.title, Project.name).outerjoin(Task.project)
    return same(rows_of(session, statement), _task_projects(at))


@read()
def join_left_core(session: Session, at: View) -> Answer:
    """A left join of tables keeps own rows and shows no foreign partner."""
    statement = select(tasks.c.title, projects.c.name).select_from(tasks.outerjoin(projects))
    return same(rows_of(session, statement), _task_projects(at))


@read()
def join_left_anti(session: Session, at: View) -> Answer:
    """A foreign partner counts as none in an anti-join."""
    statement = select(Task.title).outerjoin(Task.project).where(Project.id.is_(None))
    return same(session.scalars(statement), at.own.says("ship", "idle"))


@read()
def join_left_from_parent(session: Session, at: View) -> Answer:
    """A left join to children shows no foreign child."""
    found = ("apollo", "plan"), ("apollo", "build"), ("gemini", "audit"), ("hermes", None)
    statement = select(Project.name, Task.title).outerjoin(Project.tasks)
    return same(rows_of(session, statement), told(at, *found))


@read()
def join_left_counts(session: Session, at: View) -> Answer:
    """A count over a left join counts no foreign child."""
    statement = select(Project.name, func.count(Task.id)).outerjoin(Project.tasks).group_by(Project.name)
    found = sorted(count for _, count in session.execute(statement))
    return same(found, [0, 1, 2])


@read()
def join_nested_outer(session: Session, at: View) -> Answer:
    """A join on the nullable side is scoped as a whole."""
    inner = join(Project, Currency, Project.currency_code == Currency.code)
    statement = select(Task.title, Project.name).select_from(
        outerjoin(Task, inner, Task.project_id == Project.id)
    )
    return same(rows_of(session, statement), _task_projects(at))


@read()
def join_nested_outer_twice(session: Session, at: View) -> Answer:
    """Outer joins inside the nullable side are scoped."""
    inner = outerjoin(Project, Document, Project.id == Document.project_id)
    statement = select(Task.title, Project.name, Document.title)
    found = rows_of(session, statement.select_from(outerjoin(Task, inner, Task.project_id == Project.id)))
    apollo = ("plan", "apollo", "charter"), ("build", "apollo", "charter"), ("audit", "gemini", None)
    return same(found, told(at, *apollo, ("ship", None, None), ("idle", None, None)))


@read()
def join_outer_chain(session: Session, at: View) -> Answer:
    """A chain of outer joins shows no foreign row at any link."""
    statement = select(Comment.body, Task.title, Project.name).outerjoin(Comment.task).outerjoin(Task.project)
    near = ("hello", "plan", "apollo"), ("well", "build", "apollo")
    return same(rows_of(session, statement), told(at, *near, ("bye", "idle", None), ("astray", None, None)))


@read(dialects=NOT_MARIADB)
def join_full(session: Session, at: View) -> Answer:
    """A full join shows own rows of both sides, each once."""
    statement = select(Task.title, Project.name).outerjoin(Task.project, full=True)
    return same(rows_of(session, statement), [*_task_projects(at), *told(at, (None, "hermes"))])


@read(dialects=NOT_MARIADB)
def join_full_core(session: Session, at: View) -> Answer:
    """A full join of tables shows own rows of both sides, each once."""
    statement = select(tasks.c.title, projects.c.name).select_from(tasks.join(projects, full=True))
    return same(rows_of(session, statement), [*_task_projects(at), *told(at, (None, "hermes"))])


@read(dialects=NOT_MARIADB)
def join_full_where(session: Session, at: View) -> Answer:
    """A criterion of the caller's on a full join does not open it."""
    statement = select(Project.name).select_from(
        outerjoin(Task, Project, Task.project_id == Project.id, full=True)
    )
    found = session.scalars(statement.where(or_(Task.id.is_(None), Project.id.is_(None)))).all()
    return same(found, [None, None, *at.own.says("hermes")])


@read(dialects=NOT_MARIADB)
def join_full_then_left(session: Session, at: View) -> Answer:
    """A left join after a full join shows own rows."""
    pairs = outerjoin(Task, Project, Task.project_id == Project.id, full=True)
    statement = select(Project.name, Document.title).select_from(pairs)
    found = rows_of(session, statement.outerjoin(Document, Document.project_id == Project.id))
    rows = (
        ("apollo", "charter"),
        ("apollo", "charter"),
        ("gemini", None),
        ("hermes", None),
        (None, None),
        (None, None),
    )
    return same(found, told(at, *rows))


@read(dialects=NOT_MARIADB)
def join_full_chain(session: Session, at: View) -> Answer:
    """A full join of a full join shows own rows."""
    pairs = tasks.join(projects, tasks.c.project_id == projects.c.id, full=True)
    documents = Document.__table__
    chain = pairs.join(documents, documents.c.project_id == projects.c.id, full=True)
    rows = (
        ("apollo", "charter"),
        ("apollo", "charter"),
        ("gemini", None),
        ("hermes", None),
        (None, None),
        (None, None),
    )
    found = rows_of(session, select(projects.c.name, documents.c.title).select_from(chain))
    return same(found, told(at, *rows, (None, "notes"), (None, "draft")))


@read(dialects=NOT_MARIADB)
def join_full_of_unrelated(session: Session, at: View) -> Answer:
    """A full join that matches nothing shows own rows of both sides."""
    pairs = ledger.join(tickets, ledger.c.memo == tickets.c.subject, full=True)
    found = rows_of(session, select(ledger.c.memo, tickets.c.subject).select_from(pairs))
    left = told(at, ("rent", None), ("salaries", None), ("ink", None))
    return same(found, [*left, *told(at, (None, "ticket 1"), (None, "ticket 2"))])


@read()
def join_secondary(session: Session, at: View) -> Answer:
    """A join over an association table passes no foreign link."""
    found = rows_of(session, select(Task.title, Tag.name).join(Task.tags))
    return same(found, told(at, ("plan", "red"), ("plan", "blue"), ("build", "red")))


@read()
def join_secondary_outer(session: Session, at: View) -> Answer:
    """An outer join over an association table passes no foreign link."""
    found = rows_of(session, select(Tag.name, Task.title).outerjoin(Tag.tasks))
    return same(found, told(at, ("red", "plan"), ("red", "build"), ("blue", "plan"), ("green", None)))


@read()
def join_self(session: Session, at: View) -> Answer:
    """A self-join finds own pairs."""
    parent = aliased(Task)
    return same(
        rows_of(session, select(Task.title, parent.title).join(Task.parent.of_type(parent))), _built(at)
    )


def _built(at: View) -> list[tuple[str | None, ...]]:
    return told(at, ("build", "plan"))


@read()
def join_self_outer(session: Session, at: View) -> Answer:
    """An outer self-join shows no foreign child."""
    child = aliased(Task)
    statement = select(Task.title, child.title).outerjoin(child, child.parent_id == Task.id)
    others = [(word, None) for word in ("build", "ship", "audit", "idle")]
    return same(rows_of(session, statement), told(at, ("plan", "build"), *others))


@read()
def join_implicit(session: Session, at: View) -> Answer:
    """Two FROMs linked in WHERE find own pairs."""
    statement = select(Task.title, Project.name).where(Task.project_id == Project.id)
    return same(rows_of(session, statement), _task_projects(at)[:3])


@read()
def join_cartesian(session: Session, at: View) -> Answer:
    """A cartesian product is one of own rows."""
    statement = select(func.count()).select_from(Tag).join(Project, true())
    return same(session.scalar(statement), 9)


@read()
def join_on_or_true(session: Session, at: View) -> Answer:
    """An OR in the caller's ON clause does not open the scope."""
    statement = select(Tag.name).outerjoin(Project, or_(Project.id == Tag.id, true())).distinct()
    names = (
        select(Project.name).select_from(Tag).outerjoin(Project, or_(Project.id == Tag.id, true())).distinct()
    )
    found = [*session.scalars(statement), *session.scalars(names)]
    return same(found, at.own.says("red", "blue", "green", "apollo", "gemini", "hermes"))


@read()
def join_with_extra_criteria(session: Session, at: View) -> Answer:
    """``relationship.and_`` keeps the scope."""
    statement = select(Task.title, Project.name).outerjoin(Task.project.and_(Project.budget > 0))
    return same(rows_of(session, statement), _task_projects(at))


@read()
def join_subquery(session: Session, at: View) -> Answer:
    """A joined subquery is scoped."""
    names = select(Project.id, Project.name).subquery()
    statement = select(Task.title, names.c.name).outerjoin(names, names.c.id == Task.project_id)
    return same(rows_of(session, statement), _task_projects(at))


@read()
def join_aliased_subquery(session: Session, at: View) -> Answer:
    """An entity aliased to a subquery is scoped."""
    alias = aliased(Project, select(Project).where(Project.budget > 0).subquery())
    statement = select(Task.title, alias.name).outerjoin(alias, alias.id == Task.project_id)
    return same(rows_of(session, statement), _task_projects(at))


@read()
def join_cte(session: Session, at: View) -> Answer:
    """A joined CTE is scoped."""
    names = select(projects.c.id, projects.c.name).cte("names")
    statement = select(Task.title, names.c.name).outerjoin(names, names.c.id == Task.project_id)
    return same(rows_of(session, statement), _task_projects(at))


@read(dialects=POSTGRES)
def join_lateral(session: Session, at: View) -> Answer:
    """A lateral join finds own pairs."""
    inner = select(Task.title).where(Task.project_id == Project.id).order_by(Task.priority).limit(1).lateral()
    found = rows_of(session, select(Project.name, inner.c.title).join(inner, true()))
    return same(found, told(at, ("apollo", "plan"), ("gemini", "audit")))


@read(dialects=POSTGRES)
def join_lateral_outer(session: Session, at: View) -> Answer:
    """An outer lateral join shows no foreign row."""
    inner = select(projects.c.name).where(projects.c.id == tasks.c.project_id).lateral()
    statement = select(tasks.c.title, inner.c.name).select_from(tasks.outerjoin(inner, true()))
    return same(rows_of(session, statement), _task_projects(at))


@read()
def join_contains_eager(session: Session, at: View) -> Answer:
    """A collection filled from an outer join holds no foreign row."""
    statement = select(Project).outerjoin(Project.tasks).options(contains_eager(Project.tasks))
    found = {p.name: sorted(t.title for t in p.tasks) for p in session.scalars(statement).unique()}
    return same(found, {p: sorted(at.own.says(*t)) for p, t in _named(at).items()})


def _named(at: View) -> dict[str, tuple[str, ...]]:
    return dict(
        zip(at.own.says("apollo", "gemini", "hermes"), (("plan", "build"), ("audit",), ()), strict=True)
    )


@read()
def join_with_shared(session: Session, at: View) -> Answer:
    """A join from a shared table shows own partners."""
    statement = select(Currency.name, Project.name).outerjoin(Project, Project.currency_code == Currency.code)
    wanted = zip(("shared:euro", "shared:dollar"), at.own.says("apollo", "gemini"), strict=True)
    return same(rows_of(session, statement), list(wanted))


@read()
def join_four_tables(session: Session, at: View) -> Answer:
    """A join of four tables, two of them nullable, shows own rows."""
    link = and_(task_tags.c.task_id == Task.id, task_tags.c.tag_id == Tag.id)
    pairs = outerjoin(Task, join(task_tags, Tag, task_tags.c.tag_id == Tag.id), link)
    statement = select(Task.title, Tag.name).select_from(
        outerjoin(pairs, Project, Project.id == Task.project_id)
    )
    tagged = (
        ("plan", "red"),
        ("plan", "blue"),
        ("build", "red"),
        ("ship", None),
        ("audit", None),
        ("idle", None),
    )
    return same(rows_of(session, statement), told(at, *tagged))
