"""The places of the matrix, and the line that it ends with."""

from collections import Counter
from contextlib import ExitStack, contextmanager

import pytest

from tests.leaks.judge import Verdict
from tests.leaks.places import open_place

FOUND = "leak-matrix-finding"
SEEN = "leak-matrix-shape"
ORACLE = "leak-oracle"
MUTATION = "leak-mutation"


@contextmanager
def postgres_database():
    """A PostgreSQL database of its own."""
    from tenantkit.testing.services import find_postgres

    with find_postgres() as server, server.database() as database:
        yield database


@contextmanager
def mariadb_database():
    """A MariaDB database of its own, where there is such a server."""
    from tenantkit.testing.services import find_mariadb

    tried = []
    server = find_mariadb(tried=tried)
    if server is None:
        pytest.skip(f"no MariaDB server here: {'; '.join(tried)}")
    with server, server.database() as database:
        yield database


@pytest.fixture(scope="session")
def plain_url():
    """Give the owner's URL of a new database for plain engines."""
    with ExitStack() as stack:

        def url(dialect):
            if dialect == "sqlite":
                return "sqlite://"
            made = mariadb_database() if dialect == "mariadb" else postgres_database()
            return stack.enter_context(made).owner_url

        yield url


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """Open each place when it is first asked for."""
    with ExitStack() as stack:
        opened = {}

        def place(name):
            if name not in opened:
                urls = stack.enter_context(_urls(name, tmp_path_factory))
                opened[name] = stack.enter_context(open_place(name, *urls))
            return opened[name]

        yield place


@contextmanager
def _urls(name, tmp_path_factory):
    """The URLs of a database of its own: the owner's, the application's, the same for asyncio."""
    if name == "sqlite":
        path = tmp_path_factory.mktemp("leaks") / "leaks.db"
        yield f"sqlite:///{path}", f"sqlite:///{path}", f"sqlite+aiosqlite:///{path}"
        return
    with mariadb_database() if name == "mariadb" else postgres_database() as database:
        app_url = database.app_url
        async_url = app_url.replace("+pymysql", "+aiomysql")
        if name == "asyncpg":
            async_url = app_url.replace("+psycopg", "+asyncpg")
        yield database.owner_url, app_url, async_url


@pytest.fixture
def settle(request, record_property):
    """Put the database right after a row of the matrix, count what was found, and fail if anything was."""

    def settle_(place, shape, findings):
        record_property(SEEN, shape.name)
        for finding in findings:
            record_property(FOUND, finding.verdict.value)
        if place.seen != place.pristine:
            place.restore()
        assert [str(finding) for finding in findings] == []

    return settle_


def pytest_terminal_summary(terminalreporter):
    """Say how many shapes were tried and what got through."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, ())]
    properties = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    for line in sorted({value for key, value in properties if key == ORACLE}):
        terminalreporter.line(f"oracle, {line}")
    mutations = sorted(value for key, value in properties if key == MUTATION)
    if mutations:
        terminalreporter.section("what each hook is missed by")
        terminalreporter.line("\n".join(mutations))
    shapes = {value for key, value in properties if key == SEEN}
    if not shapes:
        return
    counts = Counter(value for key, value in properties if key == FOUND)
    terminalreporter.section("leak matrix")
    runs = sum(key == SEEN for key, _ in properties)
    terminalreporter.line(f"{len(shapes)} shapes in {runs} runs")
    for verdict in Verdict:
        terminalreporter.line(f"{counts[verdict.value]:5} {verdict.value}")
