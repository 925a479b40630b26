"""Refusals that come out of SQLAlchemy as what they are."""

from typing import Any, TypeVar

from sqlalchemy.exc import DontWrapMixin

from tenantkit.exceptions import IsolationError, StatementRefused

__all__ = ["refusal", "statement_refused", "unwrapped"]

_unwrapped: dict[type, Any] = {}
_Error = TypeVar("_Error", bound=BaseException)


def refusal(error: IsolationError) -> IsolationError:
    """Return a refusal so that SQLAlchemy lets it pass; ``exceptions`` imports nothing, so it is done here."""
    return unwrapped(error)


def unwrapped(error: _Error) -> _Error:
    """Return an error so that SQLAlchemy lets it pass: inside an execution context it would become StatementError."""
    kind = type(error)
    if not issubclass(kind, DontWrapMixin):
        if kind not in _unwrapped:
            named = {"__module__": kind.__module__, "public_class": kind}
            _unwrapped[kind] = type(kind.__name__, (kind, DontWrapMixin), named)
        error.__class__ = _unwrapped[kind]
    return error


def statement_refused(message: str) -> IsolationError:
    """Return a refusal of a statement."""
    return refusal(StatementRefused(message))
