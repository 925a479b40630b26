"""Raw SQL that a person answers for."""

import logging
from typing import Any, TypeVar, cast

from sqlalchemy.sql.elements import ColumnClause, TextClause

from tenantkit.exceptions import ConfigurationError

__all__ = ["Vouched", "VouchedText", "vouch"]

logger = logging.getLogger("tenantkit.isolation")
_Raw = TypeVar("_Raw", TextClause, ColumnClause[Any])


class Vouched:
    """Marks a piece of raw SQL that was vouched for."""

    reason: str


class VouchedText(Vouched, TextClause):
    """A ``text()`` that was vouched for; another class than TextClause, so it has a cache key of its own."""

    inherit_cache = True


class VouchedLiteral(Vouched, ColumnClause[Any]):
    """A ``literal_column()`` that was vouched for."""

    inherit_cache = True


def vouch(element: _Raw, reason: str) -> _Raw:
    """
    Let a piece of raw SQL through the compiler: you answer for it that it shows no other tenant's rows.

    Nothing is scoped inside the text; the rest of the statement still is. The text is still refused where no tenant
    is in scope. Each text is logged once per compilation on the logger ``tenantkit.isolation``.

    Args:
        element: a ``text()`` or a ``literal_column()``.
        reason: why it is safe, for the next reader and for the log.

    Returns:
        A copy that the compiler accepts.

    Raises:
        ConfigurationError: there is no reason, or the element is something else.

    .. versionadded:: 0.1
    """
    if not reason.strip():
        raise ConfigurationError("vouch() needs a reason: say why this text shows no other tenant's rows.")
    kind: Any
    if isinstance(element, TextClause):
        kind = VouchedText
    elif isinstance(element, ColumnClause) and element.is_literal:
        kind = VouchedLiteral
    else:
        raise ConfigurationError(
            f"vouch() takes a text() or a literal_column(), not {type(element).__name__}; everything else is scoped "
            "or refused by itself."
        )
    copy = kind.__new__(kind)
    copy.__dict__.update(element.__dict__)
    copy.reason = reason
    return cast("_Raw", copy)
