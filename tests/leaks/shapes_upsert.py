"""Upserts: own rows are changed, foreign rows that stand in the way are not."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.exceptions import ForeignTenant, IsolationError, StatementRefused
from tests.leaks.registry import MARIADB, NOT_MARIADB, POSTGRES, SQLITE, View, attack, innocent, same, stored
from tests.leaks.schema import Document, Preference, Project, Tag, Task, TaskDetail, ledger, task_tags

REFUSED = (IsolationError, IntegrityError)


def upsert(at: View, into: Any) -> Any:
    """The INSERT of the dialect that knows ON CONFLICT or ON DUPLICATE KEY."""
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert, "mariadb": mysql.insert}[at.dialect](
        into
    )


def proposed(statement: Any) -> Any:
    """The columns of the row that was to be inserted."""
    return statement.inserted if isinstance(statement, mysql.Insert) else statement.excluded


def settle(statement: Any, on: list[Any], set_: dict[Any, Any]) -> Any:
    """Change the row that is in the way: by the columns it conflicts on, or on MariaDB by any key."""
    if isinstance(statement, mysql.Insert):
        return statement.on_duplicate_key_update(set_)
    return statement.on_conflict_do_update(index_elements=on, set_=set_)


def _entry(at: View, owner: Any, number: int) -> dict[str, Any]:
    return {"id": owner.id("ledger", number), "memo": at.own.say("entry"), "amount": 7}


def _document(at: View, path: str) -> dict[str, Any]:
    return {"id": at.own.id("document", 60), "title": at.own.say("new"), "path": path, "size": 7}


@innocent()
def update_own_by_id(session: Session, at: View) -> list[Any]:
    """DO UPDATE changes the own row that is in the way."""
    statement = upsert(at, ledger).values(**_entry(at, at.own, 1))
    session.execute(settle(statement, ["id"], {"memo": proposed(statement).memo}))
    return [stored(select(ledger.c.memo).where(ledger.c.id == at.own.id("ledger", 1)), at.own.says("entry"))]


@innocent()
def update_inserts_own(session: Session, at: View) -> list[Any]:
    """DO UPDATE inserts and stamps a row if none is in the way."""
    statement = upsert(at, ledger).values(**_entry(at, at.own, 60))
    session.execute(settle(statement, ["id"], {"amount": 8}))
    return [stored(select(ledger.c.org_id).where(ledger.c.memo == at.own.say("entry")), [at.own.tenant])]


@innocent(alone=False)
def update_own_by_tenant_and_name(session: Session, at: View) -> list[Any]:
    """DO UPDATE on a key that holds the tenant changes the own row."""
    statement = upsert(at, Preference).values(name="colour", value=at.own.say("red"))
    changed = settle(statement, ["org_id", "name"], {"value": proposed(statement).value})
    session.execute(changed)
    value = select(Preference.value).where(Preference.org == at.own.tenant, Preference.name == "colour")
    return [stored(value, at.own.says("red"))]


@innocent(dialects=NOT_MARIADB)
def update_own_by_unique_column(session: Session, at: View) -> list[Any]:
    """DO UPDATE on a unique column changes the own row and returns it."""
    statement = upsert(at, Document).values(**_document(at, at.own.say("/draft")))
    changed = settle(statement, ["path"], {"title": proposed(statement).title})
    found = session.execute(changed.returning(Document.title, Document.path)).all()
    return [same(found, [tuple(at.own.says("new", "/draft"))])]


@innocent()
def update_own_many(session: Session, at: View) -> list[Any]:
    """DO UPDATE by executemany changes own rows."""
    statement = upsert(at, ledger)
    changed = settle(statement, ["id"], {"amount": proposed(statement).amount})
    session.execute(changed, [_entry(at, at.own, n) for n in (1, 2, 61)])
    amounts = select(ledger.c.amount).where(ledger.c.org_id == at.own.tenant)
    return [stored(amounts, [7, 7, at.own.much(3), 7])]


@innocent()
def update_own_multi_values(session: Session, at: View) -> list[Any]:
    """DO UPDATE by multi-VALUES changes own rows."""
    statement = upsert(at, ledger).values([_entry(at, at.own, n) for n in (1, 61)])
    session.execute(settle(statement, ["id"], {"amount": 9}))
    return [stored(select(ledger.c.amount).where(ledger.c.amount.in_([7, 9])), [7, 9])]


@innocent(dialects=NOT_MARIADB)
def update_own_where(session: Session, at: View) -> list[Any]:
    """The caller's WHERE of a DO UPDATE is kept."""
    statement = upsert(at, ledger).values([_entry(at, at.own, n) for n in (1, 2)])
    changed = statement.on_conflict_do_update(
        index_elements=["id"], set_={"amount": 9}, where=ledger.c.amount > at.own.much(1)
    )
    session.execute(changed)
    amounts = select(ledger.c.amount).where(ledger.c.org_id == at.own.tenant)
    return [stored(amounts, [at.own.much(1), 9, at.own.much(3)])]


