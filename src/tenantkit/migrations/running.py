"""How a migration runs SQL: at once in its transaction, or step by step outside of it, without making others wait."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from alembic.operations import Operations
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tenantkit.exceptions import ConfigurationError, LockNotGranted

__all__ = ["Patience", "Step", "check_postgresql", "run_statements", "run_steps"]

_BUSY: Final = frozenset({"55P03", "40P01"})  # lock_not_available, deadlock_detected
_HOLDERS: Final = """
    SELECT a.pid, a.usename, a.state, now() - a.xact_start AS since, left(a.query, 80) AS query
    FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.relation = to_regclass(:name) AND l.granted AND a.pid <> pg_backend_pid()
    ORDER BY a.xact_start
"""
sleep = time.sleep


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How a lock is waited for: shortly and often, since whoever comes after a waiting statement waits with it.

    What runs ``CONCURRENTLY`` waits until transactions of before have ended, and nobody waits for it: there only the
    database's own ``lock_timeout`` holds, if it has one.

    Attributes:
        lock_timeout: seconds that one attempt waits.
        attempts: how many there are.
        pause: seconds between two.

    .. versionadded:: 0.1
    """

    lock_timeout: float = 2.0
    attempts: int = 30
    pause: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a patience that would wait for ever, or not at all."""
        if self.lock_timeout <= 0 or self.attempts < 1 or self.pause < 0:
            raise ConfigurationError(
                f"A lock cannot be waited for like this: {self}. Use a timeout above 0 s, 1 attempt or more, and a "
                "pause of 0 s or more."
            )


@dataclass(frozen=True, slots=True)
class Step:
    """
    Statements that run together, or not at all.

    Attributes:
        statements: the SQL.
        table: the table whose lock they need, as SQL spells it.
        done: a query that returns true where the step is done already, and its parameters.
        is_concurrent: whether it runs outside of any transaction (``CONCURRENTLY``).
        again: what is run first where it is tried again.

    .. versionadded:: 0.1
    """

    statements: tuple[str, ...]
    table: str
    done: tuple[str, dict[str, Any]] | None = None
    is_concurrent: bool = False
    again: tuple[str, ...] = ()


def check_postgresql(operations: Operations, instead: str) -> None:
    """Refuse another database."""
    dialect = operations.get_context().dialect.name
    if dialect != "postgresql":
        raise ConfigurationError(
            f"This migration is written for PostgreSQL, and the database is {dialect}. {instead}"
        )


def run_statements(operations: Operations, statements: Sequence[str]) -> None:
    """Run statements in the migration's transaction, to the letter, or print them."""
    for statement in statements:
        if operations.get_context().as_sql:
            operations.get_context().impl.static_output(f"{statement};\n")
        else:
            _run(operations.get_bind(), statement)


def run_steps(operations: Operations, steps: Sequence[Step], patience: Patience) -> None:
    """
    Commit what the migration has done so far, and run steps one after the other, each in a transaction of its own.

    A step that is done already is left out, so a migration that was cut off is simply run again.

    Raises:
        LockNotGranted: somebody held a lock through all attempts.
    """
    context = operations.get_context()
    with context.autocommit_block():
        for step in steps:
            if context.as_sql:
                for statement in _spelled(step, patience):
                    context.impl.static_output(f"{statement};\n")
                continue
            connection = operations.get_bind()
            if step.done is None or not connection.scalar(text(step.done[0]), step.done[1]):
                _patiently(connection, step, patience)


def _spelled(step: Step, patience: Patience) -> list[str]:
    if step.is_concurrent:
        return list(step.statements)
    timeout = f"SET LOCAL lock_timeout = {max(1, round(patience.lock_timeout * 1000))}"
    return ["BEGIN", timeout, *step.statements, "COMMIT"]


def _patiently(connection: Connection, step: Step, patience: Patience) -> None:
    for attempt in range(1, patience.attempts + 1):
        try:
            for statement in (*(step.again if attempt > 1 else ()), *_spelled(step, patience)):
                _run(connection, statement)
        except DBAPIError as error:
            if not step.is_concurrent:
                _run(connection, "ROLLBACK")
            if getattr(error.orig, "sqlstate", None) not in _BUSY:
                raise
            if attempt == patience.attempts:
                raise _blocked(connection, step, patience) from error
            sleep(patience.pause)
        else:
            return


def _blocked(connection: Connection, step: Step, patience: Patience) -> LockNotGranted:
    holders = [_spelled_holder(row) for row in connection.execute(text(_HOLDERS), {"name": step.table})]
    return LockNotGranted(
        f"{step.statements[0]!r} was not done: in {patience.attempts} attempts of {patience.lock_timeout} s "
        f"{step.table} was never free. It is held by {', '.join(holders) or 'nobody any more'}. What was done before "
        "stays; end what holds it, and run the migration again."
    )


def _spelled_holder(row: Any) -> str:
    process = f"process {row.pid} of {row.usename}"
    if row.state is None:  # another role's
        return f"{process} (what it does is shown to members of pg_read_all_stats)"
    since = str(row.since).partition(".")[0]
    return f"{process} ({row.state}, its transaction {since} old: {' '.join(row.query.split())!r})"


def _run(connection: Connection, statement: str) -> None:
    # without parameters, so that % and : in names are what they are
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
