"""Find a MariaDB server for the tests, where there is one."""

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tenantkit.testing.services.errors import ServiceUnusable
from tenantkit.testing.services.model import Database, Login

__all__ = ["MARIADB_VARIABLE", "MariaDBServer", "find_mariadb"]

SERVICE = "MariaDB"
MARIADB_VARIABLE = "TENANTKIT_TEST_MARIADB_URL"
SCHEME = "mariadb+pymysql"
SOCKET = Path("/run/mysqld/mysqld.sock")
PORT = 3306
# Seconds; every place is on this machine, or named by the reader.
CONNECTING = 5
# MariaDB prefers the narrower host: on servers that have an anonymous user, '%' alone would be shadowed.
HOSTS = ("localhost", "%")


@dataclass(frozen=True, slots=True, eq=False)
class MariaDBServer:
    """
    A real MariaDB server; a context manager for symmetry, it is never ours to stop.

    Attributes:
        origin: ``environment`` or ``standard port``.
        version: Such as ``10.11.19``.
        admin_url: SQLAlchemy URL of a login that may create users and databases; never shown by ``repr``.

    .. versionadded:: 0.1
    """

    origin: str
    version: str
    admin_url: str = field(repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """
        Do nothing: no connection is kept.

        .. versionadded:: 0.1
        """

    @contextmanager
    def database(self) -> Iterator[Database]:
        """
        Create a database with two users of its own, and drop all of it at the end.

        The owner may do everything in the database; the application's user may SELECT, INSERT, UPDATE and DELETE.

        Yields:
            The database.

        Raises:
            ServiceUnusable: The server does not answer any more.

        .. versionadded:: 0.1
        """
        admin = Login.parse(self.admin_url)
        name = f"tenantkit_{secrets.token_hex(8)}"
        owner, app = (
            replace(admin, user=f"{name}_{part}", password=secrets.token_hex(16), database=name)
            for part in ("own", "app")
        )
        with ExitStack() as undo:
            undo.callback(run, admin, removal(name, owner, app))
            run(admin, creation(name, owner, app))
            yield Database(name, owner, app, "mariadb", "pymysql")


def creation(name: str, owner: Login, app: Login) -> list[str]:
    """Give the statements that create a database and its users."""
    rights = {owner: "ALL PRIVILEGES", app: "SELECT, INSERT, UPDATE, DELETE"}
    statements = [f"CREATE DATABASE {name} CHARACTER SET utf8mb4"]
    for login, right in rights.items():
        for host in HOSTS:
            statements.append(f"CREATE USER '{login.user}'@'{host}' IDENTIFIED BY '{login.password}'")
            statements.append(f"GRANT {right} ON {name}.* TO '{login.user}'@'{host}'")
    return statements


def removal(name: str, owner: Login, app: Login) -> list[str]:
    """Give the statements that drop a database and its users."""
    users = ", ".join(f"'{login.user}'@'{host}'" for login in (owner, app) for host in HOSTS)
    return [f"DROP DATABASE IF EXISTS {name}", f"DROP USER IF EXISTS {users}"]


def find_mariadb(
    *,
    environ: Mapping[str, str] | None = None,
    standard: Sequence[Login] | None = None,
    tried: list[str] | None = None,
) -> MariaDBServer | None:
    """
    Find a real MariaDB server, which is used where there is one.

    Looked for in this order: the URL in ``TENANTKIT_TEST_MARIADB_URL``; ``root`` without password on the standard
    port and socket.

    Args:
        environ: Environment variables, by default this process' own.
        standard: Logins to try, by default ``root`` on the standard places.
        tried: Receives what was refused, and why: the reason of a test that is skipped.

    Returns:
        The server, or None.

    Raises:
        ServiceUnusable: The variable names a server that the tests cannot use.

    .. versionadded:: 0.1
    """
    environ = os.environ if environ is None else environ
    tried = [] if tried is None else tried
    if url := environ.get(MARIADB_VARIABLE):
        try:
            return open_mariadb(Login.parse(url), "environment")
        except ValueError as error:
            reason = str(error)
        except ServiceUnusable as error:
            reason = f"{error.place}: {error.reason}"
        raise ServiceUnusable(SERVICE, place=MARIADB_VARIABLE, reason=reason)
    for login in standard_logins() if standard is None else standard:
        try:
            return open_mariadb(login, "standard port")
        except ServiceUnusable as error:
            tried.append(f"{error.place}: {error.reason}")
    return None


def standard_logins() -> list[Login]:
    """Give the logins without password that servers on the standard places could know."""
    port = Login("root", host="127.0.0.1", port=PORT)
    socket = Login("root", host="localhost", options=(("unix_socket", str(SOCKET)),))
    return [port, socket] if SOCKET.exists() else [port]


def open_mariadb(login: Login, origin: str) -> MariaDBServer:
    """Connect to a running server; it must be MariaDB, and our login must be able to create."""
    facts = run(login, ["SELECT VERSION(), CURRENT_USER()"])
    version = str(facts[0][0])
    if "MariaDB" not in version:
        raise ServiceUnusable(SERVICE, place=login.place, reason=f"version {version} is not MariaDB")
    rights = [str(row[0]) for row in run(login, ["SHOW GRANTS"])]
    if not any(right.startswith("GRANT ALL PRIVILEGES ON *.*") for right in rights):
        raise ServiceUnusable(
            SERVICE, place=login.place, reason=f"user {login.user!r} may not create databases"
        )
    return MariaDBServer(origin, version.partition("-")[0], login.url(SCHEME))


def run(login: Login, statements: Sequence[str]) -> Sequence[tuple[Any, ...]]:
    """Run statements on a connection of their own; give the rows of the last one."""
    driver = pymysql()
    try:
        with closing(connect(driver, login)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows: Sequence[tuple[Any, ...]] = cursor.fetchall()
    except (driver.MySQLError, OSError) as error:
        raise ServiceUnusable(SERVICE, place=login.place, reason=str(error)) from error
    return rows


def connect(driver: Any, login: Login) -> Any:
    """Connect by pymysql."""
    options = dict(login.options)
    return driver.connect(
        user=login.user,
        password=login.password,
        host=login.host or "127.0.0.1",
        port=login.port or PORT,
        database=login.database or None,
        unix_socket=options.get("unix_socket"),
        connect_timeout=CONNECTING,
        autocommit=True,
    )


def pymysql() -> Any:
    """Import the driver; without it there is no server for us."""
    try:
        return import_module("pymysql")
    except ImportError as error:
        raise ServiceUnusable(
            SERVICE, place="pymysql", reason="the driver is not installed: pip install 'tenantkit[test]'"
        ) from error
