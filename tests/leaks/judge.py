"""What a run has shown: leaks, foreign writes, wrong refusals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import ObjectNotExecutableError

from tenantkit.exceptions import IsolationError
from tests.leaks.dump import Dump
from tests.leaks.places import Outcome, Place, Raised
from tests.leaks.registry import Answer, Kind, Shape, Stored
from tests.leaks.world import Side


class Verdict(Enum):
    """The ways in which a row of the matrix can fail."""

    LEAK = "leaks"
    FOREIGN_WRITE = "foreign writes"
    OPEN = "answers without a scope"
    REFUSED = "refused innocents"
    ACCEPTED = "accepted attacks"
    WRONG = "wrong answers"
    BROKEN = "unexpected errors"


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure, and what was seen."""

    verdict: Verdict
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.detail}"


def judge(place: Place, shape: Shape, sides: tuple[Side, Side], outcome: Outcome) -> list[Finding]:
    """Judge a scoped run by what it returned and by what its owner finds in the database."""
    return [*_of_outcome(place, shape, outcome), *harm(place, sides, outcome)]


def judge_unscoped(place: Place, outcome: Outcome) -> list[Finding]:
    """Judge a run without a scope: it must have been refused, and nothing be changed."""
    if not isinstance(outcome, Raised):
        found = [Finding(Verdict.OPEN, _short(outcome.value))]
    elif not isinstance(outcome.error, IsolationError | ObjectNotExecutableError):
        found = [Finding(Verdict.BROKEN, _error(outcome.error))]
    else:
        found = []
    if place.look() != place.pristine:
        found.append(Finding(Verdict.FOREIGN_WRITE, "a write without a scope"))
    return found


def leaks(outcome: Outcome, foreign: Side) -> list[Finding]:
    """Find the marks of the other tenant in what a body returned."""
    if isinstance(outcome, Raised):
        return []
    seen = [mark for answer in _answers(outcome.value) for mark in marks(_actual(answer), foreign)]
    return [Finding(Verdict.LEAK, _short(seen))] if seen else []


def harm(place: Place, sides: tuple[Side, Side], outcome: Outcome) -> list[Finding]:
    """Find what a run has shown or changed of the other tenant."""
    own, foreign = sides
    return [*leaks(outcome, foreign), *_writes(place.pristine, place.look(), place.raw(own.tenant))]


def marks(value: Any, side: Side) -> Iterator[Any]:
    """Find the marks of a tenant anywhere in a value."""
    if isinstance(value, str):
        if f"{side.slug}:" in value or str(side.tenant) in value or side.tenant.hex in value:
            yield value
    elif isinstance(value, UUID):
        if value == side.tenant:
            yield value
    elif isinstance(value, Mapping):
        yield from marks([*value.keys(), *value.values()], side)
    elif isinstance(value, Iterable):
        for part in value:
            yield from marks(part, side)
    elif not isinstance(value, int | float | Decimal | bool | None):
        yield f"something that cannot be looked into: {type(value).__name__}"


def wrong_answers(place: Place, outcome: Outcome) -> list[Finding]:
    """Compare what was returned, and what was stored, with what had to be."""
    if isinstance(outcome, Raised):
        return [Finding(Verdict.BROKEN, _error(outcome.error))]
    found = []
    for answer in _answers(outcome.value):
        actual, expected = _actual(answer), getattr(answer, "expected", None)
        if isinstance(answer, Stored):
            with place.owner.connect() as connection:
                actual = connection.scalars(answer.statement).all()
        if isinstance(answer, Answer | Stored) and not _equal(
            actual, expected, getattr(answer, "ordered", False)
        ):
            found.append(Finding(Verdict.WRONG, f"{_short(actual)} instead of {_short(expected)}"))
    return found


def _of_outcome(place: Place, shape: Shape, outcome: Outcome) -> list[Finding]:
    if shape.kind is Kind.ATTACK:
        return _of_attack(shape, outcome)
    if isinstance(outcome, Raised) and isinstance(outcome.error, IsolationError):
        return [Finding(Verdict.REFUSED, _error(outcome.error))]
    return wrong_answers(place, outcome)


def _of_attack(shape: Shape, outcome: Outcome) -> list[Finding]:
    if not isinstance(outcome, Raised):
        return [] if shape.quiet else [Finding(Verdict.ACCEPTED, _short(outcome.value))]
    if isinstance(outcome.error, shape.refusals) or _is_policy(outcome.error):
        return []
    return [Finding(Verdict.BROKEN, _error(outcome.error))]


def _is_policy(error: Exception) -> bool:
    """Whether a policy of the database has refused."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) == "42501"


def _writes(before: Dump, after: Dump, tenant: Any) -> list[Finding]:
    if before == after:
        return []
    earlier, later = before.beyond(tenant), after.beyond(tenant)
    changed = [name for name, rows in later.items() if rows != earlier[name]]
    linked = after.crossings() - before.crossings()
    found = [Finding(Verdict.FOREIGN_WRITE, f"rows of {', '.join(changed)}")] if changed else []
    return [*found, *(Finding(Verdict.FOREIGN_WRITE, f"link {link[0]}.{link[2]}") for link in linked)]


def _answers(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) and _made_of_answers(value) else [value]


def _made_of_answers(value: list[Any]) -> bool:
    return any(isinstance(part, Answer | Stored) for part in value)


def _actual(answer: Any) -> Any:
    return None if isinstance(answer, Stored) else getattr(answer, "actual", answer)


def _equal(actual: Any, expected: Any, ordered: bool) -> bool:
    left, right = normal(actual), normal(expected)
    if ordered or not (isinstance(left, list) and isinstance(right, list)):
        return left == right
    return sorted(left, key=repr) == sorted(right, key=repr)


def normal(value: Any) -> Any:
    """Make rows tuples, sequences lists and decimals numbers, so that results of all drivers compare."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, tuple | Row):
        return tuple(normal(part) for part in value)
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return [normal(part) for part in value]
    return value


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 300 else shown[:300] + "..."


def _error(error: Exception) -> str:
    return f"{type(error).__name__}: {_short(str(error))}"
