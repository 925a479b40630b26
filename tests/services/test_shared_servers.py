"""One private server for several processes."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tenantkit.testing.services import (
    ServiceUnusable,
    StartFailed,
    find_postgres,
    sharing,
    start_postgres,
    start_redis,
)
from tenantkit.testing.services import postgres as postgres_room
from tenantkit.testing.services import redis as redis_room
from tenantkit.testing.services.processes import new_home, server_identity
from tests.services.asking_postgres import home_of, postmaster, refused
from tests.services.machine import NOWHERE, linux, posix, root
from tests.services.processes import ends, parent_of, watched
from tests.services.scripts import POSTGRES_SCRIPT, script

pytest.importorskip("redis")

pytestmark = posix


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
