"""Private servers as processes: their homes, the user they run as, and the guard that ends them."""

import fcntl
import json
import os
import pwd
import re
import select
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple, TypeVar

from tenantkit.testing.services.errors import StartFailed
from tenantkit.testing.services.guard import SERVING, USERS, Plan

__all__ = [
    "Identity",
    "Stay",
    "employ_guard",
    "lock_home",
    "new_home",
    "preparing",
    "reachable",
    "server_identity",
    "until_ready",
    "write_private",
]

# Seconds; initdb takes 1 to 3 on two idle cores, and the suite may have made both busy.
INSTALLING = 120.0
STARTING = 30.0
LEAVING = 15.0
# Between two attempts to connect.
PAUSE = 0.02
# A line of its own, for an interpreter may have warned before.
REPORT = re.compile(rf"^{SERVING} (\d+)$".encode(), re.MULTILINE)

T = TypeVar("T")


class Identity(NamedTuple):
    """
    The user that a private server runs as.

    Attributes:
        user: User id.
        group: Group id.

    .. versionadded:: 0.1
    """

    user: int
    group: int


def account(name: str) -> Identity | None:
    """Look a user up."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Identity(entry.pw_uid, entry.pw_gid)


def server_identity(*names: str) -> Identity | None:
    """
    Choose the user of a private server.

    Args:
        names: Accounts to choose from, the best first.

    Returns:
        The first account that exists, or None where we are not root: then the server runs as we do.

    .. versionadded:: 0.1
    """
    if os.geteuid() != 0:
        return None
    return next((found for name in names if (found := account(name))), None)


def reachable(program: Path, identity: Identity | None) -> bool:
    """
    Say whether a user may run a program: every folder above it must let others pass.

    Args:
        program: Path of the program.
        identity: Who is to run it; None is ourselves.

    Returns:
        Whether the program can be started where it lies.

    .. versionadded:: 0.1
    """
    if identity is None or not program.exists():
        return os.access(program, os.X_OK)
    real = program.resolve()
    needed = stat.S_IROTH | stat.S_IXOTH
    open_above = all(folder.stat().st_mode & stat.S_IXOTH for folder in real.parents)
    return open_above and real.stat().st_mode & needed == needed


def passable_folder(identity: Identity | None) -> Path:
    """Give the folder for temporary files, or the public one where the server's user cannot enter it."""
    usual = Path(tempfile.gettempdir())
    return usual if reachable(usual, identity) else Path("/tmp")  # noqa: S108 - mkdtemp makes the names


def new_home(identity: Identity | None, *, name: str | None = None) -> Path:
    """
    Make a folder for a private server.

    Args:
        identity: User of the server, who may enter the folder and owns ``data`` in it.
        name: Name of the folder, where other processes must find it too; random without one.

    Returns:
        The folder.

    Raises:
        FileExistsError: There is a folder of that name.

    .. versionadded:: 0.1
    """
    parent = passable_folder(identity)
    if name is None:
        home = Path(tempfile.mkdtemp(prefix="tk-", dir=parent))
    else:
        home = parent / name
        home.mkdir(mode=0o700)
    data = home / "data"
    data.mkdir(mode=0o700)
    if identity is not None:
        home.chmod(0o711)
        os.chown(data, *identity)
    return home


@contextmanager
def preparing(home: Path) -> Iterator[None]:
    """
    Delete a home if something goes wrong before it has a guard.

    Args:
        home: Folder of the server.

    Yields:
        Nothing.

    .. versionadded:: 0.1
    """
    try:
        yield
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise


def write_private(path: Path, text: str, identity: Identity | None) -> None:
    """
    Write a file that only the server's user may read.

    Args:
        path: The file, which does not exist yet.
        text: What to write.
        identity: User of the server, or None for ourselves.

    .. versionadded:: 0.1
    """
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text)
    if identity is not None:
        os.chown(path, *identity)


def lock_home(home: Path, *, create: bool) -> int | None:
    """
    Take our share of a home's lock; as long as anybody has one, its guard keeps the server running.

    Args:
        home: Folder of the server.
        create: Whether we are the first.

    Returns:
        The descriptor that holds the lock, or None if the home is not there or is being cleared.

    .. versionadded:: 0.1
    """
    try:
        users = os.open(home / USERS, os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(users), (home / USERS).stat()):  # else of a home that was cleared
            return users
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(users)
    return None


def leave(users: int, words: int | None, patience: float, owner: int) -> None:
    """Give our share of the lock back and, where the guard is ours, wait until it has cleared up."""
    if os.getpid() != owner:  # a forked child of the user is no user
        return
    fcntl.flock(users, fcntl.LOCK_UN)
    os.close(users)
    if words is not None:
        for _ in heard(words, patience):
            pass
        os.close(words)


