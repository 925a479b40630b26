"""One private server for several processes: the first that comes starts it, the last that leaves ends it."""

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from tenantkit.testing.services.errors import StartFailed
from tenantkit.testing.services.processes import Identity, Stay, lock_home, new_home, passable_folder

__all__ = ["home_name", "settle"]

WELCOME = "welcome.json"
# Seconds to wait for another process that installs the server, or clears it away.
WAITING = 150.0
PAUSE = 0.05


def home_name(service: str, run: str) -> str:
    """
    Name the home that all processes of a run share.

    Args:
        service: Short name of the server.
        run: What the processes have in common and nobody else knows, such as the id of a pytest-xdist run.

    Returns:
        Name of a folder.

    .. versionadded:: 0.1
    """
    return f"tk-{service}-{os.geteuid()}-{hashlib.sha256(run.encode()).hexdigest()[:16]}"


def settle(
    name: str, identity: Identity | None, move_in: Callable[[Path], tuple[Stay, str]], *, service: str
) -> tuple[Stay, str]:
    """
    Join the server of a home, or start it there.

    Args:
        name: Name of the home.
        identity: User of the server.
        move_in: Starts the server in the home; gives our stay, and what the others need to know.
        service: Name of the server, for the error.

    Returns:
        Our stay, and what its starter said.

    Raises:
        StartFailed: Another process neither finished starting the server nor cleared it away.

    .. versionadded:: 0.1
    """
    home = passable_folder(identity) / name
    deadline = time.monotonic() + WAITING
    while time.monotonic() < deadline:
        try:
            new_home(identity, name=name)
        except FileExistsError:
            if (joined := join(home)) is not None:
                return joined
            time.sleep(PAUSE)
        else:
            stay, word = move_in(home)
            welcome(home, word)
            return stay, word
    raise StartFailed(service, reason=f"{home} was left unfinished by another process: delete it")


def welcome(home: Path, word: str) -> None:
    """Tell those who join later; only our own user may read it."""
    draft = home / f"{WELCOME}.draft"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"word": word}))
    draft.rename(home / WELCOME)


def join(home: Path) -> tuple[Stay, str] | None:
    """Join the server of a home, unless it is being installed or cleared away, or is not our own."""
    with contextlib.suppress(FileNotFoundError):
        if home.lstat().st_uid != os.geteuid():
            return None
        users = lock_home(home, create=False)
        if users is None:
            return None
        try:
            word = json.loads((home / WELCOME).read_text())["word"]
        except FileNotFoundError:
            os.close(users)
            return None
        return Stay(home, users), word
    return None
