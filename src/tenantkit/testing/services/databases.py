"""The login that makes databases and roles on a PostgreSQL server, and what it makes."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenantkit.exceptions import DependencyMissing
from tenantkit.testing.services import statements
from tenantkit.testing.services.errors import ServiceUnusable
from tenantkit.testing.services.model import Database, Login

if TYPE_CHECKING:
    import psycopg

__all__ = ["SERVICE", "Admin", "Facts", "connect", "driver", "first_open_door", "provide", "sweep"]

logger = logging.getLogger(__name__)

SERVICE = "PostgreSQL"
# Design: policies are tested with what 15 brought (schema public closed to everybody).
OLDEST = 150000
# Seconds; every place is on this machine, or named by the reader.
CONNECTING = 5
# Seconds to wait for the end of connections before they are left to the server's own way, and between two looks.
CUTTING = 1.0
PAUSE = 0.002


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What a server is, and what our login may do there.

    Attributes:
        version: Such as ``15.20``.
        number: Such as 150020.
        fsync: Whether the server waits for its disk.
        port: Port that it says it listens on.
        database: Name of the database that we are connected to.
        user: Our role.
        may_create: Whether our role may create roles and databases.

    .. versionadded:: 0.1
    """

    version: str
    number: int
    fsync: bool
    port: int
    database: str
    user: str
    may_create: bool


def driver() -> Any:
    """
    Import psycopg, here and nowhere else.

    Returns:
        The module.

    Raises:
        DependencyMissing: It is not installed.

    .. versionadded:: 0.1
    """
    try:
        return import_module("psycopg")
    except ImportError as error:
        message = "the driver psycopg is not installed: pip install 'tenantkit[test]'"
        raise DependencyMissing(message, package="psycopg", extra="test") from error


def unusable(login: Login, error: Exception) -> ServiceUnusable:
    """Say that a server refuses a login, in one line."""
    reason = " ".join(str(error).split())
    return ServiceUnusable(SERVICE, place=login.place, reason=f"user {login.user!r}: {reason}")


def connect(login: Login, *, application_name: str = "tenantkit_test") -> "psycopg.Connection[Any]":
    """
    Connect by psycopg.

    Args:
        login: Who connects to where.
        application_name: What the server lists for the connection.

    Returns:
        A connection in autocommit mode.

    Raises:
        DependencyMissing: psycopg is not installed.
        ServiceUnusable: The server does not answer, or refuses the login.

    .. versionadded:: 0.1
    """
    module = driver()
    settings = {"autocommit": True, "connect_timeout": CONNECTING, "application_name": application_name}
    try:
        connection: psycopg.Connection[Any] = module.connect(**settings, **login.parameters())
    except module.Error as error:
        raise unusable(login, error) from error
    return connection


class Admin:
    """
    The login that makes databases and roles, over one connection that stays open.

    That connection is also the run's sign of life: what its run has made is swept by nobody as long as it is there.

    .. versionadded:: 0.1
    """

    def __init__(self, login: Login) -> None:
        """
        Connect, and learn what the server is.

        Args:
            login: A login that may create roles and databases.

        Raises:
            ServiceUnusable: It may not, or the server is too old, or does not answer.
        """
        self.login = login
        self.run = secrets.token_hex(8)
        self._closed = False
        self._lock = threading.Lock()
        self._connections: dict[int, psycopg.Connection[Any]] = {}
        try:
            version, *others = self.query(statements.facts())[0]
            self.facts = Facts(version.split()[0], *others)
            check(login, self.facts)
        except driver().Error as error:
            self.close()
            raise unusable(login, error) from error
        except ServiceUnusable:
            self.close()
            raise
        self.login = replace(login, user=self.facts.user, database=self.facts.database)

    def __repr__(self) -> str:
        return f"Admin({self.login!r})"

    def query(self, statement: str) -> Sequence[tuple[Any, ...]]:
        """
        Run a statement.

        Args:
            statement: One statement, or several without rows.

        Returns:
            The rows, none for a statement that has none.

        Raises:
            ServiceUnusable: The server was closed, or does not answer any more.

        .. versionadded:: 0.1
        """
        with self._lock:
            if self._closed:
                raise ServiceUnusable(SERVICE, place=self.login.place, reason="it was closed, find it again")
            cursor = self._connected().execute(statement.encode())
            return cursor.fetchall() if cursor.description else ()

    def _connected(self) -> "psycopg.Connection[Any]":
        """Give this process' connection, anew if it was cut; a forked child must not use its parent's."""
        connection = self._connections.get(os.getpid())
        if connection is None or not answers(connection):
            connection = connect(self.login, application_name=statements.application_name(self.run))
            self._connections[os.getpid()] = connection
        return connection

    def close(self) -> None:
        """
        Close the connection; a second call does nothing.

        .. versionadded:: 0.1
        """
        with self._lock:
            self._closed = True
            connection = self._connections.pop(os.getpid(), None)
            if connection is not None:
                connection.close()


