"""
Engines over the databases of a Django project.

On one, a session works in the transaction that Django has open: what both write is committed together or not at all.
The other has connections of its own, for what is committed whatever becomes of that transaction; within a TestCase it
works in the test's transaction, too, which sees everything and keeps nothing.
"""

import sqlite3
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, Final
from weakref import WeakSet

from django.db import connections
from sqlalchemy import URL, Engine, NullPool, event

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.pin import pinned_scope
from tenantkit.sql.sqlite import leave_alone

__all__ = ["borrowing", "in_test_case", "own_connections", "url_of"]

_URLS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
_OF_DJANGO: Final = ("context", "cursor_factory", "prepare_threshold", "detect_types")
MakeEngine = Callable[..., Engine]


def url_of(alias: str) -> URL:
    """
    Return the URL of a database, as far as it names the dialect and the place; connections are made otherwise.

    Raises:
        ConfigurationError: the database is of a kind that the kit's tables cannot be in.
    """
    connection = connections[alias]
    entry = connection.settings_dict
    if connection.vendor not in _URLS:
        raise ConfigurationError(
            f"DATABASES[{alias!r}] is {connection.vendor}. In Django the kit works on PostgreSQL and SQLite."
        )
    if connection.vendor == "sqlite":
        return URL.create("sqlite", database=str(entry["NAME"]))
    return URL.create(
        _URLS[connection.vendor],
        username=entry["USER"] or None,
        password=entry["PASSWORD"] or None,
        host=entry["HOST"] or None,
        port=int(entry["PORT"]) if entry["PORT"] else None,
        database=entry["NAME"],
    )


def in_test_case(alias: str) -> bool:
    """Whether the calling thread is within the transaction of a ``TestCase``."""
    return any(block._from_testcase for block in connections[alias].atomic_blocks)


def own_connections(make: MakeEngine, alias: str, **options: Any) -> Engine:
    """Return an engine with connections of its own, made as Django makes them."""
    return make(url_of(alias), creator=lambda: _connected(alias), **options)


def _connected(alias: str) -> Any:
    wrapper = connections[alias]
    parameters = wrapper.get_connection_params()
    driver = sqlite3 if wrapper.vendor == "sqlite" else wrapper.Database
    return driver.connect(**{name: value for name, value in parameters.items() if name not in _OF_DJANGO})


def borrowing(make: MakeEngine, alias: str, *, nested: bool = False, **options: Any) -> Engine:
    """
    Return an engine whose connections are Django's, of whichever thread asks.

    Args:
        make: makes the engine.
        alias: of the database.
        nested: whether a session's transaction is a savepoint in Django's, which it may roll back by itself. Otherwise
            it is Django's, and `commit` only writes what the session holds back.
        options: for the engine.
    """
    kind = _Savepoint if nested else _Borrowed
    own: Mapping[str, Any] = {"use_native_hstore": False} if connections[alias].vendor == "postgresql" else {}
    engine = make(
        url_of(alias),
        creator=lambda: kind(alias),
        poolclass=NullPool,
        pool_reset_on_return=None,
        **own,
        **options,
    )
    leave_alone(engine)
    event.listen(engine, "before_cursor_execute", _before)
    event.listen(engine, "after_cursor_execute", _after)
    event.listen(engine, "rollback_savepoint", _forget)
    return engine


def _before(connection: Any, *_facts: Any) -> None:
    """Tell the database's policies whose session it is that speaks."""
    borrowed: _Borrowed = connection.connection.dbapi_connection
    scope = pinned_scope(connection)
    if scope is not None and borrowed.wrapper.tenancy.has_policies:
        borrowed.wrapper.tenancy.tell(scope)


def _after(connection: Any, _cursor: Any, statement: str, *_facts: Any) -> None:
    """Let Django's log of queries, by which `assertNumQueries` counts, hold the statement."""
    wrapper = connection.connection.dbapi_connection.wrapper
    if wrapper.queries_logged:
        wrapper.queries_log.append({"sql": statement, "time": "0.000"})


def _forget(connection: Any, *_facts: Any) -> None:
    """Let Django ask anew for the rows that keys point to: some may be gone."""
    connection.connection.dbapi_connection.wrapper.tenancy.forget()


class _Borrowed:
    """The connection of a driver that belongs to Django: its transaction is not SQLAlchemy's to end."""

    def __init__(self, alias: str) -> None:
        self.wrapper = connections[alias]
        if not (self.wrapper.in_atomic_block or self.wrapper.tenancy.joint.is_flushing):
            raise ConfigurationError(
                f"The kit's session works in a transaction of Django's, and there is none on {alias!r}. Use "
                "`with transaction.atomic():`, or leave TENANTKIT['ATOMIC'] on for requests."
            )
        self._of_sqlite: WeakSet[sqlite3.Cursor] = WeakSet()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapper.connection, name)

    def cursor(self, *args: Any, **options: Any) -> Any:
        """Return a cursor that reads values as SQLAlchemy expects them, not as Django does."""
        self.wrapper.validate_thread_sharing()
        self.wrapper.validate_no_broken_transaction()
        if self.wrapper.vendor == "sqlite":
            cursor = self.wrapper.connection.cursor(*args, **options)
            cursor.row_factory = _as_stored
            self._of_sqlite.add(cursor)
            return cursor
        from psycopg import Cursor
        from psycopg.types.json import JsonbLoader, JsonLoader

        cursor = (
            Cursor(self.wrapper.connection) if not args else self.wrapper.connection.cursor(*args, **options)
        )
        cursor.adapters.register_loader("json", JsonLoader)
        cursor.adapters.register_loader("jsonb", JsonbLoader)
        return cursor

    def create_function(self, name: str, narg: int, function: Any, **options: Any) -> None:
        """
        Leave Django's functions as they are: SQLAlchemy would put its ``regexp`` in the place of Django's.

        SQLite refuses that besides while a statement is open, as of a result that nobody read to its end.
        """

    def add_notice_handler(self, handler: Any) -> None:
        """Leave Django's connection without SQLAlchemy's handler, of which each use would add one."""

    def commit(self) -> None:
        """Leave the transaction to Django."""

    def rollback(self) -> None:
        """Leave the transaction to Django, which rolls back at the end of `atomic()` where an error leaves it."""

    def close(self) -> None:
        """
        Leave the connection to Django, with nothing open on it.

        A result that nobody read to its end would hold SQLite to what it saw: after another connection's commit, every
        write of Django's would be refused as locked.
        """
        for cursor in list(self._of_sqlite):
            cursor.close()


class _Savepoint(_Borrowed):
    """The same, where each of SQLAlchemy's transactions is a savepoint."""

    def __init__(self, alias: str) -> None:
        super().__init__(alias)
        self._sid: Any = None

    def cursor(self, *args: Any, **options: Any) -> Any:
        """Return a cursor, in the savepoint."""
        if self._sid is None:
            self._sid = self.wrapper.savepoint()
        return super().cursor(*args, **options)

    def commit(self) -> None:
        """Keep what was done, as far as Django does."""
        self._end(self.wrapper.savepoint_commit)

    def rollback(self) -> None:
        """Undo what was done."""
        self._end(self.wrapper.savepoint_rollback)

    def _end(self, end: Any) -> None:
        sid, self._sid = self._sid, None
        if sid is not None:
            end(sid)


def _as_stored(_cursor: Any, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row as SQLite stores it: Django's converters, which hold for all of a process, are undone."""
    return tuple(map(_undone, row))


def _undone(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return value
