"""Attacks on the pin: parameters, options, connections, binds, listeners, compiled statements, raw drivers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import bindparam, event, func, insert, literal, select, update
from sqlalchemy.exc import ObjectNotExecutableError, StatementError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from tenantkit.exceptions import IsolationError, ScopeRequired, StatementRefused
from tests.leaks.registry import POSTGRES, View, attack, innocent, read, same, stored
from tests.leaks.schema import VAULT, Document, Image, Project, Tag, Task, ledger, task_tags

documents = Document.__table__
GUESSES = (
    "_pin",
    "pin",
    "scope",
    "tenant",
    "tenant_id",
    "tenantkit",
    "_tenantkit",
    "tenantkit_pin",
    "tenantkit_scope",
)
REFUSED_BY_SQLALCHEMY = "" if sqlalchemy.__version__ < "2.1" else "refused by SQLAlchemy itself"


def _names(session: Session, statement: Any) -> list[str]:
    """Every bind name that the statement has once it is compiled here, and those that it might have."""
    compiled = statement.compile(session.get_bind())
    guesses = ("tenant_id_1", "org_id_1", "scope", "_scope", "tenant", "tenantkit_scope", "tenantkit_tenant")
    return [*compiled.binds, *compiled.params, *guesses]


@attack(IsolationError, StatementError, quiet=True)
def attack_02_parameter_by_name(session: Session, at: View) -> object:
    """No parameter of the caller's replaces the tenant, whatever its name."""
    statement = select(Document.title)
    return session.execute(statement, dict.fromkeys(_names(session, statement), at.foreign.tenant)).all()


@attack(IsolationError, StatementError, quiet=True, inert="only a scope has a parameter to win over")
def attack_02_parameter_of_update(session: Session, at: View) -> None:
    """No parameter of an UPDATE replaces the tenant."""
    statement = ledger.update().values(amount=0)
    session.connection().execute(
        statement, [dict.fromkeys(_names(session, statement), at.foreign.tenant)] * 2
    )


@attack(IsolationError, StatementError, quiet=True, inert="only a scope has a parameter to win over")
def attack_02_parameter_of_insert(session: Session, at: View) -> None:
    """No parameter of an INSERT replaces the tenant."""
    row = {"id": at.own.id("ledger", 97), "memo": at.own.say("x"), "amount": 1}
    names = _names(session, ledger.insert().values(**row))
    forged = {name: at.foreign.tenant for name in names if name not in ledger.c}
    session.connection().execute(ledger.insert(), [{**forged, **row}])


@attack(IsolationError, StatementError, quiet=True)
def attack_02_bindparam_of_same_name(session: Session, at: View) -> object:
    """No bind parameter in the caller's statement takes the tenant's place."""
    found = []
    for name in set(_names(session, select(Document.title))):
        twin = bindparam(name, at.foreign.tenant, type_=documents.c.tenant_id.type, unique=False)
        found += session.scalars(select(Document.title).where(Document.tenant_id == twin)).all()
    return found


@attack(IsolationError, quiet=True)
def attack_03_execution_options(session: Session, at: View) -> object:
    """No execution option of a statement chooses the tenant or switches the scope off."""
    forged = {
        **dict.fromkeys(GUESSES, at.scope(at.foreign)),
        "skip_scope": True,
        "unscoped": True,
        "all_tenants": True,
    }
    return session.execute(select(Document.title), execution_options=forged).all()


@attack(IsolationError, quiet=True)
def attack_03_statement_options(session: Session, at: View) -> object:
    """No execution option that is part of a statement chooses the tenant."""
    statement = select(Document.title).execution_options(**dict.fromkeys(GUESSES, at.foreign.tenant))
    return session.execute(statement).all()


@attack(IsolationError, quiet=True)
def attack_03_connection_options(session: Session, at: View) -> object:
    """No execution option of the connection chooses the tenant."""
    connection = session.connection(execution_options=dict.fromkeys(GUESSES, at.scope(at.foreign)))
    forged = connection.execution_options(**dict.fromkeys(GUESSES, at.foreign.tenant))
    return [*forged.execute(select(documents.c.title)), *session.execute(select(Document.title))]


