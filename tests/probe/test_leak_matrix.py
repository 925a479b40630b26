"""The public leak matrix: it fills any models, finds what leaks, and nothing where nothing does."""

from __future__ import annotations

import enum
import logging
from collections import Counter
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    select,
    text,
)
from sqlalchemy.ext.declarative import AbstractConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship
from sqlalchemy.types import TypeDecorator, UserDefinedType

from tenantkit import Scope
from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation import (
    RowRule,
    SoftDeletable,
    TenantScoped,
    scoped_by,
    scoped_through,
    shared,
    tenant_foreign_key,
    tenant_unique,
    vouch,
)
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.writes import WritePlan
from tenantkit.testing.probe import leak_matrix
from tenantkit.testing.probe.shapes import SHAPES
from tests.leaks.conftest import mariadb_database
from tests.leaks.schema import Base as Everything
from tests.leaks.test_shadow import all_in


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shop(DeclarativeBase):
    pass


class Organization(Shop):
    """The tenants themselves, to which tenant columns refer."""

    __tablename__ = "organizations"
    __table_args__ = {"info": shared(writable=True)}
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))


class Country(Shop):
    __tablename__ = "countries"
    __table_args__ = {"info": shared()}
    code: Mapped[str] = mapped_column(String(2), primary_key=True)


class Product(SoftDeletable, Shop):
    """Every kind of column."""

    __tablename__ = "products"
    __table_args__ = (tenant_unique("id", tenant="org_id"), {"info": scoped_by("org_id")})
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str] = mapped_column(String(40), unique=True)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    double: Mapped[int] = mapped_column(Computed("size * 2", persisted=True))
    size: Mapped[int] = mapped_column(SmallInteger)
    weight: Mapped[float]
    colour: Mapped[Colour]
    mood: Mapped[str] = mapped_column(Enum("good", "bad", name="mood"))
    made: Mapped[datetime]
    born: Mapped[date]
    opens: Mapped[time]
    lasts: Mapped[timedelta] = mapped_column(Interval)
    sold: Mapped[bool]
    picture: Mapped[bytes] = mapped_column(LargeBinary)
    facts: Mapped[dict] = mapped_column(JSON)
    country: Mapped[str] = mapped_column(ForeignKey("countries.code"))
    like_id: Mapped[int | None] = mapped_column(ForeignKey("products.id"))
    like: Mapped[Product | None] = relationship(remote_side="Product.id")
    orders: Mapped[list[Order]] = relationship(back_populates="product", viewonly=True)


class Order(Shop):
    """A key that carries the tenant, and a one-to-one."""

    __tablename__ = "orders"
    __table_args__ = (
        tenant_foreign_key("product_id", "products.id", tenant="org_id"),
        UniqueConstraint("org_id", "product_id"),
        {"info": scoped_by("org_id")},
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[UUID]
    product_id: Mapped[int]
    product: Mapped[Product] = relationship(back_populates="orders", viewonly=True)
    kind: Mapped[str] = mapped_column(String(10))
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}


class RushOrder(Order):
    """A joined subclass."""

    __tablename__ = "rush_orders"
    __table_args__ = {"info": scoped_through("id")}
    id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    courier: Mapped[str] = mapped_column(String(30))
    __mapper_args__ = {"polymorphic_identity": "rush"}


liked = Table(
    "liked",
    Shop.metadata,
    Column("product_id", ForeignKey("products.id"), primary_key=True),
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    info=scoped_through("product_id", "order_id"),
)


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def options(request):
    """Say where the matrix runs."""
    if request.param == "sqlite":
        return {}
    if request.param == "postgresql":
        return {"server": request.getfixturevalue("server")}

    class MariaDB:
        database = staticmethod(mariadb_database)

    return {"server": MariaDB}


@pytest.mark.parametrize("models", [Everything, Shop], ids=["everything", "shop"])
def test_nothing_is_found_where_nothing_leaks(options, models):
    """Models of every kind are filled and attacked on each database, and hold."""
    report = leak_matrix(models, **options)
    assert str(report).endswith("nothing found")
    report.check()


def test_nothing_is_found_behind_policies(server):
    """With row level security the same holds."""
    leak_matrix(Shop, server=server, policies=True).check()


def test_every_table_and_class_is_attacked():
    """No table that belongs to a tenant is left out, and each is attacked in many ways."""
    runs = leak_matrix(Shop).runs
    ruled = {"products", "orders", "rush_orders", "liked", "Product", "Order", "RushOrder"}
    assert ruled <= runs.keys()
    assert runs["products"] > 20
    assert runs["Product"] > 10


def test_every_shape_can_fail(caplog):
    """On tables that are not enforced each of the ways finds something, so none is a check that cannot fail."""
    caplog.set_level(logging.CRITICAL, "tenantkit.shadow")
    with all_in("shadow"):
        report = leak_matrix(Everything)
    found = Counter(one.shape for one in report.findings)
    assert [shape.name for shape in SHAPES if not found[shape.name]] == []
    assert {one.verdict for one in report.findings} >= {"leaked", "changed"}
    with pytest.raises(AssertionError, match="leaked"):
        report.check()


@pytest.mark.parametrize(
    ("kind", "name", "answer"),
    [
        (Entry, "criteria", lambda *_, **__: []),
        (WritePlan, "check", lambda *_: {}),
        (WritePlan, "fill", lambda _self, parameters, pin: {**pin.values, **parameters}),
    ],
)
def test_a_broken_guard_is_found(monkeypatch, kind, name, answer):
    """With a decision of the library taken out, the matrix of an application's models goes red."""
    monkeypatch.setattr(kind, name, answer)
    monkeypatch.setattr("tenantkit.isolation.engine.check_hooks", lambda kind: None)
    assert leak_matrix(Everything).findings


