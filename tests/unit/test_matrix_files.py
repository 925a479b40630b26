"""Matrices in files: five that are shipped, four kinds of files, and what is wrong with bad ones."""

from pathlib import Path

import pytest

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac import Matrix, Permission, Rule, owner_of

SHIPPED = Path(__file__).parents[2] / "examples" / "roles"
DOCUMENTS = {f"documents:{one}" for one in ("read", "create", "update", "delete", "export")}
USERS = {f"users:{one}" for one in ("read", "invite", "update", "delete")}
A = (
    DOCUMENTS
    | USERS
    | {
        "organization:read",
        "organization:update",
        "organization:billing",
        "audit:read",
        "jobs:manage",
        "data:classify",
        "system:admin",
    }
)
TOUR = {"shows:create", "shows:update", "reports:read", "data:export", "analytics:read"}
OWN = {"properties.read", "properties.write", "claims.read", "claims.write"}
# by file and role: what is granted on every resource, and what on one's own
GRANTED = {
    "documents.toml": {
        "owner": (A, set()),
        "admin": (A - {"users:delete", "organization:billing", "system:admin"}, set()),
        "editor": (DOCUMENTS - {"documents:delete"} | {"users:read"}, set()),
        "viewer": ({"documents:read", "users:read"}, set()),
        "auditor": ({"documents:read", "users:read", "organization:read", "audit:read"}, set()),
    },
    "small_business.yaml": {
        "owner": (
            DOCUMENTS | {"documents:share", "members:manage", "organization:billing", "organization:delete"},
            set(),
        ),
        "member": (DOCUMENTS - {"documents:export"}, {"documents:export", "documents:share"}),
    },
    "touring.md": {
        "owner": (
            TOUR
            | {
                "shows:delete",
                "users:manage",
                "users:invite",
                "roles:assign",
                "organization:delete",
                "audit:read",
            },
            set(),
        ),
        "administrator": (TOUR | {"shows:delete", "audit:read"}, set()),
        "manager": (TOUR, set()),
        "viewer": ({"reports:read"}, set()),
    },
    "growth.csv": {
        "viewer": ({"worksheets:read"}, set()),
        "editor": ({"worksheets:read", "worksheets:write", "worksheets:analyze"}, set()),
        "admin": (
            {
                *("worksheets:read", "worksheets:write", "worksheets:analyze"),
                *("members:manage", "workspaces:manage", "organization:update"),
            },
            set(),
        ),
        "owner": (
            {
                *("worksheets:read", "worksheets:write", "worksheets:analyze"),
                *("members:manage", "workspaces:manage", "organization:update"),
                *("organization:transfer", "organization:delete"),
            },
            set(),
        ),
    },
    "claims.toml": {
        "viewer": ({"properties.read", "claims.read", "users.read", "reports.read"}, set()),
        "member": ({"users.read"}, OWN),
        "manager": (OWN | {"users.read", "reports.read", "models.run"}, set()),
        "admin": (
            OWN
            | {"users.read", "users.write", "settings.read", "settings.write", "billing.read", "reports.read"}
            | {"models.run"},
            set(),
        ),
        "owner": (
            OWN
            | {
                "users.read",
                "users.write",
                "settings.read",
                "settings.write",
                "billing.read",
                "billing.write",
            }
            | {"reports.read", "models.run"},
            set(),
        ),
        "collections": ({"tenants.suspend", "billing.read"}, set()),
    },
}
CELLS = [(file, role) for file, roles in GRANTED.items() for role in roles]


@pytest.mark.parametrize(("file", "role"), CELLS, ids=lambda one: one)
def test_the_matrices_that_are_shipped(file, role):
    """Each role of the shipped matrices grants exactly what the table that it was written from says."""
    matrix = Matrix.read(SHIPPED / file)
    everywhere, own = GRANTED[file][role]
    assert everywhere == matrix.granted([role])
    found = matrix.written(role).items()
    assert own == {name for name, rules in found if all(rule.when is not None for rule, _ in rules)}
    assert set(GRANTED[file]) == set(matrix.roles)


def test_every_matrix_that_is_shipped_is_tested():
    """No file is left out."""
    shipped = {path.name for path in SHIPPED.iterdir() if path.name != "README.md"}
    assert set(GRANTED) == {name for name in shipped if not name.endswith(".cases.toml")}


