"""A private PostgreSQL cluster in a home of its own."""

import json
import secrets
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from tenantkit.testing.services.databases import SERVICE, connect
from tenantkit.testing.services.errors import ServiceUnusable, StartFailed
from tenantkit.testing.services.guard import Plan
from tenantkit.testing.services.model import Login
from tenantkit.testing.services.processes import (
    Identity,
    Stay,
    employ_guard,
    preparing,
    reachable,
    until_ready,
    write_private,
)
from tenantkit.testing.services.programs import PostgresPrograms

__all__ = ["SCHEME", "Founder"]

SCHEME = "postgresql+psycopg"
SUPERUSER = "tenantkit"
# Only the superuser needs a password: who has it can run programs as the server's user. A password costs 2.5 ms
# at each connection, and what the roles of tests can reach is worth nothing.
DOORS = f"host all {SUPERUSER} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # Nothing needs to survive a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # In the home, where it is cleared away even after a kill; the default leaves files in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
}
# What a wheel carries for compilers only.
NOT_NEEDED = shutil.ignore_patterns("*.a", "include", "pgxs", "pkgconfig")
# The first release whose own provider has C.UTF-8; older ones take it from the C library.
OWN_LOCALES = 17


@dataclass(frozen=True, slots=True)
class Founder:
    """
    Who founds a cluster, and how.

    Attributes:
        programs: Installation to found it with.
        identity: User that the server runs as, or None for our own.
        shared: Whether other processes may join.

    .. versionadded:: 0.1
    """

    programs: PostgresPrograms
    identity: Identity | None
    shared: bool

    def found(self, home: Path) -> tuple[Stay, str]:
        """
        Install a cluster in a home and start its server.

        Args:
            home: Empty home, which is deleted with the server.

        Returns:
            Our stay, and as JSON where the programs come from and the URL of the superuser.

        Raises:
            StartFailed: The programs cannot be reached, or failed, or the server did not come up.

        .. versionadded:: 0.1
        """
        password = secrets.token_hex(16)
        with preparing(home):
            plan = self.plan(home, self.programs_for(home), password)
        stay, port = employ_guard(plan, service=SERVICE, shared=self.shared)
        login = Login(SUPERUSER, password, "127.0.0.1", port, "postgres")
        try:
            until_ready(stay, lambda: connect(login).close(), refused=ServiceUnusable, service=SERVICE)
        except BaseException:
            stay.close()
            raise
        return stay, json.dumps([self.programs.source, login.url(SCHEME)])

    def programs_for(self, home: Path) -> Path:
        """Give the folder of the programs, or of a copy where the server's user cannot reach them."""
        folder = self.programs.folder
        if reachable(folder / "postgres", self.identity):
            return folder
        if not self.programs.movable:
            raise StartFailed(SERVICE, reason=f"the server's user cannot run {folder / 'postgres'}")
        return moved(folder, home)

    def plan(self, home: Path, folder: Path, password: str) -> Plan:
        """Write the installer's files, and say what the guard is to run."""
        write_private(home / "password", f"{password}\n", self.identity)
        write_private(home / "pg_hba.conf", DOORS, self.identity)
        data = str(home / "data")
        install = [str(folder / "initdb"), "-D", data, "-U", SUPERUSER, f"--pwfile={home / 'password'}"]
        install += [
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            *self.locale(),
            "--no-sync",
            "--no-instructions",
        ]
        settings = CONFIGURATION | {"hba_file": str(home / "pg_hba.conf"), "port": "{port}"}
        serve = [str(folder / "postgres"), "-D", data]
        serve += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # SIGQUIT: stop at once, there is nothing to save.
        return Plan(str(home), [install], serve, self.identity, signal.SIGQUIT, None)

    def locale(self) -> list[str]:
        """Choose a locale that knows all letters and sorts the same on every machine."""
        if int(self.programs.version.partition(".")[0] or 0) >= OWN_LOCALES:
            return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        return ["--locale=C.UTF-8"]


def moved(folder: Path, home: Path) -> Path:
    """Copy a small installation into a home, with the libraries that its wheel keeps beside it."""
    package = folder.parent.parent
    target = home / "programs" / package.name
    shutil.copytree(folder.parent, target / folder.parent.name, ignore=NOT_NEEDED)
    libraries = package.with_name(f"{package.name}.libs")  # the programs name them relative to themselves
    if libraries.is_dir():
        shutil.copytree(libraries, target.with_name(libraries.name))
    for path in (home / "programs").rglob("*"):  # an installation by a strict umask is readable by root only
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    (home / "programs").chmod(0o755)
    return target / folder.parent.name / folder.name
