"""What was refused once is refused again; and keys of several columns in upserts."""

import pytest
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import sqlite

from tenantkit import Scope, Tenant
from tenantkit.exceptions import ConfigurationError, IsolationError, ScopeChanged, StatementRefused
from tenantkit.isolation import (
    SOFT_DELETE,
    Policies,
    RowRule,
    ScopedSession,
    scope_engine,
    scoped_by,
    scoped_through,
    shared,
    soft_deletable,
)
from tenantkit.isolation.registry import Registry

metadata = MetaData()
parents = Table(
    "parents",
    metadata,
    Column("region", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("owner", Integer, nullable=False),
    info=scoped_by("owner"),
)
children = Table(
    "children",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", Integer, nullable=False),
    Column("region", Integer),
    Column("number", Integer),
    Column("gone", Integer),
    ForeignKeyConstraint(["region", "number"], ["parents.region", "parents.number"]),
    info=scoped_by("owner") | soft_deletable("gone"),
)
OURS, THEIRS = Scope(Tenant(1, "ours")), Scope(Tenant(2, "theirs"))


@pytest.fixture
def engines(tmp_path):
    """Give a plain and a scoped engine over rows of two tenants."""
    url = f"sqlite:///{tmp_path / 'retries.db'}"
    plain, scoped = create_engine(url), scope_engine(url, metadata=metadata)
    metadata.create_all(plain)
    with plain.begin() as connection:
        connection.execute(insert(parents), [{"region": 1, "number": n, "owner": n} for n in (1, 2)])
        connection.execute(
            insert(children), [{"id": n, "owner": n, "region": 1, "number": n} for n in (1, 2)]
        )
    yield plain, scoped
    scoped.dispose()
    plain.dispose()


WAYS = {
    "execute": lambda session: session.execute(select(children.c.id)).all(),
    "connection": lambda session: session.connection().execute(select(children.c.id)).all(),
    "write": lambda session: session.execute(insert(children).values(id=9, owner=2)),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_plain_engine_is_refused_every_time(engines, way):
    """A scoped session on an engine that is not scoped answers at no try."""
    with ScopedSession(engines[0], scope=OURS) as session:
        for _ in range(3):
            with pytest.raises(StatementRefused, match="not scoped"):
                way(session)


@pytest.mark.parametrize("lift", [[], [SOFT_DELETE]], ids=["another tenant", "another sight"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_connection_of_another_session_is_refused_every_time(engines, way, lift):
    """As long as another session works on a connection, this one does not, whosever it is."""
    with engines[1].connect() as connection, ScopedSession(connection, scope=OURS, lift=lift) as first:
        first.execute(select(children.c.id)).all()
        with ScopedSession(connection, scope=OURS if lift else THEIRS) as second:
            for _ in range(3):
                with pytest.raises(ScopeChanged):
                    way(second)


SETS = {
    "one taken, one bound": lambda new: {"region": new.region, "number": 2},
    "one bound, one computed": lambda new: {"region": 1, "number": literal(1) + 1},
    "one taken, one computed": lambda new: {"region": new.region, "number": new.number + 1},
    "both bound": lambda new: {"region": 1, "number": 2},
}


@pytest.mark.parametrize("given", SETS.values(), ids=SETS)
def test_an_upsert_sets_no_foreign_key_of_several_columns(engines, given):
    """A key of several columns is taken as a whole from the new row, or bound as a whole; else it is refused."""
    plain, scoped = engines
    statement = sqlite.insert(children).values(id=1, region=1, number=1)
    with ScopedSession(scoped, scope=OURS) as session, pytest.raises(IsolationError):
        session.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=given(statement.excluded))
        )
    with plain.connect() as connection:
        assert [(1, 1)] == connection.execute(
            select(children.c.region, children.c.number).where(children.c.id == 1)
        ).all()


def test_an_upsert_takes_a_whole_key_from_the_new_row(engines):
    """What was checked as the row to be inserted may be taken over."""
    statement = sqlite.insert(children).values(id=1, region=1, number=1)
    taken = {name: statement.excluded[name] for name in ("region", "number")}
    with ScopedSession(engines[1], scope=OURS) as session:
        session.execute(update(children).values(region=None, number=None))
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=taken))
        assert [(1, 1)] == session.execute(select(children.c.region, children.c.number)).all()


