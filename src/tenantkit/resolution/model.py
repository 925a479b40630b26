"""The nouns of resolution."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Named"]


@dataclass(frozen=True, slots=True)
class Named:
    """
    What one source said: which tenant, by slug or by id, and whether the source can be trusted.

    .. versionadded:: 0.1
    """

    by: Literal["slug", "id"]
    value: str
    source: str
    authenticated: bool