@attack(IsolationError, quiet=True)
def attack_03_info(session: Session, at: View) -> object:
    """Neither the session's nor the connection's ``info`` chooses the tenant."""
    forged = dict.fromkeys(GUESSES, at.scope(at.foreign))
    session.info.update(forged)
    info = session.connection().info
    before = dict(info)
    info.update({key: at.foreign.tenant for key in GUESSES if key not in info})
    found = session.execute(select(Document.title)).all()
    info.clear()
    info.update(before)
    return found


@attack(IsolationError, pinned=True, ambient=False)
def attack_04_second_session(session: Session, at: View) -> object:
    """A session of another tenant may not use the connection of this one."""
    other = at.open(at.foreign, bind=session.connection())
    return other.scalars(select(Document.title)).all()


@innocent(pinned=True, ambient=False)
def attack_04_first_session_after_second(session: Session, at: View) -> object:
    """After another tenant's session was refused on its connection, a session still sees its own rows."""
    session.execute(select(Document.title)).all()
    other = at.open(at.foreign, bind=session.connection())
    try:
        leaked = other.scalars(select(Document.title)).all()
    except IsolationError:
        leaked = []
    other.close()
    return same([*leaked, *session.scalars(select(Document.title))], at.own.says("charter", "notes", "draft"))


@attack(ScopeRequired, IsolationError, pinned=True)
def attack_04_connection_after_session(session: Session, at: View) -> object:
    """A connection that a session of a tenant has used has no tenant when the session is closed."""
    with at.engine.connect() as connection:
        with at.open(at.own, bind=connection) as other:
            other.execute(select(Document.title)).all()
            other.commit()
        return connection.execute(select(documents.c.title)).all()


@attack(ScopeRequired, IsolationError, pinned=True, ambient=False)
def attack_04_pooled_connection(session: Session, at: View) -> object:
    """A pooled connection brings no tenant along."""
    with at.open(at.foreign) as other:
        other.execute(select(Document.title)).all()
    with at.engine.connect() as connection:
        return connection.execute(select(documents.c.title)).all()


@attack(pinned=True)
def attack_05_bind_arguments(session: Session, at: View) -> object:
    """A statement may not choose another bind."""
    return session.execute(select(Document.title), bind_arguments={"bind": at.owner}).all()


@attack(pinned=True)
def attack_05_binds(session: Session, at: View) -> object:
    """A session may not have another engine for some of its entities."""
    other = at.open(at.own, binds={Tag: at.owner})
    return other.scalars(select(Tag.name)).all()


@attack(pinned=True)
def attack_05_bind_table(session: Session, at: View) -> object:
    """A session may not be given another engine for a table later."""
    session.bind_table(documents, at.owner)
    return session.scalars(select(Document.title)).all()


@attack(pinned=True)
def attack_05_bind_mapper(session: Session, at: View) -> object:
    """A session may not be given another engine for an entity later."""
    session.bind_mapper(Document, at.owner)
    return session.scalars(select(Document.title)).all()


@attack(pinned=True)
def attack_05_new_bind(session: Session, at: View) -> object:
    """A session may not be given another engine as a whole."""
    session.bind = at.owner
    return session.scalars(select(Document.title)).all()


@attack(pinned=True)
def attack_05_plain_engine(session: Session, at: View) -> object:
    """A scoped session may not be opened on an engine that is not scoped."""
    return at.open(at.own, bind=at.owner).scalars(select(Document.title)).all()


@attack(pinned=True)
def attack_05_get_bind_of_another(session: Session, at: View) -> object:
    """``get`` may not choose another bind."""
    found = session.get(Document, at.foreign.id("document", 1), bind_arguments={"bind": at.owner})
    return found and found.title


@contextmanager
def _listening(at: View, rewrite: Any) -> Any:
    event.listen(at.engine, "before_execute", rewrite, retval=True)
    try:
        yield
    finally:
        event.remove(at.engine, "before_execute", rewrite)


