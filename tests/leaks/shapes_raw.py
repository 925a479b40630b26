"""Attacks by raw SQL: text in every place, undeclared tables, functions that read or set."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    String,
    column,
    delete,
    func,
    literal_column,
    or_,
    outerjoin,
    quoted_name,
    select,
    text,
    type_coerce,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import ColumnElement, FromClause

from tenantkit.exceptions import IsolationError, StatementRefused
from tests.leaks.phrases import all_memos
from tests.leaks.registry import POSTGRES, View, attack
from tests.leaks.schema import Document, Tag, Task

documents, tasks = Document.__table__, Task.__table__
CLOSES = "the text closes a parenthesis that only a scope opens"


class Everything(ColumnElement[str]):
    """An element of the host's own, that reads what it likes."""

    inherit_cache = True
    type = String()


@compiles(Everything)
def _everything(element: Everything, compiler: Any, **kw: Any) -> str:
    return "(SELECT max(memo) || min(memo) FROM ledger)"


class EveryDocument(FromClause):
    """A FROM of the host's own."""

    inherit_cache = True
    named_with_column = True
    _from_objects: list[Any] = []


@compiles(EveryDocument)
def _every_document(element: EveryDocument, compiler: Any, **kw: Any) -> str:
    return "documents"


@attack(StatementRefused, inert=CLOSES)
def attack_08_text_that_closes_parentheses(session: Session, at: View) -> object:
    """Text in WHERE that closes the parenthesis is refused."""
    return session.scalars(select(Document.title).where(text("1=1) or (1=1"))).all()


@attack(StatementRefused)
def attack_08_literal_column_with_or(session: Session, at: View) -> object:
    """A literal column with an OR in WHERE is refused."""
    return session.scalars(select(Document.title).where(literal_column("1=1 or 1=1"))).all()


@attack(StatementRefused, inert=CLOSES)
def attack_08_text_in_on(session: Session, at: View) -> object:
    """Text in an ON clause is refused."""
    joined = outerjoin(Tag, Document, text("1=1) or (1=1"))
    return session.scalars(select(Document.title).select_from(joined)).all()


@attack(StatementRefused, inert=CLOSES)
def attack_08_text_in_delete(session: Session, at: View) -> None:
    """Text in the criterion of a DELETE is refused."""
    session.execute(delete(Document).where(text("1=1) or (1=1")).execution_options(synchronize_session=False))


@attack(StatementRefused, inert=CLOSES)
def attack_08_text_in_update(session: Session, at: View) -> None:
    """Text in the criterion of an UPDATE is refused."""
    session.execute(documents.update().where(text("1=1) or (1=1")).values(state="x"))


@attack(StatementRefused, inert=CLOSES)
def attack_08_text_in_or(session: Session, at: View) -> object:
    """Text inside an OR is refused."""
    return session.scalars(select(Document.title).where(or_(Document.size < 0, text("1=1) or (1=1")))).all()


@attack(StatementRefused)
def attack_08_text_in_having(session: Session, at: View) -> object:
    """Text in HAVING is refused."""
    counted = select(func.max(Document.title)).group_by(Document.title).having(text("1=1"))
    return session.scalars(counted).all()


@attack(StatementRefused)
def attack_09_text_statement(session: Session, at: View) -> object:
    """A text statement is refused."""
    return session.scalars(text("SELECT title FROM documents")).all()


@attack(StatementRefused)
def attack_09_text_update(session: Session, at: View) -> None:
    """A text statement that writes is refused."""
    session.execute(text("UPDATE documents SET state = 'stolen'"))


@attack(StatementRefused)
def attack_09_text_with_columns(session: Session, at: View) -> object:
    """A text statement that has columns is refused, as statement, subquery and source of entities."""
    columns = text("SELECT title FROM documents").columns(column("title"))
    return session.scalars(select(columns.subquery().c.title)).all()


@attack(StatementRefused)
def attack_09_text_as_entities(session: Session, at: View) -> object:
    """A text statement as source of entities is refused."""
    statement = select(Document).from_statement(text("SELECT * FROM documents"))
    return [document.title for document in session.scalars(statement)]


@attack(StatementRefused)
def attack_09_text_in_query(session: Session, at: View) -> object:
    """A text statement in a legacy query is refused."""
    query = session.query(Document).from_statement(text("SELECT * FROM documents"))
    return [document.title for document in query]


@attack(StatementRefused)
def attack_09_text_as_cte(session: Session, at: View) -> object:
    """A text statement as a CTE is refused."""
    cte = text("SELECT title FROM documents").columns(column("title")).cte("c")
    return session.scalars(select(cte.c.title)).all()


@attack(StatementRefused)
def attack_09_select_from_text(session: Session, at: View) -> object:
    """Text as a FROM is refused."""
    return session.scalars(select(column("title")).select_from(text("documents"))).all()


@attack(StatementRefused)
def attack_09_select_text(session: Session, at: View) -> object:
    """Text as a column is refused."""
    return session.scalars(select(text(all_memos(at)))).all()


