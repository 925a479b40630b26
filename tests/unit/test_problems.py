"""Errors as HTTP answers."""

import json

import pytest

from tenantkit import exceptions
from tenantkit.adapters.problems import MEDIA_TYPE, PROBLEM_SCHEMA, problem_of
from tenantkit.exceptions import PermissionDenied, QuotaExceeded, RowNotFound

FACTS = {
    "AlreadyTaken": {"field": "slug"},
    "InvalidValue": {"field": "slug"},
    "LockedOut": {"retry_after": 30},
    "PermissionDenied": {"permission": "a:b"},
    "RegionRefused": {"region": "eu"},
    "RoleRequired": {"required": ["owner"], "roles": ["reader"]},
    "TenantMoved": {"location": "//new.example.com/"},
    "QuotaExceeded": {"meter": "documents", "usage": 3, "limit": 3, "plan": "trial", "upgrade_url": None},
}
PRIVATE_WORDS = "the-private-words"
every_error = pytest.mark.parametrize("name", exceptions.__all__)


def error_of(name, message=PRIVATE_WORDS, **more):
    """Return an error of a class, with the facts that it must have."""
    return getattr(exceptions, name)(message, **FACTS.get(name, more))


@every_error
def test_the_class_decides_the_answer(name):
    """Type, title and status of an answer are those of the error's class; the body is JSON in UTF-8."""
    error = error_of(name)
    problem = problem_of(error)
    body = json.loads(problem.body)
    expected = (f"urn:tenantkit:problem:{error.problem}", error.title, error.status)
    assert expected == (body["type"], body["title"], body["status"])
    assert error.status == problem.status
    assert (MEDIA_TYPE, "no-store") == (
        dict(problem.headers)["content-type"],
        dict(problem.headers)["cache-control"],
    )


@every_error
def test_private_messages_stay_inside(name):
    """The message and the facts are in the answer only where the class is public."""
    error = error_of(name, secret_fact="a-secret-fact")
    body = problem_of(error).body.decode()
    assert error.public == (PRIVATE_WORDS in body)
    if not error.public:
        assert "a-secret-fact" not in body
        assert {"type", "title", "status"} == set(json.loads(body))


def test_who_is_told_more():
    """The classes whose message is shown to the client, listed: a new one is added here on purpose."""
    public = {name for name in exceptions.__all__ if getattr(exceptions, name).public}
    assert {
        "ForeignCredentials",
        "HostMalformed",
        "AddressRefused",
        "AlreadyTaken",
        "SecondFactorRequired",
        "ReasonRequired",
        "RegionRefused",
        "RoleRequired",
        "SourceMalformed",
        "SourceRetired",
        "SupportRequired",
        "TenantMoved",
        "UnderMaintenance",
        "InvalidValue",
        "LastOwner",
        "StatusRefused",
        "TenantClosed",
        "TenantProvisioning",
        "LockedOut",
        "NotAMember",
        "NotAuthenticated",
        "NotTheOwner",
        "PermissionDenied",
        "QuestionMalformed",
        "QuotaExceeded",
        "ResolutionError",
        "RowNotFound",
        "SourcesDisagree",
        "TenantRequired",
        "TenantSuspended",
        "UnknownTenant",
        "WorkspaceRequired",
    } == public


@every_error
def test_a_401_says_how_to_authenticate(name):
    """Exactly the answers of status 401 carry WWW-Authenticate (RFC 9110, 11.6.1)."""
    problem = problem_of(error_of(name))
    assert (problem.status == 401) == dict(problem.headers).get("www-authenticate", "").startswith("Bearer")


def test_a_denied_permission_is_in_the_body():
    """A 403 names the permission that is missing."""
    assert "a:b" == json.loads(problem_of(PermissionDenied("no", permission="a:b")).body)["permission"]


def test_a_quota_is_in_the_body():
    """A 402 holds meter, usage, limit, plan and the link, in the types that the schema promises."""
    facts = FACTS["QuotaExceeded"] | {"upgrade_url": "https://x.example/ä"}
    body = json.loads(problem_of(QuotaExceeded("no", **facts)).body)
    assert facts == {key: body[key] for key in facts}
    assert set(body) <= set(PROBLEM_SCHEMA["properties"])


def test_facts_cannot_change_the_answer():
    """A fact named like a member of the problem does not replace it."""
    body = json.loads(problem_of(RowNotFound("gone", status=200, type="ok", title="ok")).body)
    assert (404, "urn:tenantkit:problem:not-found") == (body["status"], body["type"])


def test_facts_that_are_no_json_make_no_new_error():
    """An id in an error's facts does not turn its answer into a 500."""
    from uuid import UUID

    body = json.loads(problem_of(RowNotFound("gone", document=UUID(int=7))).body)
    assert str(UUID(int=7)) == body["document"]


def test_the_schema_names_what_is_required():
    """The schema that documents answers requires what every answer has."""
    body = json.loads(problem_of(RowNotFound("gone")).body)
    assert set(PROBLEM_SCHEMA["required"]) <= set(body)


def test_a_lockout_says_when_to_come_again():
    """In the header, in seconds, and in the answer."""
    answer = problem_of(error_of("LockedOut"))
    assert ("30", 30) == (dict(answer.headers)["retry-after"], json.loads(answer.body)["retry_after"])


def test_a_step_up_is_asked_for():
    """Who lacks a second factor is told by the header what to do about it (RFC 9470, 3)."""
    headers = dict(problem_of(error_of("SecondFactorRequired")).headers)
    assert 'error="insufficient_user_authentication"' in headers["www-authenticate"]


def test_what_moved_says_where_it_is():
    """The header that clients follow, and the member that people read."""
    answer = problem_of(error_of("TenantMoved"))
    assert "//new.example.com/" == dict(answer.headers)["location"] == json.loads(answer.body)["location"]
