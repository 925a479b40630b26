"""The nouns of the trail."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

__all__ = ["Event", "Outcome"]

Outcome = Literal["success", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """
    One thing that happened.

    Args:
        id: sorts by time.
        occurred_at: UTC.
        actor: id of who acted, None where nobody was known.
        actor_kind: ``"user"``, ``"system"``, ``"key"`` or ``"link"``.
        action: what was done, for example ``flight.cancelled``.
        target: what it was done to, ``"<type>:<id>"``.
        outcome: whether it was done, refused, or tried in vain.
        details: further facts, JSON-able.
        request_id: the request in which it happened.
        impersonator: id of who acted in truth, where it was in somebody's place.

    .. versionadded:: 0.1
    """

    id: UUID
    occurred_at: datetime
    actor: str | None
    actor_kind: str | None
    action: str
    target: str | None
    outcome: Outcome
    details: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    impersonator: str | None = None
