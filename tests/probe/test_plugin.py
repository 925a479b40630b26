"""The plugin of pytest: leak matrix and linter as tests of an application, and factories for its own tests."""

import pytest

pytest_plugins = ["pytester"]

MODELS = """
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tenantkit.isolation import TenantScoped, scoped_by

class Base(DeclarativeBase):
    pass

class Task(TenantScoped, Base):
    __tablename__ = "tasks"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]

Empty = MetaData()

class Loose(DeclarativeBase):
    pass

class Note(Loose):
    __tablename__ = "notes"
    __table_args__ = {"info": scoped_by("org", mode="shadow")}
    id: Mapped[int] = mapped_column(primary_key=True)
    org: Mapped[int]
    text: Mapped[str]
"""
KIT = """
import pytest
from tenantkit import Settings, TenantKit
from tenantkit.rbac import Matrix
from tenantkit.resolution import Agreement, TokenClaim
from models import Base

@pytest.fixture
def tenant_kit(tmp_path):
    kit = TenantKit(
        Settings(
            database_url=f"sqlite:///{{tmp_path}}/kit.db", token_secret="x" * 32, tenant_id_type="{kind}"
        ),
        metadata=[],
        resolve=Agreement([TokenClaim("tenant")]),
        roles=Matrix({{"notes:read": "to read"}}, {{"reader": ["notes:read"], "other": ["notes:read"]}}),
    )
    kit.create_tables()
    yield kit
    kit.dispose()
"""


@pytest.fixture
def application(pytester):
    """Give an application of two modules, and run its tests in a process of its own."""
    pytester.makepyfile(models=MODELS)
    pytester.makeini("[pytest]\npythonpath = .\n")

    def run(*arguments):
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)

    return run


def test_nothing_happens_unasked(pytester, application):
    """Without an option there is no further test."""
    pytester.makepyfile("def test_one(): pass")
    application().assert_outcomes(passed=1)


def test_leak_matrix_is_a_test_for_each_table_and_class(application):
    """One option attacks every table and class, each by a test of its own that can be picked by name."""
    result = application("--leak-matrix=models:Base", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*leak-matrix?models:Base-tasks? PASSED*", "*leak-matrix?models:Base-Task? PASSED*"]
    )
    application("--leak-matrix=models:Base", "-k", "Task]").assert_outcomes(passed=1, deselected=1)


def test_leaks_are_failures_that_say_what_leaks(application):
    """A table that is not enforced fails its tests, with each way that does not hold."""
    result = application("--leak-matrix=models:Loose")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["notes, select table: leaked: *", "notes, update all: changed: *", "Note, load objects: leaked: *"]
    )


def test_leak_matrix_runs_on_postgresql(application):
    """By an option it runs on a real server."""
    application("--leak-matrix=models:Base", "--leak-matrix-server=postgresql").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("models:Nothing", "no attribute 'Nothing'"),
        ("nowhere:Base", "nowhere"),
        ("models:Mapped", "no declarative base"),
        ("models:Empty", "nothing to attack"),
    ],
)
def test_unknown_models_end_the_run(application, target, says):
    """A misspelt name is an error, and no silence."""
    result = application(f"--leak-matrix={target}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--leak-matrix {target}*{says}*"])


def test_linter_is_a_test(pytester, application):
    """One option looks through a folder; what nobody allowed is a failure, and what is allowed is none."""
    source = pytester.mkdir("app")
    (source / "reports.py").write_text(
        "from sqlalchemy import create_engine\nengine = create_engine('sqlite://')\n"
    )
    result = application("--tenantkit-lint=app")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*reports.py:2: plain-engine: *"])
    pytester.makepyprojecttoml('[tool.tenantkit.lint.allow]\n"app/*" = ["plain-engine"]\n')
    application("--tenantkit-lint=app").assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", ["uuid", "int", "str"])
