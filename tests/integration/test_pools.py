"""How many connections a pool gives, as the pool itself shows it."""

import math

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool, QueuePool, StaticPool

from tenantkit.sql.pool import capacity


@pytest.mark.parametrize(("size", "overflow"), [(1, 0), (2, 3), (5, 10)])
def test_a_pool_gives_its_capacity_and_no_more(tmp_path, size, overflow):
    """So many connections are given at once; the next caller waits."""
    options = {"poolclass": QueuePool, "pool_size": size, "max_overflow": overflow, "pool_timeout": 0}
    engine = create_engine(f"sqlite:///{tmp_path / 'p.db'}", **options)
    given = [engine.connect() for _ in range(capacity(engine))]
    with pytest.raises(PoolTimeout):
        engine.connect()
    for connection in given:
        connection.close()
    engine.dispose()


@pytest.mark.parametrize(
    "options",
    [
        {"poolclass": NullPool},
        {"poolclass": StaticPool},
        {"poolclass": QueuePool, "pool_size": 0},
        {"poolclass": QueuePool, "pool_size": 1, "max_overflow": -1},
    ],
    ids=str,
)
def test_pools_that_never_let_wait(tmp_path, options):
    """Where no caller ever waits, the capacity is infinite."""
    engine = create_engine(f"sqlite:///{tmp_path / 'p.db'}", **options)
    assert math.inf == capacity(engine)
    given = [engine.connect() for _ in range(20)]
    for connection in given:
        connection.close()
    engine.dispose()
