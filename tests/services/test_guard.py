"""The guard of a private server, looked at from inside."""

import contextlib
import dataclasses
import io
import json
import os
import signal
import socket
import sys
import threading

import pytest

from tenantkit.testing.services import guard
from tenantkit.testing.services.processes import lock_home
from tests.services.machine import linux, posix

pytestmark = posix


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


def test_a_home_made_anew_is_left_alone(home, monkeypatch):
    """Who moves in while a guard clears up keeps the new home."""
    delete, arrivals = guard.shutil.rmtree, iter([home])

    def moving_in_meanwhile(path, **options):
        delete(path, **options)
        for new in arrivals:
            new.mkdir()

    monkeypatch.setattr(guard.shutil, "rmtree", moving_in_meanwhile)
    guard.clear(str(home))
    assert [home] == list(home.parent.iterdir())


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
