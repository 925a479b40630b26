"""What an examination finds."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that is wrong with a database, or could be.

    Attributes:
        severity: ``"error"`` where another tenant's rows can be reached or the rings say different things,
            ``"warning"`` where a ring is thinner than it could be.
        code: names the kind, for filters.
        object: the table, view, function or role.
        why: what is wrong, and why it matters.
        cure: SQL that mends it, for the owner to read and run; empty where there is none.

    .. versionadded:: 0.1
    """

    severity: Severity
    code: str
    object: str
    why: str
    cure: tuple[str, ...] = ()
