"""Row level security: what the database keeps apart by itself, told once in each transaction."""

import psycopg
import pytest
from sqlalchemy import (
    CHAR,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from tenantkit import Scope, Tenant, new_id
from tenantkit.exceptions import ConfigurationError, StatementRefused
from tenantkit.isolation import (
    Policies,
    RowRule,
    ScopedSession,
    UnscopedSession,
    scope_engine,
    scoped_by,
    shared,
)
from tenantkit.isolation.doctor import examine
from tests.integration.office import Document, make_kit, sign_up

behind_policies = pytest.mark.parametrize("database", ["policies"], indirect=True)
SCOPED = ("documents", "pages", "tenantkit_tenant", "tenantkit_membership", "tenantkit_audit_event")
ROLES = {
    "uuid": (Uuid(), new_id(), new_id()),
    "text of a uuid": (Uuid(native_uuid=False), new_id(), new_id()),
    "int": (Integer(), 7, 8),
    "str": (String(20), "it's", "ü 8"),
    "char": (CHAR(4), "acme", "bolt"),
}


@pytest.fixture
def busy(kit):
    """Give a kit with documents of two tenants."""
    for slug in ("acme", "bolt"):
        with kit.scope(sign_up(kit, slug)):
            kit.session().add(Document(name=slug))
            kit.audit.record("document.added")
            kit.session().commit()
    return kit


@pytest.fixture
def app(database):
    """Connect as the application's role, past the library."""
    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
        yield connection


@behind_policies
@pytest.mark.parametrize("setting", [None, "''", f"'{new_id()}'"], ids=["none", "empty", "unknown tenant"])
def test_the_role_sees_nothing_without_a_scope(busy, app, setting):
    """With no setting, the empty one that a pooler leaves behind, or nobody's, each scoped table has no row."""
    if setting:
        app.execute(f"SET tenantkit.tenant = {setting}")
    counts = {table: app.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in SCOPED}
    assert dict.fromkeys(SCOPED, 0) == counts


@behind_policies
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO documents (tenant_id, id, name) SELECT id, 99, 'x' FROM (VALUES (gen_random_uuid())) t (id)",
        "INSERT INTO countries (code) VALUES ('XX')",
    ],
    ids=["scoped", "shared"],
)
def test_the_role_writes_nothing_without_a_scope(busy, app, statement):
    """An INSERT into a scoped or a shared table is refused; UPDATE and DELETE reach no row."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)
    reached = [
        app.execute(one).rowcount
        for table in SCOPED
        for one in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}")
        if "tenantkit_tenant" not in one
    ]
    assert {0} == set(reached)


@behind_policies
def test_the_role_cannot_say_that_it_is_unscoped(busy, app):
    """The word that opens all rows to their owner opens nothing to the application."""
    app.execute("SET tenantkit.unscoped = 'on'")
    assert (0,) == app.execute("SELECT count(*) FROM documents").fetchone()


@behind_policies
def test_the_owner_sees_all_rows_where_he_says_so(busy):
    """Without the word even the owner sees none (FORCE); an unscoped session says it in each transaction."""
    counting = select(func.count()).select_from(Document)
    with Session(busy.owner_engine) as session:
        assert 0 == session.scalar(counting)
    with busy.unscoped_session(reason="count", actor="test") as session:
        assert 2 == session.scalar(counting)
        session.commit()
        assert 2 == session.scalar(counting)
    with Session(busy.owner_engine) as session:
        assert 0 == session.scalar(counting)


@behind_policies
def test_the_scope_is_told_once_a_transaction(busy):
    """A transaction costs one statement more, whatever it does; a savepoint that is rolled back forgets nothing."""
    told = []
    event.listen(busy.engine, "before_cursor_execute", lambda *arguments: told.append(arguments[2]))
    with busy.scope("acme"):
        session = busy.session()
        for _ in range(2):
            session.scalars(select(Document.name)).all()
            with session.begin_nested() as inner:
                session.add(Document(name="x"))
                session.flush()
                inner.rollback()
            assert ["acme"] == session.scalars(select(Document.name)).all()
            session.commit()
    assert 2 == sum("set_config" in statement for statement in told)


@behind_policies
def test_a_pooled_connection_forgets_its_scope(busy):
    """What a transaction told is gone when it ends, so the next one of the same connection starts with nothing."""
    with busy.scope("acme"):
        kept = busy.session().connection().connection.dbapi_connection
        busy.session().commit()
    with busy.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        assert raw is kept
        assert [("",)] == raw.execute("SELECT current_setting('tenantkit.tenant', true)").fetchall()
        assert [(0,)] == raw.execute("SELECT count(*) FROM documents").fetchall()


@behind_policies
def test_autocommit_is_refused(busy):
    """Outside of a transaction the setting would be gone before the next statement."""
    engine = busy.engine.execution_options(isolation_level="AUTOCOMMIT")
    with (
        ScopedSession(engine, scope=Scope(Tenant(new_id(), "acme"))) as session,
        pytest.raises(StatementRefused, match="AUTOCOMMIT"),
    ):
        session.scalars(select(Document))


def test_policies_need_postgresql(tmp_path):
    """On another database an engine with policies is refused, and so is making them."""
    metadata = MetaData()
    with pytest.raises(ConfigurationError, match="needs PostgreSQL, and this is sqlite"):
        scope_engine("sqlite://", metadata=metadata, policies=True)
    engine = create_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(ConfigurationError, match="this is sqlite"):
        Policies(metadata).create_all(connection)
    engine.dispose()


@pytest.mark.parametrize("kind", ROLES)
def test_ids_of_any_type_are_compared_as_they_are_stored(server, kind):
    """The setting is cast to the type of the column, so that its index serves; quotes and letters survive."""
    type_, ours, theirs = ROLES[kind]
    metadata = MetaData()
    notes = Table(
        "Some notes",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("Owner", type_, nullable=False),
        info=scoped_by("Owner"),
    )
    with server.database() as made:
        owner, engine = (
            create_engine(made.owner_url),
            scope_engine(made.app_url, metadata=metadata, policies=True),
        )
        metadata.create_all(owner)
        policies = Policies(metadata)
        for _ in range(2):  # it replaces what is there
            with owner.begin() as connection:
                policies.create_all(connection)
        for number, tenant in enumerate((ours, theirs)):
            with ScopedSession(engine, scope=Scope(Tenant(tenant, "same"))) as session:
                session.execute(insert(notes).values(id=number))
                session.commit()
        with ScopedSession(engine, scope=Scope(Tenant(theirs, "same"))) as session:
            assert [1] == session.scalars(select(notes.c.id)).all()
        app = create_engine(made.app_url)
        with app.connect() as connection:  # the doctor knows how the server spells them
            assert [] == [one for one in examine(connection, policies) if one.severity == "error"]
        app.dispose()
        with owner.begin() as connection:
            policies.drop_all(connection)
            assert 2 == connection.scalar(select(func.count()).select_from(notes))
        engine.dispose()
        owner.dispose()


def test_a_dimension_that_the_scope_does_not_name_shows_nothing(server):
    """Policies of a further rule hold, too; where the scope does not say, the database sees no row either."""
    metadata = MetaData()
    notes = Table(
        "notes",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("owner", Integer, nullable=False),
        Column("region", String(2), nullable=False),
        info=scoped_by("owner"),
    )
    other = Table("others", metadata, Column("owner", Integer, primary_key=True), info=scoped_by("owner"))
    Table("words", metadata, Column("id", Integer, primary_key=True), info=shared(writable=True))
    region = RowRule("region", "region", lambda scope: scope.dimension("region"))
    with server.database() as made:
        owner = create_engine(made.owner_url)
        engine = scope_engine(made.app_url, metadata=metadata, rules=[region], policies=True)
        metadata.create_all(owner)
        policies = Policies(metadata, rules=[region])
        assert ["notes", "others"] == [one.table.name for one in policies.tables]
        with owner.begin() as connection:
            policies.create_all(connection)
        eu, us = (Scope(Tenant(1, "ours"), dimensions={"region": name}) for name in ("eu", "us"))
        for number, scope in enumerate((eu, us)):
            with ScopedSession(engine, scope=scope) as session:
                session.execute(insert(notes).values(id=number))
                session.commit()
        with ScopedSession(engine, scope=Scope(Tenant(1, "ours"))) as session:
            session.execute(insert(other).values())
            seen = session.connection().connection.dbapi_connection.execute("SELECT id FROM notes").fetchall()
            assert [] == seen
        with UnscopedSession(owner, policies=True) as session:
            assert 2 == session.scalar(select(func.count()).select_from(notes))
        engine.dispose()
        owner.dispose()


def test_a_kit_makes_its_policies(database):
    """Tables that a kit makes get their policies, again and again; without the setting there are none."""
    kit = make_kit(database)
    kit.create_tables()
    kit.create_tables()
    with kit.owner_engine.connect() as connection:
        if database.policies:
            found = connection.scalars(text("SELECT DISTINCT tablename FROM pg_policies")).all()
            assert {one.table.name for one in kit.policies.tables} == set(found)
        elif database.kind == "postgresql":
            with pytest.raises(ProgrammingError):
                connection.execute(text("DROP POLICY tenantkit_scope ON documents"))
    kit.dispose()


def test_columns_that_spell_an_id_differently_are_refused_with_policies():
    """There is one setting for all columns of a rule, so a UUID in a CHAR beside a native one is refused at start."""
    mixed = MetaData()
    for name, kind in (("native", Uuid()), ("text", Uuid(native_uuid=False))):
        Table(
            name, mixed, Column("id", Integer, primary_key=True), Column("org", kind), info=scoped_by("org")
        )
    with pytest.raises(ConfigurationError, match="in several ways"):
        scope_engine("postgresql+psycopg://app@localhost/none", metadata=mixed, policies=True)
    scope_engine("postgresql+psycopg://app@localhost/none", metadata=mixed)
