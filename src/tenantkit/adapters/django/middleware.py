"""
The scope around a Django request: entered before the view runs, left when the body is closed.

One transaction holds what the ORM and the kit write. It is committed before the answer is sent, and rolled back where
the answer is an error, so a commit that fails is a 5xx and not a 200. A streamed body has another one.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.apps import apps
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponse

from tenantkit.adapters.answers import ALIVE, Answer, health_answer
from tenantkit.adapters.django.bodies import AsyncBody, Body
from tenantkit.adapters.django.requests import Work
from tenantkit.adapters.django.responses import is_problem, problem_response, response_of, with_headers
from tenantkit.adapters.endpoints import MAX_BODY, Call
from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.heads import RequestHead
from tenantkit.adapters.problems import problem_of
from tenantkit.core.scope import enter, outside
from tenantkit.exceptions import TenantKitError

__all__ = ["EXCHANGE", "TenancyMiddleware"]

EXCHANGE: Final = "tenantkit"  # attribute of a request


class TenancyMiddleware:
    """
    Identifies each request, and runs what stands below it in the scope of its tenant.

    Stand it above what reads rows of tenants, such as a middleware of one's own; Django's for sessions and users may
    stand on either side, since their tables are shared. Works under WSGI and ASGI.

    Args:
        get_response: what stands below.

    Raises:
        ConfigurationError: the settings are not usable.

    .. versionadded:: 0.1
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        config: Any = apps.get_app_config("tenantkit")
        self._get_response = get_response
        self._kit, self._said = config.kit, config.configuration
        self._said.paths.endpoints.check(self._kit)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Serve one request."""
        return self._aserve(request) if self._is_async else self._serve(request)

    def _begun(self, request: HttpRequest) -> tuple[Work, HttpResponse | None]:
        """Return a request's work, and its answer if that is known already."""
        kind = self._said.paths.kind(request.path_info)
        exchange = Exchange(self._kit, kind, _head(request))
        setattr(request, EXCHANGE, exchange)
        work = Work(exchange, self._said)
        if kind == "live":
            return work, self._told(work, ALIVE)
        if kind == "ready":
            return work, self._told(work, health_answer(self._kit.check_health()))
        if kind == "published":
            return work, self._told(work, self._said.paths.endpoints.publish(self._kit, request.path_info))
        try:
            exchange.identify()
        except TenantKitError as error:
            return work, self._refused(work, error)
        except Exception as error:  # of a session's store, of a database that is down
            work.abandon(error)
            raise
        return work, None

    def _serve(self, request: HttpRequest) -> HttpResponse:
        work, answer = self._begun(request)
        if answer is not None:
            return answer
        scope = work.exchange.scope
        with enter(scope) if scope is not None else outside():
            try:
                work.begin()
                answer = self._answered if work.exchange.is_endpoint else self._get_response
                response = answer(request)
                return self._finished(request, response, work)
            except BaseException as error:
                work.abandon(error)
                raise

    async def _aserve(self, request: HttpRequest) -> HttpResponse:
        work, answer = await sync_to_async(self._begun)(request)
        if answer is not None:
            return answer
        scope = work.exchange.scope
        with enter(scope) if scope is not None else outside():
            try:
                await sync_to_async(work.begin)()
                answer = sync_to_async(self._answered) if work.exchange.is_endpoint else self._get_response
                response = await answer(request)
                return await sync_to_async(self._finished)(request, response, work)
            except BaseException as error:
                await sync_to_async(work.abandon)(error)
                raise

    def _answered(self, request: HttpRequest) -> HttpResponse:
        """Return what the kit answers by itself, in the scope of the request."""
        body = request.read(MAX_BODY + 1)
        call = Call(
            request.method or "",
            request.path_info,
            request.headers.get,
            body if len(body) <= MAX_BODY else None,
        )
        try:
            return response_of(self._said.paths.endpoints.answer(self._kit, call))
        except TenantKitError as error:
            return problem_response(getattr(request, EXCHANGE), error)

    def _finished(self, request: HttpRequest, response: Any, work: Work) -> HttpResponse:
        """End the transaction as the answer promises, and return the answer."""
        exchange = work.exchange
        exchange.status, exchange.route = response.status_code, _route(request)
        error = exchange.error
        if isinstance(error, TenantKitError) and not is_problem(response):
            return self._refused(work, error)  # of a middleware, whose errors Django answers by itself
        try:
            work.end()
        except TenantKitError as error:  # only the flush of the commit found it
            return self._refused(work, error)
        if getattr(response, "streaming", False):
            kind = AsyncBody if response.is_async else Body
            response.streaming_content = kind(response.streaming_content, work)
        else:
            work.leave()
        return with_headers(response, exchange.headers)

    def _refused(self, work: Work, error: TenantKitError) -> HttpResponse:
        work.exchange.error, work.exchange.status = error, error.status
        work.end()
        return self._told(work, problem_of(error))

    @staticmethod
    def _told(work: Work, answer: Answer) -> HttpResponse:
        work.exchange.status = answer.status
        work.leave()
        return response_of(answer, work.exchange.headers)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer an error of ours that a view raised."""
        exchange = getattr(request, EXCHANGE, None)
        if exchange is None or not isinstance(exception, TenantKitError):
            return None
        return problem_response(exchange, exception)


def _remember_error(request: Any = None, **_further: Any) -> None:
    exchange = getattr(request, EXCHANGE, None)
    error = sys.exception()
    if exchange is not None and isinstance(error, Exception):
        exchange.error = error


got_request_exception.connect(_remember_error, dispatch_uid="tenantkit")


def _route(request: HttpRequest) -> str | None:
    found = getattr(request, "resolver_match", None)
    return None if found is None else f"{request.META.get('SCRIPT_NAME', '')}/{found.route.removeprefix('/')}"


def _head(request: HttpRequest) -> RequestHead:
    """Return what is read of a request; servers join equal headers by a comma, and joined credentials are none."""
    meta = request.META
    host = meta.get("HTTP_HOST")
    return RequestHead(
        method=request.method or "",
        path=request.path,
        host="" if host is not None and "," in host else host,
        authorization=meta.get("HTTP_AUTHORIZATION"),
        request_id=meta.get("HTTP_X_REQUEST_ID"),
        client=meta.get("REMOTE_ADDR"),
        user_agent=meta.get("HTTP_USER_AGENT"),
        query=meta.get("QUERY_STRING", ""),
        header=request.headers.get,
        session=lambda: getattr(request, "session", None),
        user=lambda: _user(request),
        mount=request.path.removesuffix(request.path_info),
    )


def _user(request: HttpRequest) -> str | None:
    """Return who is signed in, where Django's middleware for users stands above this one."""
    user = getattr(request, "user", None)
    return str(user.pk) if user is not None and user.is_authenticated else None
