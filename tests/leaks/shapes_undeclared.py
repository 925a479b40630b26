"""Attacks by undeclared tables, functions that read or set, DDL; and what vouching allows."""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    Column,
    MetaData,
    String,
    Table,
    Uuid,
    column,
    delete,
    func,
    literal_column,
    quoted_name,
    select,
    table,
    tablesample,
    text,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.expression import Function

from tenantkit.exceptions import IsolationError, StatementRefused, UndeclaredTable
from tenantkit.isolation import vouch
from tests.leaks.phrases import all_memos
from tests.leaks.registry import POSTGRES, View, attack, innocent, same
from tests.leaks.schema import VAULT, Document, Task, ledger, payroll

documents, tasks = Document.__table__, Task.__table__
CLOSES = "the text closes a parenthesis that only a scope opens"


@attack(UndeclaredTable)
def attack_10_lightweight_table(session: Session, at: View) -> object:
    """A table that is made on the spot is refused, although its name is declared."""
    return session.scalars(select(table("documents", column("title")).c.title)).all()


@attack(UndeclaredTable)
def attack_10_lightweight_update(session: Session, at: View) -> None:
    """An UPDATE, a DELETE and an INSERT on a table that is made on the spot are refused."""
    session.execute(update(table("documents", column("state"))).values(state="stolen"))


@attack(UndeclaredTable)
def attack_10_lightweight_delete(session: Session, at: View) -> None:
    """A DELETE on a table that is made on the spot is refused."""
    session.execute(delete(table("comments", column("id"))))


@attack(UndeclaredTable)
def attack_10_second_table(session: Session, at: View) -> object:
    """A second Table of a declared name is refused."""
    twin = Table("documents", MetaData(), Column("title", String))
    return session.scalars(select(twin.c.title)).all()


@attack(UndeclaredTable)
def attack_10_second_table_with_tenant(session: Session, at: View) -> object:
    """A second Table of a declared name is refused, or scoped, if it has the tenant column."""
    twin = Table("documents", MetaData(), Column("title", String), Column("tenant_id", Uuid))
    return session.scalars(select(aliased(twin.alias("d")).c.title)).all()


@attack(UndeclaredTable)
def attack_10_undeclared_table(session: Session, at: View) -> object:
    """A table that nobody declared is refused."""
    return session.scalars(select(payroll.c.name)).all()


@attack(UndeclaredTable)
def attack_10_undeclared_in_subquery(session: Session, at: View) -> object:
    """A table that nobody declared is refused in a subquery and beside a declared one."""
    names = select(payroll.c.name).where(payroll.c.name != Document.title).limit(1).scalar_subquery()
    everything = select(func.max(payroll.c.name) + func.min(payroll.c.name)).scalar_subquery()
    return [*session.scalars(select(names).select_from(Document)), *session.scalars(select(everything))]


@attack(UndeclaredTable)
def attack_10_undeclared_update_from(session: Session, at: View) -> object:
    """A table that nobody declared is refused as the second table of an UPDATE."""
    theirs = payroll.c.name.like(f"{at.foreign.slug}%") & (payroll.c.name != documents.c.title)
    session.execute(documents.update().where(theirs).values(state=payroll.c.name))
    return session.scalars(select(Document.state)).all()


@attack(UndeclaredTable, dialects=POSTGRES)
def attack_10_second_schema(session: Session, at: View) -> object:
    """A table of a declared name in another schema is refused."""
    twin = Table("documents", MetaData(), Column("title", String), Column("tenant_id", Uuid), schema=VAULT)
    return session.scalars(select(twin.c.title)).all()


@attack(UndeclaredTable, dialects=POSTGRES)
def attack_10_shared_name_in_second_schema(session: Session, at: View) -> object:
    """A table of a shared table's name in another schema is refused."""
    twin = Table("currencies", MetaData(), Column("code", String), Column("name", String), schema=VAULT)
    return session.scalars(select(twin.c.name)).all()


@attack(UndeclaredTable, dialects=POSTGRES)
def attack_10_sample_of_lightweight_table(session: Session, at: View) -> object:
    """A sample of a table that is made on the spot is refused."""
    sample = tablesample(table("documents", column("title")), func.bernoulli(100), name="s")
    return session.scalars(select(sample.c.title)).all()


@attack(StatementRefused, dialects=POSTGRES, inert="there are no policies here that it could open")
def attack_12_set_config(session: Session, at: View) -> object:
    """``set_config`` is refused."""
    return len(session.scalar(select(func.set_config("tenantkit.tenant", str(at.foreign.tenant), True))))


