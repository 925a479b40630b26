"""How tables say whose rows they hold, and what is known of them."""

import ast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import (
    Column,
    FetchedValue,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    literal,
    table,
)
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantkit import Scope, Tenant
from tenantkit.exceptions import ConfigurationError, UndeclaredTable
from tenantkit.isolation import RowRule, TenantScoped, declare, scoped_by, scoped_through, shared
from tenantkit.isolation.registry import Registry
from tenantkit.sql.declarations import INFO_KEY, ScopedBy, ScopedThrough, Shared, declaration_of, kit_table


@pytest.fixture
def metadata():
    """Give a fresh MetaData."""
    return MetaData()


def plain(metadata, name, *columns, **options):
    """Define a table with an integer key."""
    return Table(name, metadata, Column("id", Integer, primary_key=True), *columns, **options)


def documents(metadata, kind=Uuid):
    """Define a table whose rows belong to the tenant in `owner`."""
    return plain(metadata, "documents", Column("owner", kind, nullable=False), info=scoped_by("owner"))


def refused(metadata, **options):
    """Return the message with which a registry is refused."""
    with pytest.raises(ConfigurationError) as caught:
        Registry(metadata, **options)
    return caught.value.message


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (scoped_by("owner"), ScopedBy("owner")),
        (scoped_through("a", "b"), ScopedThrough(("a", "b"))),
        (shared(), Shared(writable=False)),
        (shared(writable=True), Shared(writable=True)),
        ({}, None),
        ({"other": "info"}, None),
    ],
    ids=["by", "through", "shared", "shared and writable", "none", "somebody else's info"],
)
def test_a_declaration_travels_with_its_table(metadata, info, expected):
    """What a table declares is a value in its info."""
    assert expected == declaration_of(plain(metadata, "t", info=info))


OWN_VALUES = {
    "server_default": {"server_default": "1"},
    "an SQL default": {"default": literal(1)},
    "an SQL onupdate": {"onupdate": literal(1)},
    "server_onupdate": {"server_onupdate": FetchedValue()},
}


@pytest.mark.parametrize("options", OWN_VALUES.values(), ids=OWN_VALUES)
def test_a_link_that_gets_values_by_itself_is_refused(metadata, options):
    """What the database gives to a foreign key is seen by nobody before it is written."""
    parent = documents(metadata, Integer)
    columns = (Column("owner", Integer), Column("parent_id", ForeignKey(parent.c.id), **options))
    plain(metadata, "child", *columns, info=scoped_by("owner"))
    assert "child.parent_id gets values by itself" in refused(metadata)


@pytest.mark.parametrize(
    "options", [{"onupdate": lambda: 2}, {"server_onupdate": FetchedValue()}], ids=["Python", "SQL"]
)
def test_a_tenant_that_changes_by_itself_is_refused(metadata, options):
    """An UPDATE that says nothing of the tenant leaves it alone."""
    plain(metadata, "t", Column("owner", Integer, **options), info=scoped_by("owner"))
    assert "t.owner gets values by itself" in refused(metadata)


@pytest.mark.parametrize("kind", [String(9, collation="nocase"), String(9, collation="RTRIM"), CITEXT()])
def test_a_tenant_that_is_compared_loosely_is_refused(metadata, kind):
    """Tenants whose ids differ in letter case or trailing spaces would be one."""
    plain(metadata, "t", Column("owner", kind, nullable=False), info=scoped_by("owner"))
    assert "t.owner compares texts loosely" in refused(metadata)


def test_a_default_made_in_python_is_a_value(metadata):
    """A default that Python makes is checked like any value, and is allowed."""
    parent = documents(metadata, Integer)
    columns = (Column("owner", Integer), Column("parent_id", ForeignKey(parent.c.id), default=lambda: 1))
    table_ = plain(metadata, "child", *columns, info=scoped_by("owner"))
    assert Registry(metadata).entry(table_).links


CONTRADICTIONS = {
    "two in one dictionary": lambda: scoped_by("owner") | shared(),
    "a column and a parent": lambda: scoped_by("owner") | scoped_through("id"),
    "a parent and nobody": lambda: scoped_through("owner") | shared(),
}


