"""What enforcing a table would change, as it is told to operators: a log record and a metric."""

import inspect
import logging
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, Literal

from tenantkit.core.telemetry import counter

__all__ = ["Difference", "count_same", "report"]

logger = logging.getLogger("tenantkit.shadow")
_MOST: Final = 10_000
_seen: Counter[tuple[str | None, ...]] = Counter()
_LIBRARIES: Final = frozenset({"tenantkit", "sqlalchemy", "greenlet", "contextlib", "asyncio"})


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One statement, or object given to a session, that enforcing its tables would change or refuse.

    Attributes:
        tables: the tables in the mode ``"shadow"`` that it is about.
        tenant: slug of the tenant in whose scope it ran.
        what: what would be different.
        statement: its SQL, without values; empty for objects.
        place: ``file:line`` of the application's code nearest to it, if it is known.
        times: how often this process has seen it: the same of one tenant, statement and place.

    .. versionadded:: 0.1
    """

    tables: tuple[str, ...]
    tenant: str
    what: str
    statement: str = ""
    place: str | None = None
    times: int = 1


def report(
    tables: tuple[str, ...],
    tenant: str,
    what: str,
    statement: str = "",
    *,
    outcome: Literal["different", "unknown"] = "different",
) -> None:
    """
    Count a difference, and log it as a warning of ``tenantkit.shadow``, as ``record.difference``.

    The same one is logged when it is seen for the 1st, 10th, 100th time: a loop must not drown the others.
    """
    _count(tables, outcome)
    statement, place = " ".join(statement.split()), _place()
    key = tenant, re.sub(r"\d+", "", what), statement, place
    _seen[key] += 1
    found = Difference(tables, tenant, what, statement, place, _seen[key])
    if len(_seen) > _MOST:
        _seen.clear()
    if str(found.times).strip("0") != "1":
        return
    logger.warning(
        "enforcing %s would change what %s did for %r (%s): %s [%s]",
        ", ".join(tables),
        found.place or "the application",
        tenant,
        f"seen {found.times} times" if found.times > 1 else "first seen",
        what,
        found.statement or "no statement yet",
        extra={"difference": found},
    )


def count_same(tables: tuple[str, ...]) -> None:
    """Count a statement that enforcing its tables would not change."""
    _count(tables, "same")


def _count(tables: tuple[str, ...], outcome: str) -> None:
    statements = counter("shadow_statements", "Statements on tables in shadow, compared with enforcing them")
    for table in tables:
        statements.add(1, {"table": table, "outcome": outcome})


def _place() -> str | None:
    for frame in _frames():
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in _LIBRARIES:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return None


def _frames() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back
    # SQLAlchemy runs what is awaited in a greenlet, whose caller waits in another one
    greenlet: Any = sys.modules.get("greenlet")
    waiting = greenlet.getcurrent().parent if greenlet is not None else None
    frame = waiting.gr_frame if waiting is not None else None
    while frame is not None:
        yield frame
        frame = frame.f_back
