"""SQLite as a database of several writers: WAL, foreign keys, and writers that queue instead of failing."""

from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

__all__ = ["begin_writing", "leave_alone", "prepare_sqlite"]

_BEGIN: Final = "BEGIN IMMEDIATE"


def prepare_sqlite(engine: Engine) -> None:
    """
    Set up the connections of an SQLite engine; other engines are left alone.

    The driver's own transactions are switched off. A transaction begins with ``BEGIN IMMEDIATE`` right before its
    first statement that may write, or its first savepoint, so writers wait for each other (30 s) instead of
    failing when they upgrade a read lock; statements before that read the latest committed state.

    .. versionadded:: 0.1
    """
    if engine.dialect.name != "sqlite":
        return
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "before_cursor_execute", _on_execute)
    event.listen(engine, "savepoint", _on_savepoint)


def leave_alone(engine: Engine) -> None:
    """Let the connections of an engine, which somebody else lends it, be as they are."""
    if event.contains(engine, "connect", _on_connect):
        event.remove(engine, "connect", _on_connect)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "busy_timeout = 30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _on_execute(
    connection: Any, _cursor: Any, _sql: str, _parameters: Any, context: Any, _many: object
) -> None:
    if context is None or context.is_crud or context.is_text or context.isddl or not context.compiled:
        begin_writing(connection)


def _on_savepoint(connection: Any, _name: str) -> None:
    begin_writing(connection)


def begin_writing(connection: Any) -> None:
    """Begin a connection's transaction as a writer, unless it has begun; waits for other writers."""
    pooled, driver = connection.connection, connection.dialect.loaded_dbapi
    if pooled.driver_connection.in_transaction:
        return
    cursor = pooled.cursor()
    try:
        cursor.execute(_BEGIN)
    except driver.Error as error:  # SQLAlchemy 2.0 would pass the driver's error on from here as it is
        raise DBAPIError.instance(_BEGIN, (), error, driver.Error, dialect=connection.dialect) from error
    finally:
        cursor.close()
