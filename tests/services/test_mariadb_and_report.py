"""MariaDB where it is there, and the report on what was found."""

import sys

import pytest
from sqlalchemy import create_engine, text

from tenantkit.testing.services import (
    Login,
    ServiceUnusable,
    find_mariadb,
    find_pgbouncer,
    postgres_programs,
    report,
    service_report,
)
from tenantkit.testing.services import postgres as postgres_room
from tenantkit.testing.services import redis as redis_room
from tests.services.asking_postgres import ours
from tests.services.asking_redis import keys_of
from tests.services.machine import NOWHERE, posix

pytestmark = posix


@pytest.fixture
def mariadb():
    """Give MariaDB where it is there."""
    tried = []
    server = find_mariadb(tried=tried)
    if server is None:
        pytest.skip("; ".join(tried))
    with server:
        yield server


def test_mariadb_has_two_users_too(mariadb):
    """In MariaDB too the owner creates tables, and the application's user changes rows and nothing else."""
    with mariadb.database() as database:
        owner, app = create_engine(database.owner_url), create_engine(database.app_url)
        with owner.begin() as connection:
            connection.execute(text("CREATE TABLE thing (id int)"))
        with app.begin() as connection:
            connection.execute(text("INSERT INTO thing VALUES (1), (2)"))
            count = connection.execute(text("DELETE FROM thing")).rowcount
        with pytest.raises(Exception, match="denied"), app.begin() as connection:
            connection.execute(text("CREATE TABLE other (id int)"))
        owner.dispose()
        app.dispose()
    admin = create_engine(mariadb.admin_url)
    with admin.connect() as connection:
        question = text("SELECT count(*) FROM mysql.user WHERE user LIKE :name")
        users = connection.execute(question, {"name": f"{database.name}%"}).scalar_one()
        question = text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name")
        left = connection.execute(question, {"name": database.name}).scalar_one()
    admin.dispose()
    assert (count, users, left) == (2, 0, 0)


def test_no_mariadb_has_a_reason():
    """Where there is no MariaDB nothing is raised, and the reason is told."""
    tried = []
    server = find_mariadb(environ=NOWHERE, standard=[Login("root", host="127.0.0.1", port=1)], tried=tried)
    assert (server, tried[0].startswith("127.0.0.1:1: ")) == (None, True)


@pytest.mark.parametrize("url", ["mysql://root@127.0.0.1:1", "nonsense"])
def test_a_mariadb_variable_that_leads_nowhere_is_an_error(url):
    """A variable that names no MariaDB is an error that names the variable."""
    with pytest.raises(ServiceUnusable, match="TENANTKIT_TEST_MARIADB_URL"):
        find_mariadb(environ={"TENANTKIT_TEST_MARIADB_URL": url})


def test_without_its_driver_there_is_no_mariadb(monkeypatch):
    """Without pymysql there is no MariaDB for us, and the reason names what to install."""
    monkeypatch.setitem(sys.modules, "pymysql", None)
    tried = []
    assert (find_mariadb(environ=NOWHERE, tried=tried), "tenantkit[test]" in tried[0]) == (None, True)


def test_the_report_tells_what_was_found(private, private_redis):
    """The report has a line for each kind of server, of those that were found as of those that were not."""
    bouncer = find_pgbouncer()
    environ = {"TENANTKIT_TEST_MARIADB_URL": "nonsense"}
    lines = service_report(private, private_redis, environ=environ)
    assert (
        f"PostgreSQL {private.version}: {private.origin}",
        f"{private_redis.product} {private_redis.version}: {private_redis.origin}",
        "MariaDB: not found (MariaDB at TENANTKIT_TEST_MARIADB_URL: not a database URL: it has no scheme)",
        f"PgBouncer: {bouncer or 'not found'}",
    ) == lines


def test_the_report_starts_nothing(private, private_redis, monkeypatch):
    """For servers that nobody looked for, the report looks, and neither starts, claims nor leaves anything."""
    environ = {
        "TENANTKIT_TEST_POSTGRES_URL": private.admin_url,
        "TENANTKIT_TEST_REDIS_URL": private_redis.url,
    }
    before = ours(private)
    lines = service_report(environ=environ)
    assert (
        [
            f"PostgreSQL {private.version}: environment",
            f"{private_redis.product} {private_redis.version}: environment",
        ],
        before,
        [],
    ) == (list(lines[:2]), ours(private), keys_of(private_redis.url, 0))


def test_the_report_names_what_would_be_started(monkeypatch):
    """Where no server runs, the report says what would be started, or why nothing can be."""
    monkeypatch.setattr(postgres_room, "standard_logins", list)
    monkeypatch.setattr(report, "redis_programs", lambda: iter(()))
    monkeypatch.setattr(redis_room, "STANDARD_URL", "redis://127.0.0.1:1")
    programs = next(postgres_programs())
    expected = f"PostgreSQL {programs.version}: private, {programs.source} (not started)"
    lines = service_report(environ=NOWHERE)
    assert (expected, True) == (lines[0], lines[1].startswith("Redis: not found (127.0.0.1:1: "))
