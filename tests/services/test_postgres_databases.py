"""What a database is: two roles, closed to others, gone at the end."""

import asyncio

import pytest
from sqlalchemy import create_engine, text

from tenantkit.testing.services import find_postgres, start_postgres
from tests.services.asking_postgres import asked, connected, ours, refused, traces, with_table
from tests.services.machine import posix, programs_from

psycopg = pytest.importorskip("psycopg")

pytestmark = posix

FORBIDDEN = {
    "create a table": "CREATE TABLE other (id int)",
    "create a temporary table": "CREATE TEMPORARY TABLE other (id int)",
    "empty a table": "TRUNCATE thing",
    "change a table": "ALTER TABLE thing ADD COLUMN more int",
    "set a sequence back": "SELECT setval('thing_id_seq', 1)",
    "create a schema": "CREATE SCHEMA other",
    "create a role": "CREATE ROLE other",
    "create a database": "CREATE DATABASE other",
}


@pytest.fixture(scope="module", params=["found", "machine", "wheel"])
def postgres(request):
    """Give a server by each road."""
    server = find_postgres() if request.param == "found" else start_postgres(programs_from(request.param))
    with server:
        yield server


def test_a_server_says_what_it_is(postgres):
    """A found server knows its origin and version, and shows no password."""
    version = asked(postgres.admin_url, "SHOW server_version").split()[0]
    origins = ("environment", "standard port", "private, ")
    assert (version, True, False) == (
        postgres.version,
        postgres.origin.startswith(origins),
        "://" in repr(postgres),
    )


def test_the_application_uses_what_the_owner_creates(postgres):
    """The application's role reads, writes and deletes rows, and takes numbers from sequences."""
    with postgres.database() as database:
        engine = create_engine(with_table(database).app_url)
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO thing (name) VALUES ('b'), ('c')"))
            connection.execute(text("UPDATE thing SET name = 'd' WHERE name = 'b'"))
            connection.execute(text("DELETE FROM thing WHERE name = 'c'"))
            rows = connection.execute(text("SELECT id, lower(name) FROM thing ORDER BY id")).all()
        engine.dispose()
    assert rows == [(1, "ä"), (2, "d")]


@pytest.mark.parametrize("deed", FORBIDDEN)
def test_the_application_may_do_nothing_else(private, deed):
    """The application's role changes nothing but rows."""
    with private.database() as database, connected(with_table(database).app_url) as connection:
        refusal = pytest.raises(psycopg.errors.InsufficientPrivilege)
        with refusal:
            connection.execute(FORBIDDEN[deed])


def test_neither_role_is_above_policies(postgres):
    """Neither role is a superuser, bypasses row policies, or creates roles and databases; the owner owns."""
    rights = "rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication"
    with postgres.database() as database, connected(postgres.admin_url) as connection:
        names = [database.owner.user, database.app.user]
        rows = connection.execute(
            f"SELECT {rights} FROM pg_roles WHERE rolname = ANY(%s)", [names]
        ).fetchall()
        question = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s"
        owner = connection.execute(question, [database.name]).fetchone()[0]
    assert ([(True, False, False, False, False, False)] * 2, database.owner.user) == (rows, owner)


def test_databases_are_closed_to_each_other(postgres):
    """Two databases have different names and roles, and the roles of one cannot enter the other."""
    with postgres.database() as one, postgres.database() as other:
        names = {one.name, other.name, one.owner.user, other.owner.user, one.app.user, other.app.user}
        intruders = [url.rpartition("/")[0] + f"/{other.name}" for url in (one.app_url, one.owner_url)]
        assert (
            len(names),
            [refused(intruder) for intruder in intruders],
            refused(other.app_url),
        ) == (6, [True, True], False)


def test_a_database_leaves_nothing(postgres):
    """At the end the database and both roles are gone, even if somebody is still connected."""
    with postgres.database() as database:
        straggler = connected(with_table(database).app_url)
        before = traces(postgres, database)
    with pytest.raises(psycopg.OperationalError):
        straggler.execute("SELECT 1")
    straggler.close()
    assert (before, traces(postgres, database)) == (3, 0)


def test_a_failing_test_leaves_nothing(postgres):
    """A database is dropped when the block that uses it fails."""
    with pytest.raises(ZeroDivisionError), postgres.database() as database:
        _ = 1 / 0
    assert traces(postgres, database) == 0


def test_a_copy_has_tables_and_rows(postgres):
    """A copy has the original's tables, rows, roles and rights, changes alone, and goes first."""
    with postgres.database() as original:
        with_table(original)
        with postgres.database(like=original) as copy:
            with connected(copy.app_url) as connection:
                connection.execute("INSERT INTO thing (name) VALUES ('only here')")
            counts = [asked(url, "SELECT count(*) FROM thing") for url in (copy.app_url, original.app_url)]
            with connected(copy.owner_url) as connection:
                connection.execute("CREATE TABLE later (id int)")
            rights = asked(copy.app_url, "SELECT has_table_privilege('later', 'INSERT')")
        left = traces(postgres, copy), traces(postgres, original)
    assert (counts, rights, left) == ([2, 1], True, (2, 3))


def test_a_database_in_use_is_not_copied(private):
    """Copying a database that somebody is connected to is refused, and leaves nothing."""
    with private.database() as original, connected(original.owner_url):
        before = ours(private)
        with pytest.raises(psycopg.errors.ObjectInUse), private.database(like=original):
            pass
        assert before == ours(private)


def test_asyncpg_connects(postgres):
    """The URLs for asyncpg lead to the same database."""
    asyncpg = pytest.importorskip("asyncpg")

    async def ask(url):
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return await connection.fetchval("SELECT name FROM thing")
        finally:
            await connection.close()

    with postgres.database() as database:
        assert asyncio.run(ask(with_table(database).using("asyncpg").app_url)) == "Ä"
