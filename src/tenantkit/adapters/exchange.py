"""
A request and its answer, whatever the framework: what is asked and decided, remembered and told of it.

Nothing here waits for anything but the database, and nothing runs the application. An adapter for asyncio calls what
costs statements in a thread.
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from tenantkit.adapters.heads import RequestHead
from tenantkit.adapters.paths import PathKind
from tenantkit.core.actor import Actor
from tenantkit.core.ids import new_id
from tenantkit.core.scope import RequestFacts, Scope
from tenantkit.core.telemetry import counter, histogram, tag_span
from tenantkit.core.texts import storable
from tenantkit.exceptions import (
    ConfigurationError,
    HostMalformed,
    NotAuthenticated,
    ResolutionError,
    TenantKitError,
)
from tenantkit.isolation import UnscopedSession
from tenantkit.kit import RequestCredentials, TenantKit
from tenantkit.resolution import RequestView, client_of

__all__ = ["Exchange"]

logger = logging.getLogger("tenantkit.requests")

_REQUEST_ID: Final = re.compile(r"[\w.:-]{1,100}\Z", re.ASCII)
_BEARER: Final = re.compile(r"bearer +(\S+) *\Z", re.IGNORECASE)
_PUBLIC: Final = ("public", "published")
_REFUSED: Final = 400
_FAILED: Final = 500


class _Framework:
    """What the framework says of a client, asked once; answers that depend on it are another client's no answers."""

    def __init__(self, head: RequestHead) -> None:
        self._ask = {"session": head.session, "user": head.user}
        self._answers: dict[str, Any] = {}

    @property
    def was_asked(self) -> bool:
        return bool(self._answers)

    def session(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._answer("session")
        return found

    def user(self) -> str | None:
        found: str | None = self._answer("user")
        return found

    def _answer(self, name: str) -> Any:
        if name not in self._answers:
            self._answers[name] = self._ask[name]()
        return self._answers[name]


class Exchange:
    """
    One request and its answer.

    Attributes:
        kit: the kit.
        scope: the scope of its tenant, once it is identified.
        actor: who asks, once it is known; also on central paths, where there is no scope.
        route: the route's template, which the adapter tells once the framework knows it.
        status: the status of the answer.
        error: the error that was answered, if it was one.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: TenantKit, kind: PathKind, head: RequestHead) -> None:
        self.kit, self._kind, self._head = kit, kind, head
        given = head.request_id or ""
        self.request_id = given if _REQUEST_ID.match(given) else str(new_id())
        self.scope: Scope | None = None
        self.actor: Actor | None = None
        # of a path that the kit answers there is no route to be told
        self.route: str | None = head.path if kind == "endpoint" else None
        self.status: int | None = None
        self.error: Exception | None = None
        self._framework = _Framework(head)
        self._began = time.perf_counter()

    @property
    def is_public(self) -> bool:
        """Whether nothing has to be found out."""
        return self._kind in _PUBLIC

    @property
    def is_endpoint(self) -> bool:
        """Whether the kit answers by itself, in the scope of the request."""
        return self._kind == "endpoint"

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every answer carries; one that depends on a cookie is not for whoever has another (RFC 9110, 12.5.5)."""
        varies = (("vary", "Cookie"),) if self._framework.was_asked else ()
        return (("x-request-id", self.request_id), *varies)

    @property
    def commits(self) -> bool:
        """Whether the answer is a success, so that what was written for it is kept."""
        return self.status is not None and self.status < _REFUSED

    def identify(self) -> None:
        """
        Find out who asks and whose request it is, as far as its path needs it.

        Costs what :meth:`~tenantkit.kit.TenantKit.identify` costs, and nothing on public and central paths.

        Raises:
            NotAuthenticated: there is no token, or one that does not verify.
            ResolutionError: the tenant cannot be settled.
        """
        credentials = self._credentials()
        if credentials is None:
            return
        if self._kind == "central":
            self.actor = self.kit.authenticate(credentials)
        else:
            self._identified(self.kit.identify(credentials))

    def recall(self) -> bool:
        """
        Find out the same without waiting, and return whether that was possible; otherwise :meth:`identify` has to.

        Opens and asks nothing, so that an event loop may call it.
        """
        if self.kit.trust.recognize is not None and self._head.authorization is None and not self.is_public:
            return False  # who it is the application is asked, which may wait
        credentials = self._credentials()
        if credentials is None:
            return True
        scope = None if self._kind == "central" else self.kit.recall(credentials)
        if scope is not None:
            self._identified(scope)
        return scope is not None

    @contextmanager
    def unscoped_session(self) -> Iterator[UnscopedSession]:
        """
        Open a session over the rows of all tenants, for who of the support asks and says why; the caller commits.

        Recorded as :meth:`~tenantkit.kit.TenantKit.unscoped_session` records it.

        Raises:
            ConfigurationError: the path is public, so that nobody is known.
            NotAuthenticated: there is no token, or one that does not verify.
            SupportRequired: it is not the support's.
            ReasonRequired: the request does not say why.
        """
        if self.is_public:
            raise ConfigurationError(
                f"{self._head.path!r} is a public path, where nobody is known. Declare it central to show all tenants."
            )
        credentials = self._credentials()
        if credentials is None:
            raise NotAuthenticated("This needs a token. Send `Authorization: Bearer <token>`.")
        actor, reason = self.kit.require_support(credentials)
        with self.kit.unscoped_session(reason=reason, actor=actor, request=self._facts) as session:
            yield session

    def record(self) -> None:
        """
        Record that the request was refused or failed, in a transaction of its own; the request's is rolled back.

        Does nothing where neither happened. Costs one statement.
        """
        details = self._what_went_wrong()
        if details is None:
            return
        outcome: Any = "refused" if details["status"] < _FAILED else "failed"
        facts = {"method": self._head.method, "path": storable(self._head.path, 500), **details}
        counter(f"requests_{outcome}", "Requests that were refused or failed").add(
            1, {"status": details["status"]}
        )
        audit, action = self.kit.audit, f"request.{outcome}"
        try:
            if self.scope is not None:
                audit.record_apart(self.scope, action, outcome=outcome, details=facts)
            else:
                audit.record_central(
                    action, actor=self.actor, request=self._facts, outcome=outcome, details=facts
                )
        except SQLAlchemyError:
            # the refusal itself must stand even where it cannot be written down
            logger.exception("a %s request could not be recorded", outcome, extra={"details": facts})

    def end(self) -> None:
        """Tell the log and the meters of the request, once it is over. Opens nothing."""
        seconds = time.perf_counter() - self._began
        status = self.status or _FAILED
        route = self.route or "unknown"
        tenant = self.scope.tenant.slug if self.scope else None
        facts = {
            "request_id": self.request_id,
            "tenant": tenant,
            "route": route,
            "method": self._head.method,
            "status": status,
            "duration": round(seconds, 6),
            "resolved_by": self.scope.request.resolved_by if self.scope else None,
        }
        kind: dict[str, str | int] = {"route": route, "method": self._head.method, "status": status}
        histogram("request_duration", "Time from request to the end of its answer", "s").record(seconds, kind)
        if status >= _FAILED:
            counter("request_errors", "Requests that were answered by an error of the server").add(1, kind)
        if tenant is not None:
            counter("requests", "Requests served for a tenant").add(1, {"tenant": tenant})
        logger.log(
            logging.ERROR if status >= _FAILED else logging.INFO,
            "method=%(method)s route=%(route)s status=%(status)s duration=%(duration)s tenant=%(tenant)s "
            "request_id=%(request_id)s",
            facts,
            extra=facts,
        )

    def _what_went_wrong(self) -> dict[str, Any] | None:
        error = self.error
        if isinstance(error, TenantKitError):
            if error.status < _REFUSED:
                return None  # it is sent elsewhere
            told = error.details if error.public else {}
            why = {} if self.scope else {"why": error.message}
            heard = {"sources": error.heard} if isinstance(error, ResolutionError) and error.heard else {}
            return {"status": error.status, "problem": error.problem, **told, **why, **heard}
        return None if error is None else {"status": _FAILED, "error": type(error).__name__}

    def _identified(self, scope: Scope) -> None:
        self.scope, self.actor = scope, scope.actor or scope.impersonator
        tag_span(
            tenant=scope.tenant.slug,
            request_id=self.request_id,
            resolved_by=scope.request.resolved_by or "unknown",
        )

    def _credentials(self) -> RequestCredentials | None:
        """Return what the request says of itself, or None where nothing has to be found out."""
        if self.is_public:
            return None
        head = self._head
        if head.host == "":
            raise HostMalformed("The request has no Host header or several; send one.")
        bearer = _BEARER.match(head.authorization or "")
        if head.authorization is not None and bearer is None:
            raise NotAuthenticated("The Authorization header is not `Bearer <token>`.")
        view = RequestView(
            head.host,
            head.path.removeprefix(head.mount),
            head.query,
            head.header,
            head.client,
            self._framework.session,
            self._framework.user,
            head.mount,
        )
        credentials = RequestCredentials(head.host, bearer[1] if bearer else None, self._facts, view)
        if bearer is None and self._kind == "optional" and not self.kit.recognizes(credentials):
            return None
        return credentials

    @property
    def _facts(self) -> RequestFacts:
        agent = self._head.user_agent
        client, hops = self._head.client, self.kit.settings.trusted_hops
        if hops:
            client = client_of(client, self._head.header("x-forwarded-for"), hops)
        return RequestFacts(
            request_id=self.request_id, client=client, user_agent=agent[:300] if agent else None
        )
