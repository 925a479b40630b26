"""
The guard: a process that outlives its users for a moment and clears up behind them.

It runs the installer and the server, waits until no process holds the lock of the home any more (the kernel
drops a lock with its holder, however that died), stops the server and deletes the home. It is started as a script
by ``processes`` with ``python -I``, reads a plan from its standard input, and imports the standard library only.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["LOG", "SERVING", "USERS", "Plan", "guard"]

LOG = "server.log"
SERVING = "serving"
USERS = "users"

# How often the guard looks whether it is still needed: what a close waits for, at the worst.
INTERVAL = 0.02
# A server that has not obeyed its stop signal by then is killed (seconds).
PATIENCE = 10.0
# Of linux/prctl.h; it has no name in the standard library.
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What a guard does for one home; made of JSON's types, because it travels through a pipe.

    Attributes:
        home: Folder of the server, deleted at the end.
        steps: Commands that run to their end one after the other, such as the installer.
        serve: Command of the server, or None where the guard only clears up; ``{port}`` in it becomes a free port.
        identity: User id and group id of the commands, or None for the guard's own.
        stop: Number of the signal that ends the server.
        farewell: Host, port and bytes (as Latin-1) that are sent to another server at the end, or None.

    .. versionadded:: 0.1
    """

    home: str
    steps: list[list[str]]
    serve: list[str] | None
    identity: tuple[int, int] | None
    stop: int
    farewell: tuple[str, int, str] | None


def abandoned(users: IO[str]) -> bool:
    """Say whether no process holds the lock of the home; if so the guard holds it from now on."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def tie_to_guard(number: int) -> Callable[[], None] | None:
    """Give what a child calls before it becomes the command: the kernel ends it when the guard dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # the guard died before the line above
            os._exit(1)

    return tie


def environment() -> dict[str, str]:
    """Give the commands' environment: the guard's, without what would change a server's defaults."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C"}


@contextlib.contextmanager
def running(plan: Plan, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as the server's user; it is stopped at the end, if it has not ended by itself."""
    user, group = plan.identity or (None, None)
    with Path(plan.home, LOG).open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - the plan is from the process that started the guard
            command,
            cwd=plan.home,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            process_group=0,
            preexec_fn=tie_to_guard(plan.stop),  # noqa: PLW1509 - the guard has one thread
        )
    try:
        yield child
    finally:
        stop(child, plan.stop)


def stop(child: "subprocess.Popen[bytes]", number: int) -> None:
    """End a child and its process group, kindly first."""
    for signal_number in (number, signal.SIGKILL):
        if child.poll() is None:
            os.killpg(child.pid, signal_number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(PATIENCE)


def outcome(plan: Plan, command: list[str], users: IO[str]) -> int | None:
    """Run a command to its end and give its exit code, or None when the home was abandoned before."""
    with running(plan, command) as child:
        while (code := child.poll()) is None:
            if abandoned(users):
                return None
            time.sleep(INTERVAL)
    return code


def serve(plan: Plan, users: IO[str]) -> str | None:
    """Do the plan until the home is abandoned; give the reason if something ended before that."""
    for step in plan.steps:
        if (code := outcome(plan, step, users)) != 0:
            return None if code is None else f"{step[0]} ended with exit code {code}"
    port = str(free_port())  # as late as possible, for nothing keeps it free
    say(f"{SERVING} {port}")
    if plan.serve is not None:
        code = outcome(plan, [part.replace("{port}", port) for part in plan.serve], users)
        return None if code is None else f"{plan.serve[0]} ended with exit code {code}"
    while not abandoned(users):
        time.sleep(INTERVAL)
    return None


def free_port() -> int:
    """Find a TCP port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def say(words: str) -> None:
    """Tell the process that started the guard, if it still listens."""
    with contextlib.suppress(OSError):
        os.write(sys.stdout.fileno(), f"{words}\n".encode())


def last_lines(home: str, size: int = 2000) -> str:
    """Give the end of the server's log."""
    try:
        return Path(home, LOG).read_bytes()[-size:].decode(errors="replace").strip()
    except OSError:
        return ""


def bid_farewell(farewell: tuple[str, int, str]) -> None:
    """Send the last words to the server that outlives us, and wait until it has hung up."""
    host, port, words = farewell
    with contextlib.suppress(OSError), socket.create_connection((host, port), PATIENCE) as connection:
        connection.sendall(words.encode("latin-1"))
        while connection.recv(4096):
            pass


def clear(home: str) -> None:
    """
    Delete the home; again, if a dying child of the server was still writing into it.

    It loses its name first, since somebody may move into a new one of that name at once.
    """
    gone = f"{home}.gone-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        Path(home).rename(gone)
    deadline = time.monotonic() + PATIENCE
    while os.path.lexists(gone) and time.monotonic() < deadline:
        shutil.rmtree(gone, ignore_errors=True)
        time.sleep(0 if not os.path.lexists(gone) else INTERVAL)


def guard(plan: Plan) -> None:
    """
    Do a plan: serve until nobody uses the home, then clear up.

    Args:
        plan: What to do.

    .. versionadded:: 0.1
    """
    with Path(plan.home, USERS).open() as users:
        try:
            if (reason := serve(plan, users)) is not None:
                say(f"{reason}\n{last_lines(plan.home)}")
        finally:  # while the lock is held, so that nobody moves into a home that is being cleared
            if plan.farewell is not None:
                bid_farewell(plan.farewell)
            clear(plan.home)


def main() -> None:
    """Read the plan, leave the family of the process that started us, and guard."""
    plan = Plan(**json.load(sys.stdin))
    if os.fork():  # the starter need not wait for us, and nobody ends us who ends its children
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the clearing up runs
    guard(plan)


if __name__ == "__main__":
    main()
