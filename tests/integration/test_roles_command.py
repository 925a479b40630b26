"""``tenantkit roles``: matrices shown, compared, tested, and taken in and out of a database."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tenantkit import Actor
from tenantkit.cli.commands import app
from tenantkit.rbac import Matrix, Role, Rule, grid_of, owner_of
from tests.integration.office import make_kit, sign_up

ROLES = Path(__file__).parents[2] / "examples" / "roles"


@pytest.fixture
def tenantkit(monkeypatch):
    """Run the command, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "400")
    return lambda *arguments: CliRunner().invoke(app, ["roles", *map(str, arguments)])


@pytest.fixture
def office(database, monkeypatch):
    """Give a kit that the command can import as `the_office:kit`, with two tenants."""
    kit = make_kit(database)
    for slug in ("acme", "bolt"):
        sign_up(kit, slug)
    module = type(sys)("the_office")
    module.kit, module.matrix = kit, kit.roles
    monkeypatch.setitem(sys.modules, "the_office", module)
    yield kit
    kit.dispose()


def made(kit, slug):
    """Let a tenant make a role and grant something."""
    with kit.scope(slug, actor=Actor("admin")):
        kit.access.define_role(
            Role("planner", (Rule("documents:write", when=owner_of("name")),), ("reader",))
        )
        kit.access.define_role(Role("chief", includes=("planner",)))
        kit.access.grant("reader", "documents:write")
        kit.session().commit()


@pytest.mark.parametrize("form", ["markdown", "csv", "html"])
def test_it_shows_a_matrix(tenantkit, form):
    """What it prints is the grid, in each form."""
    path = ROLES / "touring.md"
    result = tenantkit("show", path, "--format", form)
    assert (0, getattr(grid_of(Matrix.read(path)), form)) == (result.exit_code, result.output)


def test_it_shows_a_table(tenantkit):
    """A table has permissions down and roles across; of some roles, if they are named."""
    shown = tenantkit("show", ROLES / "touring.md", "--role", "viewer", "--role", "owner").output
    head = next(line for line in shown.splitlines() if "permission" in line)
    assert head.index("viewer") < head.index("owner")
    assert "manager" not in shown
    assert "organization:delete" in shown


def test_it_shows_what_a_tenant_made(tenantkit, office):
    """Of a kit the matrix is shown, and with --tenant what this tenant made besides."""
    made(office, "acme")
    everyone, acme, bolt = (
        tenantkit("show", "the_office:kit", "--format", "csv", *more).output
        for more in ((), ("--tenant", "acme"), ("--tenant", "bolt"))
    )
    assert everyone == bolt == tenantkit("show", "the_office:matrix", "--format", "csv").output
    assert {"planner", "chief"} <= set(acme.splitlines()[0].split(","))
    differing = tenantkit("diff", "the_office:matrix", "the_office:kit", "--tenant", "acme")
    assert 1 == differing.exit_code
    assert "+ role planner: no description" in differing.output
    assert "~ cell chief of documents:write: - -> where name is the actor" in differing.output


def test_it_compares(tenantkit):
    """Nothing and 0 where two say the same, a line for each difference and 1 where they do not."""
    same = tenantkit("diff", ROLES / "growth.csv", ROLES / "growth.csv")
    assert (0, "") == (same.exit_code, same.output)
    other = tenantkit("diff", ROLES / "growth.csv", ROLES / "touring.md")
    assert 1 == other.exit_code
    assert "- role editor: no description" in other.output.splitlines()


def test_it_asks_cases(tenantkit, tmp_path):
    """Cases that hold are counted; one that does not is named with its line and the rule; coverage can be demanded."""
    path = ROLES / "documents.cases.toml"
    result = tenantkit("test", path)
    assert (0, "31 cases, 0 failed. 36 % of the cells are asked about.\n") == (
        result.exit_code,
        result.output,
    )
    short = tenantkit("test", path, "--coverage", "50")
    assert 1 == short.exit_code
    assert "less than 50 %" in short.output
    assert "auditor of documents:delete" in short.output
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[case]]\nwho = "viewer"\nwhat = "documents:read"\nexpected = "deny"\n')
    failed = tenantkit("test", wrong, "--matrix", ROLES / "documents.toml")
    assert 1 == failed.exit_code
    assert (
        f"{wrong}:1: viewer may not documents:read, but is allowed. The role 'viewer' allows" in failed.output
    )
    assert 2 == tenantkit("test", wrong).exit_code


