"""What the linter finds in source, and what it leaves alone."""

import pytest
from typer.testing import CliRunner

from tenantkit.cli.commands import app
from tenantkit.exceptions import ConfigurationError
from tenantkit.lint import Allowance, look_into, look_through

FOUND = {
    "unscoped-session": [
        "with kit.unscoped_session(reason='x', actor='y') as session: ...",
        "from tenantkit.isolation import UnscopedSession as U\nU(engine)",
    ],
    "vouched-text": [
        "from tenantkit.isolation import vouch\nvouch(t, 'x')",
        "import tenantkit.isolation as i\ni.vouch(t, 'x')",
    ],
    "raw-text": [
        "from sqlalchemy import text\nsession.execute(text('SELECT 1'))",
        "import sqlalchemy as sa\nsa.text('SELECT 1')",
    ],
    "plain-engine": [
        "import sqlalchemy\nsqlalchemy.create_engine(url)",
        "import sqlalchemy as sa\nsa.create_engine(url)",
        "from sqlalchemy import create_engine as make\nmake(url)",
        "from sqlalchemy.ext.asyncio import create_async_engine\ncreate_async_engine(url)",
        "def later():\n    from sqlalchemy import create_engine\n    return create_engine(url)",
    ],
    "plain-session": [
        "from sqlalchemy.orm import Session\nSession(engine)",
        "from sqlalchemy import orm\norm.sessionmaker(engine)",
        "from sqlalchemy.ext.asyncio import AsyncSession\nAsyncSession(engine)",
    ],
    "raw-cursor": [
        "engine.raw_connection()",
        "connection.exec_driver_sql('SELECT 1')",
        "connection.connection.cursor()",
        "connection.connection.driver_connection",
        "connection.connection.dbapi_connection",
    ],
    "driver-connection": [
        "import psycopg\npsycopg.connect(url)",
        "import sqlite3\nsqlite3.connect('a.db')",
        "import asyncpg\nasyncpg.create_pool(url)",
    ],
    "syntax": ["def :"],
}
LEFT_ALONE = [
    "kit.session()",
    "from tenantkit.isolation import ScopedSession, scope_engine\nScopedSession(scope_engine(url, metadata=m))",
    (
        "from sqlalchemy.ext.asyncio import AsyncSession\nfrom tenantkit.isolation import ScopedSession\n"
        "AsyncSession(engine, sync_session_class=ScopedSession)"
    ),
    (
        "from sqlalchemy.orm import sessionmaker\nfrom tenantkit.isolation import ScopedSession\n"
        "sessionmaker(engine, class_=ScopedSession)"
    ),
    "from sqlalchemy.orm import Session\ndef work(session: Session) -> None: ...",
    "from mine import create_engine\ncreate_engine()",
    "kit.unscoped_session(reason='x', actor='y')  # tenantkit: allow unscoped-session - the nightly totals",
]


@pytest.fixture
def written(tmp_path):
    """Write a file of source."""

    def write(source, name="app.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return path

    return write


@pytest.mark.parametrize(
    ("code", "source"), [(code, one) for code, several in FOUND.items() for one in several]
)
def test_what_leaves_the_scope_is_found(written, code, source):
    """However it was imported, and wherever it stands."""
    assert [code] == [place.code for place in look_into(written(source))]


@pytest.mark.parametrize("source", LEFT_ALONE)
def test_what_stays_in_scope_is_left_alone(written, source):
    """Scoped engines and sessions, annotations, names of others, and what a comment allows with a reason."""
    assert [] == look_into(written(source))


def test_a_comment_needs_the_code_and_a_reason(written):
    """A comment that names another code, or no reason, allows nothing."""
    source = "kit.unscoped_session()  # tenantkit: allow {}\n"
    for comment in ("unscoped-session", "unscoped-session - ", "plain-engine - because"):
        assert 1 == len(look_into(written(source.format(comment))))


def test_files_are_allowed_by_pattern(written, tmp_path):
    """A file may do what the configuration says, and nothing else; environments are not looked through."""
    engine = "from sqlalchemy import create_engine\ncreate_engine(url)\nengine.raw_connection()"
    for name in ("migrations/env.py", "src/app.py", ".venv/lib/x.py", "node_modules/y.py"):
        written(engine, name)
    config = written('[tool.tenantkit.lint.allow]\n"migrations/*" = ["plain-engine"]\n', "pyproject.toml")
    found = [(place.path.name, place.code) for place in look_through([tmp_path], Allowance.read(config))]
    assert [("env.py", "raw-cursor"), ("app.py", "plain-engine"), ("app.py", "raw-cursor")] == found
    everything = Allowance({"*": ["*"]}, tmp_path)
    assert [] == look_through([tmp_path], everything)


@pytest.mark.parametrize(
    "content", ["[tool.tenantkit.lint.allow]\na = 1\n", "[tool", "[tool.tenantkit.lint.allow]\na = [1]\n"]
)
def test_a_wrong_configuration_is_said(written, content):
    """What cannot be read as patterns and codes is an error with the file's name."""
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml"):
        Allowance.read(written(content, "pyproject.toml"))


def test_the_command_is_for_ci(written, tmp_path):
    """A line for each place, and a status; a wrong configuration has another."""
    path = written("engine.raw_connection()\n")
    missing = str(tmp_path / "none.toml")
    result = CliRunner().invoke(app, ["lint", str(path), "--config", missing])
    assert 1 == result.exit_code
    assert (
        "app.py:1: raw-cursor: reaches the driver's connection, past the engine (engine.raw_connection())"
        in result.output
    )
    assert 0 == CliRunner().invoke(app, ["lint", str(written("x = 1\n")), "--config", missing]).exit_code
    wrong = str(written("[tool", "wrong.toml"))
    assert 2 == CliRunner().invoke(app, ["lint", str(path), "--config", wrong]).exit_code
