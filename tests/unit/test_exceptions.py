"""The tree of errors."""

import copy
import inspect
import pickle

import pytest

from tenantkit import TenantKitError, exceptions
from tenantkit.exceptions import PermissionDenied, QuotaExceeded

DATA = {
    "PermissionDenied": {"permission": "flights:cancel"},
    "AlreadyTaken": {"field": "slug"},
    "InvalidValue": {"field": "slug"},
    "LockedOut": {"retry_after": 30},
    "RegionRefused": {"region": "eu"},
    "RoleRequired": {"required": ["owner"], "roles": ["reader"]},
    "TenantMoved": {"location": "//new.example.com/"},
    "QuotaExceeded": {
        "meter": "releases",
        "usage": 3,
        "limit": 3,
        "plan": "trial",
        "upgrade_url": "https://x.example",
    },
}
STATUS = {
    "AuditError": 503,
    "CanaryFailed": 500,
    "ConfigurationError": 500,
    "DependencyMissing": 500,
    "ForeignTenant": 404,
    "HostMalformed": 400,
    "AddressRefused": 403,
    "AlreadyTaken": 409,
    "SecondFactorRequired": 401,
    "ReasonRequired": 403,
    "RegionRefused": 421,
    "SourceMalformed": 400,
    "SourceRetired": 400,
    "SupportRequired": 403,
    "TenantMoved": 308,
    "UnderMaintenance": 503,
    "InvalidValue": 422,
    "InvitationInvalid": 404,
    "LastOwner": 409,
    "StatusRefused": 409,
    "TenantClosed": 403,
    "TenantProvisioning": 503,
    "IsolationError": 500,
    "LinkInvalid": 404,
    "LockedOut": 429,
    "LockNotGranted": 503,
    "ForeignCredentials": 403,
    "KeysUnavailable": 503,
    "NotAMember": 403,
    "NotAuthenticated": 401,
    "NotTheOwner": 403,
    "PermissionDenied": 403,
    "QuestionMalformed": 400,
    "QuotaExceeded": 402,
    "RoleRequired": 403,
    "RefreshTokenReplayed": 401,
    "ResolutionError": 400,
    "RowNotFound": 404,
    "ScopeChanged": 500,
    "ScopeNotLeft": 500,
    "ScopeRequired": 500,
    "SourcesDisagree": 403,
    "StatementRefused": 500,
    "TenantKitError": 500,
    "TenantRequired": 400,
    "TenantSuspended": 403,
    "TokenInvalid": 401,
    "UndeclaredTable": 500,
    "UnknownTenant": 404,
    "WorkspaceRequired": 400,
}
BUILTIN = {
    "AuditError": RuntimeError,
    "CanaryFailed": RuntimeError,
    "ConfigurationError": ValueError,
    "DependencyMissing": ImportError,
    "ForeignCredentials": PermissionError,
    "ForeignTenant": PermissionError,
    "HostMalformed": ValueError,
    "AddressRefused": PermissionError,
    "AlreadyTaken": ValueError,
    "SecondFactorRequired": PermissionError,
    "ReasonRequired": PermissionError,
    "RegionRefused": PermissionError,
    "SourceMalformed": ValueError,
    "SourceRetired": ValueError,
    "SupportRequired": PermissionError,
    "UnderMaintenance": PermissionError,
    "InvalidValue": ValueError,
    "InvitationInvalid": LookupError,
    "LastOwner": PermissionError,
    "StatusRefused": ValueError,
    "TenantClosed": PermissionError,
    "TenantProvisioning": PermissionError,
    "KeysUnavailable": ConnectionError,
    "LinkInvalid": LookupError,
    "LockedOut": PermissionError,
    "LockNotGranted": TimeoutError,
    "NotAMember": PermissionError,
    "NotAuthenticated": PermissionError,
    "PermissionDenied": PermissionError,
    "QuestionMalformed": ValueError,
    "RoleRequired": PermissionError,
    "RefreshTokenReplayed": PermissionError,
    "ResolutionError": LookupError,
    "RowNotFound": LookupError,
    "ScopeChanged": RuntimeError,
    "ScopeNotLeft": RuntimeError,
    "ScopeRequired": LookupError,
    "SourcesDisagree": PermissionError,
    "StatementRefused": ValueError,
    "TenantSuspended": PermissionError,
    "UndeclaredTable": LookupError,
}
CLASSES = {
    name: one
    for name, one in vars(exceptions).items()
    if inspect.isclass(one) and issubclass(one, TenantKitError)
}
every_class = pytest.mark.parametrize("name", CLASSES)


