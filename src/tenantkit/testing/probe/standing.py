"""Attack a database that is there, as the role that the application works as: rows of two tenants come, and go."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, and_, delete, false, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.sql import Executable

from tenantkit.core.scope import Scope
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import TenantKitError
from tenantkit.isolation import Policies, ScopedSession, scope_engine
from tenantkit.isolation.doctor import Finding
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.local_settings import telling_scope, telling_unscoped, values_to_tell
from tenantkit.isolation.pin import Pin
from tenantkit.testing.probe.houses import key_columns
from tenantkit.testing.probe.matrix import mappers_of, tenant_id
from tenantkit.testing.probe.population import NOBODY, Population, Side

__all__ = ["attack_database"]

OWN, FOREIGN = "probe-a", "probe-b"
_SPACE: Final = 100_000_000  # where the made up numbers begin, so that no real row has them


def attack_database(
    owner: Engine,
    app: Engine,
    policies: Policies,
    *,
    with_policies: bool = True,
) -> list[Finding]:
    """
    Write rows of two made up tenants, try to reach one from the other as the application, and take them out again.

    What the application's role tries is rolled back each time. On PostgreSQL it is tried in plain SQL, without any
    scope and in the first tenant's, so that only the policies stand in between; on every database by the scoped
    engine, too.

    Args:
        owner: a plain engine of the role that owns the tables. It commits the rows, and deletes them at the end.
        app: a plain engine of the role that the application works as.
        policies: what is declared.
        with_policies: whether row level security is expected, where the database knows it.

    Returns:
        what got through; a finding ``probe-failed`` where rows could not be made.
    """
    registry = policies.registry
    is_postgresql = owner.dialect.name == "postgresql"
    metadata = list(dict.fromkeys(entry.table.metadata for entry in registry.entries))
    start = _SPACE + secrets.randbelow(_SPACE)
    try:
        sides = [Side(slug, Scope(Tenant(tenant_id(registry, slug, start), slug))) for slug in (OWN, FOREIGN)]
        population = Population(registry, mappers_of(metadata), sides, start=start)
        with _written(owner, population):
            found: list[Finding] = []
            enforced = [entry for entry in population.entries if entry.is_scoped]
            for entry in enforced if is_postgresql and with_policies else ():
                found += _policies_of(entry, app, population, sides)
            engine = scope_engine(
                app.url, metadata=metadata, rules=registry.rules[2:], policies=is_postgresql and with_policies
            )
            try:
                for entry in enforced:
                    found += _engine_of(entry, engine, population, sides)
            finally:
                engine.dispose()
            return found
    except (TenantKitError, SQLAlchemyError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        return [
            Finding(
                "error", "probe-failed", "database", f"The rows of two tenants could not be made: {reason}"
            )
        ]


@contextmanager
def _written(owner: Engine, population: Population) -> Iterator[None]:
    def as_owner(work: Callable[[Connection], None]) -> None:
        with owner.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(telling_unscoped())
            work(connection)

    def remove(connection: Connection) -> None:
        for table in reversed(population.tables):
            for slug in (OWN, FOREIGN, NOBODY):
                for key in population.keys(table, slug):
                    connection.execute(delete(table).where(*_is_row(table, key)))

    as_owner(lambda connection: population.insert(connection, (OWN, FOREIGN)))
    try:
        yield
    finally:
        as_owner(remove)


def _policies_of(
    entry: Entry, app: Engine, population: Population, sides: Sequence[Side]
) -> Iterator[Finding]:
    table, name = entry.table, entry.table.fullname
    theirs = _any_of(table, population.keys(table, FOREIGN))
    row = population.another(table, FOREIGN)
    planted = [] if row is None else [("inserts a row of another tenant", insert(table).values(row))]
    column = key_columns(table)[0]
    everything: list[tuple[str, Executable]] = [
        ("changes rows", update(table).values({column: column})),
        ("deletes rows", delete(table)),
        *planted,
    ]
    of_another: list[tuple[str, Executable]] = [
        ("changes rows of another", update(table).where(theirs).values({column: column})),
        ("deletes rows of another", delete(table).where(theirs)),
        *planted,
    ]
    attempts = [
        ("Without a scope", None, select(func.count()).select_from(table), everything),
        ("In a tenant's scope", sides[0].scope, select(func.count()).where(theirs), of_another),
    ]
    for where, scope, counted, writes in attempts:
        with _told(app, population, scope) as connection:
            seen = _tried(connection, counted)
        if seen:
            yield _through("probe-read", name, f"{where} the application's role reads {seen} rows of others.")
        for what, write in writes:
            with _told(app, population, scope) as connection:
                is_through = _tried(connection, write)
            if is_through:
                yield _through("probe-write", name, f"{where} the application's role {what}.")


def _engine_of(
    entry: Entry, engine: Engine, population: Population, sides: Sequence[Side]
) -> Iterator[Finding]:
    table = entry.table
    theirs = _any_of(table, population.keys(table, FOREIGN))
    column = key_columns(table)[0]
    attempts: list[tuple[str, Executable]] = [
        ("reads", select(func.count()).where(theirs)),
        ("changes", update(table).where(theirs).values({column: column})),
    ]
    for what, statement in attempts:
        with ScopedSession(engine, scope=sides[0].scope) as session:
            is_through = _tried(session.connection(), statement)
        if is_through:
            why = f"The scoped engine {what} rows of another tenant."
            yield _through("probe-engine", table.fullname, why)


@contextmanager
def _told(app: Engine, population: Population, scope: Scope | None) -> Iterator[Connection]:
    """Connect as the application, in a transaction that says a scope, or none, and is rolled back."""
    with app.connect() as connection, connection.begin() as transaction:
        if scope is not None:
            told = values_to_tell(Pin(scope, population.registry), connection.dialect)
            connection.execute(telling_scope(population.registry), told)
        yield connection
        transaction.rollback()


def _tried(connection: Connection, statement: Executable) -> int:
    """Return how many rows a statement counts or writes; none where it is refused."""
    try:
        result = connection.execute(statement)
        return int(result.scalar_one() if result.returns_rows else result.rowcount)
    except IntegrityError:
        return 1  # a key was in the way, and nothing before it
    except (SQLAlchemyError, TenantKitError):
        return 0


def _through(code: str, name: str, why: str) -> Finding:
    return Finding("error", code, name, f"{why} See what `tenantkit doctor` says of its policies and roles.")


def _is_row(table: Table, key: tuple[Any, ...]) -> list[Any]:
    return [column == value for column, value in zip(key_columns(table), key, strict=True)]


def _any_of(table: Table, keys: Sequence[tuple[Any, ...]]) -> Any:
    return or_(false(), *(and_(*_is_row(table, key)) for key in keys))