@attack(StatementRefused)
def attack_09_literal_column(session: Session, at: View) -> object:
    """A literal column that reads is refused."""
    return session.scalars(select(literal_column(all_memos(at)))).all()


@attack(StatementRefused)
def attack_09_literal_column_in_order(session: Session, at: View) -> object:
    """A literal column in ORDER BY is refused."""
    return session.scalars(select(Document.title).order_by(literal_column(all_memos(at)))).all()


@attack(StatementRefused)
def attack_09_operator(session: Session, at: View) -> object:
    """An operator with words in it is refused."""
    return session.scalars(select(Document.title.op(f"|| {all_memos(at)} ||")("x"))).all()


@attack(StatementRefused)
def attack_09_boolean_operator(session: Session, at: View) -> object:
    """An operator that breaks out of its criterion is refused."""
    return session.scalars(select(Document.title).where(Document.size.bool_op("> 0 or 1 =")(1))).all()


@attack(StatementRefused)
def attack_09_suffix(session: Session, at: View) -> object:
    """A suffix is refused."""
    statement = select(Document.title).where(Document.size < 0)
    return session.scalars(statement.suffix_with("UNION SELECT memo FROM ledger")).all()


@attack(StatementRefused)
def attack_09_prefix(session: Session, at: View) -> object:
    """A prefix with words of its own is refused."""
    return session.scalars(select(Document.title).prefix_with(f"{all_memos(at)},")).all()


@attack(StatementRefused)
def attack_09_statement_hint(session: Session, at: View) -> object:
    """A statement hint is refused."""
    statement = select(Document.title).where(Document.size < 0)
    return session.scalars(statement.with_statement_hint("UNION SELECT memo FROM ledger")).all()


@attack(StatementRefused, quiet=True, inert="neither dialect renders it")
def attack_09_table_hint(session: Session, at: View) -> object:
    """A table hint is refused, or has no effect."""
    statement = select(Document.title).with_hint(Document, ", documents AS d", dialect_name=at.dialect)
    return [title for title in session.scalars(statement) if len(session.scalars(statement).all()) > 6]


@attack(StatementRefused)
def attack_09_label(session: Session, at: View) -> object:
    """A label that is not quoted and has SQL in it is refused."""
    label = quoted_name(f"x, {all_memos(at)} AS y", quote=False)
    found = session.connection().execute(select(Tag.__table__.c.name.label(label)))
    return [tuple(row) for row in found.cursor.fetchall()]


@attack(StatementRefused)
def attack_09_alias_name(session: Session, at: View) -> object:
    """A name of an alias that is not quoted and has SQL in it is refused."""
    alias = documents.alias(quoted_name("d, documents", quote=False))
    return session.scalars(select(literal_column("documents.title")).select_from(alias)).all()


@attack(StatementRefused)
def attack_09_column_name(session: Session, at: View) -> object:
    """A name of a column that is not quoted and has SQL in it is refused."""
    return session.scalars(select(column(quoted_name(all_memos(at), quote=False)))).all()


@attack(StatementRefused)
def attack_09_literal_flag_of_column(session: Session, at: View) -> object:
    """A column that is marked as literal is refused."""
    return session.scalars(select(column(all_memos(at), is_literal=True))).all()


@attack(StatementRefused, dialects=POSTGRES)
def attack_09_collation(session: Session, at: View) -> object:
    """A collation with SQL in it is refused."""
    broken = Document.title.collate(quoted_name(f'"C" || {all_memos(at)}', quote=False))
    return session.scalars(select(broken)).all()


@attack(StatementRefused)
def attack_09_compiled_element(session: Session, at: View) -> object:
    """An element that the host compiles by itself is refused."""
    return session.scalars(select(Everything())).all()


@attack(IsolationError)
def attack_09_compiled_from(session: Session, at: View) -> object:
    """A FROM that the host compiles by itself is refused."""
    return session.scalars(select(column("title")).select_from(EveryDocument())).all()


@attack(StatementRefused)
def attack_09_text_in_limit(session: Session, at: View) -> object:
    """Text as a limit is refused."""
    return session.scalars(
        select(Document.title).limit(literal_column("(SELECT count(*) FROM ledger)"))
    ).all()


@attack(StatementRefused)
def attack_09_text_in_values(session: Session, at: View) -> object:
    """Text in VALUES and SET is refused."""
    session.execute(update(Document).values(state=text(all_memos(at))))
    return session.scalars(select(Document.state)).all()


@attack(StatementRefused)
def attack_09_coerced_text(session: Session, at: View) -> object:
    """Text behind a coercion is refused."""
    return session.scalars(select(type_coerce(text(all_memos(at)), String))).all()


@attack(StatementRefused)
def attack_09_text_in_subquery(session: Session, at: View) -> object:
    """Text in a subquery of a subquery is refused."""
    return session.scalars(select(select(literal_column(all_memos(at))).scalar_subquery())).all()


@attack(StatementRefused)
def attack_09_text_in_order_of_window(session: Session, at: View) -> object:
    """Text in a window is refused."""
    window = func.row_number().over(order_by=text("1"))
    return session.execute(select(window, Document.title)).all()