def readable(words: int, seconds: float) -> bool:
    """Wait until there is something to read, or the other end was closed."""
    poll = select.poll()
    poll.register(words, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def heard(words: int, seconds: float) -> Iterator[bytes]:
    """Give what the guard says, piece by piece: an empty one when it has ended, none when the time is over."""
    deadline = time.monotonic() + seconds
    while readable(words, deadline - time.monotonic()):
        piece = os.read(words, 65536)
        yield piece
        if not piece:
            return


class Stay:
    """
    The use of a private server by one process, from joining it to leaving it.

    Ends by :meth:`close`, at the latest when the process ends, however that happens. A stay that is
    forgotten before warns with a ResourceWarning.

    .. versionadded:: 0.1
    """

    def __init__(self, home: Path, users: int, *, words: int | None = None, patience: float = 0.0) -> None:
        """
        Stay in a home.

        Args:
            home: Folder of the server.
            users: Descriptor that holds our share of the home's lock.
            words: Pipe from the guard, where we employ it.
            patience: Seconds that closing waits for the guard's end.
        """
        self.home = home
        self._closed = False
        self._words = words
        self._heard = b""
        self._end = weakref.finalize(self, leave, users, words, patience, os.getpid())

    def __repr__(self) -> str:
        return f"Stay({str(self.home)!r}, {'closed' if self._closed else 'open'})"

    def __del__(self) -> None:
        # Not asked of the finalizer: the garbage collector may have called it just before.
        if not self._closed and not sys.is_finalizing():
            warnings.warn(f"{self!r} was never closed", ResourceWarning, stacklevel=1)

    def close(self) -> None:
        """
        Leave; the server ends with the last one who leaves. A second call does nothing.

        .. versionadded:: 0.1
        """
        self._closed = True
        self._end()

    def last_words(self) -> str | None:
        """
        Ask whether the server has ended under us.

        Returns:
            What the guard said at the end, or None as long as it runs (or is not ours).

        .. versionadded:: 0.1
        """
        for piece in heard(self._words, 0) if self._words is not None else ():
            self._heard += piece
            if not piece:
                return self._heard.decode(errors="replace").strip() or "the guard was killed"
        return None


def employ_guard(plan: Plan, *, service: str, shared: bool = False) -> tuple[Stay, int]:
    """
    Start a guard, and through it the server; return when the server's process was started.

    Args:
        plan: What the guard does.
        service: Name of the server, for the error.
        shared: Whether others may join: then closing does not wait until the server has ended.

    Returns:
        Our stay, and the port of the server, which may need another moment to answer: see :func:`until_ready`.

    Raises:
        StartFailed: The installer failed, or took more than two minutes. The home is deleted.

    .. versionadded:: 0.1
    """
    home = Path(plan.home)
    with preparing(home):
        users = lock_home(home, create=True)
        if users is None:
            raise StartFailed(service, reason=f"{home} was deleted by somebody else")
        listening, speaking = os.pipe()
        stay = Stay(home, users, words=listening, patience=0.0 if shared else LEAVING)
        try:
            hand_over(plan, speaking)
            return stay, port_of_server(listening, service)
        except BaseException:
            stay.close()
            raise


def hand_over(plan: Plan, speaking: int) -> None:
    """Start the guard's process, give it the plan and the only end of the pipe that can be written to."""
    # -I: the folder of the script holds a redis.py, which must not be taken for the driver.
    command = [sys.executable, "-I", str(Path(__file__).with_name("guard.py"))]
    try:
        starter = subprocess.Popen(  # noqa: S603 - our own script
            command, stdin=subprocess.PIPE, stdout=speaking, stderr=speaking, start_new_session=True
        )
    finally:
        os.close(speaking)
    starter.communicate(json.dumps(asdict(plan)).encode())


def port_of_server(listening: int, service: str) -> int:
    """Wait for the guard's report, that it serves at a port or why it cannot."""
    said = b""
    for piece in heard(listening, INSTALLING):
        said += piece
        if found := REPORT.search(said):
            return int(found[1])
    reason = said.decode(errors="replace").strip()
    raise StartFailed(service, reason=reason or "the installer took too long")


def until_ready(stay: Stay, attempt: Callable[[], T], *, refused: type[Exception], service: str) -> T:
    """
    Repeat an attempt until the server lets it through.

    Args:
        stay: Our stay in the server's home.
        attempt: Such as a login.
        refused: What the attempt raises as long as the server is not ready.
        service: Name of the server, for the error.

    Returns:
        What the attempt returned.

    Raises:
        StartFailed: The server ended, or refused for half a minute.

    .. versionadded:: 0.1
    """
    deadline = time.monotonic() + STARTING
    while True:
        try:
            return attempt()
        except refused as refusal:
            reason = stay.last_words()
            if reason is not None or time.monotonic() > deadline:
                raise StartFailed(service, reason=reason or str(refusal)) from refusal
        time.sleep(PAUSE)