TOML = """
[permissions]
"a:read" = "Read"
"a:write" = { description = "Write", feature = "writing" }
"b:run" = { side = "host" }
[conditions]
own = { owner = "author" }
[roles]
reader = ["a:read"]
[roles.writer]
includes = ["reader"]
grants = [{ permission = "a:write", when = "own" }]
denies = ["a:read"]
description = "Who writes"
[roles.staff]
side = "host"
grants = ["*"]
excluding = ["a:read"]
"""
YAML = """
permissions:
  a:read: Read
  a:write: { description: Write, feature: writing }
  b:run: { side: host }
conditions:
  own: { owner: author }
roles:
  reader: [a:read]
  writer:
    includes: [reader]
    grants: [{ permission: a:write, when: own }]
    denies: [a:read]
    description: Who writes
  staff: { side: host, grants: ["*"], excluding: [a:read] }
"""
CSV = """permission,description,feature,reader,writer
includes,,,,reader
a:read,Read,,y,deny
a:write,Write,writing,-,own
"""
MARKDOWN = """
# Roles

Some words. | are no table

| permission | description | feature | reader | writer |
|------------|:------------|--------:|:------:|--------|
| includes   |             |         |        | reader |
| `a:read`   | Read        |         | yes    | deny   |
| `a:write`  | Write       | writing | \N{EM DASH} | own    |

| another | table |
"""


