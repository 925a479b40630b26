"""Logins that were ended before their access tokens expired."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from tenantkit.exceptions import ConfigurationError
from tenantkit.protocols import Clock
from tenantkit.tokens.claims import LOGIN_CLAIM
from tenantkit.tokens.model import AccessToken

__all__ = ["RevokedLogins"]


class RevokedLogins:
    """
    Which logins were ended lately, as the database knew some seconds ago.

    They are few: an access token outlives its login by its lifetime at the most, so only what was ended since then is
    kept. They are read again when they are older than the lag, by one request for all, and only when a token of a login
    is asked about. Threads may share one.

    Args:
        read: returns the logins that were revoked at a moment or later; may wait.
        clock: tells the time.
        horizon: seconds for which an access token can outlive its login.
        lag: seconds after which what was ended elsewhere is known here. 0 asks each time.

    Raises:
        ConfigurationError: a time is negative.

    .. versionadded:: 0.1
    """

    def __init__(
        self, read: Callable[[datetime], set[UUID]], clock: Clock, *, horizon: float, lag: float = 10
    ) -> None:
        if not horizon > 0 or not lag >= 0:
            raise ConfigurationError(f"Seconds are not negative: horizon {horizon!r}, lag {lag!r}.")
        self._read, self._clock = read, clock
        self._horizon, self._lag = timedelta(seconds=horizon + lag), timedelta(seconds=lag)
        self._known: frozenset[str] = frozenset()
        self._since: datetime | None = None
        self._lock = threading.Lock()

    def waits_for(self, token: AccessToken) -> bool:
        """Whether the database has to be asked about a token."""
        return LOGIN_CLAIM in token.claims and not self._is_fresh(self._clock.now())

    def __call__(self, token: AccessToken) -> bool:
        """Whether the login of a token was ended; reads again what is too old."""
        login_id = token.claims.get(LOGIN_CLAIM)
        if login_id is None:
            return False
        now = self._clock.now()
        if not self._is_fresh(now):
            with self._lock:  # one reads for all who wait
                if not self._is_fresh(now):
                    self._known = frozenset(map(str, self._read(now - self._horizon)))
                    self._since = now
        return login_id in self._known

    def forget(self) -> None:
        """Read again at the next question."""
        with self._lock:  # what is being read now may be of before
            self._since = None

    def _is_fresh(self, now: datetime) -> bool:
        since = self._since
        return since is not None and since <= now < since + self._lag
