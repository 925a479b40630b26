"""
What scoping costs: a scoped session against the same statements with a criterion written by hand.

``python -m bench.scoping [--quick]``, on the 336,776 flights. The contestants:

- by hand: a plain session, ``.where(Flight.tenant_id == tenant)`` in each statement; the limit
- scoped: a ScopedSession, no criterion in the statement
- unscoped: a plain session without any criterion; it answers with everybody's rows, and shows the floor
- loader criteria: SQLAlchemy's documented recipe, ``do_orm_execute`` with ``with_loader_criteria``
"""

import argparse
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, event, insert, select, update
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria

from bench.contest import measure, print_bar, print_table
from tenantkit import Scope, Tenant, TenantKit
from tenantkit.demo.data import load
from tenantkit.demo.models import Flight
from tenantkit.demo.service import create_kit
from tenantkit.isolation import ScopedSession
from tenantkit.testing.services import find_postgres

COLUMNS = {"carrier": "UA", "number": 1, "origin": "EWR", "destination": "IAH", "distance": 1400}


FLIGHTS = Flight.metadata.tables["flights"]


class RecipeSession(Session):
    """The documented recipe: a loader criterion added to each ORM statement."""

    tenant_id: Any = None


@event.listens_for(RecipeSession, "do_orm_execute")
def _add_criterion(state: ORMExecuteState) -> None:
    if state.is_select or state.is_update or state.is_delete:
        tenant_id = state.session.tenant_id  # type: ignore[attr-defined]  # ours
        state.statement = state.statement.options(
            with_loader_criteria(Flight, lambda cls: cls.tenant_id == tenant_id, include_aliases=True)
        )


@contextmanager
def sessions(kit: TenantKit, tenant: Tenant) -> Iterator[dict[str, Session]]:
    """Open one session per contestant, all in the same tenant's name."""
    plain: Engine = kit.owner_engine
    with ExitStack() as stack:
        recipe = stack.enter_context(RecipeSession(plain))
        recipe.tenant_id = tenant.id
        yield {
            "by hand": stack.enter_context(Session(plain)),
            "scoped": stack.enter_context(ScopedSession(kit.engine, scope=Scope(tenant=tenant))),
            "unscoped": stack.enter_context(Session(plain)),
            "loader criteria": recipe,
        }


Work = Callable[[], object]


def _page(session: Session, tenant: Tenant | None) -> Work:
    numbers = itertools.cycle(range(0, 2000, 7))

    def run() -> object:
        query = (
            select(Flight.id, Flight.number).where(Flight.number > next(numbers)).order_by(Flight.id).limit(1)
        )
        if tenant is not None:
            query = query.where(Flight.tenant_id == tenant.id)
        return session.execute(query).all()

    return run


def _entity(session: Session, tenant: Tenant | None, keys: list[int]) -> Work:
    cycle = itertools.cycle(keys)

    def run() -> object:
        query = select(Flight).where(Flight.id == next(cycle))
        if tenant is not None:
            query = query.where(Flight.tenant_id == tenant.id)
        found = session.scalars(query).all()
        session.expunge_all()
        return found

    return run


def _update(session: Session, tenant: Tenant | None, keys: list[int]) -> Work:
    cycle = itertools.cycle(keys)

    def run() -> object:
        statement = update(Flight).where(Flight.id == next(cycle)).values(delay=1)
        if tenant is not None:
            statement = statement.where(Flight.tenant_id == tenant.id)
        return session.execute(statement.execution_options(synchronize_session=False))

    return run


def _insert(session: Session, tenant: Tenant | None, departs_at: Any) -> Work:
    row = {**COLUMNS, "departs_at": departs_at}

    def run() -> object:
        values = row if tenant is None else {**row, "tenant_id": tenant.id}
        return session.execute(insert(FLIGHTS).values(**values))

    return run


def _contest(kit: TenantKit, tenant: Tenant, database: str, *, quick: bool) -> None:
    rounds, repeats = (60, 40) if quick else (400, 40)  # many short turns: a machine's moods last longer
    with sessions(kit, tenant) as opened:
        flights = list(
            opened["by hand"].scalars(select(Flight).where(Flight.tenant_id == tenant.id).limit(500))
        )
        keys, departs_at = [flight.id for flight in flights], flights[0].departs_at
        opened["by hand"].rollback()
        explicit = {"by hand": tenant}
        works: dict[str, Callable[[str], Work]] = {
            "select of columns": lambda name: _page(opened[name], explicit.get(name)),
            "select of an entity": lambda name: _entity(opened[name], explicit.get(name), keys),
            "update": lambda name: _update(opened[name], explicit.get(name), keys),
            "insert": lambda name: _insert(opened[name], explicit.get(name), departs_at),
        }
        for title, make in works.items():
            names = ["by hand", "scoped"] if title == "insert" else list(opened)
            if title in ("update", "insert"):
                _one_writer_at_a_time(database, opened, names, title, make, rounds, repeats)
                continue
            results = measure(
                {name: make(name) for name in names}, reference="by hand", rounds=rounds, repeats=repeats
            )
            _show(database, title, results)
            for session in opened.values():
                session.rollback()


def _one_writer_at_a_time(  # noqa: PLR0917
    database: str,
    opened: dict[str, Session],
    names: list[str],
    title: str,
    make: Callable[[str], Work],
    rounds: int,
    repeats: int,
) -> None:
    """Let each contestant write in a transaction of its own, so that none waits for another's locks."""

    def transaction(name: str) -> Work:
        work = make(name)

        def run() -> object:
            for _ in range(20):
                work()
            opened[name].rollback()
            return None

        return run

    contestants = {name: transaction(name) for name in names}
    results = measure(contestants, reference="by hand", rounds=rounds, repeats=max(1, repeats // 20))
    _show(database, f"{title} (20 in a transaction)", results)


def _show(database: str, title: str, results: list[Any]) -> None:
    print_table(f"{database}: {title}", results)
    scoped = next(one for one in results if one.name == "scoped")
    print_bar(f"scoping/{database}/{title}".replace(" ", "-"), scoped.ratio, 1.00)


def _run(database_url: str, database: str, *, quick: bool) -> None:
    kit = create_kit(database_url)
    load(kit, lambda _: None)
    with kit.scope("ua") as scope:
        tenant = scope.tenant
    _contest(kit, tenant, database, quick=quick)
    kit.dispose()


def main() -> None:
    """Measure on SQLite and on PostgreSQL."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a look")
    quick = parser.parse_args().quick
    print(
        f"SQLAlchemy {sqlalchemy.__version__}, {os.cpu_count()} cores; ratios to a criterion written by hand"
    )
    with tempfile.TemporaryDirectory() as folder:
        _run(f"sqlite:///{Path(folder) / 'flights.db'}", "SQLite", quick=quick)
    with find_postgres() as server, server.database() as database:
        _run(database.owner_url, "PostgreSQL", quick=quick)


if __name__ == "__main__":
    main()