@attack(IsolationError)
def attack_06_listener_that_rewrites(session: Session, at: View) -> None:
    """A listener of the host's that writes another tenant into an INSERT is refused."""

    def rewrite(connection: Any, statement: Any, many: Any, one: Any, options: Any) -> Any:
        return (statement.values(org_id=at.foreign.tenant) if statement.is_insert else statement), many, one

    with _listening(at, rewrite):
        row = {"id": at.own.id("ledger", 97), "memo": at.own.say("x"), "amount": 1}
        session.execute(ledger.insert().values(**row))


@innocent()
def attack_06_listener_that_rewrites_select(session: Session, at: View) -> object:
    """A listener of the host's that puts another statement in place is scoped too."""

    def rewrite(connection: Any, statement: Any, many: Any, one: Any, options: Any) -> Any:
        return select(documents.c.title), many, one

    with _listening(at, rewrite):
        found = session.connection().execute(select(ledger.c.memo)).all()
    return same([row[0] for row in found], at.own.says("charter", "notes", "draft"))


@attack(dialects=POSTGRES)
def attack_14_translate_map(session: Session, at: View) -> object:
    """A statement may not choose another schema."""
    options = {"schema_translate_map": {None: VAULT}}
    return session.execute(select(documents.c.title), execution_options=options).all()


@attack(inert="the second name is the first one's")
def attack_14_translate_map_of_sqlite(session: Session, at: View) -> object:
    """A statement may not choose another schema, whatever it is called."""
    here = {"sqlite": "main", "postgresql": "public"}.get(at.dialect, at.engine.url.database)
    options = {"schema_translate_map": {None: here}}
    return len(session.execute(select(documents.c.title), execution_options=options).all())


@attack(dialects=POSTGRES)
def attack_14_translate_map_of_connection(session: Session, at: View) -> object:
    """A connection may not choose another schema."""
    session.connection(execution_options={"schema_translate_map": {None: VAULT}})
    return session.scalars(select(Document.title)).all()


@attack(dialects=POSTGRES, pinned=True)
def attack_14_translate_map_of_engine(session: Session, at: View) -> object:
    """An engine made of the scoped one may not choose another schema."""
    engine = at.engine.execution_options(schema_translate_map={None: VAULT})
    return at.open(at.own, bind=engine).scalars(select(Document.title)).all()


@innocent(pinned=True)
def attack_16_engine_of_options(session: Session, at: View) -> object:
    """An engine with options made of the scoped one is scoped."""
    engine = at.engine.execution_options(isolation_level="SERIALIZABLE")
    other = at.open(at.own, bind=engine)
    return same(other.scalars(select(Document.title)), at.own.says("charter", "notes", "draft"))


@innocent()
def attack_16_plain_engine_first(session: Session, at: View) -> object:
    """What a plain engine has compiled before is not taken from a cache, by reads or by writes."""
    statement = select(Document).order_by(Document.size)
    with Session(at.owner) as plain:
        everything = len(plain.scalars(statement).all())
        for number in (1, 2):
            plain.get_one(Document, at.own.id("document", number)).state = "warm"
        plain.flush()
        plain.rollback()
    found = [document.title for document in session.scalars(statement)]
    return same([everything >= len(found), *found], [True, *at.own.says("charter", "notes", "draft")])


@attack(StaleDataError, IsolationError, dialects=("sqlite", "postgresql"))
def attack_15_flush_after_plain_flush(session: Session, at: View) -> None:
    """A bulk update by a foreign primary key is scoped although a plain engine has compiled the same before."""
    rows = [{"id": at.foreign.id("document", 1), "state": "stolen"}]
    with Session(at.owner) as plain:
        plain.execute(update(Document), rows)
        plain.rollback()
    session.execute(update(Document), rows)


@attack(IsolationError, ObjectNotExecutableError, inert=REFUSED_BY_SQLALCHEMY)
def attack_17_precompiled(session: Session, at: View) -> object:
    """A statement that another dialect has compiled is not run."""
    compiled = select(documents.c.title).compile(dialect=at.owner.dialect)
    return session.connection().execute(compiled).all()


@attack(IsolationError, ObjectNotExecutableError, inert=REFUSED_BY_SQLALCHEMY)
def attack_17_precompiled_update(session: Session, at: View) -> None:
    """An UPDATE that another dialect has compiled is not run."""
    compiled = documents.update().values(state="stolen").compile(dialect=at.owner.dialect)
    session.connection().execute(compiled, {"state": "stolen"})


