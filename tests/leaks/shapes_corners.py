"""Corners that a walk over FROM clauses misses: unnamed CTEs, rows as values, RETURNING, nested full joins."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, extract, func, insert, literal, literal_column, null, select, union_all, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session, aliased, outerjoin, with_polymorphic

from tests.leaks.phrases import told
from tests.leaks.registry import (
    NOT_MARIADB,
    POSTGRES,
    SQLITE,
    Answer,
    View,
    in_order,
    innocent,
    read,
    same,
    stored,
)
from tests.leaks.schema import (
    Asset,
    Comment,
    Currency,
    Document,
    Image,
    Photo,
    Project,
    Tag,
    Task,
    TaskDetail,
    ledger,
    task_tags,
)

documents, tasks, projects = Document.__table__, Task.__table__, Project.__table__
TITLES = ("charter", "notes", "draft")


@read(dialects=NOT_MARIADB)
def full_join_of_polymorphic(session: Session, at: View) -> Answer:
    """A full join with an outer join on one side shows own rows."""
    every = with_polymorphic(Asset, [Image], flat=True)
    pairs = outerjoin(Project, every, every.project_id == Project.id, full=True)
    found = session.execute(select(Project.name, every.name).select_from(pairs)).all()
    near = ("apollo", "image 1"), ("apollo", "video 3"), ("gemini", "photo 5"), ("hermes", None)
    return same(found, told(at, *near, (None, "image 2"), (None, "asset 4")))


@read(dialects=NOT_MARIADB)
def full_join_on_nullable_side(session: Session, at: View) -> Answer:
    """A full join on the nullable side of a left join shows own rows."""
    pairs = outerjoin(Task, Project, Task.project_id == Project.id, full=True)
    statement = select(Currency.name, Task.title, Project.name)
    found = session.execute(
        statement.select_from(outerjoin(Currency, pairs, Currency.code == Project.currency_code))
    ).all()
    plan, build, audit, apollo, gemini = at.own.says("plan", "build", "audit", "apollo", "gemini")
    euro = [("shared:euro", task, apollo) for task in (plan, build)]
    return same(found, [*euro, ("shared:dollar", audit, gemini)])


@read(dialects=NOT_MARIADB)
def full_join_of_children(session: Session, at: View) -> Answer:
    """A full join of tables without a tenant column shows own rows."""
    details, images = TaskDetail.__table__, Image.__table__
    pairs = details.join(images, details.c.note == images.c.caption, full=True)
    found = session.execute(select(details.c.note, images.c.caption).select_from(pairs)).all()
    left = told(at, *((word, None) for word in ("first", "second", "third")))
    return same(found, [*left, *told(at, *((None, f"caption {n}") for n in (1, 2, 5)))])


@read(dialects=NOT_MARIADB)
def full_join_of_subquery(session: Session, at: View) -> Answer:
    """A full join with a subquery shows own rows."""
    names = select(Project.id, Project.name).subquery()
    pairs = tasks.join(names, names.c.id == tasks.c.project_id, full=True)
    found = session.execute(select(tasks.c.title, names.c.name).select_from(pairs)).all()
    near = ("plan", "apollo"), ("build", "apollo"), ("audit", "gemini")
    return same(found, told(at, *near, ("ship", None), ("idle", None), (None, "hermes")))


@read(dialects=NOT_MARIADB)
def full_join_with_shared(session: Session, at: View) -> Answer:
    """A full join with a shared table shows own rows and all shared ones."""
    pairs = outerjoin(Project, Currency, Project.currency_code == Currency.code, full=True)
    only_euro = (
        select(Project.name, Currency.name).select_from(pairs).where(Currency.code.is_distinct_from("USD"))
    )
    found = session.execute(only_euro).all()
    return same(found, [(at.own.say("apollo"), "shared:euro"), (at.own.say("hermes"), None)])


@read(dialects=NOT_MARIADB)
def full_join_aggregated(session: Session, at: View) -> Answer:
    """A count over a full join counts own rows."""
    pairs = outerjoin(Task, Project, Task.project_id == Project.id, full=True)
    return same(session.scalar(select(func.count()).select_from(pairs)), 6)


@read(dialects=NOT_MARIADB)
def full_join_in_union_in_subquery(session: Session, at: View) -> Answer:
    """A full join in the second part of a UNION ALL shows own rows (SQLite before 3.43 then forgets a WHERE)."""
    pairs = outerjoin(Task, Project, Task.project_id == Project.id, full=True)
    both = union_all(select(Task.title.label("word")), select(Project.name).select_from(pairs)).subquery()
    wanted = at.own.says("plan", "build", "ship", "audit", "idle", "apollo", "apollo", "gemini", "hermes")
    return same(session.scalars(select(both.c.word)), [*wanted, None, None])


@read(dialects=NOT_MARIADB)
def full_join_in_union_in_cte(session: Session, at: View) -> Answer:
    """A full join in the second part of a UNION ALL in a CTE shows own rows."""
    pairs = tasks.join(projects, tasks.c.project_id == projects.c.id, full=True)
    both = union_all(select(tasks.c.title), select(projects.c.name).select_from(pairs)).cte()
    wanted = at.own.says("plan", "build", "ship", "audit", "idle", "apollo", "apollo", "gemini", "hermes")
    return same(session.scalars(select(both.c.title)), [*wanted, None, None])


@read()
def subquery_of_join(session: Session, at: View) -> Answer:
    """A join that is made a subquery is scoped."""
    pairs = select(tasks.c.title, projects.c.name).select_from(tasks.outerjoin(projects)).subquery()
    near = ("plan", "apollo"), ("build", "apollo"), ("audit", "gemini"), ("ship", None), ("idle", None)
    return same(session.execute(select(pairs)), told(at, *near))


@read(dialects=POSTGRES)
def table_as_value(session: Session, at: View) -> Answer:
    """A whole row as the value of a JSON function is an own one."""
    alias = documents.alias("d")
    found = session.scalars(select(func.row_to_json(alias.table_valued())))
    return same([row["title"] for row in found], at.own.says(*TITLES))


@read(dialects=POSTGRES)
def table_as_aggregated_value(session: Session, at: View) -> Answer:
    """Whole rows that are aggregated into JSON are own ones."""
    found = session.scalar(select(func.json_agg(documents.table_valued())))
    return same([row["title"] for row in found], at.own.says(*TITLES))


@read(dialects=POSTGRES)
def array_of_subquery(session: Session, at: View) -> Answer:
    """An array of a subquery and ARRAY_AGG hold own rows."""
    aggregated = session.scalar(select(func.array_agg(Document.title)))
    return same(aggregated, at.own.says(*TITLES))


@read(dialects=POSTGRES)
def within_group(session: Session, at: View) -> Answer:
    """An ordered-set aggregate is made of own rows."""
    middle = func.percentile_disc(0.5).within_group(Document.size)
    return same(session.scalar(select(middle)), at.own.much(2))


@read(dialects=POSTGRES)
def grouping_sets(session: Session, at: View) -> Answer:
    """ROLLUP groups own rows."""
    statement = select(Document.state, func.count()).group_by(func.rollup(Document.state))
    return same(session.execute(statement), [("new", 3), (None, 3)])


@read()
def common_functions(session: Session, at: View) -> Answer:
    """Everyday functions are allowed."""
    title = Document.title
    changed = func.replace(func.trim(func.substr(title, 1, 100)), "x", "y")
    statement = select(changed, func.nullif(title, ""), func.now(), extract("year", func.current_date()))
    return same([row[1] for row in session.execute(statement)], at.own.says(*TITLES))


@read(dialects=POSTGRES)
def cte_of_delete_beside(session: Session, at: View) -> Any:
    """A DELETE in a CTE that nothing refers to removes own rows."""
    gone = documents.delete().cte("gone")
    session.execute(select(literal(1)).add_cte(gone))
    return same(session.scalars(select(Document.title)), [])


@innocent(dialects=POSTGRES)
def cte_of_insert_beside(session: Session, at: View) -> Any:
    """An INSERT in a CTE that nothing refers to is stamped."""
    row = {"id": at.own.id("ledger", 40), "memo": at.own.say("beside"), "amount": 1}
    session.execute(select(literal(1)).add_cte(ledger.insert().values(**row).cte("made")))
    return stored(select(ledger.c.org_id).where(ledger.c.id == row["id"]), [at.own.tenant])


@innocent(dialects=POSTGRES)
def insert_with_cte_of_update(session: Session, at: View) -> list[Any]:
    """An INSERT that carries an UPDATE in a CTE touches own rows."""
    changed = documents.update().values(state="x").cte("changed")
    row = {"id": at.own.id("tag", 40), "name": at.own.say("beside")}
    session.execute(Tag.__table__.insert().values(**row).add_cte(changed))
    return [stored(select(Tag.tenant_id).where(Tag.id == row["id"]), [at.own.tenant])]


@read(dialects=POSTGRES)
def cte_nested(session: Session, at: View) -> Answer:
    """A CTE nested in a CTE is scoped."""
    inner = select(Document.title).cte("inner", nesting=True)
    outer = select(inner.c.title).cte("outer")
    return same(session.scalars(select(outer.c.title)), at.own.says(*TITLES))


@read(dialects=NOT_MARIADB)
def returning_subquery(session: Session, at: View) -> Answer:
    """A scalar subquery in RETURNING reads own rows."""
    theirs = select(func.max(Comment.body)).where(Comment.body == at.foreign.say("hello")).scalar_subquery()
    total = select(func.count(Tag.id)).scalar_subquery()
    statement = documents.update().where(documents.c.size == at.own.much(1)).values(state="x")
    return same(session.execute(statement.returning(theirs, total)), [(None, 3)])


@read()
def returning_subquery_of_insert(session: Session, at: View) -> Answer:
    """A scalar subquery in the RETURNING of an INSERT reads own rows."""
    total = select(func.count(Tag.id)).where(Tag.name.like("%:red")).scalar_subquery()
    row = {"id": at.own.id("ledger", 41), "memo": at.own.say("x"), "amount": 1}
    return same(session.scalars(ledger.insert().values(**row).returning(total)), [1])


def _one_asset(kind: Any) -> Any:
    return kind.__table__.c.id == Asset.__table__.c.id


@innocent(dialects=POSTGRES)
def delete_subclass_by_parent_column(session: Session, at: View) -> list[Any]:
    """An ORM DELETE of subclass rows by a column of the parent table removes own rows."""
    statement = delete(Photo).where(Photo.name.like("%:photo%"), _one_asset(Photo))
    session.execute(statement.execution_options(synchronize_session=False))
    return [stored(select(Photo.__table__.c.camera).where(Photo.__table__.c.id == at.own.id("asset", 5)), [])]


@innocent()
def update_subclass_by_parent_column(session: Session, at: View) -> list[Any]:
    """An ORM UPDATE of subclass rows by a column of the parent table changes own rows."""
    statement = (
        update(Image).where(Image.name.like("%:image%"), _one_asset(Image)).values(caption=at.own.say("x"))
    )
    session.execute(statement.execution_options(synchronize_session=False))
    changed = (
        select(func.count()).select_from(Image.__table__).where(Image.__table__.c.caption == at.own.say("x"))
    )
    return [stored(changed, [2])]


@innocent()
def orm_insert_subclass(session: Session, at: View) -> list[Any]:
    """An ORM bulk INSERT of a joined subclass fills all its tables."""
    rows = [
        {"id": at.own.id("asset", n), "name": at.own.say("x"), "caption": at.own.say("x")} for n in (70, 71)
    ]
    session.execute(insert(Image), rows)
    return [stored(select(Image.tenant_id).where(Image.caption == at.own.say("x")), [at.own.tenant] * 2)]


@innocent()
def orm_insert_subclass_with_link(session: Session, at: View) -> list[Any]:
    """An ORM bulk INSERT of a joined subclass may name an own parent."""
    home = at.own.id("project", 1)
    row = {
        "id": at.own.id("asset", 72),
        "name": at.own.say("x"),
        "caption": at.own.say("x"),
        "project_id": home,
    }
    session.execute(insert(Image), [row])
    return [stored(select(Image.project_id).where(Image.id == row["id"]), [home])]


@innocent()
def add_with_none(session: Session, at: View) -> list[Any]:
    """A new object whose tenant is None is stamped."""
    session.add(Tag(id=at.own.id("tag", 73), name=at.own.say("x"), tenant_id=None))
    session.flush()
    return [stored(select(Tag.tenant_id).where(Tag.id == at.own.id("tag", 73)), [at.own.tenant])]


@innocent()
def add_under_new_parent(session: Session, at: View) -> list[Any]:
    """A chain of new objects of one table is inserted, parents first."""
    top = Task(id=at.own.id("task", 73), title=at.own.say("top"), priority=1)
    top.children = [Task(id=at.own.id("task", 74), title=at.own.say("sub"), priority=1)]
    session.add(top)
    session.flush()
    return [stored(select(Task.parent_id).where(Task.id == at.own.id("task", 74)), [top.id])]


@innocent()
def insert_many_with_links(session: Session, at: View) -> list[Any]:
    """An executemany whose rows name several own parents, or none, works."""
    homes = [at.own.id("project", 1), None, at.own.id("project", 2), at.own.id("project", 1)]
    rows = [
        {"id": at.own.id("task", 80 + n), "title": at.own.say("new"), "priority": n, "project_id": home}
        for n, home in enumerate(homes)
    ]
    session.connection().execute(tasks.insert(), rows)
    return [stored(select(Task.project_id).where(Task.title == at.own.say("new")), homes)]


@innocent()
def insert_child_of_row_in_transaction(session: Session, at: View) -> list[Any]:
    """A row may name a parent that the same transaction has inserted."""
    project = {"id": at.own.id("project", 75), "name": at.own.say("x"), "budget": 1}
    session.execute(projects.insert(), [project])
    task = {"id": at.own.id("task", 75), "title": at.own.say("x"), "priority": 1, "project_id": project["id"]}
    session.execute(tasks.insert(), [task])
    return [stored(select(Task.project_id).where(Task.id == task["id"]), [project["id"]])]


@innocent()
def insert_with_null_link(session: Session, at: View) -> list[Any]:
    """A link may be NULL, as a value and as an expression."""
    row = {"id": at.own.id("task", 76), "title": at.own.say("x"), "priority": 1}
    session.execute(tasks.insert().values(**row, project_id=null(), parent_id=None))
    return [stored(select(Task.project_id).where(Task.id == row["id"]), [None])]


@innocent()
def update_link_to_own_by_expression(session: Session, at: View) -> list[Any]:
    """A link may be set to another column of the row."""
    statement = (
        tasks.update().where(tasks.c.title == at.own.say("build")).values(project_id=tasks.c.project_id)
    )
    session.execute(statement)
    return [stored(select(Task.project_id).where(Task.id == at.own.id("task", 2)), [at.own.id("project", 1)])]


@innocent()
def replace_links(session: Session, at: View) -> list[Any]:
    """A collection over an association table can be replaced."""
    task = session.get_one(Task, at.own.id("task", 1))
    task.tags = [session.get_one(Tag, at.own.id("tag", 3))]
    session.flush()
    return [stored(select(task_tags.c.tag_id).where(task_tags.c.task_id == task.id), [at.own.id("tag", 3)])]


@innocent()
def order_by_label_text(session: Session, at: View) -> Answer:
    """ORDER BY and GROUP BY with the name of a label work: it is looked up, not text."""
    statement = (
        select(Document.title.label("word"), func.count().label("n")).group_by("word").order_by("word")
    )
    return in_order([row.word for row in session.execute(statement)], sorted(at.own.says(*TITLES)))


@read()
def stream_row_by_row(session: Session, at: View) -> Answer:
    """A streamed result can be fetched in parts of all sizes."""
    statement = select(documents.c.title).order_by(documents.c.size)
    options = {"stream_results": True, "max_row_buffer": 1}
    rows = session.connection().execute(statement, execution_options=options)
    found = [rows.fetchone(), *rows.fetchmany(1), *rows.fetchall()]
    return in_order([row.title for row in found], at.own.says(*TITLES))


@read()
def literal_execute_and_postcompile(session: Session, at: View) -> Answer:
    """Bind values that are rendered late stay inside, with empty lists too."""
    none = session.scalars(select(Document.title).where(Document.id.in_([]))).all()
    sizes = [at.own.much(1), at.foreign.much(1)]
    found = session.scalars(
        select(Document.title).where(Document.size.in_(sizes), Document.title.not_in([]))
    ).all()
    return same([*none, *found], at.own.says("charter"))


@read(dialects=SQLITE)
def group_concat_of_subquery(session: Session, at: View) -> Answer:
    """An aggregate over a correlated subquery reads own rows."""
    child = aliased(Task)
    names = select(func.group_concat(child.title, ",")).where(child.parent_id == Task.id).scalar_subquery()
    found = session.scalars(select(names).select_from(Task).where(Task.priority == at.own.much(1)))
    return same(found, at.own.says("build"))


@read(dialects=POSTGRES)
def unnest_in_cte(session: Session, at: View) -> Answer:
    """A CTE over an unnested array joined with a table finds own rows."""
    names = postgresql.array([at.own.say("notes"), at.foreign.say("notes")])
    listed = select(func.unnest(names).label("title")).cte("listed")
    found = session.scalars(select(Document.size).join(listed, listed.c.title == Document.title))
    return same(found, at.own.many(2))


@read()
def literal_digit_subquery(session: Session, at: View) -> Answer:
    """``count`` over a digit counts own rows."""
    return same(session.scalar(select(func.count(literal_column("1"))).select_from(Document)), 3)
