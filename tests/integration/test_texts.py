"""Tenants whose ids are texts that a database may take for the same: by case, accents or trailing spaces."""

from contextlib import ExitStack

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from tenantkit import Scope, Tenant
from tenantkit.exceptions import ForeignTenant
from tenantkit.isolation import ScopedSession, scope_engine, scoped_by
from tenantkit.testing.services import find_mariadb, find_postgres

ALIKE = ("acme", "ACME", "acme ", "\u00e1cme", "acm\u0065\u0301")
UPSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert, "mariadb": mysql.insert}
metadata = MetaData()
folders = Table(
    "folders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(20), nullable=False, index=True),
    info=scoped_by("owner"),
)
notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(20), nullable=False, index=True),
    Column("memo", String(20), nullable=False, unique=True),
    Column("folder_id", ForeignKey("folders.id")),
    info=scoped_by("owner"),
)


def urls(name, tmp_path, stack):
    """Give the owner's and the application's URL of an empty database."""
    if name == "sqlite":
        return (f"sqlite:///{tmp_path / 'texts.db'}",) * 2
    server = find_mariadb() if name == "mariadb" else find_postgres()
    if server is None:
        pytest.skip("no MariaDB server here")
    database = stack.enter_context(stack.enter_context(server).database())
    return database.owner_url, database.app_url


@pytest.fixture(params=UPSERTS)
def engines(request, tmp_path):
    """Give the owner's and the scoped engine of a database with one folder and one note of each tenant."""
    with ExitStack() as stack:
        owner_url, app_url = urls(request.param, tmp_path, stack)
        owner, scoped = create_engine(owner_url), scope_engine(app_url, metadata=metadata)
        stack.callback(owner.dispose)
        stack.callback(scoped.dispose)
        metadata.create_all(owner)
        with owner.begin() as connection:
            rows = [{"id": n, "owner": name} for n, name in enumerate(ALIKE, 1)]
            connection.execute(folders.insert(), rows)
            connection.execute(notes.insert(), [{**row, "memo": f"note {row['id']}"} for row in rows])
        yield owner, scoped


def scoped_session(engine, name):
    """Open a session of one tenant."""
    return ScopedSession(engine, scope=Scope(Tenant(name, "same")))


def memos(owner):
    """Read each tenant's memos as the owner; Python tells the tenants apart."""
    with owner.connect() as connection:
        return {row.owner: row.memo for row in connection.execute(select(notes.c.owner, notes.c.memo))}


@pytest.mark.parametrize("name", ALIKE)
def test_rows_are_those_of_the_exact_id(engines, name):
    """A scope reads, changes and deletes the rows of its own id only."""
    owner, scoped = engines
    untouched = {other: f"note {n}" for n, other in enumerate(ALIKE, 1)} | {name: "mine"}
    with scoped_session(scoped, name) as session:
        assert [name] == session.scalars(select(notes.c.owner)).all()
        assert 1 == session.execute(update(notes).values(memo="mine")).rowcount
        session.commit()
        assert untouched == memos(owner)
        assert 1 == session.execute(delete(notes)).rowcount
        session.commit()
    del untouched[name]
    assert untouched == memos(owner)


@pytest.mark.parametrize("name", ALIKE)
def test_an_upsert_changes_rows_of_the_exact_id(engines, name):
    """A row of another id that stands in the way stays as it is."""
    owner, scoped = engines
    before = memos(owner)
    with scoped_session(scoped, name) as session:
        for number in range(1, len(ALIKE) + 1):
            statement = UPSERTS[owner.dialect.name](notes).values(id=number, memo="other")
            if owner.dialect.name == "mariadb":
                statement = statement.on_duplicate_key_update(memo="mine")
            else:
                statement = statement.on_conflict_do_update(index_elements=["id"], set_={"memo": "mine"})
            session.execute(statement)
        session.commit()
    assert before | {name: "mine"} == memos(owner)


def test_a_link_leads_to_rows_of_the_exact_id(engines):
    """A foreign key to the folder of another id is refused."""
    _, scoped = engines
    with scoped_session(scoped, "acme") as session:
        session.execute(notes.insert().values(id=10, memo="own", folder_id=1))
        for number in range(2, len(ALIKE) + 1):
            with pytest.raises(ForeignTenant):
                session.execute(notes.insert().values(id=10 + number, memo=f"{number}", folder_id=number))
        with pytest.raises(IntegrityError):
            session.execute(notes.insert().values(id=10, memo="own", folder_id=1))
