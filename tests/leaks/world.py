"""The rows of two tenants: equal in shape, each text with its tenant's mark, some pointers corrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

from sqlalchemy import Connection, Table

from tests.leaks.schema import (
    Asset,
    Base,
    Board,
    Comment,
    Document,
    Event,
    Image,
    Milestone,
    Photo,
    Preference,
    Project,
    Receipt,
    Refund,
    Step,
    Tag,
    Task,
    TaskDetail,
    Video,
    ledger,
    payroll,
    task_tags,
    tickets,
)

SHARED = ["shared:dollar", "shared:euro"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two tenants, and the names by which its rows are known."""

    slug: str
    weight: int

    @property
    def tenant(self) -> UUID:
        """The id of the tenant."""
        return uuid5(NAMESPACE_DNS, self.slug)

    def id(self, kind: str, number: int) -> UUID:
        """The id of a row, known in advance."""
        return uuid5(self.tenant, f"{kind}/{number}")

    def says(self, *words: str) -> list[str]:
        """Put the tenant's mark before words."""
        return [f"{self.slug}:{word}" for word in words]

    def say(self, word: str) -> str:
        """Put the tenant's mark before one word."""
        return f"{self.slug}:{word}"

    def many(self, *numbers: int) -> list[int]:
        """Give numbers the tenant's weight, so that a sum tells whose rows went into it."""
        return [number * self.weight for number in numbers]

    def much(self, number: int) -> int:
        """Give one number the tenant's weight."""
        return number * self.weight


@dataclass(frozen=True, slots=True)
class World:
    """Both tenants."""

    acme: Side = Side("acme", 1)
    bolt: Side = Side("bolt", 1000)

    def pairs(self) -> Iterator[tuple[Side, Side]]:
        """Each tenant with its opposite."""
        yield self.acme, self.bolt
        yield self.bolt, self.acme


WORLD = World()
Sides = tuple[tuple[Side, Side], ...]
BOTH: Sides = tuple(WORLD.pairs())
Part = Callable[[Side, Side], list[tuple[Any, list[dict[str, Any]]]]]


def _table(model: Any) -> Table:
    return model if isinstance(model, Table) else model.__table__


def _plan(own: Side, foreign: Side) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Projects, tasks, tags and their links; each tenant's third task and fourth comment point abroad."""
    task, tag, project = (lambda n, kind=kind: own.id(kind, n) for kind in ("task", "tag", "project"))
    return [
        (
            Project,
            [
                _project(own, 1, "apollo", "EUR"),
                _project(own, 2, "gemini", "USD"),
                _project(own, 3, "hermes"),
            ],
        ),
        (
            Task,
            [
                _task(own, 1, "plan", project(1)),
                _task(own, 2, "build", project(1), task(1)),
                _task(own, 3, "ship", foreign.id("project", 1)),
                _task(own, 4, "audit", project(2), foreign.id("task", 1)),
                _task(own, 5, "idle"),
            ],
        ),
        (Tag, [{"id": tag(n), "name": own.say(name)} for n, name in enumerate(("red", "blue", "green"), 1)]),
        (
            task_tags,
            [
                {"task_id": task(1), "tag_id": tag(1)},
                {"task_id": task(1), "tag_id": tag(2)},
                {"task_id": task(2), "tag_id": tag(1)},
            ],
        ),
    ]


def _children(own: Side, foreign: Side) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Comments, details and steps."""
    tasks = [own.id("task", 1), own.id("task", 2), own.id("task", 5), foreign.id("task", 1)]
    bodies = enumerate(own.says("hello", "well", "bye", "astray"), 1)
    notes = enumerate(own.says("first", "second", "third"), 1)
    return [
        (
            Comment,
            [{"id": own.id("comment", n), "body": body, "task_id": tasks[n - 1]} for n, body in bodies],
        ),
        (
            TaskDetail,
            [{"id": own.id("detail", n), "note": note, "task_id": tasks[n - 1]} for n, note in notes],
        ),
        (
            Step,
            [
                {
                    "id": own.id("step", n),
                    "words": own.say(f"step {n}"),
                    "detail_id": own.id("detail", min(n, 2)),
                }
                for n in (1, 2, 3)
            ],
        ),
        (Board, [{"id": own.id("board", n), "label": own.say(f"board {n}")} for n in (1, 2)]),
        (
            Milestone,
            [{"id": own.id("milestone", 1), "label": own.say("alpha"), "board_id": own.id("board", 1)}],
        ),
    ]


def _leaves(own: Side, foreign: Side) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Documents and the three inheritances."""
    homes = {1: own.id("project", 1), 2: foreign.id("project", 1), 3: None, 4: own.id("project", 2)}
    kinds = {1: "image", 2: "image", 3: "video", 4: "asset", 5: "photo"}
    homes_of_assets = {1: homes[1], 2: homes[2], 3: homes[1], 4: None, 5: homes[4]}
    return [
        (
            Document,
            [_document(own, n, title, homes[n]) for n, title in ((1, "charter"), (2, "notes"), (3, "draft"))],
        ),
        (
            Asset,
            [
                {
                    "id": own.id("asset", n),
                    "kind": kind,
                    "name": own.say(f"{kind} {n}"),
                    "project_id": homes_of_assets[n],
                }
                for n, kind in kinds.items()
            ],
        ),
        (Image, [{"id": own.id("asset", n), "caption": own.say(f"caption {n}")} for n in (1, 2, 5)]),
        (Photo, [{"id": own.id("asset", 5), "camera": own.say("leica")}]),
        (Video, [{"id": own.id("asset", 3), "codec": own.say("av1")}]),
        (
            Event,
            [
                {"id": own.id("event", n), "kind": kind, "name": own.say(name), "version": 1}
                for n, kind, name in ((1, "event", "launch"), (2, "meeting", "standup"))
            ],
        ),
        (Receipt, [{"id": own.id("receipt", n), "memo": own.say(f"receipt {n}")} for n in (1, 2)]),
        (Refund, [{"id": own.id("refund", 1), "memo": own.say("refund 1")}]),
    ]


