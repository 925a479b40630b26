"""SELECT within SELECT: subqueries, CTEs, unions, EXISTS, correlated and scalar subqueries."""

from __future__ import annotations

from sqlalchemy import (
    any_,
    case,
    except_,
    exists,
    func,
    insert,
    intersect,
    literal,
    literal_column,
    select,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from tests.leaks.registry import NOT_MARIADB, POSTGRES, Answer, View, in_order, read, same
from tests.leaks.schema import Comment, Document, Image, Project, Tag, Task, TaskDetail, ledger, tickets

tasks, projects, documents = Task.__table__, Project.__table__, Document.__table__
TITLES = ("charter", "notes", "draft")
TASKS = ("plan", "build", "ship", "audit", "idle")


@read()
def subquery_in_from(session: Session, at: View) -> Answer:
    """A subquery in FROM is scoped."""
    inner = select(Document.title, Document.size).subquery()
    return same(session.scalars(select(inner.c.title).where(inner.c.size > 0)), at.own.says(*TITLES))


@read()
def subquery_of_subquery(session: Session, at: View) -> Answer:
    """A subquery of a subquery is scoped."""
    inner = select(select(documents.c.title).subquery()).subquery()
    return same(session.scalars(select(inner.c.title)), at.own.says(*TITLES))


@read()
def subquery_entity(session: Session, at: View) -> Answer:
    """An entity over a subquery with a limit returns own rows."""
    newest = aliased(Document, select(Document).order_by(Document.size.desc()).limit(2).subquery())
    return same([d.title for d in session.scalars(select(newest))], at.own.says("draft", "notes"))


@read()
def cte_plain(session: Session, at: View) -> Answer:
    """A CTE is scoped."""
    inner = select(Document.title).cte("inner")
    return same(session.scalars(select(inner.c.title)), at.own.says(*TITLES))


@read()
def cte_used_twice(session: Session, at: View) -> Answer:
    """A CTE used twice is scoped."""
    names = select(projects.c.id, projects.c.name).cte("names")
    again = names.alias("again")
    statement = select(names.c.name, again.c.name).join(again, again.c.id == names.c.id)
    wanted = at.own.says("apollo", "gemini", "hermes")
    return same(session.execute(statement), list(zip(wanted, wanted, strict=True)))


@read()
def cte_of_cte(session: Session, at: View) -> Answer:
    """A CTE over a CTE is scoped."""
    first = select(Task.id, Task.title).cte("first")
    second = select(first.c.title).where(first.c.id.in_(select(Task.id))).cte("second")
    return same(session.scalars(select(second.c.title)), at.own.says(*TASKS))


@read(dialects=POSTGRES)
def cte_materialized(session: Session, at: View) -> Answer:
    """A materialized CTE is scoped."""
    inner = select(Document.title).cte("inner").prefix_with("MATERIALIZED")
    return same(session.scalars(select(inner.c.title)), at.own.says(*TITLES))


@read()
def cte_recursive(session: Session, at: View) -> Answer:
    """A recursive CTE walks no foreign link."""
    tree = select(Task.id, Task.title).where(Task.parent_id.is_(None)).cte("tree", recursive=True)
    child = aliased(Task)
    tree = tree.union_all(select(child.id, child.title).join(tree, child.parent_id == tree.c.id))
    return same(session.scalars(select(tree.c.title)), at.own.says("plan", "build", "ship", "idle"))


@read()
def cte_recursive_core(session: Session, at: View) -> Answer:
    """A recursive CTE over tables counts own levels."""
    level = (
        select(tasks.c.id, literal(0).label("depth"))
        .where(tasks.c.parent_id.is_(None))
        .cte("level", recursive=True)
    )
    below = tasks.alias("below")
    deeper = select(below.c.id, level.c.depth + 1).where(below.c.parent_id == level.c.id)
    level = level.union(deeper)
    return same(session.scalars(select(level.c.depth).order_by(level.c.depth)), [0, 0, 0, 1])


@read(dialects=POSTGRES)
def cte_of_insert(session: Session, at: View) -> Answer:
    """An INSERT in a CTE stamps the tenant and returns its row."""
    values = {
        "id": at.own.id("document", 70),
        "title": at.own.say("made"),
        "path": at.own.say("/made"),
        "size": 1,
    }
    made = insert(Document).values(values).returning(Document.title, Document.tenant_id).cte("made")
    return same(
        session.execute(select(made.c.title, made.c.tenant_id)), [(at.own.say("made"), at.own.tenant)]
    )


@read(dialects=POSTGRES)
def cte_of_update(session: Session, at: View) -> Answer:
    """An UPDATE in a CTE touches own rows."""
    changed = update(Document).values(size=Document.size).returning(Document.title).cte("changed")
    return same(session.scalars(select(changed.c.title)), at.own.says(*TITLES))


@read()
def union_of_entities(session: Session, at: View) -> Answer:
    """Each part of a UNION is scoped."""
    small = select(Document.title).where(Document.size < at.own.much(2))
    found = session.scalars(union(small, select(Document.title).where(Document.size > 0)))
    return same(found, at.own.says(*TITLES))


@read()
def union_of_tables(session: Session, at: View) -> Answer:
    """A UNION ALL of several tables is scoped."""
    found = session.scalars(union_all(select(ledger.c.memo), select(tickets.c.subject)))
    return same(found, at.own.says("rent", "salaries", "ink", "ticket 1", "ticket 2"))


@read()
def union_with_limit(session: Session, at: View) -> Answer:
    """A UNION with an order and a limit returns own rows."""
    both = union_all(select(Task.title.label("name")), select(Project.name)).order_by("name").limit(3)
    return in_order(session.scalars(both), sorted(at.own.says(*TASKS, "apollo", "gemini", "hermes"))[:3])


@read(dialects=POSTGRES)
def union_of_limited_parts(session: Session, at: View) -> Answer:
    """Parts of a UNION with their own limits return own rows."""
    newest = select(Task.title).order_by(Task.priority.desc()).limit(1)
    found = session.scalars(union_all(newest, select(Project.name).order_by(Project.budget.desc()).limit(1)))
    return same(found, at.own.says("idle", "hermes"))


@read()
def union_as_entity(session: Session, at: View) -> Answer:
    """An entity over a UNION returns own rows."""
    low, high = (
        select(Task).where(Task.priority < at.own.much(2)),
        select(Task).where(Task.priority > at.own.much(4)),
    )
    either = aliased(Task, union_all(low, high).subquery())
    return same([t.title for t in session.scalars(select(either))], at.own.says("plan", "idle"))


@read()
def union_from_statement(session: Session, at: View) -> Answer:
    """Entities from a UNION statement are own rows."""
    both = union_all(
        select(Task).where(Task.priority < at.own.much(3)), select(Task).where(Task.priority < 0)
    )
    found = session.scalars(select(Task).from_statement(both))
    return same([t.title for t in found], at.own.says("plan", "build"))


@read()
def except_of_selects(session: Session, at: View) -> Answer:
    """EXCEPT subtracts within own rows."""
    less = except_(select(Task.title), select(Task.title).where(Task.priority > at.own.much(2)))
    return same(session.scalars(less), at.own.says("plan", "build"))


@read()
def intersect_of_selects(session: Session, at: View) -> Answer:
    """INTERSECT meets within own rows."""
    both = intersect(select(Task.title), select(Task.title).where(Task.priority > at.own.much(3)))
    return same(session.scalars(both), at.own.says("audit", "idle"))


@read()
def union_in_cte(session: Session, at: View) -> Answer:
    """A UNION in a CTE is scoped."""
    words = union_all(select(Tag.name.label("word")), select(Comment.body)).cte("words")
    wanted = at.own.says("red", "blue", "green", "hello", "well", "bye", "astray")
    return same(session.scalars(select(words.c.word)), wanted)


@read()
def exists_select(session: Session, at: View) -> Answer:
    """A bare EXISTS sees no foreign row."""
    foreign = exists().where(Document.title == at.foreign.say("charter"))
    own = exists().where(Document.title == at.own.say("charter"))
    return same([session.scalar(select(foreign)), session.scalar(select(own))], [False, True])


@read()
def exists_method(session: Session, at: View) -> Answer:
    """``select().exists()`` sees no foreign row."""
    foreign = select(ledger.c.id).where(ledger.c.memo == at.foreign.say("rent")).exists()
    return same(session.scalars(select(Project.name).where(foreign)), [])


@read()
def exists_correlated(session: Session, at: View) -> Answer:
    """A correlated EXISTS follows no corrupt pointer."""
    home = exists().where(Project.id == Task.project_id)
    return same(session.scalars(select(Task.title).where(home)), at.own.says("plan", "build", "audit"))


@read()
def exists_negated(session: Session, at: View) -> Answer:
    """A negated EXISTS treats a foreign partner as none."""
    home = exists().where(projects.c.id == tasks.c.project_id)
    return same(session.scalars(select(tasks.c.title).where(~home)), at.own.says("ship", "idle"))


@read()
def relationship_has(session: Session, at: View) -> Answer:
    """``has()`` follows no corrupt pointer."""
    statement = select(Task.title).where(Task.project.has())
    return same(session.scalars(statement), at.own.says("plan", "build", "audit"))


@read()
def relationship_not_has(session: Session, at: View) -> Answer:
    """A negated ``has()`` treats a foreign partner as none."""
    statement = select(Task.title).where(~Task.project.has(Project.budget > 0))
    return same(session.scalars(statement), at.own.says("ship", "idle"))


@read()
def relationship_any(session: Session, at: View) -> Answer:
    """``any()`` sees no foreign child."""
    statement = select(Project.name).where(Project.tasks.any(Task.title.like(at.foreign.say("%"))))
    return same(session.scalars(statement), [])


@read()
def relationship_any_own(session: Session, at: View) -> Answer:
    """``any()`` sees own children."""
    statement = select(Project.name).where(Project.tasks.any(Task.priority > 0))
    return same(session.scalars(statement), at.own.says("apollo", "gemini"))


@read()
def relationship_any_secondary(session: Session, at: View) -> Answer:
    """``any()`` over an association table passes no foreign link."""
    statement = select(Task.title).where(Task.tags.any(Tag.name.like("%:blue")))
    return same(session.scalars(statement), at.own.says("plan"))


@read()
def relationship_any_self(session: Session, at: View) -> Answer:
    """``any()`` on a self-reference sees no foreign child."""
    statement = select(Task.title).where(Task.children.any(Task.title.like("%:audit")))
    return same(session.scalars(statement), [])


@read()
def relationship_contains(session: Session, at: View) -> Answer:
    """``contains()`` finds own parents."""
    task = session.get_one(Task, at.own.id("task", 1))
    return same(
        session.scalars(select(Project.name).where(Project.tasks.contains(task))), at.own.says("apollo")
    )


@read()
def relationship_with_parent(session: Session, at: View) -> Answer:
    """A comparison with an object finds no foreign row."""
    project = session.get_one(Project, at.own.id("project", 1))
    return same(
        session.scalars(select(Task.title).where(Task.project == project)), at.own.says("plan", "build")
    )


@read()
def proxy_contains(session: Session, at: View) -> Answer:
    """An association proxy in a criterion passes no foreign link."""
    blue = [*session.scalars(select(Task.title).where(Task.tag_names.contains(at.foreign.say("blue"))))]
    red = [*session.scalars(select(Task.title).where(Task.tag_names.contains(at.own.say("red"))))]
    return same([*blue, *red], at.own.says("plan", "build"))


@read()
def scalar_subquery(session: Session, at: View) -> Answer:
    """A scalar subquery counts own rows."""
    count = select(func.count(Task.id)).scalar_subquery()
    return same(session.execute(select(count, func.count(Project.id))).one(), (5, 3))


@read()
def scalar_subquery_correlated(session: Session, at: View) -> Answer:
    """A correlated scalar subquery follows no corrupt pointer."""
    name = select(Project.name).where(Project.id == Task.project_id).scalar_subquery()
    wanted = [*at.own.says("apollo", "apollo", "gemini"), None, None]
    return same(session.scalars(select(name).select_from(Task)), wanted)


@read()
def scalar_subquery_core(session: Session, at: View) -> Answer:
    """A correlated scalar subquery over tables counts no foreign child."""
    count = (
        select(func.count()).where(tasks.c.project_id == projects.c.id).correlate(projects).scalar_subquery()
    )
    return same(session.scalars(select(count).select_from(projects)), [0, 1, 2])


@read()
def scalar_subquery_order_by(session: Session, at: View) -> Answer:
    """A scalar subquery in ORDER BY counts own rows."""
    count = select(func.count(Task.id)).where(Task.project_id == Project.id).scalar_subquery()
    statement = select(Project.name).order_by(count.desc())
    return in_order(session.scalars(statement), at.own.says("apollo", "gemini", "hermes"))


@read(dialects=NOT_MARIADB)
def scalar_subquery_limit(session: Session, at: View) -> Answer:
    """A scalar subquery as the limit counts own rows."""
    count = select(func.count(tickets.c.number)).scalar_subquery()
    statement = select(Task.title).order_by(Task.priority).limit(count)
    return in_order(session.scalars(statement), at.own.says("plan", "build"))


@read()
def scalar_subquery_in_function(session: Session, at: View) -> Answer:
    """A scalar subquery in a function sees no foreign row."""
    foreign = select(ledger.c.memo).where(ledger.c.memo == at.foreign.say("rent")).scalar_subquery()
    return same(session.scalar(select(func.coalesce(foreign, literal("nothing")))), "nothing")


@read()
def scalar_subquery_in_case(session: Session, at: View) -> Answer:
    """A scalar subquery in CASE sees no foreign row."""
    foreign = select(func.count(Tag.id)).where(Tag.name == at.foreign.say("red")).scalar_subquery()
    return same(session.scalar(select(case((foreign > 0, literal("leak")), else_=literal("none")))), "none")


@read()
def where_in_select(session: Session, at: View) -> Answer:
    """IN with a subquery meets own rows."""
    statement = select(Task.title).where(Task.project_id.in_(select(Project.id)))
    return same(session.scalars(statement), at.own.says("plan", "build", "audit"))


@read()
def where_not_in_select(session: Session, at: View) -> Answer:
    """NOT IN with a subquery of own rows keeps rows with a foreign partner."""
    statement = select(Task.title).where(Task.project_id.not_in(select(projects.c.id)))
    return same(session.scalars(statement), at.own.says("ship"))


@read()
def where_foreign_in_select(session: Session, at: View) -> Answer:
    """A criterion on child rows sees none of a foreign parent."""
    notes = select(TaskDetail.note).where(TaskDetail.task_id == at.foreign.id("task", 1))
    captions = select(Image.caption).where(Image.id == at.foreign.id("asset", 1))
    return same([*session.scalars(notes), *session.scalars(captions)], [])


@read(dialects=POSTGRES)
def where_any_of_subquery(session: Session, at: View) -> Answer:
    """ANY over a subquery meets own rows."""
    ids = select(Project.id).scalar_subquery()
    return same(session.scalars(select(Task.title).where(Task.project_id == any_(ids))), _at_home(at))


def _at_home(at: View) -> list[str]:
    return at.own.says("plan", "build", "audit")


@read()
def subquery_in_join_condition(session: Session, at: View) -> Answer:
    """A subquery in an ON clause is scoped."""
    largest = select(func.max(Project.budget)).scalar_subquery()
    statement = select(Task.title, Project.name).outerjoin(Project, Project.budget == largest).limit(1)
    return same(session.scalar(statement.with_only_columns(Project.name)), at.own.say("hermes"))


@read()
def subquery_literal_column(session: Session, at: View) -> Answer:
    """A digit as a literal column in EXISTS is no text."""
    home = select(literal_column("1")).where(Project.id == Task.project_id).exists()
    return same(session.scalars(select(Task.title).where(home)), at.own.says("plan", "build", "audit"))
