"""Answers of ours as responses of Django's."""

from collections.abc import Iterable
from typing import Any, Final

from django.http import HttpResponse

from tenantkit.adapters.answers import Answer
from tenantkit.adapters.exchange import Exchange
from tenantkit.adapters.problems import problem_of
from tenantkit.exceptions import TenantKitError

__all__ = ["is_problem", "problem_response", "response_of"]

_ANSWERS: Final = "tenantkit_answers"  # attribute of a response that is the answer to an error of ours


def response_of(answer: Answer, further: Iterable[tuple[str, str]] = ()) -> HttpResponse:
    """Return an answer with further headers."""
    response = HttpResponse(answer.body, status=answer.status)
    for name, value in (*answer.headers, *further):
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
