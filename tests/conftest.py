"""What several folders share: real databases with the tables of an office, and a kit on each."""

import os
from contextlib import ExitStack
from functools import cache

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, text

from tenantkit.isolation.local_settings import UNSCOPED
from tests.integration import office

# what `nox -s fuzz` sets: how often each property is tried, without a time for each try
if examples := os.environ.get("TENANTKIT_TEST_EXAMPLES"):
    settings.register_profile(
        "fuzz", max_examples=int(examples), deadline=None, database=None, print_blob=True
    )
    settings.load_profile("fuzz")


@pytest.fixture(scope="session")
def anyio_backend():
    """SQLAlchemy works with asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def server():
    """Give a real PostgreSQL server."""
    from tenantkit.testing.services import find_postgres

    with find_postgres() as found:
        yield found


@pytest.fixture(scope="session")
def office_databases(server):
    """Make databases with the office's tables, of a role that owns them and one that does not."""
    with ExitStack() as stack:

        @cache
        def place(*, policies):
            made = stack.enter_context(server.database())
            found = office.Place("postgresql", made.app_url, made.owner_url, policies)
            kit = office.make_kit(found)
            kit.create_tables()
            tables = [table.name for metadata in kit._metadata for table in reversed(metadata.sorted_tables)]
            kit.dispose()
            return found, "; ".join(
                f"DELETE FROM {table}" for table in tables
            )  # faster than TRUNCATE on few rows

        yield place


def pytest_generate_tests(metafunc):
    """Run what needs a database on each; what is not about a framework also behind policies."""
    chosen = [mark for mark in metafunc.definition.iter_markers("parametrize") if "database" in mark.args[0]]
    if "database" in metafunc.fixturenames and not chosen:
        behind = ["policies"] if metafunc.module.__name__.startswith("tests.integration") else []
        metafunc.parametrize("database", ["sqlite", "postgresql", *behind], indirect=True)


@pytest.fixture
def database(request, tmp_path):
    """Give a database with the office's empty tables."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'office.db'}"
        place = office.Place("sqlite", url, url)
        kit = office.make_kit(place)
        kit.create_tables()
        kit.dispose()
        yield place
        return
    place, emptied = request.getfixturevalue("office_databases")(policies=request.param == "policies")
    yield place
    engine = create_engine(place.owner_url)
    with engine.begin() as connection:
        connection.execute(text(f"SET lock_timeout = '5s'; SET {UNSCOPED} = 'on'; {emptied}"))
    engine.dispose()


@pytest.fixture
def kit(database):
    """Give a kit of the office."""
    made = office.make_kit(database)
    yield made
    made.dispose()


@pytest.fixture
def acme(kit):
    """Give a tenant on the plan `trial`."""
    return office.sign_up(kit, "acme")


@pytest.fixture
def bolt(kit):
    """Give another one."""
    return office.sign_up(kit, "bolt")


@pytest.fixture(params=["sync", "async"])
async def hands(request, kit):
    """Give hands that work by each kind of session."""
    yield office.Hands(kit, request.param)
    await kit.adispose()
