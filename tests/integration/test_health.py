"""Whether what a kit needs answers."""

import pytest

from tenantkit.exceptions import ConfigurationError
from tenantkit.testing.services import find_redis
from tests.integration.office import make_kit


def test_what_answers(kit):
    """The database is asked as each of its roles; nothing stays open."""
    assert {"database": True} == kit.check_health().checks
    assert [0, 0] == [kit.engine.pool.checkedout(), kit.owner_engine.pool.checkedout()]


def test_a_database_that_is_gone(database, caplog):
    """It is named as down, the reason is in the log, and nothing is raised."""
    url = (
        "sqlite:////nowhere/at/all.db"
        if database.kind == "sqlite"
        else "postgresql+psycopg://nobody@127.0.0.1:1/x"
    )
    kit = make_kit(database, database_url=url, owner_database_url=url, policies=False)
    found = kit.check_health()
    assert ({"database": False}, 503) == (found.checks, found.status)
    assert "database does not answer" in caplog.text
    kit.dispose()


def test_the_applications_own_checks(database):
    """A check that raises, whatever it raises, is down; the others are asked all the same."""

    def broken():
        raise LookupError("a secret reason")

    kit = make_kit(database, checks={"search": broken, "mail": lambda: None})
    found = kit.check_health()
    assert {"database": True, "search": False, "mail": True} == found.checks
    assert "secret" not in str(found.content)
    kit.dispose()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_redis(database):
    """A server that the settings name is asked; one that is not there is down."""
    with find_redis() as server:
        kit = make_kit(database, redis_url=server.url)
        assert {"database": True, "redis": True} == kit.check_health().checks
        kit.dispose()
    kit = make_kit(database, redis_url="redis://127.0.0.1:1/0")
    assert {"database": True, "redis": False} == kit.check_health().checks
    kit.dispose()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_url_of_redis_that_is_none(database):
    """It is an error when the kit is built, and does not show the URL, which may hold a password."""
    with pytest.raises(ConfigurationError, match="redis_url") as caught:
        make_kit(database, redis_url="http://:hush@localhost")
    assert "hush" not in str(caught.value)
