"""Where the shapes run: one database with both tenants, its owner, and the engines under test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pymysql.constants import CLIENT
from sqlalchemy import Connection, Engine, MetaData, Table, create_engine, event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from tenantkit import Scope, Tenant
from tenantkit.core.scope import enter
from tenantkit.isolation import Policies, ScopedSession, scope_async_engine, scope_engine
from tenantkit.isolation.local_settings import UNSCOPED
from tests.leaks.dump import Dump, all_tables
from tests.leaks.registry import Shape, View
from tests.leaks.schema import STRAYS, VAULT, Base, tenant_columns
from tests.leaks.world import BOTH, Side, Sides, populate


@dataclass(frozen=True, slots=True)
class Returned:
    """The body ended, and its transaction was committed."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The body, or its commit, raised."""

    error: Exception


Outcome = Returned | Raised
Opener = Callable[[Engine, Side, dict[str, Any]], Session]


def scope_of(side: Side) -> Scope:
    """The scope of one tenant."""
    return Scope(tenant=Tenant(id=side.tenant, slug=side.slug), actor=None)


def pinned(engine: Engine, side: Side, options: dict[str, Any]) -> Session:
    """Open a session of one tenant."""
    return ScopedSession(options.pop("bind", engine), scope=scope_of(side), **options)


def plain(engine: Engine, side: Side, options: dict[str, Any]) -> Session:
    """Open a session without a tenant."""
    return Session(options.pop("bind", engine), **options)


@dataclass
class Place:
    """A database with both tenants."""

    name: str
    dialect: str
    owner: Engine
    engine: Engine
    async_engine: AsyncEngine | None = None
    runner: asyncio.Runner | None = None
    sides: Sides = BOTH
    pristine: Dump = field(init=False, repr=False)
    seen: Dump = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Fill the database, and keep a copy of what is in it."""
        with self.owner.begin() as connection:
            populate(connection, self.sides)
            for table in all_tables():
                connection.execute(text(f"DROP TABLE IF EXISTS {self._copy(table)}"))
                connection.execute(text(f"CREATE TABLE {self._copy(table)} AS SELECT * FROM {table.name}"))
        self.pristine = self.look()

    def _copy(self, table: Table) -> str:
        return f"copy_of_{len(self.sides)}_{table.name}"

    def restore(self) -> None:
        """Put every row back, in one round trip."""
        tables = all_tables()
        emptied = [f"DELETE FROM {table.name};" for table in reversed(tables)]
        filled = [f"INSERT INTO {table.name} SELECT * FROM {self._copy(table)};" for table in tables]
        with self.owner.begin() as connection:
            cursor = connection.connection.cursor()
            run = cursor.executescript if self.dialect == "sqlite" else cursor.execute
            run("".join([*emptied, *filled]))
            cursor.close()

    def look(self) -> Dump:
        """Read the database as its owner, and remember what was seen."""
        with self.owner.connect() as connection:
            self.seen = Dump.of(connection)
        return self.seen

    def raw(self, tenant: UUID) -> Any:
        """The id of a tenant as the driver gives it."""
        if self.dialect == "postgresql":
            return tenant
        return str(tenant) if self.owner.dialect.supports_native_uuid else tenant.hex

    def run(self, shape: Shape, sides: tuple[Side, Side], *, ambient: bool = False) -> Outcome:
        """Run a shape in a scoped session."""
        own, _ = sides
        with ExitStack() as stack:
            stack.enter_context(enter(scope_of(own)) if ambient else nullcontext())
            session = stack.enter_context(ScopedSession(self.engine, scope=scope_of(own)))
            return perform(session, shape, self._view(sides, pinned, stack))

    def run_async(self, shape: Shape, sides: tuple[Side, Side], *, ambient: bool = False) -> Outcome:
        """Run the same shape in a scoped session under asyncio."""
        return self.runner.run(self._run_async(shape, sides, ambient))

    def run_plain(
        self, shape: Shape, sides: tuple[Side, Side], bind: Engine | Connection | None = None
    ) -> Outcome:
        """Run a shape in a session that has no scope."""
        with ExitStack() as stack, Session(bind or self.engine) as session:
            return perform(session, shape, self._view(sides, plain, stack))

    async def _run_async(self, shape: Shape, sides: tuple[Side, Side], ambient: bool) -> Outcome:
        own, _ = sides
        with ExitStack() as stack:
            stack.enter_context(enter(scope_of(own)) if ambient else nullcontext())
            options = {"sync_session_class": ScopedSession, "scope": scope_of(own)}
            async with AsyncSession(self.async_engine, **options) as session:
                return await session.run_sync(self._performed, shape, sides)

    def _performed(self, session: Session, shape: Shape, sides: tuple[Side, Side]) -> Outcome:
        # Sessions that a body opens must close in the greenlet that they were opened in.
        with ExitStack() as stack:
            engine = self.async_engine.sync_engine
            return perform(session, shape, self._view(sides, pinned, stack, engine))

    def _view(
        self, sides: tuple[Side, Side], opener: Opener, stack: ExitStack, engine: Engine | None = None
    ) -> View:
        own, foreign = sides
        under_test = engine or self.engine

        def open_(side: Side, **options: Any) -> Session:
            return stack.enter_context(opener(under_test, side, options))

        return View(own, foreign, self.dialect, under_test, self.owner, open_, scope_of)


def perform(session: Session, shape: Shape, view: View) -> Outcome:
    """Run the body and commit; what it raises is its outcome."""
    try:
        value = shape.body(session, view)
        session.commit()
    except Exception as error:  # noqa: BLE001 - whatever it is, the judge names it
        session.rollback()
        return Raised(error)
    return Returned(value)


def create_tables(owner: Engine, metadata: MetaData = Base.metadata) -> None:
    """Create the host's tables, a table that nobody declared and, on PostgreSQL, a second schema."""
    metadata.create_all(owner)
    STRAYS.create_all(owner)
    if owner.dialect.name != "postgresql":
        return
    with owner.begin() as connection:
        connection.execute(text("CREATE SEQUENCE counter"))
        connection.execute(text(f"CREATE SCHEMA {VAULT}"))
        for name in ("documents", "currencies"):
            connection.execute(text(f"CREATE TABLE {VAULT}.{name} (LIKE public.{name})"))
        populate(connection)
        titles = "SELECT left(title, 3), title FROM public.documents"
        connection.execute(text(f"INSERT INTO {VAULT}.documents SELECT * FROM public.documents"))
        connection.execute(text(f"INSERT INTO {VAULT}.currencies {titles}"))


