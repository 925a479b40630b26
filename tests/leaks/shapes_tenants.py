"""Attacks by the tenant column: rows written for another tenant, rows that change their tenant."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, func, insert, lambda_stmt, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.exceptions import ForeignTenant, IsolationError
from tests.leaks.registry import POSTGRES, View, attack
from tests.leaks.schema import Document, Image, Preference, Receipt, Refund, Tag, ledger

tags = Tag.__table__
documents = Document.__table__


def _tag(at: View, **more: Any) -> dict[str, Any]:
    return {"id": at.own.id("tag", 95), "name": at.own.say("planted"), **more}


def _planted(at: View) -> dict[str, Any]:
    return _tag(at, tenant_id=at.foreign.tenant)


def _entry(at: View, **more: Any) -> dict[str, Any]:
    return {"id": at.own.id("ledger", 95), "memo": at.own.say("planted"), "amount": 1, **more}


class Chameleon(UUID):
    """A foreign id that claims to equal any other."""

    __hash__ = UUID.__hash__

    def __eq__(self, other: object) -> bool:
        """Always."""
        return True

    def __ne__(self, other: object) -> bool:
        """Never."""
        return False


@attack(ForeignTenant, quiet=True)
def plant_by_value_that_lies(session: Session, at: View) -> None:
    """A tenant that claims to equal the own one is not stored in its place."""
    session.execute(ledger.insert().values(**_entry(at, org_id=Chameleon(at.foreign.tenant.hex))))


@attack(ForeignTenant, quiet=True)
def plant_many_by_value_that_lies(session: Session, at: View) -> None:
    """A tenant in an executemany that claims to equal the own one is not stored in its place."""
    rows = [_entry(at), _entry(at, org_id=Chameleon(at.foreign.tenant.hex), id=at.own.id("ledger", 96))]
    session.connection().execute(ledger.insert(), [{"org_id": at.own.tenant, **row} for row in rows])


@attack(ForeignTenant, quiet=True)
def plant_by_object_that_lies(session: Session, at: View) -> None:
    """A new object whose tenant claims to equal the own one is not stored for another."""
    session.add(Tag(**_tag(at, tenant_id=Chameleon(at.foreign.tenant.hex))))
    session.flush()


@attack(ForeignTenant)
def plant_by_add(session: Session, at: View) -> None:
    """A new object may not name another tenant."""
    session.add(Tag(**_planted(at)))
    session.flush()


@attack(ForeignTenant)
def plant_subclass_by_add(session: Session, at: View) -> None:
    """A new object of a joined subclass may not name another tenant."""
    session.add(Image(name=at.own.say("x"), caption=at.own.say("x"), tenant_id=at.foreign.tenant))
    session.flush()


@attack(ForeignTenant)
def plant_concrete_by_add(session: Session, at: View) -> None:
    """New objects of a concrete inheritance may not name another tenant."""
    session.add(Refund(memo=at.own.say("x"), tenant_id=at.foreign.tenant))
    session.flush()


@attack(ForeignTenant)
def plant_key_by_add(session: Session, at: View) -> None:
    """A new object whose key holds the tenant may not name another one."""
    session.add(Preference(org=at.foreign.tenant, name="zone", value=at.own.say("x")))
    session.flush()


@attack(ForeignTenant)
def plant_by_expression(session: Session, at: View) -> None:
    """A new object may not name another tenant by an expression."""
    session.add(Receipt(memo=at.own.say("x"), tenant_id=literal(at.foreign.tenant)))
    session.flush()


@attack(ForeignTenant)
def plant_by_bulk_save(session: Session, at: View) -> None:
    """``bulk_save_objects`` may not name another tenant."""
    session.bulk_save_objects([Tag(**_planted(at))])


@attack(ForeignTenant)
def plant_by_mapping(session: Session, at: View) -> None:
    """``bulk_insert_mappings`` may not name another tenant."""
    session.bulk_insert_mappings(Tag, [_planted(at)])


@attack(ForeignTenant)
def plant_by_orm_values(session: Session, at: View) -> None:
    """An ORM INSERT with values may not name another tenant."""
    session.execute(insert(Tag).values(**_planted(at)))


@attack(ForeignTenant)
def plant_by_orm_parameters(session: Session, at: View) -> None:
    """An ORM bulk INSERT may not name another tenant in any row."""
    second = {**_planted(at), "id": at.own.id("tag", 96), "name": at.own.say("second")}
    session.execute(insert(Tag), [_tag(at, tenant_id=at.own.tenant), second])


@attack(ForeignTenant)
def plant_by_orm_returning(session: Session, at: View) -> object:
    """An ORM bulk INSERT with RETURNING may not name another tenant."""
    return [tag.name for tag in session.scalars(insert(Tag).returning(Tag), [_planted(at)])]


@attack(ForeignTenant)
def plant_by_core_values(session: Session, at: View) -> None:
    """A Core INSERT with values may not name another tenant."""
    session.execute(ledger.insert().values(**_entry(at, org_id=at.foreign.tenant)))


@attack(ForeignTenant)
def plant_by_core_parameters(session: Session, at: View) -> None:
    """A Core INSERT with parameters may not name another tenant."""
    session.execute(ledger.insert(), _entry(at, org_id=at.foreign.tenant))


@attack(ForeignTenant)
def plant_by_connection(session: Session, at: View) -> None:
    """An executemany on the connection may not name another tenant in any row."""
    rows = [
        _entry(at, org_id=at.own.tenant),
        _entry(at, org_id=at.foreign.tenant, id=at.own.id("ledger", 96)),
    ]
    session.connection().execute(ledger.insert(), rows)


@attack(ForeignTenant)
def plant_by_multi_values(session: Session, at: View) -> None:
    """A multi-VALUES INSERT may not name another tenant in any row."""
    rows = [
        _entry(at, org_id=at.own.tenant),
        _entry(at, org_id=at.foreign.tenant, id=at.own.id("ledger", 96)),
    ]
    session.execute(ledger.insert().values(rows))


@attack(ForeignTenant)
def plant_by_tuples(session: Session, at: View) -> None:
    """A multi-VALUES INSERT of tuples may not name another tenant."""
    rows = [(at.own.id("ledger", n), side.tenant, "x", n) for n, side in ((95, at.own), (96, at.foreign))]
    session.execute(ledger.insert().values(rows))


@attack(IsolationError)
def attack_06_plant_by_bindparam(session: Session, at: View) -> None:
    """A bind parameter of the caller's may not name another tenant."""
    values = {"id": at.own.id("ledger", 95), "memo": "x", "amount": 1}
    session.execute(ledger.insert().values(**values, org_id=bindparam("q")), {"q": at.foreign.tenant})


