"""
What others cost: open a session for a tenant, select one row, end; all under asyncio, on asyncpg, in one run.

``python -m bench.peers [--quick]``, on a table of 300,000 rows of ten tenants on PostgreSQL, as a role that policies
hold for. Each contestant has a table of its own with the columns that it asks for, the same rows, the same index, and
the policies that it makes or documents. It needs ``pip install sqlalchemy-tenants==0.2.0 litestar-tenants==0.1.0
fastapi-tenancy==0.5.0 asyncpg``. The contestants:

- by hand: a plain session and a criterion in the statement, without policies
- tenantkit: a ScopedSession, with and without policies
- sqlalchemy-tenants: a database role for each tenant, and policies over ``current_user``
- litestar-tenants: its two modes, roles as above and ORM events
- fastapi-tenancy: its RLS provider, a setting in each transaction
"""

import argparse
import asyncio
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, create_engine, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.contest import measure, print_bar, print_table
from tenantkit import Scope, Tenant
from tenantkit.isolation import Policies, ScopedSession, scope_async_engine, scoped_by
from tenantkit.testing.services import Database, find_postgres

TENANT, TENANTS, ROWS = "bench3", 10, 30_000
POLICY: Final = """
    CREATE POLICY tenant_isolation ON four_items USING (tenant_id = current_setting('app.current_tenant', TRUE))
"""
Ask = Callable[[int], Awaitable[object]]
MISSING = (
    "This bench measures others, too: pip install sqlalchemy-tenants litestar-tenants fastapi-tenancy asyncpg"
)


class Columns:
    """What each table has, and whose rows they are."""

    __table_args__: ClassVar = {"info": scoped_by("tenant")}
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]


class Own(DeclarativeBase):
    """Our table, and the one that is asked by hand."""


class Item(Columns, Own):
    """Behind policies."""

    __tablename__ = "items"


class Bare(DeclarativeBase):
    """Tables without policies."""


class BareItem(Columns, Bare):
    """Asked by hand, and by our engine alone."""

    __tablename__ = "bare_items"


def _fill(owner: Engine, table: str, column: str) -> None:
    with owner.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO {table} (id, {column}, name) "  # noqa: S608 - names of this module
                "SELECT n, 'bench' || n % 10, 'item ' || n FROM generate_series(1, :rows) n"
            ),
            {"rows": TENANTS * ROWS},
        )


def _analyze(owner: Engine) -> None:
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def _ours(database: Database, engines: list[AsyncEngine]) -> dict[str, Ask]:
    owner = create_engine(database.owner_url)
    Own.metadata.create_all(owner)
    Bare.metadata.create_all(owner)
    with owner.begin() as connection:
        Policies(Own.metadata).create_all(connection)
        connection.execute(text("ALTER TABLE items NO FORCE ROW LEVEL SECURITY"))  # while it is filled
    _fill(owner, "items", "tenant")
    _fill(owner, "bare_items", "tenant")
    with owner.begin() as connection:
        connection.execute(text("ALTER TABLE items FORCE ROW LEVEL SECURITY"))
    owner.dispose()
    url = database.using("asyncpg").app_url
    plain = create_async_engine(url)
    walled = scope_async_engine(url, metadata=Own.metadata, policies=True)
    scoped = scope_async_engine(url, metadata=Bare.metadata)
    engines += [plain, walled, scoped]
    scope = Scope(Tenant(TENANT, TENANT))

    async def by_hand(key: int) -> object:
        async with AsyncSession(plain) as session:
            query = select(BareItem.name).where(BareItem.id == key).where(BareItem.tenant == TENANT)
            return (await session.scalars(query)).all()

    def tenantkit(engine: AsyncEngine, model: type[Item] | type[BareItem]) -> Ask:
        async def ask(key: int) -> object:
            async with AsyncSession(engine, sync_session_class=ScopedSession, scope=scope) as session:
                return (await session.scalars(select(model.name).where(model.id == key))).all()

        return ask

    return {
        "by hand": by_hand,
        "tenantkit": tenantkit(scoped, BareItem),
        "tenantkit, policies": tenantkit(walled, Item),
    }