def grant(owner: Engine, role: str) -> None:
    """Let the application's role use everything, the second schema too: only the library stands in between."""
    with owner.begin() as connection:
        for schema in ("public", VAULT):
            connection.execute(text(f'GRANT USAGE ON SCHEMA {schema} TO "{role}"'))
            connection.execute(text(f'GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO "{role}"'))
            connection.execute(text(f'GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO "{role}"'))


def relaxed(owner: Engine) -> Engine:
    """Let the owner's engine not wait for the disk, and never for a lock that a test forgot."""

    def connected(connection: Any, record: Any) -> None:
        if owner.dialect.name == "sqlite":
            connection.execute("PRAGMA synchronous = OFF")
        elif owner.dialect.name == "mariadb":
            with connection.cursor() as cursor:
                cursor.execute("SET foreign_key_checks = 0, innodb_lock_wait_timeout = 5")
        else:
            connection.execute(
                f"SET synchronous_commit = off; SET lock_timeout = '5s'; SET {UNSCOPED} = 'on'"
            )
            connection.commit()

    event.listen(owner, "connect", connected)
    return owner


def owner_of(url: str) -> Engine:
    """An engine of the owner, who puts all rows back in one round trip."""
    several = {"client_flag": CLIENT.MULTI_STATEMENTS} if url.startswith("mariadb") else {}
    return create_engine(url, connect_args=several)


@contextmanager
def open_place(name: str, owner_url: str, app_url: str, async_url: str) -> Iterator[Place]:
    """Create the tables and the engines of a place, and close them again."""
    with ExitStack() as stack:
        owner = relaxed(owner_of(owner_url))
        stack.callback(owner.dispose)
        create_tables(owner)
        policies = name == "policies"
        engine = scope_engine(app_url, metadata=Base.metadata, policies=policies)
        stack.callback(engine.dispose)
        if owner.dialect.name == "postgresql":
            grant(owner, engine.url.username)
        if policies:
            with owner.begin() as connection:
                Policies(Base.metadata).create_all(connection)
        runner = stack.enter_context(asyncio.Runner())
        async_engine = scope_async_engine(async_url, metadata=Base.metadata, policies=policies)
        stack.callback(lambda: runner.run(async_engine.dispose()))
        yield Place(name, owner.dialect.name, owner, engine, async_engine, runner)


def without_keys() -> MetaData:
    """Copy the tables without foreign keys, so that rows may point to tenants that never were."""
    copied = MetaData()
    for table in Base.metadata.sorted_tables:
        copy = table.to_metadata(copied)
        for constraint in list(copy.foreign_key_constraints):
            copy.constraints.remove(constraint)
    return copied


def unprotected(engine: Engine, own: Side) -> Engine:
    """
    Create the tables as a host would who does without the library, for the work of one tenant.

    A trigger fills the tenant column, so that a plain INSERT ends up like a stamped one, and no foreign key is
    enforced, so that the database can be one in which the other tenant never was.
    """
    copied = without_keys()
    for name, column in tenant_columns().items():
        copied.tables[name].c[column].nullable = engine.dialect.name != "postgresql"
    create_tables(engine, copied)
    with engine.begin() as connection:
        for name, column in tenant_columns().items():
            for statement in TRIGGERS[engine.dialect.name]:
                connection.execute(text(statement.format(table=name, column=column, tenant=own.tenant.hex)))
    return engine


ON_SQLITE = """
    CREATE TRIGGER {table}_stamp AFTER INSERT ON {table} WHEN NEW.{column} IS NULL
    BEGIN UPDATE {table} SET {column} = '{tenant}' WHERE rowid = NEW.rowid; END
"""
FUNCTION = """
    CREATE FUNCTION {table}_stamp() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN NEW.{column} = coalesce(NEW.{column}, '{tenant}'); RETURN NEW; END$$
"""
ON_POSTGRES = """
    CREATE TRIGGER {table}_stamp BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_stamp()
"""
ON_MARIADB = """
    CREATE TRIGGER {table}_stamp BEFORE INSERT ON {table} FOR EACH ROW
    SET NEW.{column} = coalesce(NEW.{column}, '{tenant}')
"""
TRIGGERS = {"sqlite": (ON_SQLITE,), "postgresql": (FUNCTION, ON_POSTGRES), "mariadb": (ON_MARIADB,)}
