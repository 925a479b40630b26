"""Private servers, one for each file that asks for one."""

import pytest

from tenantkit.testing.services import start_postgres, start_redis


@pytest.fixture(scope="module")
def private():
    """Give a private server whose configuration may be changed."""
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def private_redis():
    """Give a private Redis server that plays the one on the standard port."""
    with start_redis() as server:
        yield server
