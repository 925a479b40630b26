"""Tables in shadow: a statement answers as it always did, and what enforcing would change is reported."""

import logging
from contextlib import ExitStack, contextmanager

import pytest

from tenantkit.isolation import difference, scope_engine, scoped_by
from tenantkit.sql.declarations import INFO_KEY, ScopedBy, declaration_of
from tests.leaks.conftest import mariadb_database, postgres_database
from tests.leaks.judge import harm, wrong_answers
from tests.leaks.places import Place, Raised, create_tables, grant, owner_of, relaxed, without_keys
from tests.leaks.registry import Kind
from tests.leaks.schema import Base
from tests.leaks.test_matrix import PLACES, rows
from tests.leaks.world import WORLD

ACME, BOLT = WORLD.acme, WORLD.bolt
BOTH, ALONE = ((ACME, BOLT), (BOLT, ACME)), ((ACME, BOLT),)


def shapes(*kinds):
    """The shapes of some kinds on each dialect that can run them."""
    every = [row for dialect in PLACES for row in rows(dialect) if row.values[1].kind in kinds]
    return [row for row in every if row.values[1].name not in NOT_FOR_SHADOW]


@contextmanager
def all_in(mode):
    """Declare every table to be in a mode; what is known of tables is frozen when an engine is scoped."""
    tables = Base.metadata.sorted_tables
    before = [dict(table.info) for table in tables]
    for table in tables:
        declared = declaration_of(table)
        if isinstance(declared, ScopedBy):
            kept = {key: value for key, value in table.info.items() if not key.startswith(INFO_KEY)}
            table.info = kept | scoped_by(declared.column, null_is_shared=declared.null_is_shared, mode=mode)
    try:
        yield
    finally:
        for table, info in zip(tables, before, strict=True):
            table.info = info


NOT_FOR_SHADOW = {"get_locked_of"}  # the body itself fails where it finds a foreign row
UNKNOWN = "cannot be compared: "


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """Open databases whose tables are in shadow, by dialect and the tenants in them."""
    with ExitStack() as stack:
        made = {}

        def urls(dialect):
            if dialect == "sqlite":
                url = f"sqlite:///{tmp_path_factory.mktemp('shadow')}/shadow.db"
                return url, url
            database = mariadb_database() if dialect == "mariadb" else postgres_database()
            database = stack.enter_context(database)
            return database.owner_url, database.app_url

        def house(dialect, sides):
            if (dialect, sides) not in made:
                owner_url, app_url = urls(dialect)
                owner = relaxed(owner_of(owner_url))
                create_tables(owner, Base.metadata if sides is BOTH else without_keys())
                with all_in("shadow"):
                    engine = scope_engine(app_url, metadata=Base.metadata)
                if dialect == "postgresql":
                    grant(owner, engine.url.username)
                stack.callback(owner.dispose)
                stack.callback(engine.dispose)
                made[dialect, sides] = Place("shadow", dialect, owner, engine, sides=sides)
            if made[dialect, sides].look() != made[dialect, sides].pristine:
                made[dialect, sides].restore()
            return made[dialect, sides]

        yield house


@pytest.fixture
def reported(caplog):
    """Give the differences that were reported."""
    caplog.set_level(logging.WARNING, "tenantkit.shadow")
    difference._seen.clear()
    return lambda: [record.difference for record in caplog.records if record.name == "tenantkit.shadow"]


@pytest.mark.parametrize(("dialect", "shape"), shapes(*Kind))
def test_what_enforcing_would_change_is_reported(houses, reported, dialect, shape):
    """Whatever a shape shows or changes of the other tenant, or answers wrongly, is reported."""
    house = houses(dialect, BOTH)
    outcome = house.run(shape, (ACME, BOLT))
    wrong = harm(house, (ACME, BOLT), outcome)
    if shape.kind is not Kind.ATTACK and not isinstance(outcome, Raised):
        wrong += wrong_answers(house, outcome)
    assert reported() or not wrong, [str(one) for one in wrong]


@pytest.mark.parametrize(("dialect", "shape"), shapes(Kind.READ, Kind.INNOCENT))
def test_nothing_is_reported_where_nothing_would_change(houses, reported, dialect, shape):
    """Where there is one tenant, no statement of a shape is reported, and each answers as expected."""
    house = houses(dialect, ALONE)
    outcome = house.run(shape, (ACME, BOLT))
    if shape.pinned or not shape.alone:
        pytest.skip("needs two tenants, or their separation")
    assert [str(one) for one in wrong_answers(house, outcome)] == []
    assert [one for one in reported() if not one.what.startswith(UNKNOWN)] == []