def test_it_takes_out_and_in(tenantkit, office, tmp_path):
    """What one tenant made becomes another's, whole, once; what is there besides stays."""
    made(office, "acme")
    taken = tenantkit("export", "the_office:kit", "--tenant", "acme")
    assert 0 == taken.exit_code
    file = tmp_path / "acme.json"
    file.write_text(taken.output, encoding="utf-8")
    told = [tenantkit("import", "the_office:kit", file, "--tenant", "bolt") for _ in range(2)]
    assert ["2 roles defined, 1 grants given.\n", "0 roles defined, 0 grants given.\n"] == [
        one.output for one in told
    ]
    assert json.loads(taken.output) == json.loads(
        tenantkit("export", "the_office:kit", "--tenant", "bolt").output
    )
    with office.scope("bolt"):
        events = [event.action for event in reversed(office.audit.latest())]
    assert ["role.defined", "role.defined", "permission.granted"] == events


def test_nothing_is_half_taken_in(tenantkit, office, tmp_path):
    """Where one role cannot be, none is defined."""
    file = tmp_path / "bad.json"
    content = {
        "roles": {"a": {"rules": []}, "b": {"rules": [{"permission": "documents:raed"}]}},
        "grants": [],
    }
    file.write_text(json.dumps(content))
    result = tenantkit("import", "the_office:kit", file, "--tenant", "bolt")
    assert 2 == result.exit_code
    assert "Did you mean 'documents:read'" in result.output
    with office.scope("bolt"):
        assert {"writer", "reader"} == set(office.access.roles())


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"roles": {"a": 1}, "grants": []}', '{"roles": 1}'])
def test_what_is_no_export_is_said(tenantkit, office, tmp_path, text):
    """A file of another shape is a sentence and a status."""
    file = tmp_path / "bad.json"
    file.write_text(text)
    result = tenantkit("import", "the_office:kit", file, "--tenant", "bolt")
    assert 2 == result.exit_code
    assert (
        "is not JSON" in result.output or "no export" in result.output or "is not the role" in result.output
    )


def test_it_finds_drift(tenantkit, office, monkeypatch):
    """What does not go with the matrix any more is listed, with its tenant; nothing where all does."""
    made(office, "acme")
    assert (0, "") == (
        tenantkit("drift", "the_office:kit").exit_code,
        tenantkit("drift", "the_office:kit").output,
    )
    later = Matrix({"documents:read": "See"}, {"planner": ["documents:read"]})
    monkeypatch.setattr(office.access.store, "matrix", later)
    result = tenantkit("drift", "the_office:kit")
    assert 1 == result.exit_code
    lines = result.output.splitlines()
    assert 2 == len(lines)
    assert "role 'planner': The application has a role of this name" in lines[0]
    assert "grant" in lines[1]
    assert "'documents:write', which matches no declared permission" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["show", "nowhere.toml"], "cannot be read"),
        (["show", "nowhere"], "names no object"),
        (["show", "tests.integration.office:LIMIT"], "is no TenantKit"),
        (["show", ROLES / "touring.md", "--tenant", "acme"], "--tenant needs a TenantKit"),
        (["diff", "the_office:kit", "the_office:matrix", "--tenant", "acme"], "--tenant needs a TenantKit"),
        (["show", ROLES / "touring.md", "--role", "viwer"], "Did you mean 'viewer'"),
        (["export", "the_office:kit", "--tenant", "nobody"], "no tenant 'nobody'"),
    ],
)
def test_what_it_cannot_work_on_is_said(tenantkit, office, arguments, why):
    """A wrong name is a sentence and a status for scripts, no traceback."""
    result = tenantkit(*arguments)
    assert 2 == result.exit_code
    assert why in result.output
