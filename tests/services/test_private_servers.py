"""Private servers come and go, and leave nothing, however their process ends."""

import gc
import os
import shutil
import signal
from pathlib import Path

import pytest

from tenantkit.testing.services import (
    PostgresPrograms,
    RedisProgram,
    ServiceUnusable,
    StartFailed,
    find_postgres,
    start_postgres,
    start_redis,
)
from tenantkit.testing.services.processes import reachable, server_identity
from tests.services.asking_postgres import asked, asked_login, home_of, postmaster, refused, with_table
from tests.services.asking_redis import redis_client
from tests.services.machine import linux, posix, programs_from, redis_program_from, root
from tests.services.processes import ends, parent_of, watched
from tests.services.scripts import POSTGRES_SCRIPT, REDIS_SCRIPT, script

redis = pytest.importorskip("redis")

pytestmark = posix


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