@attack(IsolationError)
def attack_06_plant_by_bindparam_many(session: Session, at: View) -> None:
    """A bind parameter of the caller's may not name another tenant in any row of an executemany."""
    statement = ledger.insert().values(org_id=bindparam("q"))
    rows = [_entry(at, q=at.own.tenant), _entry(at, q=at.foreign.tenant, id=at.own.id("ledger", 96))]
    session.connection().execute(statement, rows)


@attack(IsolationError)
def attack_06_plant_by_default_of_bindparam(session: Session, at: View) -> None:
    """The value that a bind parameter carries may not name another tenant."""
    planted = bindparam("q", at.foreign.tenant, type_=ledger.c.org_id.type)
    session.execute(ledger.insert().values(**_entry(at), org_id=planted))


@attack(ForeignTenant)
def attack_06_plant_by_lambda(session: Session, at: View) -> None:
    """A lambda INSERT may not name another tenant."""
    tenant = at.foreign.tenant
    session.execute(lambda_stmt(lambda: ledger.insert().values(org_id=tenant)), _entry(at))


@attack(IsolationError, quiet=True)
def plant_by_literal(session: Session, at: View) -> None:
    """A literal expression may not name another tenant."""
    planted = literal(at.foreign.tenant, ledger.c.org_id.type)
    session.execute(ledger.insert().values(**_entry(at), org_id=planted))


@attack(IsolationError, quiet=True)
def plant_by_expression_of_case(session: Session, at: View) -> None:
    """A CASE may not name another tenant."""
    planted = case((ledger.c.amount.is_(None), at.own.tenant), else_=at.foreign.tenant)
    values = _entry(at, org_id=select(planted).select_from(ledger).limit(1).scalar_subquery())
    session.execute(ledger.insert().values(**values))


@attack(IsolationError, quiet=True)
def plant_by_function(session: Session, at: View) -> None:
    """A function of a foreign id may not name another tenant."""
    planted = func.coalesce(literal(at.foreign.tenant, ledger.c.org_id.type), at.own.tenant)
    session.execute(ledger.insert().values(**_entry(at), org_id=planted))


@attack(IsolationError, quiet=True)
def plant_by_select(session: Session, at: View) -> None:
    """INSERT FROM SELECT of a literal may not name another tenant."""
    source = select(
        Document.id, literal(at.foreign.tenant, ledger.c.org_id.type), Document.title, Document.size
    )
    session.execute(ledger.insert().from_select(["id", "org_id", "memo", "amount"], source))


@attack(IsolationError, IntegrityError, quiet=True)
def copy_of_foreign_rows(session: Session, at: View) -> object:
    """INSERT FROM SELECT copies no foreign rows."""
    source = select(Document.id, Document.title, Document.size).where(Document.tenant_id == at.foreign.tenant)
    session.execute(ledger.insert().from_select(["id", "memo", "amount"], source))
    return session.scalars(select(ledger.c.memo)).all()