def test_factories_make_tenants_and_members(pytester, application, kind):
    """Tenants and members are there, committed, whatever type the ids have, with tokens that verify."""
    pytester.makeconftest(KIT.format(kind=kind))
    pytester.makepyfile(
        """
        from sqlalchemy.orm import Session

        def test_it(tenant_kit, make_tenant, make_member, two_tenants):
            acme, bolt = two_tenants
            third = make_tenant()
            assert len({one.id for one in (acme, bolt, third)}) == 3
            ann = make_member(acme)
            bob = make_member(acme, "bob", roles=["reader"])
            with Session(tenant_kit.owner_engine) as session:
                found = tenant_kit.directory.by_slug(session, "acme")
                roles = [
                    sorted(tenant_kit.directory.membership(session, acme, one.user_id).roles) for one in (ann, bob)
                ]
                assert tenant_kit.directory.membership(session, bolt, "bob") is None
            assert found == acme
            assert roles == [["other", "reader"], ["reader"]]
            assert tenant_kit.tokens.verify(bob.token).user_id == "bob"
            assert bob.headers == {"Authorization": f"Bearer {bob.token}"}
        """
    )
    application().assert_outcomes(passed=1)


def test_factories_ask_for_the_kit(pytester, application):
    """Without a kit of the application the factories say what to define."""
    pytester.makepyfile("def test_it(two_tenants): pass")
    result = application()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Define a fixture `tenant_kit`*"])


ROLES = """
[permissions]
"notes:read" = "See notes"
"notes:write" = "Write notes"
[roles]
reader = ["notes:read"]
"""
CASES = """
matrix = "roles.toml"
[[case]]
who = "reader"
what = "notes:read"
expected = "allow"
[[case]]
who = "reader"
what = ["notes:read", "notes:write"]
expected = "deny"
because = "Readers read."
"""


def asked(pytester, cases=CASES, *, target="roles.cases.toml"):
    """Run the cases of a file in a process of its own."""
    (pytester.path / "roles.toml").write_text(ROLES, encoding="utf-8")
    (pytester.path / "roles.cases.toml").write_text(cases, encoding="utf-8")
    pytester.makepyfile(app="from tenantkit.rbac import Matrix; matrix = Matrix.read('roles.toml')")
    pytester.makeini("[pytest]\npythonpath = .\n")
    return pytester.runpytest_subprocess("--role-cases", target, "-p", "no:cacheprovider", "-v")


def test_each_case_is_a_test(pytester):
    """Each question of a file is a test; one that fails says what was expected, and which rule decided otherwise."""
    result = asked(pytester)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*reader may notes:read*",
            "reader may not notes:read, but is allowed. The role 'reader' allows 'notes:read'. Readers read.",
        ]
    )


def test_cases_can_be_asked_of_the_applications_matrix(pytester):
    """Behind the file can stand the matrix: an object of the application."""
    cases = CASES.replace('matrix = "roles.toml"', "").replace(
        '["notes:read", "notes:write"]', '"notes:write"'
    )
    asked(pytester, cases, target="roles.cases.toml=app:matrix").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("old", "new", "target", "why"),
    [
        ('matrix = "roles.toml"', "", "roles.cases.toml", "the file names no matrix"),
        ("notes:write", "notes:wirte", "roles.cases.toml", "Did you mean 'notes:write'"),
        (
            'expected = "deny"',
            "expected = false",
            "roles.cases.toml",
            "line 7: What is expected is 'allow' or 'deny'",
        ),
        ("who", "whom", "roles.cases.toml", "line 3: There is no 'whom' of a case. Did you mean 'who'"),
        ("who", "who", "roles.cases.toml=app:nothing", "no attribute 'nothing'"),
        ("who", "who", "nowhere.toml", "cannot be read"),
    ],
)
def test_bad_cases_are_errors(pytester, old, new, target, why):
    """A file that cannot be asked ends the run with a sentence, and is no run without tests."""
    result = asked(pytester, CASES.replace(old, new), target=target)
    assert 4 == result.ret
    assert why in result.stderr.str()
