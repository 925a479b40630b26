"""Matrices to look at and to compare."""

import csv
import io
from pathlib import Path

import pytest

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac import (
    Attribute,
    Difference,
    Matrix,
    Permission,
    Role,
    Rule,
    differences,
    grid_of,
    owner_of,
    read_cases,
)

SHIPPED = Path(__file__).parents[2] / "examples" / "roles"
FILES = sorted(path for path in SHIPPED.iterdir() if path.suffix in (".toml", ".yaml", ".csv", ".md"))
MATRICES = [path for path in FILES if ".cases" not in path.name and path.name != "README.md"]
named = pytest.mark.parametrize("path", MATRICES, ids=lambda path: path.name)


@named
@pytest.mark.parametrize("ending", ["csv", "md"])
def test_what_is_shown_can_be_read_again(tmp_path, path, ending):
    """CSV and Markdown of a matrix are a matrix with the same cells, wherever conditions have names."""
    matrix = Matrix.read(path)
    roles = [name for name, role in matrix.roles.items() if role.side == "tenant"]  # a grid has no sides
    shown, grid = tmp_path / f"shown.{ending}", grid_of(matrix, roles)
    shown.write_text(grid.csv if ending == "csv" else grid.markdown, encoding="utf-8")
    assert grid == grid_of(Matrix.read(shown, conditions=matrix.conditions, separator=matrix.separator))


MATRIX = Matrix(
    {"a:read": "Read | <b>", "a:write": "", "a:run": ""},
    {
        "plain": ["a:read"],
        "own": [
            Rule("a:read", when=owner_of("author")),
            Rule("a:write", when=Attribute("open", "is", value=True)),
        ],
        "never": [Rule("a:read"), Rule("a:read", "deny")],
        "mostly": [
            Rule("a:read"),
            Rule("a:read", "deny", workspace="7"),
            Rule("a:run", "deny", resource="jobs:1"),
        ],
    },
    conditions={"own": owner_of("author")},
)


def test_cells():
    """A cell says in a word what is granted, denied, or neither, and in some what depends."""
    rows = {row[0]: row[2:] for row in grid_of(MATRIX).rows}
    assert ("y", "own", "deny", "y, but not in workspace '7'") == rows["a:read"]
    assert ("-", "where open is True", "-", "-") == rows["a:write"]
    assert "deny on 'jobs:1'" == rows["a:run"][3]


def test_nothing_in_a_grid_is_markup():
    """Texts of a matrix end no cell and begin no element."""
    grid = grid_of(MATRIX, ["plain"])
    assert "Read \\| <b>" in grid.markdown
    assert "Read | &lt;b&gt;" in grid.html
    assert "<b>" not in grid.html
    assert ("permission", "description", "plain") == grid.headings
    with pytest.raises(ConfigurationError, match=r"no role 'plan'\. Did you mean 'plain'"):
        grid_of(MATRIX, ["plan"])


def test_nothing_in_a_grid_is_a_formula():
    """A spreadsheet calculates nothing of what a tenant called a role; a table of Markdown has one line for a row."""
    matrix = Matrix({"a:read": "=1+1\nmore"}, {"=HYPERLINK(1)": ["a:read"]})
    grid = grid_of(matrix)
    assert [["permission", "description", "'=HYPERLINK(1)"], ["a:read", "'=1+1\nmore", "y"]] == [
        *csv.reader(io.StringIO(grid.csv))
    ]
    assert 3 == len(grid.markdown.splitlines())


def test_differences_are_cell_by_cell():
    """What two matrices say differently is listed: permissions, roles, and cells, with both answers."""
    before = Matrix({"a:read": "", "a:write": "Write"}, {"reader": ["a:read"], "gone": ["a:write"]})
    after = Matrix(
        {"a:read": "", "a:write": Permission("a:write", "Write", feature="writing"), "b:run": ""},
        {"reader": Role("reader", (Rule("a:read"), Rule("a:write")), description="Reads")},
    )
    assert [
        "~ permission a:write: Write -> Write, needs the feature 'writing'",
        "+ permission b:run: no description",
        "~ role reader: no description -> Reads",
        "- role gone: no description",
        "~ cell reader of a:write: - -> y",
        "~ cell gone of a:write: y -> -",
    ] == [str(one) for one in differences(before, after)]
    assert Difference("role", "gone", "no description", None) in differences(before, after)


@named
def test_a_matrix_does_not_differ_from_itself(path):
    """Read twice, it is the same."""
    assert [] == differences(Matrix.read(path), Matrix.read(path))


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.cases.toml")), ids=lambda path: path.name)
def test_the_cases_that_are_shipped(path):
    """The cases hold, and their coverage is counted in cells of one role alone."""
    cases = read_cases(path)
    matrix = Matrix.read(cases.matrix)
    wrong = [str(case) for case in cases.cases if case.decide(matrix).allowed != case.expected]
    assert [] == wrong
    told = cases.coverage(matrix)
    assert len(matrix.roles) * len(matrix.permissions) == len(told.asked) + len(told.missing)
    assert {(case.roles[0], case.what) for case in cases.cases if len(case.roles) == 1} == set(told.asked)
    assert 0 < told.share < 1
