"""
A plugin of pytest: leak matrix, linter and cases of roles as an application's tests; factories of tenants and members.

It is there wherever tenantkit is installed, and does nothing unless it is asked.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from tenantkit import Tenant, TenantKit
    from tenantkit.rbac import Case, Matrix
    from tenantkit.testing.contracts import AdapterContract
    from tenantkit.testing.contracts.world import Office
    from tenantkit.testing.probe.matrix import LeakFinding, Probe
    from tenantkit.testing.probe.subjects import Subject

__all__ = ["Member", "adapter_office", "make_member", "make_tenant", "tenant_kit", "two_tenants"]

_STACK: Final = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("tenantkit")
    group.addoption(
        "--leak-matrix",
        action="append",
        default=[],
        metavar="MODULE:OBJECT",
        help="attack the models of a declarative base or MetaData, such as app.models:Base",
    )
    group.addoption(
        "--leak-matrix-server",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="where: files of SQLite, or a real PostgreSQL server that is found or started",
    )
    group.addoption(
        "--tenantkit-lint",
        action="append",
        default=[],
        metavar="PATH",
        help="list places in the source that leave the scope and are not allowed",
    )
    group.addoption(
        "--role-cases",
        action="append",
        default=[],
        metavar="FILE[=MODULE:MATRIX]",
        help="ask what a file of cases asks of the matrix that it names, or of one of the application",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what is opened."""
    config.stash[_STACK] = ExitStack()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what was opened."""
    config.stash[_STACK].close()


@pytest.hookimpl(tryfirst=True)  # before tests are picked by -k and -m
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the tests that were asked for, after those of the application."""
    for target in _asked(config, "--leak-matrix"):
        items += _leak_items(session, config, target)
    for path in _asked(config, "--tenantkit-lint"):
        items.append(
            LintItem.from_parent(session, name=f"tenantkit-lint[{path}]", path=config.rootpath / path)
        )
    for target in _asked(config, "--role-cases"):
        items += _case_items(session, config, target)


def _asked(config: pytest.Config, option: str) -> list[str]:
    found: list[str] = config.getoption(option) or []
    return found


def _leak_items(session: pytest.Session, config: pytest.Config, target: str) -> Iterable[pytest.Item]:
    from tenantkit.exceptions import ConfigurationError  # noqa: PLC0415 - the plugin is loaded in every run
    from tenantkit.testing.probe.matrix import Probe  # noqa: PLC0415

    stack, server = config.stash[_STACK], None
    models = _imported(target)
    if config.getoption("--leak-matrix-server") == "postgresql":
        from tenantkit.testing.services import find_postgres  # noqa: PLC0415

        server = stack.enter_context(find_postgres())
    try:
        probe = Probe(models, stack, server=server)
    except ConfigurationError as error:
        raise pytest.UsageError(f"--leak-matrix {target}: {error.message}") from error
    for subject in probe.subjects:
        name = f"leak-matrix[{target}-{subject.name}]"
        yield LeakItem.from_parent(session, name=name, probe=probe, subject=subject)


def _case_items(session: pytest.Session, config: pytest.Config, target: str) -> Iterable[pytest.Item]:
    from tenantkit.exceptions import ConfigurationError  # noqa: PLC0415
    from tenantkit.rbac import Matrix, read_cases  # noqa: PLC0415

    path, _, named = target.partition("=")
    try:
        cases = read_cases(config.rootpath / path)
        if not named and cases.matrix is None:
            raise pytest.UsageError(
                f"--role-cases {path}: the file names no matrix. Write {path}=app.main:matrix."
            )
        found = _imported(named, "--role-cases") if named else Matrix.read(str(cases.matrix))
        matrix, numbers = getattr(found, "roles", found) if not isinstance(found, Matrix) else found, count(1)
        if not isinstance(matrix, Matrix):
            raise pytest.UsageError(f"--role-cases {target}: {named} is neither a Matrix nor a TenantKit.")
        for case in cases.cases:
            case.check(matrix)
            name = f"role-cases[{path}:{case.line}-{next(numbers)} {case}]"
            yield CaseItem.from_parent(session, name=name, case=case, matrix=matrix, cases=cases.path)
    except ConfigurationError as error:
        raise pytest.UsageError(f"--role-cases {target}: {error.message}") from error


def _imported(target: str, option: str = "--leak-matrix") -> Any:
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(f"{option} {target}: {error}. Write it as package.module:object.") from error


class LeaksFound(Exception):
    """Some ways do not hold."""

    def __init__(self, findings: "list[LeakFinding]") -> None:
        super().__init__("\n".join(map(str, findings)))