def _of_roles(database: Database, admin: Connection, engines: list[AsyncEngine]) -> dict[str, Ask]:
    """Two contestants whose policies compare with the name of the role that the session takes."""
    from litestar_tenants.rls import PostgresManager as LitestarManager  # noqa: PLC0415
    from litestar_tenants.rls import setup_rls_schema  # noqa: PLC0415
    from litestar_tenants.rls import with_rls as litestar_with_rls  # noqa: PLC0415
    from sqlalchemy_tenants.aio.managers import PostgresManager  # noqa: PLC0415
    from sqlalchemy_tenants.core import (  # noqa: PLC0415
        _GET_TENANT_FUNCTION_TEMPLATE,
        GET_TENANT_FUNCTION_NAME,
        TENANT_ROLE_PREFIX,
        get_table_policy,
    )
    from sqlalchemy_tenants.core import with_rls as sqlalchemy_with_rls  # noqa: PLC0415

    class Theirs(DeclarativeBase):
        pass

    @sqlalchemy_with_rls
    class OneItem(Theirs):
        __tablename__ = "one_items"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant: Mapped[str] = mapped_column(index=True)
        name: Mapped[str]

    class Others(DeclarativeBase):
        pass

    @litestar_with_rls
    class TwoItem(Others):
        __tablename__ = "two_items"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant: Mapped[str] = mapped_column(index=True)
        name: Mapped[str]

    owner = create_engine(database.owner_url)
    for metadata in (Theirs.metadata, Others.metadata):
        metadata.create_all(owner)
    for table in ("one_items", "two_items"):
        _fill(owner, table, "tenant")
    made = _GET_TENANT_FUNCTION_TEMPLATE.format(
        name=GET_TENANT_FUNCTION_NAME, tenant_role_prefix=TENANT_ROLE_PREFIX
    )
    with owner.begin() as connection:
        connection.exec_driver_sql(made)
        connection.exec_driver_sql("ALTER TABLE one_items ENABLE ROW LEVEL SECURITY")
        connection.exec_driver_sql(get_table_policy(table_name="one_items", column_type=str))

    async def prepare() -> None:
        engine = create_async_engine(database.using("asyncpg").owner_url)
        async with engine.begin() as connection:
            await setup_rls_schema(connection, Others.metadata)
        await engine.dispose()

    asyncio.run(prepare())
    owner.dispose()
    role, app = f"{TENANT_ROLE_PREFIX}{TENANT}", sqlalchemy.make_url(database.app_url).username
    for statement in (
        f"CREATE ROLE {role}",
        f'GRANT {role} TO "{app}"',
    ):
        admin.exec_driver_sql(statement)
    with create_engine(database.owner_url).begin() as connection:
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
        connection.exec_driver_sql(f"GRANT SELECT ON one_items, two_items TO {role}")
    one, two = (create_async_engine(database.using("asyncpg").app_url) for _ in range(2))
    engines += [one, two]
    managers = {
        "sqlalchemy-tenants": (PostgresManager.from_engine(one, "public"), OneItem),
        "litestar-tenants, roles": (LitestarManager.from_engine(two, "public"), TwoItem),
    }

    def contestant(manager: Any, model: Any) -> Ask:
        async def ask(key: int) -> object:
            async with manager.new_tenant_session(TENANT) as session:
                return (await session.scalars(select(model.name).where(model.id == key))).all()

        return ask

    return {name: contestant(*parts) for name, parts in managers.items()}


def _of_events(database: Database, engines: list[AsyncEngine]) -> dict[str, Ask]:
    """A contestant that adds loader criteria."""
    from litestar_tenants.orm_scoped import (  # noqa: PLC0415
        TenantMixin,
        register_tenant_scoping,
        scope_session_to_tenant,
    )

    class Theirs(DeclarativeBase):
        pass

    class ThreeItem(TenantMixin, Theirs):
        __tablename__ = "three_items"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]

    owner = create_engine(database.owner_url)
    Theirs.metadata.create_all(owner)
    with owner.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX ON three_items (tenant)")
    _fill(owner, "three_items", "tenant")
    owner.dispose()
    register_tenant_scoping()
    engine = create_async_engine(database.using("asyncpg").app_url)
    engines.append(engine)
    maker = async_sessionmaker(engine)

    async def ask(key: int) -> object:
        async with maker() as session:
            scope_session_to_tenant(session, TENANT)
            return (await session.scalars(select(ThreeItem.name).where(ThreeItem.id == key))).all()

    return {"litestar-tenants, events": ask}