@innocent()
def update_own_link(session: Session, at: View) -> list[Any]:
    """DO UPDATE may set a foreign key to an own row."""
    home = at.own.id("project", 2)
    statement = upsert(at, Document).values(**_document(at, at.own.say("/draft")))
    session.execute(settle(statement, ["path"], {"project_id": home}))
    return [stored(select(Document.project_id).where(Document.path == at.own.say("/draft")), [home])]


@innocent()
def update_own_child(session: Session, at: View) -> list[Any]:
    """DO UPDATE changes an own child row."""
    row = {"id": at.own.id("detail", 1), "note": at.own.say("new"), "task_id": at.own.id("task", 1)}
    statement = upsert(at, TaskDetail).values(**row)
    session.execute(settle(statement, ["id"], {"note": proposed(statement).note}))
    return [stored(select(TaskDetail.note).where(TaskDetail.id == row["id"]), at.own.says("new"))]


@innocent(dialects=NOT_MARIADB)
def nothing_own(session: Session, at: View) -> list[Any]:
    """DO NOTHING leaves the own row that is in the way, and inserts what is new."""
    statement = upsert(at, ledger).on_conflict_do_nothing()
    session.execute(statement, [_entry(at, at.own, n) for n in (1, 60)])
    found = select(ledger.c.amount).where(ledger.c.org_id == at.own.tenant)
    return [stored(found, [*at.own.many(1, 2, 3), 7])]


@innocent(dialects=NOT_MARIADB)
def nothing_association(session: Session, at: View) -> list[Any]:
    """DO NOTHING links own rows in an association table, again and anew."""
    task = at.own.id("task", 1)
    statement = upsert(at, task_tags).on_conflict_do_nothing()
    session.execute(statement, [{"task_id": task, "tag_id": at.own.id("tag", n)} for n in (1, 3)])
    return [stored(select(func.count()).select_from(task_tags).where(task_tags.c.task_id == task), [3])]


@innocent()
def update_own_from_select(session: Session, at: View) -> list[Any]:
    """DO UPDATE fed by a SELECT changes own rows."""
    source = select(ledger.c.id, ledger.c.memo, ledger.c.amount + 1).where(ledger.c.amount > 0)
    statement = upsert(at, ledger).from_select(["id", "memo", "amount"], source)
    changed = settle(statement, ["id"], {"amount": proposed(statement).amount})
    session.execute(changed)
    wanted = [n + 1 for n in at.own.many(1, 2, 3)]
    return [stored(select(ledger.c.amount).where(ledger.c.org_id == at.own.tenant), wanted)]


@attack(*REFUSED, quiet=True)
def update_foreign_by_id(session: Session, at: View) -> object:
    """DO UPDATE does not change a foreign row that is in the way."""
    statement = upsert(at, ledger).values(**_entry(at, at.foreign, 1))
    changed = settle(statement, ["id"], {"memo": proposed(statement).memo})
    return [row.memo for row in session.execute(changed.returning(ledger.c.memo))]


@attack(*REFUSED, quiet=True)
def update_foreign_by_unique_column(session: Session, at: View) -> object:
    """DO UPDATE on a unique column neither changes nor returns a foreign row."""
    statement = upsert(at, Document).values(**_document(at, at.foreign.say("/draft")))
    changed = settle(statement, ["path"], {"size": 7})
    return [row.title for row in session.execute(changed.returning(Document.title))]


