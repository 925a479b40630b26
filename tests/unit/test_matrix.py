"""The permission matrix."""

import pytest

from tenantkit import Scope, Tenant
from tenantkit.exceptions import ConfigurationError, PermissionDenied
from tenantkit.rbac import Authorizer, Matrix

PERMISSIONS = {
    "documents:read": "See documents",
    "documents:write": "Change documents",
    "users:read": "See users",
    "documentsets:read": "See sets of documents",
}
MATRIX = Matrix(
    PERMISSIONS,
    {
        "owner": ["*"],
        "writer": ["documents:*"],
        "reader": ["documents:read", "users:read"],
        "nobody": [],
    },
)
AUTHORIZER = Authorizer(MATRIX)


def scope_of(*roles):
    """Return a scope whose actor holds roles."""
    return Scope(Tenant(1, "acme"), roles=frozenset(roles))


def read(tmp_path, text):
    """Return the matrix that a file of this text holds."""
    path = tmp_path / "roles.toml"
    path.write_text(text, encoding="utf-8")
    return Matrix.read(path)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("owner", set(PERMISSIONS)),
        ("writer", {"documents:read", "documents:write"}),
        ("reader", {"documents:read", "users:read"}),
        ("nobody", set()),
        ("unheard-of", set()),
    ],
)
def test_what_a_role_grants(role, expected):
    """`*` grants all, `area:*` its area and no other that begins alike, an unknown role nothing."""
    assert expected == MATRIX.granted([role])
    allowed = {permission for permission in PERMISSIONS if AUTHORIZER.check(scope_of(role), permission)}
    assert expected == allowed


def test_roles_add_up():
    """An actor with several roles has what any of them grants; one with none has nothing."""
    assert {"documents:read", "documents:write", "users:read"} == MATRIX.granted(
        ["writer", "reader", "unheard-of"]
    )
    assert AUTHORIZER.check(scope_of("writer", "reader"), "users:read")
    assert frozenset() == MATRIX.granted([])
    assert AUTHORIZER.check(scope_of(), "documents:read") is False


def test_the_roles_are_listed():
    """The matrix knows the names of its roles."""
    assert ["owner", "writer", "reader", "nobody"] == list(MATRIX.roles)


def test_require_names_the_permission():
    """A refusal names the permission that is missing, and a grant says nothing."""
    assert AUTHORIZER.require(scope_of("writer"), "documents:write") is None
    with pytest.raises(PermissionDenied, match="documents:write") as caught:
        AUTHORIZER.require(scope_of("reader"), "documents:write")
    assert "documents:write" == caught.value.permission


@pytest.mark.parametrize("check", [AUTHORIZER.check, AUTHORIZER.require])
@pytest.mark.parametrize("permission", ["documents:wrte", "documents", "*", "documents:*", ""])
def test_undeclared_permissions_are_no_refusal(check, permission):
    """A misspelt check is an error of configuration, whatever the roles: it must not pass for a refusal."""
    with pytest.raises(ConfigurationError, match="is not declared"):
        check(scope_of("owner"), permission)


@pytest.mark.parametrize(
    "name", ["documents", "", ":", "documents:", ":read", "*:read", "documents:*", "*"], ids=repr
)
def test_malformed_permissions_are_refused(name):
    """A permission is of the form area:action."""
    with pytest.raises(ConfigurationError, match="area:action"):
        Matrix({name: ""}, {})


@pytest.mark.parametrize("name", ["a::b", ":a:b", "a:b:", "::a:b", "a:*:b"], ids=repr)
def test_empty_parts_are_malformed(name):
    """A permission has two parts or more, and none is empty."""
    with pytest.raises(ConfigurationError, match="area:action"):
        Matrix({name: ""}, {})


@pytest.mark.parametrize(
    "grant", ["documents:wrte", "files:*", "documents", ":*", "", "*:*", "**", "doc*", "*:read"]
)
def test_grants_that_match_nothing_are_refused(grant):
    """A grant that matches no declared permission is a spelling mistake: it is refused with role and grant."""
    with pytest.raises(ConfigurationError) as caught:
        Matrix(PERMISSIONS, {"writer": ["documents:read", grant]})
    assert f"Role 'writer' grants {grant!r}, which matches no declared permission" in caught.value.message


def test_the_caller_cannot_change_a_matrix():
    """A matrix keeps copies: later changes of what it was made from change nothing."""
    permissions, roles = dict(PERMISSIONS), {"reader": ["documents:read"]}
    matrix = Matrix(permissions, roles)
    permissions["users:delete"] = ""
    roles["reader"].append("users:read")
    assert {"documents:read"} == matrix.granted(["reader"])
    assert set(PERMISSIONS) == set(matrix.permissions)


def test_a_matrix_is_read_from_toml(tmp_path):
    """A file with [permissions] and [roles] is the same matrix; Unicode is UTF-8."""
    matrix = read(tmp_path, '[permissions]\n"a:b" = "Ä"\n[roles]\nall = ["*"]\nnone = []\n')
    assert ("Ä", {"a:b"}, ["all", "none"]) == (
        matrix.permissions["a:b"].description,
        matrix.granted(["all"]),
        list(matrix.roles),
    )


MALFORMED = {
    "no TOML": ("[permissions", "is not TOML"),
    "a table twice": ("[roles]\n[roles]", "is not TOML"),
    "nothing": ("", r"The table \[permissions\] is missing"),
    "no roles": ("[permissions]", r"The table \[roles\] is missing"),
    "another table": (
        "[permissions]\n[roles]\n[role]",
        r"line 3: There is no 'role' of the file\. .* 'roles'\?",
    ),
    "no table": ("permissions = 1\nroles = 2", r"\[permissions\] is missing, or is no table"),
    "a role of one text": ('[permissions]\n"a:b" = ""\n[roles]\nx = "a:b"', "line 4: Role 'x' is no table"),
    "a grant of a number": (
        '[permissions]\n"a:b" = ""\n[roles]\nx = [1]',
        "line 4: Role 'x' grants .* not as 1",
    ),
    "a role of a table": (
        '[permissions]\n"a:b" = ""\n[roles.x]\n"a:b" = true',
        "line 4: There is no 'a:b' of role 'x'",
    ),
    "a nested permission": ('[permissions.a]\nb = ""\n[roles]', "line 2: There is no 'b' of permission 'a'"),
    "an unknown grant": ('[permissions]\n[roles]\nx = ["a:b"]', "line 3: .* matches no declared permission"),
}


@pytest.mark.parametrize(("text", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_refused(tmp_path, text, message):
    """A file of another shape is refused, in a message that says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, text)


def test_unreadable_files_are_refused(tmp_path):
    """A file that is not there, is a folder, or is no UTF-8 is refused with its path."""
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b'[permissions]\n"a:b" = "\xe4"\n[roles]')
    for name, message in (
        ("none.toml", "No such file"),
        ("folder.toml", "Is a directory"),
        ("roles.json", "none of .toml, .yaml, .csv and .md"),
        ("latin.toml", "is no text in UTF-8"),
    ):
        with pytest.raises(ConfigurationError, match=message) as caught:
            Matrix.read(tmp_path / name)
        assert str(tmp_path) in caught.value.message
