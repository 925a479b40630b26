"""What a kit answers by itself, in the scope of a request or before there is one: for front ends and for others."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tenantkit.adapters.answers import Answer
from tenantkit.core.tenant import is_slug
from tenantkit.exceptions import ConfigurationError, QuestionMalformed
from tenantkit.kit import AuthZen, TenantKit, user_context

__all__ = ["MAX_BODY", "Call", "Endpoints"]

MAX_BODY: Final = 1_048_576  # bytes
_JSON: Final = ("content-type", "application/json")
_WELL_KNOWN: Final = "/.well-known/authzen-configuration"
_NOT_STORED: Final = ("cache-control", "no-store")
# it is somebody's, and asked for again each time; what it depends on is in the request's headers
_PRIVATE: Final = (("cache-control", "private, no-cache"), ("vary", "Authorization, Cookie, Host"))
_PROBLEM: Final = ("content-type", "application/problem+json")


@dataclass(frozen=True, slots=True)
class Call:
    """
    What an endpoint is asked.

    Args:
        method: the method.
        path: the path below where the application is mounted.
        header: returns a header by its name in lower case.
        body: the body, of up to ``MAX_BODY`` bytes; None for a longer one.
    """

    method: str
    path: str
    header: Callable[[str], str | None]
    body: bytes | None = b""


class Endpoints:
    """
    The paths that a kit answers by itself.

    Args:
        context: the path of what a front end asks for, by GET: who the user is, and what they may do.
        authzen: what is decided for others, below ``/access/v1`` and at ``/.well-known/authzen-configuration``.

    .. versionadded:: 0.1
    """

    def __init__(self, *, context: str | None = None, authzen: AuthZen | None = None) -> None:
        self._authzen = authzen
        self._known: dict[str, tuple[tuple[str, ...], Callable[[TenantKit, Call], Answer]]] = {}
        if context is not None:
            if (
                not context.startswith("/")
                or context == "/"
                or "*" in context
                or context.startswith("/access/v1/")
            ):
                raise ConfigurationError(
                    f"{context!r} cannot be the path of a context: write it as '/user/context'."
                )
            self._known[context] = (("GET", "HEAD"), _context)  # of which servers send no body
        if authzen is not None:
            for path, decide in (
                ("evaluation", authzen.evaluation),
                ("evaluations", authzen.evaluations),
                ("search/subject", authzen.search_subject),
                ("search/resource", authzen.search_resource),
                ("search/action", authzen.search_action),
            ):
                self._known[f"/access/v1/{path}"] = (("POST",), _deciding(decide))

    def check(self, kit: TenantKit) -> None:
        """
        Refuse where a kit does not know what these need.

        Raises:
            ConfigurationError: it does not.
        """
        if self._authzen is not None:
            self._authzen.check(kit)

    @property
    def scoped(self) -> tuple[str, ...]:
        """The paths that are answered in the scope of a request."""
        return tuple(self._known)

    @property
    def published(self) -> tuple[str, ...]:
        """The paths that are answered to everybody."""
        return (_WELL_KNOWN, f"{_WELL_KNOWN}/*") if self._authzen is not None else ()

    def answer(self, kit: TenantKit, call: Call) -> Answer:
        """
        Answer a call in the current scope.

        Raises:
            TenantKitError: what is asked is refused, or is no question.
        """
        methods, answer = self._known[call.path]
        if call.method not in methods:
            return _problem(405, f"This is asked by {methods[0]}", ("allow", ", ".join(methods)))
        if call.body is None:
            return _problem(413, f"A body has up to {MAX_BODY} bytes, and says how many")
        return answer(kit, call)

    def publish(self, kit: TenantKit, path: str) -> Answer:
        """Answer a path that needs no scope. Opens nothing."""
        tenant = path.removeprefix(_WELL_KNOWN).removeprefix("/")
        authzen = self._authzen
        if authzen is None or bool(tenant) != authzen.is_by_tenant or (tenant and not is_slug(tenant)):
            return _problem(404, "There is no such document")
        return Answer(200, (_JSON,), authzen.metadata(kit, tenant or None))


def _problem(status: int, title: str, *further: tuple[str, str]) -> Answer:
    """Return a problem that a status says everything of (RFC 9457, 4.2.1)."""
    content = {"type": "about:blank", "title": title, "status": status}
    return Answer(status, (_PROBLEM, _NOT_STORED, *further), content)


def _context(kit: TenantKit, call: Call) -> Answer:
    content = user_context(kit)
    tag = f'"{hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]}"'
    headers = (_JSON, *_PRIVATE, ("etag", tag))
    known = {one.strip().removeprefix("W/") for one in (call.header("if-none-match") or "").split(",")}
    return Answer(304, headers[1:], None) if tag in known else Answer(200, headers, content)


def _deciding(
    decide: Callable[[TenantKit, dict[str, Any]], dict[str, Any]],
) -> Callable[[TenantKit, Call], Answer]:
    def answer(kit: TenantKit, call: Call) -> Answer:
        try:
            asked = json.loads(call.body or b"")
        except (ValueError, RecursionError):
            raise QuestionMalformed("The body is not JSON.") from None
        if not isinstance(asked, dict):
            raise QuestionMalformed("The body is an object of JSON.")
        return Answer(200, (_JSON, _NOT_STORED), decide(kit, asked))

    return answer
