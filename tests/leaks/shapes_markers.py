"""Attacks by texts that SQLAlchemy or the driver would take for parameters of their own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, Uuid, bindparam, case, literal, literal_column, select, update
from sqlalchemy.orm import Session

from tests.leaks.registry import SQLITE, View, attack
from tests.leaks.schema import Document

documents = Document.__table__
MARK = "__[POSTCOMPILE_p]"
UNSHIFTED = "where no scope has a parameter, none is moved"


def rendered(sql: str) -> Any:
    """A parameter whose text is rendered where a marker of its name stands."""
    return bindparam("p", sql, String, literal_execute=True)


@attack()
def marker_in_literal(session: Session, at: View) -> object:
    """A quoted literal that spells a marker is not exchanged for SQL."""
    secret = rendered(" || (SELECT max(title) FROM documents) || ")
    return session.execute(select(literal_column(f"'{MARK}'"), secret)).all()


@attack()
def marker_in_label(session: Session, at: View) -> object:
    """A label that spells a marker is not exchanged for SQL."""
    union = rendered('a" FROM documents UNION ALL SELECT title AS "b')
    return session.scalars(select(documents.c.title.label(MARK)).where(union != "")).all()


@attack(inert="the value is an error where it lands")
def marker_in_escape(session: Session, at: View) -> object:
    """The escape of a LIKE that spells a marker is not exchanged for SQL."""
    matches = literal("a").like("b", escape=MARK)
    return session.execute(select(matches, rendered(" OR 1 = 1 OR '' <> "))).all()


@attack()
def bind_spelled_as_the_scopes(session: Session, at: View) -> object:
    """A parameter whose name is sent as the scope's does not take its place."""
    forged = bindparam("tenantkit tenant", at.foreign.tenant, Uuid())
    query = select(documents.c.title, case((forged == at.own.tenant, 1), else_=0)).order_by(forged)
    return session.execute(query).all()


@attack()
def bind_spelled_as_the_scopes_in_update(session: Session, at: View) -> None:
    """Nor does it in an UPDATE."""
    forged = bindparam("tenantkit.tenant", at.foreign.tenant, Uuid())
    session.execute(update(documents).values(state=case((forged == at.own.tenant, "a"), else_="b")))


@attack(dialects=SQLITE, inert=UNSHIFTED)
def operator_with_a_placeholder(session: Session, at: View) -> object:
    """An operator with a question mark does not move the tenant to another place."""
    shifted = documents.c.title.op("||?||")("")
    return session.execute(select(shifted).where(documents.c.state != "")).all()


@attack(inert=UNSHIFTED)
def placeholder_in_literal(session: Session, at: View) -> object:
    """A quoted literal that spells a placeholder does not move the tenant to another place."""
    forged = bindparam("forge", at.foreign.tenant, Uuid())
    query = select(documents.c.title, case((forged == at.own.tenant, 1), else_=0))
    return session.execute(query.order_by(literal_column("'%(forge)s'"))).all()


@attack(inert=UNSHIFTED)
def placeholder_in_label(session: Session, at: View) -> object:
    """A label that spells a placeholder does not, either."""
    forged = bindparam("forge", at.foreign.tenant, Uuid())
    return session.execute(select(documents.c.title.label("%(forge)s"), forged)).all()