@read(dialects=POSTGRES)
def attack_18_full_join_locked(session: Session, at: View) -> object:
    """A full join of qualified columns is scoped, and FOR UPDATE OF works with criteria through parents."""
    pairs = documents.outerjoin(Project.__table__, documents.c.project_id == Project.id, full=True)
    full = session.execute(select(documents.c.title, Project.name).select_from(pairs)).all()
    locked = session.scalars(select(Image).with_for_update(of=Image.__table__)).all()
    names = [name for row in full for name in row if name] + [image.caption for image in locked]
    titles = at.own.says("charter", "notes", "draft", "apollo", "gemini", "hermes")
    return same(names, [*titles, *at.own.says("caption 1", "caption 2", "caption 5")])


@attack(StatementRefused)
def attack_19_driver_sql(session: Session, at: View) -> object:
    """Driver SQL is refused."""
    return session.connection().exec_driver_sql("SELECT title FROM documents").all()


@attack(IsolationError)
def attack_19_driver_sql_writes(session: Session, at: View) -> None:
    """Driver SQL that writes is refused."""
    session.connection().exec_driver_sql("UPDATE documents SET state = 'stolen'")


@innocent()
def attack_19_own_begin_and_rollback(session: Session, at: View) -> object:
    """Transactions, savepoints and rollbacks work, and the scope outlives them."""
    for number in (1, 2):
        with session.begin_nested():
            session.add(Tag(id=at.own.id("tag", 60 + number), name=at.own.say(f"saved {number}")))
    nested = session.begin_nested()
    session.execute(documents.delete())
    nested.rollback()
    session.commit()
    session.execute(documents.delete())
    session.rollback()
    found = session.scalars(select(Document.title)).all()
    saved = select(func.count()).select_from(Tag).where(Tag.id.in_([at.own.id("tag", n) for n in (61, 62)]))
    return [same(found, at.own.says("charter", "notes", "draft")), stored(saved, [2])]


@innocent()
def attack_19_cursor_beside(session: Session, at: View) -> object:
    """The use of a driver's cursor, which cannot be stopped, does not open the statements that follow."""
    cursor = session.connection().connection.cursor()
    cursor.execute("SELECT 1")
    cursor.close()
    return same(session.scalars(select(Document.title)), at.own.says("charter", "notes", "draft"))


@innocent(pinned=True, ambient=False)
def attack_01_interleaved_sessions(session: Session, at: View) -> object:
    """Sessions of two tenants that work in turn, over many pages of one INSERT too, each keep to their own."""
    other = at.open(at.foreign)
    other.execute(select(Document.title)).all()
    rows = [{"id": at.own.id("tag", n), "name": at.own.say(f"page {n}")} for n in range(200, 230)]
    options = {"insertmanyvalues_page_size": 4}
    made = session.scalars(insert(Tag).returning(Tag.tenant_id), rows, execution_options=options).all()
    theirs = len(other.scalars(select(Task.title)).all())
    other.rollback()
    return [same(made, [at.own.tenant] * 30), same(theirs, 5), _owned(at)]


def _owned(at: View) -> object:
    owners = select(Tag.tenant_id).where(Tag.name.like(at.own.say("page %"))).distinct()
    return stored(owners, [at.own.tenant])


@innocent()
def attack_01_executemany_pages(session: Session, at: View) -> object:
    """An executemany without RETURNING stamps each of its rows."""
    rows = [{"id": at.own.id("tag", n), "name": at.own.say(f"page {n}")} for n in range(300, 350)]
    session.connection().execute(Tag.__table__.insert(), rows)
    links = [{"task_id": at.own.id("task", 5), "tag_id": row["id"]} for row in rows]
    session.connection().execute(task_tags.insert(), links)
    linked = select(func.count()).select_from(task_tags).where(task_tags.c.task_id == at.own.id("task", 5))
    return [_owned(at), stored(linked, [50])]


@innocent()
def connection_of_transaction(session: Session, at: View) -> object:
    """A statement with a literal and no table needs no scope of its own."""
    return same(session.connection().execute(select(literal(1))).scalar(), 1)
