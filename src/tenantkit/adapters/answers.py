"""Answers that an adapter gives by itself, without the application: problems and signs of life."""

import json
from dataclasses import dataclass
from typing import Any, Final

from tenantkit.kit import Health

__all__ = ["ALIVE", "Answer", "health_answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An answer: status, headers and a JSON document, or none.

    .. versionadded:: 0.1
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    content: dict[str, Any] | None

    @property
    def body(self) -> bytes:
        """The document as UTF-8."""
        return (
            b""
            if self.content is None
            else json.dumps(self.content, ensure_ascii=False, default=str).encode()
        )


_HEADERS: Final = (("content-type", "application/json"), ("cache-control", "no-store"))
ALIVE: Final = Answer(200, _HEADERS, {"status": "ok"})


def health_answer(health: Health) -> Answer:
    """Return the answer to a probe of readiness."""
    return Answer(health.status, _HEADERS, health.content)
