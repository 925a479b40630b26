"""What several families of shapes say in the same words."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, select
from sqlalchemy.orm import Session, make_transient_to_detached

from tests.leaks.registry import Stored, View, stored
from tests.leaks.schema import Document, Tag


def told(at: View, *pairs: tuple[str | None, ...]) -> list[tuple[str | None, ...]]:
    """Rows of own words; None stays what it is."""
    return [tuple(at.own.say(word) if word else None for word in pair) for pair in pairs]


def rows_of(session: Session, statement: Executable) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    return [tuple(row) for row in session.execute(statement)]


def done(at: View) -> str:
    """What an own row is changed to."""
    return at.own.say("done")


def states(at: View, *words: str) -> Stored:
    """What the own documents must be changed to."""
    return stored(select(Document.state).where(Document.tenant_id == at.own.tenant), list(words))


def new_tag(at: View, number: int, **more: Any) -> dict[str, Any]:
    """The values of a tag that is not there yet."""
    return {"id": at.own.id("tag", number), "name": at.own.say(f"tag {number}"), **more}


def owned_tags(at: View, *numbers: int) -> Stored:
    """Whose the new tags must be."""
    ids = [at.own.id("tag", number) for number in numbers]
    return stored(select(Tag.tenant_id).where(Tag.id.in_(ids)), [at.own.tenant] * len(numbers))


def forged(kind: type, /, **attributes: Any) -> Any:
    """An object that claims to be stored already."""
    made = kind(**attributes)
    make_transient_to_detached(made)
    return made


def all_memos(at: View) -> str:
    """A subquery, as text, over the rows of both tenants."""
    joined = "string_agg(memo, ',')" if at.dialect == "postgresql" else "group_concat(memo)"
    return f"(SELECT {joined} FROM ledger)"
