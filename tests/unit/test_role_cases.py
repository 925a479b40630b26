"""Files of cases in which something is wrong."""

import pytest

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac import Matrix, Permission, Role, Rule, owner_of, read_cases

MATRIX = Matrix(
    {"documents:read": "", "documents:export": Permission("documents:export", feature="export")},
    {
        "reader": ["documents:read"],
        "author": [Rule("documents:read", when=owner_of("author"))],
        "staff": Role("staff", (Rule("documents:read", when=owner_of("author")),), side="host"),
    },
)
GOOD = {"who": '"reader"', "what": '"documents:read"', "expected": '"allow"'}


def case(**changed):
    """Return the text of a case with some of its keys changed; None leaves one out."""
    lines = [f"{key} = {value}" for key, value in (GOOD | changed).items() if value is not None]
    return "\n".join(["[[case]]", *lines, ""])


def decided(tmp_path, text):
    """Return what the cases of a file come to."""
    path = tmp_path / "roles.cases.toml"
    path.write_text(text, encoding="utf-8")
    return [one.decide(MATRIX).allowed for one in read_cases(path).cases]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", None, "Cases are tables `[[case]]`"),
        ("case = 5\n", None, "Cases are tables `[[case]]`"),
        ('case = ["[[case]]"]\n', None, "Cases are tables `[[case]]`"),
        ("[case]\n", None, "Cases are tables `[[case]]`"),
        ("[[cases]]\n", None, "no 'cases'. Did you mean 'case'"),
        (f"matrix = 5\n{case()}", None, "`matrix` is the path of a file, not 5"),
        ("[[case]\n", None, "is not TOML"),
        (case(waht="1"), 1, "no 'waht' of a case. Did you mean 'what'"),
        (case(what=None), 1, "A case says 'what'"),
        (case(what="[]"), 1, "asks for a permission at least"),
        (case(what="5"), 1, "5 is neither a text nor a list of texts"),
        (case(what='"documents:raed"'), 1, "'documents:raed' is not declared. Did you mean 'documents:read'"),
        (case(expected="true"), 1, "'allow' or 'deny', not True"),
        (case(who="5"), 1, "5 is neither a text nor a list of texts"),
        (case(who='{ role = "reader" }'), 1, "no 'role' of who asks. Did you mean 'roles'"),
        (case(who="{ user = 5 }"), 1, "[5] is neither a text nor a list of texts"),
        (case(who="{ workspace = 7 }"), 1, "[7] is neither a text nor a list of texts"),
        (case() + case(who='"raeder"'), 5, "no role 'raeder'. Did you mean 'reader'"),
        (case(who='{ features = ["exprot"] }'), 1, "asks for the feature 'exprot'. Did you mean 'export'"),
        (case(who='{ permissions = ["documents:raed"] }'), 1, "Did you mean 'documents:read'"),
        (case(on="5"), 1, "`on` is a table of attributes, or a name such as 'documents:42', not 5"),
        (case(on='"documents"'), 1, "`on` is a table of attributes"),
        (case(because="5"), 1, "[5] is neither a text nor a list of texts"),
        ('matrix = """\n[[case]]\n"""\ncase = [1]\n', None, "Cases are tables `[[case]]`"),
        ("a = " + "9" * 5000, None, "is not TOML"),
        ("a = " + "[" * 5000, None, "is not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, line, why):
    """Nothing that is wrong passes for a case that holds: the error says where, what, and what was meant."""
    with pytest.raises(ConfigurationError) as found:
        decided(tmp_path, text)
    where = "roles.cases.toml" + (f", line {line}: " if line else "")
    assert where in found.value.message
    assert why in found.value.message


def test_one_case_asks_for_several_permissions(tmp_path):
    """A list of permissions is as many cases; a feature counts for who has it alone."""
    several = case(what='["documents:read", "documents:export"]')
    assert [True, False] == decided(tmp_path, several)
    has = case(who='{ permissions = ["documents:export"], features = ["export"] }', what='"documents:export"')
    assert [True] == decided(tmp_path, has)
    assert [False] == decided(tmp_path, has.replace(', features = ["export"]', ""))


@pytest.mark.parametrize(("role", "allowed"), [("author", True), ("staff", False)])
def test_the_support_owns_nothing(tmp_path, role, allowed):
    """A role of the host's side is held by who is no member, as in a real request: no document is theirs."""
    text = case(who=f'{{ roles = ["{role}"], user = "ann" }}', on='{ author = "ann" }')
    assert [allowed] == decided(tmp_path, text)