class Key(TypeDecorator):
    """A text with another name."""

    impl = String(20)
    cache_ok = True


def declared(kind, **info):
    """Declare a table whose tenant is of a type."""
    made = MetaData()
    columns = (Column("id", Integer, primary_key=True), Column("owner", kind, nullable=False))
    Table("t", made, *columns, info=scoped_by("owner"), **info)
    return made


@pytest.mark.parametrize(
    "kind", [Key(), String(20).with_variant(String(30), "sqlite")], ids=["decorated", "variant"]
)
def test_texts_are_exact_whatever_type_they_are_declared_by(kind):
    """On MariaDB a decorated text is compared byte by byte, too (nothing is run)."""
    made = declared(kind)
    engine = scope_engine("mariadb+pymysql://nobody@nowhere/nothing", metadata=made)
    assert "CAST" in str(select(made.tables["t"]).compile(engine))


def test_loose_variants_are_refused():
    """A variant of a type that compares loosely is found as well."""
    loose = String(20).with_variant(String(20, collation="NOCASE"), "sqlite")
    with pytest.raises(ConfigurationError, match="compares texts loosely"):
        Registry(declared(loose))


def test_policies_do_not_cut_the_setting():
    """A tenant whose id is longer than the column is nobody, not the one whose id it begins with."""
    (policies,) = Policies(declared(String(4))).tables
    assert "'')::TEXT)" in policies.policies[0].using


def test_rules_hold_on_shared_tables_and_through_guarded_keys():
    """Soft delete holds on a table that all share; a key that carries the tenant is looked up if more is asked."""
    made = MetaData()
    common = Table(
        "common",
        made,
        Column("id", Integer, primary_key=True),
        Column("gone", Integer),
        info=shared() | soft_deletable("gone"),
    )
    Table(
        "up",
        made,
        Column("owner", Integer, primary_key=True),
        Column("id", Integer, primary_key=True),
        Column("gone", Integer),
        UniqueConstraint("owner", "id"),
        info=scoped_by("owner") | soft_deletable("gone"),
    )
    down = Table(
        "down",
        made,
        Column("owner", Integer, primary_key=True),
        Column("up_id", Integer),
        ForeignKeyConstraint(["owner", "up_id"], ["up.owner", "up.id"]),
        info=scoped_by("owner"),
    )
    registry = Registry(made)
    assert ["gone"] == [one.column.name for one in registry.entry(common).conditions]
    assert [("up_id",)] == [
        tuple(column.name for column in link.columns) for link in registry.entry(down).links
    ]


def test_a_rule_on_a_column_that_is_not_there_is_refused():
    """A misspelled column of soft delete is an error at start, and not a table without the rule."""
    made = MetaData()
    Table("t", made, Column("id", Integer, primary_key=True), info=scoped_by("id") | soft_deletable("typo"))
    with pytest.raises(ConfigurationError, match="'typo' under the rule 'soft_delete'"):
        Registry(made)


def test_children_of_rows_that_workspaces_share_are_refused():
    """What holds for tenants holds for further rules: a child of a shared row would be everybody's."""
    made = MetaData()
    columns = (Column("owner", Integer), Column("place", Integer))
    Table("up", made, Column("id", Integer, primary_key=True), *columns, info=scoped_by("owner"))
    Table(
        "down",
        made,
        Column("up_id", Integer, primary_key=True),
        ForeignKeyConstraint(["up_id"], ["up.id"]),
        info=scoped_through("up_id"),
    )
    place = RowRule("place", "place", lambda _: 1, null_is_shared=True)
    with pytest.raises(ConfigurationError, match="shared rows"):
        Registry(made, rules=[place])