@pytest.mark.parametrize("info", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_table_declared_in_two_ways_is_refused(metadata, info):
    """Rows belong to one tenant or to all: who says both is asked to keep one."""
    plain(metadata, "t", info=info())
    assert "'t' is declared in several ways" in refused(metadata)


def test_the_mixin_beside_another_declaration_is_refused():
    """The column of TenantScoped is a declaration, too, which nothing overrides."""

    class Base(DeclarativeBase):
        pass

    class Customer(TenantScoped, Base):
        __tablename__ = "customers"
        __table_args__ = {"info": shared()}
        id: Mapped[int] = mapped_column(primary_key=True)

    assert "'customers' is declared in several ways" in refused(Base.metadata)


def test_the_mixin_and_its_own_column_agree():
    """Saying the same twice is no contradiction."""

    class Base(DeclarativeBase):
        pass

    class Customer(TenantScoped, Base):
        __tablename__ = "customers"
        __table_args__ = {"info": scoped_by("tenant_id")}
        id: Mapped[int] = mapped_column(primary_key=True)

    assert ScopedBy("tenant_id") == declaration_of(Customer.__table__)


def test_a_declared_table_is_not_declared_otherwise(metadata):
    """`declare` adds what is missing and changes nothing."""
    with pytest.raises(ConfigurationError, match="in several ways"):
        declare(plain(metadata, "t", info=scoped_by("owner")), shared())


def test_a_reflected_table_can_be_declared_afterwards(metadata):
    """A table that cannot be edited is declared by a call, and keeps what else its info holds."""
    found = declare(plain(metadata, "t", info={"other": 1}), shared())
    assert (Shared(writable=False), 1) == (declaration_of(found), found.info["other"])


def test_the_mixin_declares_its_table():
    """TenantScoped adds `tenant_id`, a UUID, indexed, not null, first, and that is the declaration."""

    class Base(DeclarativeBase):
        pass

    class Document(TenantScoped, Base):
        __tablename__ = "documents"
        id: Mapped[int] = mapped_column(primary_key=True)

    column = Document.__table__.c.tenant_id
    assert (UUID, True, False) == (column.type.python_type, column.index, column.nullable)
    assert "tenant_id" == next(iter(Document.__table__.columns)).name
    assert ScopedBy("tenant_id") == declaration_of(Document.__table__)
    assert [column] == [stamp.column for stamp in Registry(Base.metadata).entry(Document.__table__).stamps]


def test_an_undeclared_table_is_refused_by_name(metadata):
    """A table that declares nothing can be there, and is refused when it is used, with what to do."""
    silent = plain(metadata, "silent")
    with pytest.raises(UndeclaredTable, match=r"'silent' is not declared.*scoped_by\(\)"):
        Registry(metadata).entry(silent)


@pytest.mark.parametrize(
    "other",
    [lambda: table("documents"), lambda: documents(MetaData()), lambda: None, lambda: ["documents"]],
    ids=["sa.table()", "a second Table", "None", "a list"],
)
def test_only_the_declared_table_itself_is_known(metadata, other):
    """A table of the same name that is another object is not the declared one."""
    documents(metadata)
    with pytest.raises(UndeclaredTable):
        Registry(metadata).entry(other())


@pytest.mark.parametrize("declared", ["owner", ScopedBy, True, {"column": "owner"}], ids=repr)
def test_a_declaration_by_hand_is_refused(metadata, declared):
    """What stands in a table's info and is no declaration is refused with the functions that make one."""
    plain(metadata, "t", info={INFO_KEY: declared})
    assert "use scoped_by(), scoped_through() or shared()" in refused(metadata)


@pytest.mark.parametrize("info", [scoped_by("owner"), scoped_through("a"), shared()], ids=repr)
def test_a_declaration_can_be_written_down(info):
    """What a declaration puts into a table's info is made of plain values: Alembic writes it into migrations."""
    assert info == ast.literal_eval(repr(info))


def test_a_column_that_is_not_there_is_refused(metadata):
    """A declaration that names no column of the table is refused, with the columns there are."""
    plain(metadata, "t", Column("owner", Uuid), info=scoped_by("tenant_id"))
    assert "'t' is scoped by 'tenant_id', and has no such column. It has id, owner." in refused(metadata)


def test_the_name_in_the_database_counts(metadata):
    """A column is named as it is in the database, whatever its key in Python."""
    found = plain(metadata, "t", Column("owner", Uuid, key="tenant"), info=scoped_by("owner"))
    assert [found.c.tenant] == [stamp.column for stamp in Registry(metadata).entry(found).stamps]
    plain(metadata, "u", Column("owner", Uuid, key="tenant"), info=scoped_by("tenant"))
    assert "has no such column" in refused(metadata)


def test_scoped_through_nothing_is_refused():
    """A child names at least one column that leads to its parent."""
    with pytest.raises(ConfigurationError, match="at least one foreign key column"):
        scoped_through()


THROUGH = {
    "no column": lambda metadata: plain(metadata, "t", info=scoped_through("parent_id")),
    "no foreign key": lambda metadata: plain(
        metadata, "t", Column("parent_id", Integer), info=scoped_through("parent_id")
    ),
    "a shared parent": lambda metadata: plain(
        metadata,
        "t",
        Column("parent_id", ForeignKey(plain(metadata, "parent", info=shared()).c.id)),
        info=scoped_through("parent_id"),
    ),
    "an undeclared parent": lambda metadata: plain(
        metadata,
        "t",
        Column("parent_id", ForeignKey(plain(metadata, "parent").c.id)),
        info=scoped_through("parent_id"),
    ),
    "the second of two": lambda metadata: plain(
        metadata,
        "t",
        Column("parent_id", ForeignKey(documents(metadata).c.id)),
        Column("other_id", Integer),
        info=scoped_through("parent_id", "other_id"),
    ),
}


@pytest.mark.parametrize("define", THROUGH.values(), ids=THROUGH)
def test_scoped_through_needs_a_key_to_a_scoped_table(metadata, define):
    """A child whose column leads to no scoped table is refused, with table and column."""
    define(metadata)
    message = refused(metadata)
    assert "Table 't' is scoped through" in message
    assert "no foreign key to a table that is scoped itself" in message


def test_a_child_is_scoped_by_its_parent(metadata):
    """A table that is scoped through a foreign key is filtered by an EXISTS, and stamps nothing."""
    parent = documents(metadata)
    child = plain(
        metadata, "pages", Column("document_id", ForeignKey(parent.c.id)), info=scoped_through("document_id")
    )
    entry = Registry(metadata).entry(child)
    assert ((), True) == (entry.stamps, entry.is_scoped)
    assert [((child.c.document_id,), (parent.c.id,))] == [
        (link.columns, link.parents) for link in entry.parents
    ]


def test_tenant_ids_have_one_type(metadata):
    """Two tables whose tenant columns hold different types are refused, naming both types."""
    documents(metadata)
    plain(metadata, "files", Column("owner", String(64)), info=scoped_by("owner"))
    message = refused(metadata)
    assert "files.owner holds str" in message
    assert "hold UUID" in message


def test_the_type_holds_over_several_metadata(metadata):
    """Tables of several MetaData are one application: the same rule holds over all of them."""
    documents(metadata, Uuid)
    with pytest.raises(ConfigurationError, match="Tenant ids have one type"):
        Registry(metadata, plain(MetaData(), "t", Column("owner", Integer), info=scoped_by("owner")).metadata)


@pytest.mark.parametrize("tenant_id", [7, "7"], ids=repr)
def test_a_scope_has_the_type_of_the_columns(metadata, tenant_id):
    """A tenant whose id has another type than the columns is refused before any statement."""
    documents(metadata, Uuid)
    with pytest.raises(ConfigurationError, match=r"gives a (int|str), and the columns it guards hold UUID"):
        Registry(metadata).values(Scope(Tenant(tenant_id, "acme")))


def test_values_come_from_the_scope(metadata):
    """The registry gives a scope's values by the names of the reserved parameters."""
    documents(metadata)
    tenant_id = uuid4()
    values, _ = Registry(metadata).values(Scope(Tenant(tenant_id, "acme")))
    assert {"tenantkit_tenant": tenant_id} == values


def test_links_are_foreign_keys_to_what_is_not_shared(metadata):
    """A foreign key to a scoped table is watched; one to a shared table, or to the tenants, is not."""
    tenants = plain(metadata, "tenants", info=scoped_by("id"))
    countries = plain(metadata, "countries", info=shared())
    parent = plain(metadata, "parents", Column("owner", ForeignKey(tenants.c.id)), info=scoped_by("owner"))
    child = plain(
        metadata,
        "children",
        Column("owner", ForeignKey(tenants.c.id)),
        Column("country_id", ForeignKey(countries.c.id)),
        Column("parent_id", ForeignKey(parent.c.id)),
        info=scoped_by("owner"),
    )
    found = [column.name for link in Registry(metadata).entry(child).links for column in link.columns]
    assert ["parent_id"] == found


def test_a_composite_key_guards_by_itself(metadata):
    """A foreign key that pairs the tenant columns beside its own is checked by the database, and not looked up."""
    parent = Table(
        "parents",
        metadata,
        Column("owner", Integer, primary_key=True),
        Column("id", Integer, primary_key=True),
        info=scoped_by("owner"),
    )
    child = plain(
        metadata,
        "children",
        Column("owner", Integer),
        Column("parent_id", Integer),
        ForeignKeyConstraint(["owner", "parent_id"], [parent.c.owner, parent.c.id]),
        info=scoped_by("owner"),
    )
    assert () == Registry(metadata).entry(child).links


def test_a_rule_holds_where_its_column_is(metadata):
    """A further rule holds for each declared table with a column of its name, and for no other."""
    guarded = plain(metadata, "a", Column("owner", Uuid), Column("region", String), info=scoped_by("owner"))
    other = documents(metadata)
    rule = RowRule("region", "region", lambda _scope: "eu")
    registry = Registry(metadata, rules=[rule])
    assert ["owner", "region"] == [stamp.column.name for stamp in registry.entry(guarded).stamps]
    assert ["owner"] == [stamp.column.name for stamp in registry.entry(other).stamps]
    values, _ = registry.values(Scope(Tenant(uuid4(), "acme")))
    assert "eu" == values["tenantkit_region"]


def test_a_rule_without_a_value_means_null(metadata):
    """A rule of no value asks for NULL and stamps nothing; one that keeps writes alone stamps nothing either."""
    found = plain(
        metadata,
        "a",
        Column("owner", Uuid),
        Column("gone", Integer),
        Column("kind", Integer),
        info=scoped_by("owner"),
    )
    rules = [RowRule("alive", "gone", None), RowRule("kind", "kind", lambda _scope: 1, on_write="keep")]
    entry = Registry(metadata, rules=rules).entry(found)
    assert ["owner"] == [stamp.column.name for stamp in entry.stamps]
    assert [("owner", True), ("gone", False), ("kind", True)] == [
        (one.column.name, one.bind is not None) for one in entry.conditions
    ]


def test_a_rule_of_ones_own_leaves_the_kits_tables_alone(metadata):
    """A rule holds for the application's tables, however the kit's columns are called."""
    kits = plain(metadata, "kits", Column("owner", Uuid), Column("region", String), info=kit_table("owner"))
    ours = plain(metadata, "ours", Column("owner", Uuid), Column("region", String), info=scoped_by("owner"))
    rule = RowRule("region", "region", lambda scope: scope.dimension("region"))
    registry = Registry(metadata, rules=[rule])
    assert [1, 2] == [len(registry.entry(table).stamps) for table in (kits, ours)]


def test_a_key_to_a_tenants_row_that_is_under_a_rule(metadata):
    """The row of one's own tenant can be out of sight by another rule, so it is asked for."""
    tenants = plain(metadata, "tenants", Column("region", String), info=scoped_by("id"))
    child = plain(metadata, "children", Column("owner", ForeignKey(tenants.c.id)), info=scoped_by("owner"))
    rule = RowRule("region", "region", lambda scope: scope.dimension("region"))
    links = Registry(metadata, rules=[rule]).entry(child).links
    assert [["owner"]] == [[column.name for column in link.columns] for link in links]
    assert () == Registry(metadata).entry(child).links