@attack(*REFUSED, quiet=True, dialects=NOT_MARIADB)
def update_foreign_where_or(session: Session, at: View) -> None:
    """An OR in the caller's WHERE of a DO UPDATE does not open it."""
    statement = upsert(at, ledger).values(**_entry(at, at.foreign, 1))
    everything = (ledger.c.amount >= 0) | (ledger.c.amount < 0)
    session.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_={"amount": 7}, where=everything)
    )


@attack(*REFUSED, quiet=True)
def update_foreign_many(session: Session, at: View) -> None:
    """DO UPDATE by executemany does not change the foreign row among own ones."""
    statement = upsert(at, ledger)
    changed = settle(statement, ["id"], {"amount": proposed(statement).amount})
    session.execute(changed, [_entry(at, owner, 1) for owner in (at.own, at.foreign)])


@attack(*REFUSED, quiet=True, dialects=NOT_MARIADB)
def nothing_foreign(session: Session, at: View) -> object:
    """DO NOTHING does not return a foreign row that is in the way."""
    statement = upsert(at, ledger).values(**_entry(at, at.foreign, 1)).on_conflict_do_nothing()
    session.execute(statement.returning(ledger.c.memo)).all()
    return [m for m in session.scalars(select(ledger.c.memo)) if m.startswith(at.foreign.slug)]


@attack(*REFUSED, quiet=True)
def update_foreign_child(session: Session, at: View) -> None:
    """DO UPDATE on a child table does not change a row of a foreign parent."""
    row = {"id": at.foreign.id("detail", 1), "note": at.own.say("stolen"), "task_id": at.own.id("task", 1)}
    statement = upsert(at, TaskDetail).values(**row)
    session.execute(settle(statement, ["id"], {"note": proposed(statement).note}))


@attack(*REFUSED, quiet=True)
def attack_11_upsert_moves_child(session: Session, at: View) -> None:
    """DO UPDATE on a child table does not move a foreign child to an own parent."""
    row = {"id": at.foreign.id("detail", 1), "note": at.own.say("stolen"), "task_id": at.own.id("task", 1)}
    statement = upsert(at, TaskDetail).values(**row)
    moved = {"task_id": proposed(statement).task_id}
    session.execute(settle(statement, ["id"], moved))


@attack(*REFUSED)
def attack_11_upsert_gives_child_away(session: Session, at: View) -> None:
    """DO UPDATE on a child table does not move an own child to a foreign parent."""
    row = {"id": at.own.id("detail", 1), "note": at.own.say("x"), "task_id": at.own.id("task", 1)}
    statement = upsert(at, TaskDetail).values(**row)
    away = {"task_id": at.foreign.id("task", 1)}
    session.execute(settle(statement, ["id"], away))


@attack()
def attack_11_upsert_sets_tenant(session: Session, at: View) -> None:
    """DO UPDATE may not set the tenant to another's."""
    statement = upsert(at, ledger).values(**_entry(at, at.own, 1))
    session.execute(settle(statement, ["id"], {"org_id": at.foreign.tenant}))


@attack()
def attack_11_upsert_takes_over(session: Session, at: View) -> None:
    """DO UPDATE may not set the tenant of a foreign row to the own one."""
    statement = upsert(at, ledger).values(**_entry(at, at.foreign, 1), org_id=at.own.tenant)
    taken = {"org_id": proposed(statement).org_id, "memo": proposed(statement).memo}
    session.execute(settle(statement, ["id"], taken))


@attack()
def attack_11_upsert_sets_tenant_by_column(session: Session, at: View) -> None:
    """DO UPDATE may not set the tenant by a column as the key."""
    statement = upsert(at, ledger).values(**_entry(at, at.own, 1))
    away = {ledger.c.org_id: at.foreign.tenant}
    session.execute(settle(statement, [ledger.c.id], away))


@attack(ForeignTenant)
def upsert_sets_foreign_link(session: Session, at: View) -> None:
    """DO UPDATE may not set a foreign key to a foreign row."""
    statement = upsert(at, Document).values(**_document(at, at.own.say("/draft")))
    away = {"project_id": at.foreign.id("project", 1)}
    session.execute(settle(statement, ["path"], away))


