"""Errors as HTTP answers (RFC 9457), the same for every framework."""

import logging
from typing import Any, Final

from tenantkit.adapters.answers import Answer
from tenantkit.exceptions import (
    IsolationError,
    LockedOut,
    NotAuthenticated,
    SecondFactorRequired,
    TenantKitError,
    TenantMoved,
)

__all__ = ["MEDIA_TYPE", "PROBLEM_SCHEMA", "problem_of"]

logger = logging.getLogger("tenantkit.problems")
_SERVER_ERROR: Final = 500
# RFC 9470, 3: sign in again, and better
_STEP_UP: Final = (
    'Bearer error="insufficient_user_authentication", error_description="A second factor is required"'
)
MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:tenantkit:problem:"

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": [f"{_TYPE}permission-denied"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "permission": {
            "type": "string",
            "description": "With permission-denied: the permission that is missing.",
        },
        "meter": {"type": "string", "description": "With quota-exceeded: what is metered."},
        "usage": {"type": "integer", "description": "With quota-exceeded: units used."},
        "limit": {"type": "integer", "description": "With quota-exceeded: units allowed."},
        "plan": {"type": "string", "description": "With quota-exceeded: the tenant's plan."},
        "field": {"type": "string", "description": "With invalid-value: what the value was for."},
        "retry_after": {
            "type": "integer",
            "description": "With locked-out: seconds until the next attempt is looked at.",
        },
        "location": {"type": "string", "description": "With tenant-moved: where the request belongs."},
        "region": {"type": "string", "description": "With region-refused: where the tenant is served."},
        "upgrade_url": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "description": "With quota-exceeded: where more can be had.",
        },
    },
}


def problem_of(error: TenantKitError) -> Answer:
    """
    Return the answer to an error; its message and details are shown only where its class says so.

    The answer says nothing of errors of the server and of refusals of isolation, so they are logged on
    ``tenantkit.problems``: the former with their trace, the latter, which a client can cause at will, in a line.

    .. versionadded:: 0.1
    """
    if error.status >= _SERVER_ERROR:
        logger.error("%s: %s", error.problem, error.message, exc_info=error)
    elif isinstance(error, IsolationError):
        logger.warning("%s: %s", error.problem, error.message)
    content: dict[str, Any] = {"type": _TYPE + error.problem, "title": error.title, "status": error.status}
    if error.public:
        content = {**error.details, **content, "detail": error.message}
    headers = [("content-type", MEDIA_TYPE), ("cache-control", "no-store")]
    if isinstance(error, NotAuthenticated):
        headers.append(("www-authenticate", "Bearer"))  # RFC 9110, 11.6.1
    if isinstance(error, SecondFactorRequired):
        headers.append(("www-authenticate", _STEP_UP))
    if isinstance(error, TenantMoved):
        headers.append(("location", error.location))
    if isinstance(error, LockedOut):
        headers.append(("retry-after", str(error.retry_after)))  # RFC 9110, 10.2.3: seconds
    return Answer(error.status, tuple(headers), content)
