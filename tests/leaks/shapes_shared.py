"""Tables that are the same for every tenant: read by all, written by none."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from tests.leaks.registry import POSTGRES, View, attack
from tests.leaks.schema import Currency


@attack(alone=False)
def shared_insert(session: Session, at: View) -> None:
    """No scope adds a row that all tenants would see."""
    session.execute(insert(Currency).values(code="ZZZ", name=at.own.say("coin")))


@attack(alone=False)
def shared_insert_many(session: Session, at: View) -> None:
    """Several rows are no other case."""
    session.execute(insert(Currency), [{"code": code, "name": at.own.say("coin")} for code in ("ZZZ", "ZZY")])


@attack(alone=False)
def shared_insert_from_select(session: Session, at: View) -> None:
    """Nor are rows that a SELECT makes."""
    rows = select(Currency.code + "X", Currency.name)
    session.execute(insert(Currency).from_select(["code", "name"], rows))


@attack(alone=False)
def shared_add(session: Session, at: View) -> None:
    """An object of a shared class is not flushed."""
    session.add(Currency(code="ZZZ", name=at.own.say("coin")))
    session.flush()


@attack(alone=False)
def shared_update(session: Session, at: View) -> None:
    """No scope changes a row that all tenants read."""
    session.execute(update(Currency).values(name=at.own.say("coin")))


@attack(alone=False)
def shared_change(session: Session, at: View) -> None:
    """A loaded object of a shared class is not changed by a flush."""
    session.scalars(select(Currency)).first().name = at.own.say("coin")
    session.flush()


@attack(alone=False)
def shared_delete(session: Session, at: View) -> None:
    """No scope deletes what all tenants read."""
    session.execute(delete(Currency))


@attack(alone=False)
def shared_remove(session: Session, at: View) -> None:
    """A loaded object of a shared class is not deleted by a flush."""
    session.delete(session.scalars(select(Currency)).first())
    session.flush()


@attack(alone=False)
def shared_upsert(session: Session, at: View) -> None:
    """An upsert is a write."""
    upsert = (sqlite if at.dialect == "sqlite" else postgresql).insert(Currency)
    values = {"code": session.scalars(select(Currency.code)).first(), "name": at.own.say("coin")}
    session.execute(upsert.values(values).on_conflict_do_update(index_elements=["code"], set_=values))


@attack(dialects=POSTGRES, alone=False)
def shared_update_in_cte(session: Session, at: View) -> None:
    """A write inside a CTE is a write."""
    written = update(Currency).values(name=at.own.say("coin")).returning(Currency.code).cte("written")
    session.execute(select(written))


@attack(alone=False)
def shared_bulk(session: Session, at: View) -> None:
    """The bulk operations end in the same place."""
    session.bulk_insert_mappings(Currency, [{"code": "ZZZ", "name": at.own.say("coin")}])