@attack(ForeignTenant)
def upsert_inserts_foreign_link(session: Session, at: View) -> None:
    """An upsert may not insert a foreign key to a foreign row, nor take it over from ``excluded``."""
    values = {**_document(at, at.own.say("/draft")), "project_id": at.foreign.id("project", 1)}
    statement = upsert(at, Document).values(**values)
    taken = {"project_id": proposed(statement).project_id}
    session.execute(settle(statement, ["path"], taken))


@attack(*REFUSED, quiet=True)
def upsert_sets_foreign_link_by_select(session: Session, at: View) -> None:
    """DO UPDATE finds no foreign row to link to."""
    statement = upsert(at, Document).values(**_document(at, at.own.say("/draft")))
    theirs = select(Project.id).where(Project.name == at.foreign.say("apollo")).scalar_subquery()
    session.execute(settle(statement, ["path"], {"project_id": theirs}))


@attack(ForeignTenant, dialects=NOT_MARIADB)
def upsert_inserts_foreign_tenant(session: Session, at: View) -> None:
    """An upsert may not insert for another tenant."""
    statement = upsert(at, ledger).values(**_entry(at, at.own, 60), org_id=at.foreign.tenant)
    session.execute(statement.on_conflict_do_nothing())


@attack(ForeignTenant, dialects=NOT_MARIADB)
def upsert_links_association(session: Session, at: View) -> None:
    """DO NOTHING may not link an own row to a foreign one."""
    row = {"task_id": at.own.id("task", 5), "tag_id": at.foreign.id("tag", 1)}
    session.execute(upsert(at, task_tags).values(**row).on_conflict_do_nothing())


@attack(*REFUSED, quiet=True, inert="a copy of texts changes no foreign row")
def upsert_copies_foreign_text(session: Session, at: View) -> None:
    """A scalar subquery in DO UPDATE reads no foreign row."""
    statement = upsert(at, Tag).values(id=at.own.id("tag", 1), name=at.own.say("x"))
    theirs = select(Task.title).where(Task.title == at.foreign.say("plan")).scalar_subquery()
    text = func.coalesce(theirs, at.own.say("nothing"))
    session.execute(settle(statement, ["id"], {"name": text}))


@attack(StatementRefused, dialects=SQLITE)
def attack_11_or_replace(session: Session, at: View) -> None:
    """INSERT OR REPLACE is refused: it deletes whatever is in the way."""
    session.execute(ledger.insert().prefix_with("OR REPLACE").values(**_entry(at, at.foreign, 1)))


@attack(StatementRefused, dialects=SQLITE)
def attack_11_or_replace_by_orm(session: Session, at: View) -> None:
    """INSERT OR REPLACE is refused for an ORM bulk INSERT."""
    row = {"id": at.foreign.id("tag", 3), "name": at.own.say("stolen")}
    session.execute(Tag.__table__.insert().prefix_with("OR REPLACE", dialect="sqlite"), [row])


@attack(StatementRefused, dialects=SQLITE)
def attack_11_or_replace_child(session: Session, at: View) -> None:
    """INSERT OR REPLACE is refused for a child table."""
    row = {"id": at.foreign.id("detail", 1), "note": at.own.say("stolen"), "task_id": at.own.id("task", 1)}
    session.execute(TaskDetail.__table__.insert().prefix_with("OR REPLACE").values(**row))


@attack(*REFUSED, quiet=True, dialects=POSTGRES)
def upsert_foreign_by_constraint(session: Session, at: View) -> object:
    """DO UPDATE by the name of a constraint neither changes nor returns a foreign row."""
    statement = postgresql.insert(ledger).values(**_entry(at, at.foreign, 1))
    changed = statement.on_conflict_do_update(constraint=ledger.primary_key, set_={"amount": 7})
    return [row.memo for row in session.execute(changed.returning(ledger.c.memo))]


@innocent(dialects=MARIADB)
def duplicate_changes_own_by_unique_column(session: Session, at: View) -> list[Any]:
    """ON DUPLICATE KEY UPDATE changes the own row that is in the way of a unique column."""
    statement = upsert(at, Document).values(**_document(at, at.own.say("/draft")))
    changed = statement.on_duplicate_key_update(title=statement.inserted.title, size=Document.size + 1)
    session.execute(changed)
    found = select(Document.title, Document.size).where(Document.path == at.own.say("/draft"))
    session.commit()
    return [same(session.execute(found).all(), [(at.own.say("new"), at.own.much(3) + 1)])]


