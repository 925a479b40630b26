"""
What row level security costs: a transaction that tells its scope, selects one row and commits.

``python -m bench.policies [--quick]``, on the 336,776 flights on PostgreSQL, as a role that the policies hold for. The
contestants:

- by hand: a plain session, ``SELECT set_config(...)`` as its first statement; policies on, the criterion written too
- tenantkit: a ScopedSession of an engine with ``policies=True``
- no policies: a plain session of the tables' owner on tables without policies, the criterion in the statement
"""

import argparse
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import sqlalchemy
from sqlalchemy import Engine, create_engine, select, text
from sqlalchemy.orm import Session

from bench.contest import measure, print_bar, print_table
from tenantkit import Scope, Tenant
from tenantkit.demo.data import load
from tenantkit.demo.models import Base, Flight
from tenantkit.demo.service import create_kit
from tenantkit.isolation import Policies, ScopedSession, scope_engine
from tenantkit.testing.services import Database, PostgresServer, find_postgres

TELL = text("SELECT set_config('tenantkit.tenant', :tenant, true)")


def _by_hand(engine: Engine, tenant: Tenant, keys: list[int]) -> Callable[[], object]:
    cycle, told = itertools.cycle(keys), {"tenant": str(tenant.id)}

    def run() -> object:
        with Session(engine) as session:
            session.execute(TELL, told)
            query = select(Flight.number).where(Flight.id == next(cycle)).where(Flight.tenant_id == tenant.id)
            found = session.scalars(query).all()
            session.commit()
        return found

    return run


def _scoped(engine: Engine, tenant: Tenant, keys: list[int]) -> Callable[[], object]:
    cycle, scope = itertools.cycle(keys), Scope(tenant=tenant)

    def run() -> object:
        with ScopedSession(engine, scope=scope) as session:
            found = session.scalars(select(Flight.number).where(Flight.id == next(cycle))).all()
            session.commit()
        return found

    return run


def _without(engine: Engine, tenant: Tenant, keys: list[int]) -> Callable[[], object]:
    cycle = itertools.cycle(keys)

    def run() -> object:
        with Session(engine) as session:
            query = select(Flight.number).where(Flight.id == next(cycle)).where(Flight.tenant_id == tenant.id)
            found = session.scalars(query).all()
            session.commit()
        return found

    return run


@contextmanager
def _contestants(server: PostgresServer) -> Iterator[dict[str, Callable[[], object]]]:
    """Load the flights twice: behind policies, for a role that they hold for, and without any."""
    with ExitStack() as stack:

        def engine(made: Engine) -> Engine:
            stack.callback(made.dispose)
            return made

        walled, bare = (stack.enter_context(server.database()) for _ in range(2))
        tenant, keys = _loaded(walled)
        owner = engine(create_engine(walled.owner_url))
        with owner.begin() as connection:
            Policies(Base.metadata).create_all(connection)
        scoped = scope_engine(walled.app_url, metadata=Base.metadata, policies=True)
        yield {
            "by hand": _by_hand(engine(create_engine(walled.app_url)), tenant, keys),
            "tenantkit": _scoped(engine(scoped), tenant, keys),
            "no policies": _without(engine(create_engine(bare.owner_url)), *_loaded(bare)),
        }


def _loaded(database: Database) -> tuple[Tenant, list[int]]:
    """Load the flights, and return a tenant and some of its keys."""
    kit = create_kit(database.owner_url)
    load(kit, lambda _: None)
    with kit.scope("ua") as scope, Session(kit.owner_engine) as session:
        chosen = select(Flight.id).where(Flight.tenant_id == scope.tenant.id).limit(500)
        keys = list(session.scalars(chosen))
    kit.dispose()
    return scope.tenant, keys


def main() -> None:
    """Measure on PostgreSQL."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    quick = parser.parse_args().quick
    print(f"SQLAlchemy {sqlalchemy.__version__}, {os.cpu_count()} cores; ratios to the same by hand")
    rounds, repeats = (15, 120) if quick else (60, 300)
    with find_postgres() as server, _contestants(server) as contestants:
        results = measure(contestants, reference="by hand", rounds=rounds, repeats=repeats)
    print_table("PostgreSQL: a transaction with one select", results)
    print_bar("policies/transaction", next(one for one in results if one.name == "tenantkit").ratio, 1.03)


if __name__ == "__main__":
    main()
