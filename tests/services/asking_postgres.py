"""PostgreSQL servers, asked about themselves and their databases."""

from pathlib import Path

import pytest

psycopg = pytest.importorskip("psycopg")


def connected(url):
    """Connect to a server by its SQLAlchemy URL."""
    return psycopg.connect(url.replace("+psycopg", ""), autocommit=True)


def asked(url, question):
    """Give the one value that answers a question."""
    with connected(url) as connection:
        return connection.execute(question).fetchone()[0]


def refused(url):
    """Say whether nobody answers there, or lets us in."""
    try:
        connected(url).close()
    except psycopg.OperationalError:
        return True
    return False


def with_table(database):
    """Let the owner create a table with a sequence and one row."""
    with connected(database.owner_url) as connection:
        connection.execute("CREATE TABLE thing (id serial PRIMARY KEY, name text)")
        connection.execute("INSERT INTO thing (name) VALUES ('Ä')")
    return database


def traces(server, database):
    """Count what the server knows of a database and its roles."""
    return asked(
        server.admin_url,
        f"SELECT (SELECT count(*) FROM pg_database WHERE datname = '{database.name}')"
        f" + (SELECT count(*) FROM pg_roles WHERE rolname IN ('{database.owner.user}', '{database.app.user}'))",
    )


def ours(server):
    """Count the databases and roles on a server that could have been made by these tests."""
    return asked(
        server.admin_url,
        "SELECT (SELECT count(*) FROM pg_database WHERE datname ~ '^tenantkit_')"
        " + (SELECT count(*) FROM pg_roles WHERE rolname ~ '^tenantkit_')",
    )


def asked_login(server):
    """Give user and password of a server's URL."""
    return server.admin_url.partition("://")[2].rpartition("@")[0]


def home_of(server):
    """Give the home of a private PostgreSQL server."""
    return Path(asked(server.admin_url, "SHOW data_directory")).parent


def postmaster(server):
    """Give the process id of a private PostgreSQL server."""
    return int(Path(home_of(server), "data", "postmaster.pid").read_text().split()[0])