def _existing(own: Side, foreign: Side) -> list[tuple[Any, list[dict[str, Any]]]]:
    """The tables that were there before the library."""
    entries = zip((1, 2, 3), ("rent", "salaries", "ink"), strict=True)
    return [
        (
            ledger,
            [
                {"id": own.id("ledger", n), "memo": own.say(memo), "amount": own.much(n)}
                for n, memo in entries
            ],
        ),
        (Preference, [{"name": name, "value": own.say(name)} for name in ("colour", "language")]),
        (tickets, [{"number": n, "subject": own.say(f"ticket {n}")} for n in (1, 2)]),
    ]


def _border(own: Side, foreign: Side) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Links with one end in each tenant: they belong to both, so neither sees them."""
    return [(task_tags, [{"task_id": own.id("task", 2), "tag_id": foreign.id("tag", 2)}])]


def _project(own: Side, number: int, name: str, currency: str | None = None) -> dict[str, Any]:
    return {
        "id": own.id("project", number),
        "name": own.say(name),
        "budget": own.much(number * 10),
        "currency_code": currency,
    }


def _task(
    own: Side, number: int, title: str, project: UUID | None = None, parent: UUID | None = None
) -> dict[str, Any]:
    return {
        "id": own.id("task", number),
        "title": own.say(title),
        "priority": own.much(number),
        "project_id": project,
        "parent_id": parent,
    }


def _document(own: Side, number: int, title: str, project: UUID | None) -> dict[str, Any]:
    return {
        "id": own.id("document", number),
        "title": own.say(title),
        "path": own.say(f"/{title}"),
        "size": own.much(number),
        "labels": {"kind": own.say(f"label {number}")},
        "state": "new",
        "project_id": project,
    }


def rows_of(own: Side, foreign: Side, *parts: Part) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    """All rows of one tenant, with the tenant column where the table has one."""
    for part in parts:
        for model, rows in part(own, foreign):
            table = _table(model)
            column = next((name for name in ("tenant_id", "org_id") if name in table.c), None)
            stamp = {column: own.tenant} if column else {}
            yield table, [{**row, **stamp} for row in rows]


def all_rows(sides: Sides) -> dict[str, list[dict[str, Any]]]:
    """The rows of some tenants, and what all share, by table."""
    found: dict[str, list[dict[str, Any]]] = {table.name: [] for table in Base.metadata.sorted_tables}
    found["currencies"] = [
        {"code": "EUR", "name": "shared:euro"},
        {"code": "USD", "name": "shared:dollar"},
    ]
    parts: tuple[Part, ...] = (_plan, _children, _leaves, _existing)
    if len(sides) > 1:
        parts = (*parts, _border)
    for own, foreign in sides:
        for table, rows in rows_of(own, foreign, *parts):
            found[table.name].extend(rows)
    return found


def populate(connection: Connection, sides: Sides = BOTH) -> None:
    """Empty all tables and fill them again, as their owner."""
    rows = all_rows(sides)
    for table in reversed(Base.metadata.sorted_tables):
        connection.execute(table.delete())
    for table in Base.metadata.sorted_tables:
        # One statement a table: a task may point at one that comes later.
        connection.execute(table.insert().values(rows[table.name]))
    strays = [{"id": side.id("payroll", 1), "name": side.say("wages")} for side, _ in sides]
    connection.execute(payroll.delete())
    connection.execute(payroll.insert(), strays)