def made(name, message="what happened"):
    """Return an error of a class, with the facts that it must have."""
    return CLASSES[name](message, **DATA.get(name, {}))


def test_every_error_is_public():
    """Every error class is exported, in order, and nothing else is."""
    assert sorted(CLASSES) == exceptions.__all__


def test_the_module_imports_nothing():
    """Errors can be imported from anywhere: their module imports nothing."""
    lines = inspect.getsource(exceptions).splitlines()
    assert [line for line in lines if line.startswith(("import ", "from "))] == []


@every_class
def test_each_knows_its_problem(name):
    """Each class has a slug, a title, whether its message is public, and the status of the table above."""
    kind = CLASSES[name]
    assert STATUS[name] == kind.status
    assert kind.problem == kind.problem.lower().replace(" ", "-").strip("-")
    assert kind.title[0].isupper()
    assert not kind.title.endswith(".")
    assert isinstance(kind.public, bool)


@every_class
def test_each_problem_has_one_status_and_one_title(name):
    """Classes of the same problem type answer with the same status and title."""
    kind = CLASSES[name]
    same = {(one.status, one.title) for one in CLASSES.values() if one.problem == kind.problem}
    assert {(kind.status, kind.title)} == same


@pytest.mark.parametrize("name", BUILTIN)
def test_each_is_the_fitting_builtin_error_too(name):
    """Who catches Python's own LookupError, PermissionError or ValueError catches the fitting ones of these."""
    assert issubclass(CLASSES[name], BUILTIN[name])


@every_class
def test_the_message_is_the_text(name):
    """An error's text is its message, and its facts are a mapping."""
    error = made(name)
    assert ("what happened", "what happened", DATA.get(name, {})) == (
        str(error),
        error.message,
        error.details,
    )


@every_class
def test_the_documentation_says_since_when(name):
    """Each class is documented, with the version that brought it."""
    assert ".. versionadded::" in (CLASSES[name].__doc__ or "")


def test_a_denied_permission_is_named():
    """PermissionDenied carries the permission that is missing."""
    error = PermissionDenied("no", permission="flights:cancel")
    assert ("flights:cancel", {"permission": "flights:cancel"}) == (error.permission, error.details)


def test_an_exceeded_quota_carries_its_numbers():
    """QuotaExceeded carries meter, usage, limit, plan and the link, as attributes and as facts."""
    error = QuotaExceeded("no", **DATA["QuotaExceeded"])
    found = {key: getattr(error, key) for key in DATA["QuotaExceeded"]}
    assert DATA["QuotaExceeded"] == found == error.details


def test_a_foreign_row_looks_like_no_row():
    """ForeignTenant and RowNotFound are one problem to the client, and the former says nothing more."""
    foreign, missing = CLASSES["ForeignTenant"], CLASSES["RowNotFound"]
    assert (missing.problem, missing.status, missing.title, False) == (
        foreign.problem,
        foreign.status,
        foreign.title,
        foreign.public,
    )


@every_class
@pytest.mark.parametrize(
    "way", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy], ids=["pickle", "copy"]
)
def test_errors_survive_a_pickle(name, way):
    """An error that crosses a process arrives with its class, message and facts."""
    error = made(name)
    found = way(error)
    assert (type(error), error.message, error.details) == (type(found), found.message, found.details)
