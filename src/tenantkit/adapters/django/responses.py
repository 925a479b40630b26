"""Answers of ours as responses of Django's."""

from collections.abc import Iterable
from typing import Any, Final

from django.http import HttpResponse
from django.utils.cache import patch_vary_headers

from tenantkit.adapters.answers import Answer
from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.problems import problem_of
from tenantkit.exceptions import TenantKitError

__all__ = ["is_problem", "problem_response", "response_of", "with_headers"]

_ANSWERS: Final = "tenantkit_answers"  # attribute of a response that is the answer to an error of ours


def response_of(answer: Answer, further: Iterable[tuple[str, str]] = ()) -> HttpResponse:
    """Return an answer with further headers."""
    response = HttpResponse(answer.body, status=answer.status)
    return with_headers(response, (*answer.headers, *further))


def with_headers(response: HttpResponse, headers: Iterable[tuple[str, str]]) -> HttpResponse:
    """Return a response with further headers; what it varies by is added to what it varies by already."""
    for name, value in headers:
        if name == "vary":
            patch_vary_headers(response, [value])
        else:
            response[name] = value
    return response


def problem_response(exchange: Exchange, error: TenantKitError) -> HttpResponse:
    """Return the problem document of an error, which the exchange remembers."""
    exchange.error = error
    response = response_of(problem_of(error))
    setattr(response, _ANSWERS, error)
    return response


def is_problem(response: Any) -> bool:
    """Whether a response answers an error of ours."""
    return hasattr(response, _ANSWERS)