def answers(connection: "psycopg.Connection[Any]") -> bool:
    """Say whether a connection still works."""
    try:
        connection.execute(b"SELECT 1")
    except driver().Error:
        connection.close()
        return False
    return True


def check(login: Login, facts: Facts) -> None:
    """Refuse a server that the tests cannot use."""
    if facts.number < OLDEST:
        reason = f"version {facts.version} is too old, the tests need {OLDEST // 10000}"
        raise ServiceUnusable(SERVICE, place=login.place, reason=reason)
    if not facts.may_create:
        reason = f"user {facts.user!r} may not create roles and databases"
        raise ServiceUnusable(SERVICE, place=login.place, reason=reason)


def new_role(place: Login, name: str) -> Login:
    """Make a login with a random password at the same place; it does not exist yet."""
    return replace(place, user=name, password=secrets.token_hex(16))


def provide(admin: Admin, place: Login, undo: ExitStack, *, like: Database | None = None) -> Database:
    """
    Create a database, and its roles unless it is a copy.

    Args:
        admin: Who creates.
        place: Where the new roles connect to.
        undo: Receives what removes all of it again.
        like: Database to copy; nobody may be connected to it.

    Returns:
        The database.

    Raises:
        ServiceUnusable: The new roles cannot log in.

    .. versionadded:: 0.1
    """
    name = statements.fresh_name(admin.run)
    if like is None:
        owner, app = provide_roles(admin, place, name, undo)
    else:
        owner, app = like.owner, like.app
    undo.callback(remove, admin, name)
    admin.query(
        statements.create_database(
            name, owner=owner.user, like=like.name if like else None, copying=not admin.facts.fsync
        )
    )
    database = Database(name, replace(owner, database=name), replace(app, database=name))
    grants = statements.clone_grants if like else statements.fresh_grants
    with connect(database.owner) as connection:
        connection.execute(grants(name, app=app.user).encode())
    return database


def remove(admin: Admin, name: str) -> None:
    """Drop a database, as soon as the last of its connections is gone."""
    # The server itself looks for that every 100 ms only, even for a connection that was closed just before.
    deadline = time.monotonic() + CUTTING
    while admin.query(statements.cut(name)) and time.monotonic() < deadline:
        time.sleep(PAUSE)
    admin.query(statements.drop_database(name))


def provide_roles(admin: Admin, place: Login, name: str, undo: ExitStack) -> tuple[Login, Login]:
    """Create the owner and the application's role."""
    owner, app = new_role(place, f"{name}_owner"), new_role(place, f"{name}_app")
    undo.callback(admin.query, statements.drop_roles(app.user, owner.user))
    admin.query(statements.create_roles(owner, app, maker=admin.facts.user))
    return owner, app


def sweep(admin: Admin) -> int:
    """
    Remove what dead runs of the same login left on a server.

    Args:
        admin: Who removes.

    Returns:
        How many owners were removed, each with its databases and its application's role.

    .. versionadded:: 0.1
    """
    swept = 0
    for (owner,) in admin.query(statements.forsaken_owners(admin.facts.user)):
        app = owner.removesuffix("_owner") + "_app"
        try:
            for (name,) in admin.query(statements.databases_of(owner)):
                # Not by force: somebody may have come back just now.
                admin.query(statements.drop_database(name, force=False))
            admin.query(statements.drop_roles(app, owner))
        except driver().Error:
            logger.info("a leftover was not swept", exc_info=True, extra={"owner": owner})
        else:
            swept += 1
    return swept


def first_open_door(admin: Admin, places: Sequence[Login]) -> Login:
    """
    Find the first place where a role that we create can log in.

    Args:
        admin: Who creates.
        places: Where to try.

    Returns:
        The place.

    Raises:
        ServiceUnusable: No role can be created, or it cannot log in anywhere.

    .. versionadded:: 0.1
    """
    refusals = []
    try:
        with ExitStack() as undo:
            owner, _ = provide_roles(admin, admin.login, statements.fresh_name(admin.run), undo)
            for place in places:
                try:
                    connect(replace(place, user=owner.user, password=owner.password)).close()
                except ServiceUnusable as error:
                    refusals.append(f"{error.place}: {error.reason}")
                else:
                    return place
    except driver().Error as error:
        raise unusable(admin.login, error) from error
    reason = f"new roles cannot log in: {'; '.join(refusals)}"
    raise ServiceUnusable(SERVICE, place=admin.login.place, reason=reason)
