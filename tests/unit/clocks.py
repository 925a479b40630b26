"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 14, 12, 0, 0, tzinfo=UTC)


class FixedClock:
    def __init__(self, moment=NOON):
        self.moment = moment

    def now(self):
        return self.moment

    def move(self, seconds):
        """Go on, or back, by seconds."""
        self.moment += timedelta(seconds=seconds)