def test_queries_of_the_application_are_judged():
    """A function whose answer depends on the other tenant is found, whatever it computes; one that writes, too."""

    def fair(session):
        return session.scalars(select(Product)).all()

    def total(session):
        return session.scalar(select(func.sum(Product.price)))

    def vouched_total(session):
        return session.scalar(vouch(text("SELECT sum(price) FROM products"), "it is only a sum"))

    def vouched_sale(session):
        session.execute(vouch(text("UPDATE products SET sold = true"), "all are sold"))
        session.commit()

    def refused(session):
        return session.execute(text("SELECT 1")).all()

    def broken(_session):
        raise LookupError("no such thing")

    queries = (fair, total, vouched_total, vouched_sale, refused, broken)
    report = leak_matrix(Shop, queries={one.__name__: one for one in queries})
    assert {(one.subject, one.verdict) for one in report.findings} == {
        ("vouched_total", "leaked"),
        ("vouched_sale", "changed"),
        ("refused", "failed"),
        ("broken", "failed"),
    }


def test_rules_of_the_application_hold_too():
    """Further rules ask the scope for dimensions, and rows are made for them."""

    class Base(DeclarativeBase):
        pass

    class Task(TenantScoped, Base):
        __tablename__ = "tasks"
        id: Mapped[int] = mapped_column(primary_key=True)
        region: Mapped[str] = mapped_column(String(2))

    region = RowRule("region", "region", lambda scope: scope.dimension("region"))
    report = leak_matrix(
        Base, rules=[region], scope=lambda tenant: Scope(tenant, dimensions={"region": "eu"})
    )
    report.check()
    assert report.runs["Task"] > 5


@pytest.mark.parametrize("type_", [Integer, String(12), Uuid], ids=["int", "str", "uuid"])
def test_tenant_ids_of_each_type(type_):
    """Whatever type tenant ids have, two are made up."""
    metadata = MetaData()
    columns = Column("id", Integer, primary_key=True), Column("org", type_, nullable=False)
    Table("things", metadata, *columns, info=scoped_by("org"))
    leak_matrix(metadata).check()


def test_dataclasses_are_filled_too():
    """Classes whose constructors want arguments are read and forged without calling them."""

    class Base(MappedAsDataclass, DeclarativeBase):
        pass

    class Task(Base):
        __tablename__ = "tasks"
        __table_args__ = {"info": scoped_by("org")}
        id: Mapped[int] = mapped_column(primary_key=True)
        org: Mapped[int]
        name: Mapped[str]

    leak_matrix(Base).check()


def test_models_that_are_known_late_or_point_to_themselves():
    """Concrete bases that configure later, a tenants' table scoped by its own key, and keys that may not be NULL."""

    class Base(DeclarativeBase):
        pass

    class Firm(Base):
        __tablename__ = "firms"
        __table_args__ = {"info": scoped_by("id")}
        id: Mapped[int] = mapped_column(primary_key=True)

    class Thread(Base):
        __tablename__ = "threads"
        __table_args__ = {"info": scoped_by("firm_id")}
        id: Mapped[int] = mapped_column(primary_key=True)
        firm_id: Mapped[int] = mapped_column(ForeignKey("firms.id"))
        root_id: Mapped[int] = mapped_column(ForeignKey("threads.id"))

    class Paper(AbstractConcreteBase, Base):
        strict_attrs = True
        title: Mapped[str] = mapped_column(String(20))

    class Report(Paper):
        __tablename__ = "reports"
        __table_args__ = {"info": scoped_by("firm_id")}
        __mapper_args__ = {"concrete": True}
        id: Mapped[int] = mapped_column(primary_key=True)
        firm_id: Mapped[int] = mapped_column(ForeignKey("firms.id"))

    report = leak_matrix(Base)
    report.check()
    assert {"Firm", "Thread", "Report"} <= report.runs.keys()


def test_unknown_types_ask_for_values():
    """A column that cannot be made up says how to give its values; then it works."""
    metadata = MetaData()
    columns = Column("id", Integer, primary_key=True), Column("org", Integer, nullable=False)
    Table("hosts", metadata, *columns, Column("address", Odd, nullable=False), info=scoped_by("org"))
    with pytest.raises(ConfigurationError, match=r"values=\{'hosts.address'"):
        leak_matrix(metadata)
    leak_matrix(metadata, values={"hosts.address": lambda tenant, number: f"10.0.0.{number}"}).check()


def test_types_behind_others_need_none():
    """A decorated column that says nothing of its values gets those of the type behind it."""
    metadata = MetaData()
    columns = Column("id", Integer, primary_key=True), Column("org", Integer, nullable=False)
    Table("hosts", metadata, *columns, Column("size", Large, nullable=False), info=scoped_by("org"))
    leak_matrix(metadata).check()


class Large(TypeDecorator):
    """A number by another name."""

    impl = BigInteger
    cache_ok = True


class Odd(UserDefinedType):
    """A type that says nothing of its values."""

    cache_ok = True

    def get_col_spec(self):
        """Text."""
        return "VARCHAR(20)"


@pytest.mark.parametrize(
    ("models", "says"),
    [(42, "no declarative base"), ([], "no declarative base"), (MetaData(), "nothing to attack")],
)
def test_what_cannot_be_attacked_is_refused(models, says):
    """Something else than models is refused by name, and so are models without a tenant."""
    with pytest.raises(ConfigurationError, match=says):
        leak_matrix(models)