@attack(IsolationError, quiet=True)
def copy_of_all_rows(session: Session, at: View) -> object:
    """INSERT FROM SELECT over a union copies no foreign rows."""
    source = select(Document.id, Document.title, Document.size).union_all(
        select(tags.c.id, tags.c.name, literal(1)).where(tags.c.tenant_id == at.foreign.tenant)
    )
    session.execute(ledger.insert().from_select(["id", "memo", "amount"], source))
    return session.scalars(select(ledger.c.memo)).all()


@attack(ForeignTenant, dialects=POSTGRES)
def attack_06_plant_in_cte(session: Session, at: View) -> object:
    """An INSERT in a CTE may not name another tenant."""
    made = tags.insert().values(**_planted(at)).returning(tags.c.name).cte("made")
    return session.scalars(select(made.c.name)).all()


@attack(IsolationError, dialects=POSTGRES)
def attack_06_plant_in_cte_by_parameter(session: Session, at: View) -> object:
    """A bind parameter in a CTE may not name another tenant."""
    made = tags.insert().values(**_tag(at), tenant_id=bindparam("q")).returning(tags.c.name).cte("made")
    return session.execute(select(made.c.name), {"q": at.foreign.tenant}).all()


@attack()
def give_away_by_attribute(session: Session, at: View) -> None:
    """An object may not change its tenant."""
    session.get_one(Document, at.own.id("document", 3)).tenant_id = at.foreign.tenant
    session.flush()


@attack()
def give_away_key_by_attribute(session: Session, at: View) -> None:
    """An object whose key holds the tenant may not change it."""
    preference = session.get_one(Preference, (at.own.tenant, "colour"))
    preference.org, preference.name = at.foreign.tenant, "zone"
    session.flush()


@attack()
def give_away_by_update(session: Session, at: View) -> None:
    """An ORM UPDATE may not change the tenant."""
    session.execute(update(Document).values(tenant_id=at.foreign.tenant))


@attack()
def give_away_by_core_update(session: Session, at: View) -> None:
    """A Core UPDATE may not change the tenant."""
    session.execute(ledger.update().values(org_id=at.foreign.tenant))


@attack()
def give_away_by_column(session: Session, at: View) -> None:
    """A Core UPDATE may not change the tenant by a column as the key."""
    session.execute(ledger.update().values({ledger.c.org_id: at.foreign.tenant}))


@attack()
def give_away_by_parameter(session: Session, at: View) -> None:
    """A Core UPDATE with parameters may not change the tenant."""
    session.connection().execute(ledger.update(), {"org_id": at.foreign.tenant})


@attack()
def give_away_by_executemany(session: Session, at: View) -> None:
    """A Core UPDATE by executemany may not change the tenant."""
    statement = ledger.update().where(ledger.c.id == bindparam("n")).values(org_id=bindparam("q"))
    rows = [{"n": at.own.id("ledger", 1), "q": side.tenant} for side in (at.own, at.foreign)]
    session.connection().execute(statement, rows)


@attack()
def attack_06_give_away_by_ordered_values(session: Session, at: View) -> None:
    """``ordered_values`` may not change the tenant."""
    session.execute(
        ledger.update().ordered_values((ledger.c.amount, 1), (ledger.c.org_id, at.foreign.tenant))
    )


@attack()
def attack_06_give_away_by_lambda(session: Session, at: View) -> None:
    """A lambda UPDATE may not change the tenant."""
    tenant = at.foreign.tenant
    session.execute(lambda_stmt(lambda: ledger.update().values(org_id=tenant)))


@attack(dialects=POSTGRES)
def attack_06_give_away_in_cte(session: Session, at: View) -> object:
    """An UPDATE in a CTE may not change the tenant."""
    given = ledger.update().values(org_id=at.foreign.tenant).returning(ledger.c.id).cte("given")
    return len(session.execute(select(given.c.id)).all())


@attack()
def give_away_by_primary_key(session: Session, at: View) -> None:
    """An ORM bulk UPDATE by primary key may not change the tenant."""
    session.execute(update(Document), [{"id": at.own.id("document", 3), "tenant_id": at.foreign.tenant}])


@attack()
def give_away_by_mapping(session: Session, at: View) -> None:
    """``bulk_update_mappings`` may not change the tenant."""
    session.bulk_update_mappings(Document, [{"id": at.own.id("document", 3), "tenant_id": at.foreign.tenant}])


@attack()
def give_away_by_query(session: Session, at: View) -> None:
    """``Query.update`` may not change the tenant."""
    session.query(Document).update({"tenant_id": at.foreign.tenant}, synchronize_session=False)


@attack()
def give_away_by_expression(session: Session, at: View) -> None:
    """An expression may not change the tenant."""
    session.execute(update(Document).values(tenant_id=literal(at.foreign.tenant, documents.c.tenant_id.type)))


@attack(IsolationError, quiet=True)
def give_away_beside_forged_tenant(session: Session, at: View) -> None:
    """A criterion on the foreign tenant beside a SET of the own one takes nothing over."""
    statement = ledger.update().where(ledger.c.org_id == at.foreign.tenant)
    session.execute(statement.values(org_id=at.own.tenant, amount=1))
