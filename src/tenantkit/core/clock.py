"""What time it is: passed in wherever a decision depends on it, so that tests never wait."""

from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """
    The clock of the machine, in UTC.

    .. versionadded:: 0.1
    """

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)