@attack(StatementRefused, dialects=POSTGRES)
def attack_12_set_config_in_cte(session: Session, at: View) -> object:
    """``set_config`` is refused in a materialized CTE."""
    setting = select(func.set_config("tenantkit.tenant", at.foreign.say("x"), True).label("s")).cte("s")
    return session.execute(select(setting.c.s, Document.title).join(Document, true())).all()


@attack(StatementRefused, dialects=POSTGRES)
def attack_13_query_to_xml(session: Session, at: View) -> object:
    """``query_to_xml`` is refused."""
    return session.scalar(select(func.query_to_xml("SELECT title FROM documents", True, False, "")))


@attack(StatementRefused, dialects=POSTGRES)
def attack_13_table_to_xml(session: Session, at: View) -> object:
    """``table_to_xml`` is refused."""
    return session.scalar(select(func.table_to_xml("documents", True, False, "")))


@attack(StatementRefused, dialects=POSTGRES)
def attack_13_qualified_function(session: Session, at: View) -> object:
    """A function that reads is refused when its schema is named."""
    return session.scalar(
        select(func.pg_catalog.query_to_xml("SELECT title FROM documents", True, False, ""))
    )


@attack(StatementRefused)
def attack_13_function_with_sql_in_its_name(session: Session, at: View) -> object:
    """A function is refused whose name has SQL in it."""
    named = quoted_name(f"coalesce({all_memos(at)}, '') || lower", quote=False)
    return session.scalars(select(Function(named, "x"))).all()


@attack(StatementRefused, dialects=POSTGRES)
def attack_13_table_valued_function(session: Session, at: View) -> object:
    """A table-valued function that is not listed is refused."""
    found = (
        func.query_to_xml("SELECT title FROM documents", True, False, "").table_valued("x").render_derived()
    )
    return session.scalars(select(found.c.x)).all()


@attack(StatementRefused, dialects=POSTGRES, inert="the server refuses it to this role too")
def attack_13_read_file(session: Session, at: View) -> object:
    """``pg_read_file`` and ``lo_import`` are refused."""
    return session.scalar(select(func.pg_read_file("PG_VERSION")))


@attack(StatementRefused, inert="it only counts")
def attack_13_unlisted_function(session: Session, at: View) -> object:
    """A function that is not listed is refused, whatever it does."""
    return (
        session.scalar(select(func.randomblob(1) if at.dialect == "sqlite" else func.pg_backend_pid()))
        is None
    )


@attack(IsolationError, inert="a new table harms nobody")
def ddl_create(session: Session, at: View) -> None:
    """DDL is refused."""
    Table("loot", MetaData(), Column("memo", String(9))).create(session.connection())


@attack(IsolationError)
def ddl_text(session: Session, at: View) -> None:
    """Text that calls itself DDL is refused."""
    session.execute(DDL("UPDATE documents SET state = 'stolen'"))


@attack(IsolationError, inert="it reads names only")
def ddl_reflection(session: Session, at: View) -> object:
    """Reflection is refused."""
    seen = MetaData()
    seen.reflect(session.connection())
    return len(seen.tables)


@innocent()
def vouched_text(session: Session, at: View) -> object:
    """Vouched text runs."""
    own = vouch(text("SELECT count(*) FROM currencies"), "shared by all")
    return same(session.scalar(own), 2)


@innocent()
def vouched_parts(session: Session, at: View) -> object:
    """Vouched parts of a statement run, inside the scope."""
    size = vouch(literal_column("documents.size + 0"), "a column of the scoped table")
    where = vouch(text("documents.size >= 0"), "a criterion on the scoped table")
    return same(session.scalars(select(size).select_from(documents).where(where)), at.own.many(1, 2, 3))


@innocent()
def vouched_or(session: Session, at: View) -> object:
    """A vouched OR stays inside the scope."""
    everything = vouch(text("1 = 1 OR 1 = 1"), "grouped like any criterion")
    return same(
        session.scalars(select(Document.title).where(everything)), at.own.says("charter", "notes", "draft")
    )


@attack(StatementRefused)
def vouched_for_another_text(session: Session, at: View) -> object:
    """Vouching for one text does not vouch for another."""
    vouch(text("SELECT 1"), "harmless")
    return session.scalars(text("SELECT title FROM documents")).all()


@innocent()
def custom_operators(session: Session, at: View) -> object:
    """Operators made of symbols run."""
    statement = select(Document.title).where(
        Document.size.op(">=")(0), ledger.c.amount.op("+")(Document.size) > 0
    )
    found = session.scalars(statement.join(ledger, ledger.c.amount == Document.size).distinct())
    return same(found, at.own.says("charter", "notes", "draft"))