@innocent(dialects=MARIADB)
def duplicate_keeps_own(session: Session, at: View) -> list[Any]:
    """What MariaDB says for DO NOTHING leaves the own row that is in the way, and inserts what is new."""
    statement = upsert(at, ledger).on_duplicate_key_update(id=ledger.c.id)
    session.execute(statement, [_entry(at, at.own, n) for n in (1, 60)])
    found = select(ledger.c.amount).where(ledger.c.org_id == at.own.tenant)
    return [stored(found, [*at.own.many(1, 2, 3), 7])]


@innocent(dialects=MARIADB)
def duplicate_in_order(session: Session, at: View) -> list[Any]:
    """A list of assignments keeps its order, which MariaDB evaluates from left to right."""
    statement = upsert(at, ledger).values(**_entry(at, at.own, 1))
    ordered = [("amount", ledger.c.amount + 1), ("memo", func.concat(at.own.say(""), ledger.c.amount))]
    session.execute(statement.on_duplicate_key_update(ordered))
    memo = select(ledger.c.memo).where(ledger.c.id == at.own.id("ledger", 1))
    return [stored(memo, [at.own.say(str(at.own.much(1) + 1))])]


@innocent(dialects=MARIADB)
def duplicate_links_association(session: Session, at: View) -> list[Any]:
    """ON DUPLICATE KEY UPDATE links own rows in an association table, again and anew."""
    task = at.own.id("task", 1)
    statement = upsert(at, task_tags).on_duplicate_key_update(tag_id=task_tags.c.tag_id)
    session.execute(statement, [{"task_id": task, "tag_id": at.own.id("tag", n)} for n in (1, 3)])
    return [stored(select(func.count()).select_from(task_tags).where(task_tags.c.task_id == task), [3])]


@innocent()
def update_own_takes_proposed_link(session: Session, at: View) -> list[Any]:
    """A foreign key may be taken from the row that was to be inserted, as it is or in an expression."""
    home = at.own.id("project", 2)
    statement = upsert(at, Document).values(**_document(at, at.own.say("/draft")), project_id=home)
    session.execute(settle(statement, ["path"], {"project_id": proposed(statement).project_id}))
    other = upsert(at, Document).values(**_document(at, at.own.say("/notes")), project_id=home)
    either = func.coalesce(proposed(other).project_id, Document.project_id)
    session.execute(settle(other, ["path"], {"project_id": either}))
    paths = [at.own.say("/draft"), at.own.say("/notes")]
    return [stored(select(Document.project_id).where(Document.path.in_(paths)), [home, home])]


@attack(StatementRefused, dialects=MARIADB)
def duplicate_returns_foreign(session: Session, at: View) -> object:
    """ON DUPLICATE KEY UPDATE does not return the foreign row that is in the way."""
    statement = upsert(at, Document).values(**_document(at, at.foreign.say("/draft")))
    changed = statement.on_duplicate_key_update(size=7)
    return [row.title for row in session.execute(changed.returning(Document.title))]


@attack(*REFUSED, quiet=True)
def upsert_takes_foreign_link(session: Session, at: View) -> None:
    """An expression over the row that was to be inserted links to no foreign row."""
    statement = upsert(at, Document).values(**_document(at, at.own.say("/draft")))
    theirs = select(Project.id).where(Project.name == at.foreign.say("apollo")).scalar_subquery()
    either = func.coalesce(proposed(statement).project_id, theirs)
    session.execute(settle(statement, ["path"], {"project_id": either}))


@attack(StatementRefused, dialects=MARIADB, inert="the row in the way stays, and the mistake is hidden")
def insert_ignore(session: Session, at: View) -> None:
    """INSERT IGNORE is refused: a prefix is raw text."""
    session.execute(upsert(at, ledger).prefix_with("IGNORE").values(**_entry(at, at.foreign, 1)))


@attack(StatementRefused, dialects=MARIADB, inert="SQLAlchemy leaves it out with a warning")
def duplicate_sets_what_is_no_column(session: Session, at: View) -> None:
    """A SET of what is no column of the table is refused."""
    statement = upsert(at, ledger).values(**_entry(at, at.own, 1))
    session.execute(statement.on_duplicate_key_update({"memo = (SELECT 1), memo": "x"}))
