"""What several folders share: real databases with the tables of an office, and a kit on each."""

import pytest
from sqlalchemy import create_engine, text

from tests.integration import office


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
def office_database(server):
    """Give a database with the office's tables, of a role that owns them and one that does not."""
    with server.database() as made:
        kit = office.make_kit(office.Place("postgresql", made.app_url, made.owner_url))
        kit.create_tables()
        tables = [table.name for metadata in kit._metadata for table in reversed(metadata.sorted_tables)]
        kit.dispose()
        yield made, "; ".join(f"DELETE FROM {table}" for table in tables)  # faster than TRUNCATE on few rows


@pytest.fixture(params=["sqlite", "postgresql"])
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
    made, emptied = request.getfixturevalue("office_database")
    yield office.Place("postgresql", made.app_url, made.owner_url)
    engine = create_engine(made.owner_url)
    with engine.begin() as connection:
        connection.execute(text(f"SET lock_timeout = '5s'; {emptied}"))
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