def read(tmp_path, name, text, **options):
    """Return the matrix that a file of this text holds."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return Matrix.read(path, **options)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.toml", TOML), ("a.yaml", YAML), ("a.yml", YAML), ("a.csv", CSV), ("a.md", MARKDOWN)],
)
def test_every_kind_of_file_says_the_same(tmp_path, name, text):
    """A matrix is the same whatever it is written in."""
    own = owner_of("author")
    matrix = read(tmp_path, name, text, conditions={"own": own})
    assert Permission("a:write", "Write", feature="writing") == matrix.permissions["a:write"]
    assert {"a:read": ((Rule("a:read"), "reader"),)} == matrix.written("reader")
    written = matrix.written("writer")
    assert {Rule("a:read"), Rule("a:read", "deny")} == {rule for rule, _ in written["a:read"]}
    assert ((Rule("a:write", when=own), "writer"),) == written["a:write"]
    if "staff" in matrix.roles:
        assert {"a:write", "b:run"} == matrix.granted(["staff"])
        assert "Who writes" == matrix.roles["writer"].description


WRONG = [
    # file, what it says, what it says instead, the line, and words of the message
    ("a.toml", 'reader = ["a:read"]', 'reader = ["a:raed"]', 9, "grants 'a:raed', .* Did you mean 'a:read'"),
    ("a.toml", 'denies = ["a:read"]', 'denies = ["b:raed"]', 13, "denies 'b:raed', which"),
    ("a.toml", 'excluding = ["a:read"]', 'excluding = ["a:rea"]', 18, "excludes 'a:rea', .* Did you mean 'a:read'"),
    ("a.toml", '"a:write", when', '"a:wirte", when', 12, "grants 'a:wirte', .* Did you mean 'a:write'"),
    ("a.toml", 'when = "own"', 'when = "owns"', 12, "no condition 'owns'. Did you mean 'own'"),
    ("a.toml", 'when = "own"', "when = { owned = true }", 12, "is no condition"),
    ("a.toml", 'own = { owner = "author" }', "own = { owner = 1 }", 7, "is no condition"),
    ("a.toml", 'includes = ["reader"]', 'includes = ["raeder"]', 11, "no role. Did you mean 'reader'"),
    ("a.toml", 'includes = ["reader"]', 'includes = ["writer"]', 11, "include each other: writer -> writer"),
    ("a.toml", 'includes = ["reader"]', 'includes = ["staff"]', 11, "of the host's side"),
    ("a.toml", "[roles.staff]", "[roles.reader]", None, "is not TOML: .*line 15"),
    ("a.toml", "includes =", "include =", 11, "no 'include' of role 'writer'. Did you mean 'includes'"),
    ("a.toml", 'side = "host" }', 'side = "hots" }', 5, "side 'tenant' or 'host', not 'hots'"),
    ("a.toml", 'feature = "writing"', "feature = 1", 4, "holds 1, which is no text"),
    ("a.toml", 'reader = ["a:read"]', 'reader = ["b:run"]', 9, "'b:run', which is of the host's side"),
    ("a.toml", '"b:run" =', '"brun" =', 5, "'brun' is not of the form"),
    ("a.yaml", "reader: [a:read]", "reader: [a:raed]", 9, "Did you mean 'a:read'"),
    ("a.yaml", "  staff:", "  reader:", 15, "'reader' is there twice"),
    ("a.yaml", "includes: [reader]", "includes: [writer]", 11, "include each other"),
    ("a.yaml", "  a:read: Read", "  a:read: Read\n  a:read: Again", 4, "'a:read' is there twice"),
    ("a.yaml", "roles:", "roles: [", 10, "not YAML: expected"),
    ("a.yaml", "reader: [a:read]", "reader: &all [a:read]\n  other: *all", 10, "Aliases of YAML are not read"),
    ("a.yaml", "  reader: [a:read]", "  no: [a:read]", None, "False in .roles. is no text: write it in quotes"),
    ("a.yaml", "own: { owner: author }", "own: { owner: author }\n  yes: { owner: author }", None, "is no text"),
    ("a.toml", "own = {", 'Yes = { owner = "a" }\nown = {', None, "'Yes' says something else in a cell"),
    ("a.yaml", "own: { owner: author }", "own: author", 7, "described by a table, not by 'author'"),
    ("a.yaml", "permissions:", "separator: 5\npermissions:", None, "The separator"),
    ("a.toml", 'side = "host"\ngrants', 'side = "hosts"\ngrants', 15, "'tenant' or 'host', not 'staff' and 'hosts'"),
    ("a.csv", "a:read,Read,,y,deny", "a:read,Read,,y,dney", 3, "and 'writer' says 'dney'. Did you mean 'deny'"),
    ("a.csv", "writing,-,own", "writing,-,onw", 4, "says 'onw'. Did you mean 'own'"),
    ("a.csv", "reader,writer", "reader,reader", 1, "column 'reader' is there twice"),
    ("a.csv", "reader,writer", "reader,", 1, "A column has no name"),
    ("a.csv", "permission,", "permissions,", 1, "first column is headed 'permission', not 'permissions'"),
    ("a.csv", "a:write,Write", "a:read,Write", 4, "'a:read' is there twice"),
    ("a.csv", "writing,-,own", "writing,-", 4, "has 4 cells, and the head 5"),
    ("a.csv", "a:write,", "awrite,", 4, "'awrite' is not of the form"),
    ("a.csv", ",,,,reader", ",,,,raeder", 2, "no role. Did you mean 'reader'"),
    ("a.csv", ",,,,reader", ",,,writer,reader", 2, "include each other"),
    ("a.md", "| yes    |", "| yse    |", 9, "says 'yse'. Did you mean 'yes'"),
    ("a.csv", "a:read,Read", 'a:read,"Read', None, "is not CSV|cannot be read|unexpected end"),
    ("a.md", "| `a:read`", "`a:read`", 9, "A row of a table begins with '|'"),
    ("a.md", "| Read        |", "|", 9, "has 4 cells, and the head 5"),
    ("a.md", "| `a:read`", "    | `a:read`", 9, "A row of a table begins with '|'"),
]  # fmt: skip
TEXTS = {"a.toml": TOML, "a.yaml": YAML, "a.csv": CSV, "a.md": MARKDOWN}


@pytest.mark.parametrize(("name", "old", "new", "line", "why"), WRONG, ids=lambda one: str(one)[:40])
def test_bad_files_are_one_error(tmp_path, name, old, new, line, why):
    """What is wrong in a file is said with the file, the line, and the name that was meant."""
    assert old in TEXTS[name]
    with pytest.raises(ConfigurationError, match=why) as caught:
        read(tmp_path, name, TEXTS[name].replace(old, new), conditions={"own": owner_of("author")})
    place = f"{tmp_path / name}, line {line}: " if line else ""
    assert caught.value.message.startswith(place)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("hidden", ["\u200b", "\u202e", "\x85", "\u2028", "\x00"], ids=ascii)
def test_what_nobody_sees_is_an_error(tmp_path, name, hidden):
    """A character that no reviewer sees is refused wherever it stands, with its line."""
    text = TEXTS[name].replace("a:read", f"a:re{hidden}ad", 1)
    line = text.count("\n", 0, text.index(hidden)) + 1
    with pytest.raises(ConfigurationError, match=f"line {line}: .* which nobody sees"):
        read(tmp_path, name, text, conditions={"own": owner_of("author")})


@pytest.mark.parametrize(
    "before",
    [
        "<!--\n{}\n-->\n",
        "```\n{}\n```\n",
        "~~~ text\n{}\n~~~\n",
        "````\n```\n{}\n````\n",
        "```\n~~~\n{}\n```\n",
        "```\n``` text\n{}\n```\n",
        "\n    {}\n\n",
        "\n\t{}\n\n",
    ],
    ids=["comment", "fence", "tildes", "longer", "other", "text", "indented", "tab"],
)
def test_a_table_that_is_not_shown_is_none(tmp_path, before):
    """A table in a comment or in a block of code, which a reader takes for none, grants nothing."""
    old = "| permission | thief |\n|---|---|\n| a:read | yes |"
    old = old.replace("\n", "\n    ") if before.startswith("\n") else old
    found = read(tmp_path, "a.md", before.format(old) + MARKDOWN, conditions={"own": owner_of("author")})
    assert {"reader", "writer"} == set(found.roles)


@pytest.mark.parametrize("name", ["Reader", "READER"])
def test_roles_that_look_alike_are_errors(name):
    """Two roles whose names differ in nothing but capitals are one mistake."""
    with pytest.raises(ConfigurationError, match="look like one"):
        Matrix({"a:read": ""}, {"reader": ["a:read"], name: []})


@pytest.mark.parametrize("name", ["", " ", " reader", "rea\u200bder", "rea\nder"], ids=ascii)
def test_a_role_has_a_name_that_is_seen(name):
    """A name that is not what it looks like is refused."""
    with pytest.raises(ConfigurationError, match="needs a name that is seen"):
        Matrix({"a:read": ""}, {name: ["a:read"]})


@pytest.mark.parametrize("name", ["a.csv", "a.md", "a.yaml", "a.toml"])
def test_empty_files_are_errors(tmp_path, name):
    """A file that holds nothing is no matrix without rights."""
    with pytest.raises(ConfigurationError, match=r"no table|\[permissions\] is missing"):
        read(tmp_path, name, "")


@pytest.mark.parametrize("row", ["| tenants:kill | yes | host", "| tenants:kill | yes | host \\|"])
def test_a_row_without_its_last_pipe_is_an_error(tmp_path, row):
    """Nothing of a row is overlooked: the last column can be the side that a permission is of."""
    text = f"| permission | viewer | side |\n|---|---|---|\n{row}\n"
    with pytest.raises(ConfigurationError, match=r"line 3: A row of a table ends with"):
        read(tmp_path, "a.md", text)
    head = "| permission | viewer | side\n|---|---|---|\n| tenants:kill | yes | host |\n"
    with pytest.raises(ConfigurationError, match=r"line 1: A row of a table ends with"):
        read(tmp_path, "a.md", head)


@pytest.mark.parametrize(
    "value",
    [
        "2001-99-99",
        "0b_",
        "0x_",
        "!!int abc",
        "!!float abc",
        "9" * 5000,
        "!!bool x",
        "!!timestamp x",
        "[" * 3000,
    ],
    ids=lambda one: one[:12],
)
def test_values_that_are_none_in_yaml(tmp_path, value):
    """What PyYAML's own readers stumble over is an error with the file, and none of theirs."""
    with pytest.raises(ConfigurationError, match="This is not YAML"):
        read(tmp_path, "a.yaml", f"permissions: {value}\nroles: {{}}\n")


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000], ids=["digits", "deep"])
def test_values_that_are_none_in_toml(tmp_path, value):
    """So is what tomllib does."""
    with pytest.raises(ConfigurationError, match="is not TOML"):
        read(tmp_path, "a.toml", f"permissions = {value}\n")
