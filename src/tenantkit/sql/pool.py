"""How many connections an engine can give at once."""

import math
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

__all__ = ["capacity"]


def capacity(engine: Engine) -> float:
    """Return how many connections an engine's pool gives before a caller waits; infinity where none ever waits."""
    pool: Any = engine.pool
    if not isinstance(pool, QueuePool) or pool.size() == 0:
        return math.inf
    overflow: int = pool._max_overflow  # noqa: SLF001 - QueuePool has no public word for it
    return math.inf if overflow < 0 else pool.size() + overflow