class LeakItem(pytest.Item):
    """The test of one table or class."""

    def __init__(self, *, probe: "Probe", subject: "Subject", **options: Any) -> None:
        super().__init__(**options)
        self._probe, self._subject = probe, subject

    def runtest(self) -> None:
        """Attack it in every way."""
        found = [one for several in self._probe.attack_all(self._subject) for one in several]
        if found:
            raise LeaksFound(found)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what was found."""
        return (
            str(excinfo.value)
            if isinstance(excinfo.value, LeaksFound)
            else super().repr_failure(excinfo, style)
        )

    def reportinfo(self) -> tuple[Path, None, str]:
        """Say where it belongs."""
        return self.config.rootpath, None, self.name


class LintItem(pytest.Item):
    """The test of a folder of source."""

    def __init__(self, *, path: Path, **options: Any) -> None:
        super().__init__(**options)
        self._source = path

    def runtest(self) -> None:
        """Look through it."""
        from tenantkit.lint import Allowance, look_through  # noqa: PLC0415

        settings = self.config.rootpath / "pyproject.toml"
        allowance = Allowance.read(settings) if settings.is_file() else Allowance()
        places = look_through([self._source], allowance)
        if places:
            pytest.fail("\n".join(map(str, places)), pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Say where it belongs."""
        return self.config.rootpath, None, self.name


class CaseItem(pytest.Item):
    """The test of one case: who may what, on which."""

    def __init__(self, *, case: "Case", matrix: "Matrix", cases: Path, **options: Any) -> None:
        super().__init__(**options)
        self._case, self._matrix, self._cases = case, matrix, cases

    def runtest(self) -> None:
        """Ask."""
        decision = self._case.decide(self._matrix)
        if decision.allowed != self._case.expected:
            answer = "allowed" if decision.allowed else "refused"
            words = f"{self._case}, but is {answer}. {decision.words} {self._case.because}"
            pytest.fail(words.strip(), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Say where it is written."""
        return self._cases, self._case.line - 1, self.name


@dataclass(frozen=True, slots=True)
class Member:
    """
    A user who is a member of a tenant.

    Attributes:
        user_id: the user.
        tenant: the tenant.
        token: an access token of the kit, for this user and tenant.

    .. versionadded:: 0.1
    """

    user_id: str
    tenant: "Tenant"
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that this member makes."""
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def tenant_kit() -> "TenantKit":
    """Stand for the application's kit, which it gives by a fixture of this name."""
    raise pytest.UsageError(
        "make_tenant, make_member and two_tenants need your TenantKit. Define a fixture `tenant_kit` in conftest.py "
        "that returns one on a test database whose tables are there."
    )


@pytest.fixture
def make_tenant(tenant_kit: "TenantKit") -> "Callable[..., Tenant]":
    """Give a function that makes an active tenant: ``make_tenant("acme")``, or by any name; it is committed."""
    numbers = count(1)

    def make(slug: str | None = None, **options: Any) -> "Tenant":
        from tenantkit.isolation import UnscopedSession  # noqa: PLC0415

        slug = slug or f"tenant-{next(numbers)}"
        kind = tenant_kit.directory.tables.tenants.c.id.type.python_type
        if kind in (int, str):  # other ids are made by the directory
            options.setdefault("tenant_id", slug if kind is str else next(numbers) + 1_000)
        policies = tenant_kit.settings.policies
        with UnscopedSession(tenant_kit.owner_engine, policies=policies) as session:
            tenant = tenant_kit.directory.create_tenant(session, slug, **options)
            session.commit()
        return tenant

    return make


@pytest.fixture
def make_member(tenant_kit: "TenantKit") -> Callable[..., Member]:
    """Give a function that makes a member of a tenant, with all roles unless some are named; it is committed."""
    numbers = count(1)

    def make(tenant: "Tenant", user_id: str | None = None, roles: Iterable[str] | None = None) -> Member:
        from tenantkit.isolation import UnscopedSession  # noqa: PLC0415

        user_id = user_id or f"user-{next(numbers)}"
        held = list(roles if roles is not None else tenant_kit.roles.roles) or ["member"]
        policies = tenant_kit.settings.policies
        with UnscopedSession(tenant_kit.owner_engine, policies=policies) as session:
            tenant_kit.directory.add_member(session, tenant, user_id, held)
            session.commit()
        return Member(user_id, tenant, tenant_kit.tokens.issue(user_id, tenant))

    return make


@pytest.fixture
def two_tenants(make_tenant: "Callable[..., Tenant]") -> "tuple[Tenant, Tenant]":
    """Give two tenants, ``acme`` and ``bolt``."""
    return make_tenant("acme"), make_tenant("bolt")


@pytest.fixture(scope="class", params=["sqlite", "postgresql"])
def adapter_office(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Office]":
    """Serve the application of a class that is derived from :class:`~tenantkit.testing.contracts.AdapterContract`."""
    from tenantkit.testing.contracts.adapter import open_office  # noqa: PLC0415

    kind: Any = request.cls
    contract: AdapterContract = kind()
    if request.param not in contract.databases:
        pytest.skip(f"this adapter is not run on {request.param}")
    with open_office(contract, request.param, tmp_path_factory.mktemp("contract")) as office:
        yield office