def _of_settings(database: Database, engines: list[AsyncEngine]) -> dict[str, Ask]:
    """A contestant that makes a setting in each transaction."""
    from fastapi_tenancy.core.config import TenancyConfig  # noqa: PLC0415
    from fastapi_tenancy.core.types import Tenant as TheirTenant  # noqa: PLC0415
    from fastapi_tenancy.isolation.rls import RLSIsolationProvider  # noqa: PLC0415

    class Theirs(DeclarativeBase):
        pass

    class FourItem(Theirs):
        __tablename__ = "four_items"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(index=True)
        name: Mapped[str]

    owner = create_engine(database.owner_url)
    Theirs.metadata.create_all(owner)
    _fill(owner, "four_items", "tenant_id")
    with owner.begin() as connection:
        for statement in (
            "ALTER TABLE four_items ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE four_items FORCE ROW LEVEL SECURITY",
            POLICY,
        ):
            connection.exec_driver_sql(statement)
    owner.dispose()
    url = database.using("asyncpg").app_url
    engine = create_async_engine(url)
    engines.append(engine)
    config = TenancyConfig(database_url=url, isolation_strategy="rls")
    provider = RLSIsolationProvider(config, engine)
    tenant = TheirTenant(id=TENANT, identifier=TENANT, name=TENANT)

    async def ask(key: int) -> object:
        async with provider.get_session(tenant) as session:
            return (await session.scalars(select(FourItem.name).where(FourItem.id == key))).all()

    return {"fastapi-tenancy": ask}


@contextmanager
def _contest() -> Iterator[dict[str, Callable[[], object]]]:
    engines: list[AsyncEngine] = []
    with ExitStack() as stack:
        server = stack.enter_context(find_postgres())
        manager = create_engine(server.admin_url, isolation_level="AUTOCOMMIT")
        stack.callback(manager.dispose)
        admin = stack.enter_context(manager.connect())
        stack.callback(
            admin.exec_driver_sql, f"DROP ROLE IF EXISTS tenant_{TENANT}"
        )  # once nothing is granted to it
        database = stack.enter_context(server.database())
        runner = stack.enter_context(asyncio.Runner())
        stack.callback(lambda: [runner.run(engine.dispose()) for engine in engines])
        asks = _ours(database, engines)
        asks.update(_of_roles(database, admin, engines))
        asks.update(_of_events(database, engines))
        asks.update(_of_settings(database, engines))
        owner = create_engine(database.owner_url)
        _analyze(owner)
        owner.dispose()
        keys = [number for number in range(1, TENANTS * ROWS) if number % TENANTS == 3][:500]  # noqa: PLR2004
        for name, ask in asks.items():
            seen = runner.run(ask(keys[0])), runner.run(ask(keys[0] + 1))
            if seen != ([f"item {keys[0]}"], []):
                raise RuntimeError(f"{name} does not answer with the tenant's row alone: {seen}")
        yield {name: _timed(runner, ask, keys) for name, ask in asks.items()}


def _timed(runner: asyncio.Runner, ask: Ask, keys: list[int]) -> Callable[[], object]:
    cycle = itertools.cycle(keys)

    async def twenty() -> None:
        for _ in range(20):
            await ask(next(cycle))

    return lambda: runner.run(twenty())


def main() -> None:
    """Measure on PostgreSQL."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    quick = parser.parse_args().quick
    logging.disable(logging.WARNING)
    print(
        f"SQLAlchemy {sqlalchemy.__version__}, {os.cpu_count()} cores; ratios to a criterion written by hand"
    )
    rounds, repeats = (10, 5) if quick else (40, 15)
    try:
        with _contest() as contestants:
            results = measure(contestants, reference="by hand", rounds=rounds, repeats=repeats)
    except ModuleNotFoundError as error:
        raise SystemExit(f"{MISSING} ({error.name})") from None
    print_table("PostgreSQL, asyncpg: 20 times a session, one select, its end", results)
    ratios = {one.name: one.ratio for one in results}
    walled = min(
        ratios[name] for name in ("sqlalchemy-tenants", "litestar-tenants, roles", "fastapi-tenancy")
    )
    print_bar("peers/policies", ratios["tenantkit, policies"] / walled, 1.00, "of the fastest of them")
    events = ratios["litestar-tenants, events"]
    print_bar("peers/engine", ratios["tenantkit"] / events, 1.00, "of the fastest of them")


if __name__ == "__main__":
    main()
