"""
What taking a table in costs: a backfill in batches, and NOT NULL by a CHECK, against one statement for each.

``python -m bench.retrofit [--quick]``, on a table of 3,000,000 rows (quick: 300,000) on PostgreSQL. Printed are the
seconds of each way, and the longest time for which rows or the table were locked.
"""

import argparse
import logging
import os
import time
from collections.abc import Callable

import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Engine, Integer, MetaData, String, Table, create_engine, event, text

import tenantkit.migrations  # noqa: F401 - registers the operations
from bench.contest import print_bar
from tenantkit.isolation import scoped_by
from tenantkit.retrofit import Backfill
from tenantkit.testing.services import find_postgres

notes = Table(
    "notes",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("org_id", Integer),
    Column("text", String(100)),
    info=scoped_by("org_id", mode="shadow"),
)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _anew(owner: Engine, rows: int) -> None:
    notes.metadata.drop_all(owner)
    notes.metadata.create_all(owner)
    with owner.begin() as connection:
        connection.execute(
            text("INSERT INTO notes SELECT n, NULL, repeat('x', 80) FROM generate_series(1, :rows) n"),
            {"rows": rows},
        )
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE notes"))


def _statement(owner: Engine, statement: str) -> float:
    def run() -> None:
        with owner.begin() as connection:
            connection.execute(text(statement))

    return _seconds(run)


def _batches(owner: Engine) -> tuple[float, float]:
    begun, longest = time.perf_counter(), 0.0
    for progress in Backfill.to_tenant(notes, 1).run(owner):
        longest = max(longest, progress.seconds)
    return time.perf_counter() - begun, longest


def _online(owner: Engine) -> tuple[float, float]:
    """Return how long it took, and how long the longest statement with an exclusive lock."""
    held: list[float] = []
    with owner.connect() as connection:
        event.listen(
            connection, "before_cursor_execute", lambda *_: connection.info.update(at=time.perf_counter())
        )

        @event.listens_for(connection, "after_cursor_execute")
        def note(_connection: object, _cursor: object, sql: str, *_: object) -> None:
            if sql.startswith("ALTER") and "VALIDATE" not in sql:
                held.append(time.perf_counter() - connection.info["at"])

        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        begun = time.perf_counter()
        with context.begin_transaction(_per_migration=True), Operations.context(context) as op:
            op.set_not_null_online("notes", "org_id")  # type: ignore[attr-defined]  # registered by us
        return time.perf_counter() - begun, max(held)


def main() -> None:
    """Measure on PostgreSQL."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rows, for a look")
    rows = 300_000 if parser.parse_args().quick else 3_000_000
    logging.disable(logging.WARNING)
    print(f"SQLAlchemy {sqlalchemy.__version__}, {os.cpu_count()} cores, {rows:,} rows")
    with find_postgres() as server, server.database() as database:
        owner = create_engine(database.owner_url)
        _anew(owner, rows)
        at_once = _statement(owner, "UPDATE notes SET org_id = 1")
        locked = _statement(owner, "ALTER TABLE notes ALTER org_id SET NOT NULL")
        _anew(owner, rows)
        took, longest = _batches(owner)
        online, held = _online(owner)
        owner.dispose()
    print(f"\n  {'way':<28} {'seconds':>8} {'locked':>8}")
    for way, total, lock in (
        ("one UPDATE", at_once, at_once),
        ("backfill in batches", took, longest),
        ("SET NOT NULL", locked, locked),
        ("set_not_null_online", online, held),
    ):
        print(f"  {way:<28} {total:>8.2f} {lock:>8.3f}")
    print_bar("retrofit/longest-batch", longest, 1.00, "s")
    print_bar("retrofit/not-null-lock", held, 0.10, "s")


if __name__ == "__main__":
    main()
