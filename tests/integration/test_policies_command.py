"""``tenantkit policies``: what it prints is what the library runs."""

import pytest
from typer.testing import CliRunner

from tenantkit.cli.commands import app
from tenantkit.isolation import Policies
from tests.integration.office import Base

OFFICE = "tests.integration.office"


@pytest.fixture
def tenantkit(monkeypatch):
    """Run the command, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "400")
    return lambda *arguments: CliRunner().invoke(app, ["policies", *arguments])


def test_it_prints_the_sql(tenantkit):
    """With --sql each statement that creates stands on a line; with --drop each that drops, children first."""
    made = tenantkit(f"{OFFICE}:Base.metadata", "--sql")
    dropped = tenantkit(f"{OFFICE}:Base.metadata", "--drop")
    tables = Policies(Base.metadata).tables
    expected = [f"{statement};" for one in tables for statement in one.create()]
    assert expected == [line for line in made.output.splitlines() if not line.startswith("--")]
    assert "pages" == dropped.output.splitlines()[0].removeprefix("-- ")
    assert (0, 0) == (made.exit_code, dropped.exit_code)


def test_it_shows_a_table(tenantkit):
    """Without an option the policies are shown, and the number of tables."""
    shown = tenantkit(f"{OFFICE}:Base.metadata").output
    assert "tenantkit_scope" in shown
    assert "3 tables" in shown


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("office", "names no object"),
        ("no_such_module:kit", "cannot be imported"),
        (f"{OFFICE}:Base.nothing", "there is no nothing"),
        (f"{OFFICE}:LIMIT", "is a int, and no TenantKit"),
    ],
)
def test_what_it_cannot_work_on_is_said(tenantkit, subject, message):
    """A wrong name is a sentence and a status for scripts, no traceback."""
    result = tenantkit(subject)
    assert 2 == result.exit_code
    assert message in result.output


def test_a_wrong_declaration_is_said(tenantkit, tmp_path, monkeypatch):
    """What the library would refuse at start is told in its words."""
    (tmp_path / "broken.py").write_text(
        "from sqlalchemy import Column, Integer, MetaData, Table\n"
        "from tenantkit.isolation import scoped_by\n"
        "metadata = MetaData()\n"
        "Table('t', metadata, Column('id', Integer, primary_key=True), info=scoped_by('owner'))\n"
    )
    monkeypatch.chdir(tmp_path)
    result = tenantkit("broken:metadata")
    assert 1 == result.exit_code
    assert "'t' is scoped by 'owner', and has no such column" in result.output
