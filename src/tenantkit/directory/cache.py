"""What the directory answered a moment ago: a person's requests follow one another."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from tenantkit.core.tenant import Tenant
from tenantkit.directory.model import Membership
from tenantkit.directory.store import Directory
from tenantkit.exceptions import ConfigurationError
from tenantkit.protocols import Clock

__all__ = ["CachedLookup", "DirectoryCache", "NotCached"]

Found = TypeVar("Found")


class NotCached(LookupError):
    """The directory itself has to be asked."""


class DirectoryCache:
    """
    Tenants and memberships that were found, each for a few seconds.

    What was not found is not remembered: a new tenant, a new member is served at once. A change that is made through
    the kit's :class:`Directory` empties the cache when its transaction ends; those of other kits and processes, and
    those that are made otherwise, are seen once the lifetime is over. The least recently asked is forgotten first.
    Threads may share one.

    Args:
        clock: tells the time.
        lifetime: seconds for which an answer is good; 0 remembers none.
        size: how many answers are remembered at the most; about 0.5 kB each.

    Raises:
        ConfigurationError: the lifetime is negative, or the size is no whole number from 0 up.

    .. versionadded:: 0.1
    """

    def __init__(self, clock: Clock, *, lifetime: float = 10, size: int = 10_000) -> None:
        if not lifetime >= 0:
            raise ConfigurationError(
                f"The lifetime of cached answers is seconds from 0 up, not {lifetime!r}."
            )
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ConfigurationError(
                f"The size of a directory cache is a whole number from 0 up, not {size!r}."
            )
        self._clock, self._lifetime, self._size = clock, lifetime, size
        self._answers: OrderedDict[object, tuple[Any, float]] = OrderedDict()
        self._lock = threading.Lock()
        self._changes = 0

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def changes(self) -> int:
        """How often the cache was emptied."""
        return self._changes

    def recall(self, key: object) -> Any | None:
        """Return what was found, or None."""
        now = self._now()
        with self._lock:
            found, since = self._answers.get(key, (None, now))
            if found is None:
                return None
            if not since <= now < since + self._lifetime:
                del self._answers[key]
                return None
            self._answers.move_to_end(key)
        return found

    def remember(self, key: object, found: object, *, changes: int) -> None:
        """
        Remember what was found, unless the cache was emptied since: then it may be what was there before.

        Args:
            key: what was asked.
            found: the answer.
            changes: how many there were before the transaction began in which it was found.
        """
        now = self._now()
        with self._lock:
            if changes != self._changes or self._lifetime == 0:
                return
            self._answers[key] = (found, now)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._changes += 1
            self._answers.clear()

    def clear_after(self, session: Session) -> None:
        """Forget everything when a session's transaction ends, which changed the directory."""
        session.info[self] = True
        event.listen(session, "after_transaction_end", self._transaction_ended)

    def _transaction_ended(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None and session.info.pop(self, False):
            self.clear()

    def _now(self) -> float:
        return self._clock.now().timestamp()


class CachedLookup:
    """
    The directory as requests ask it: from the cache, and where that does not know, on a session.

    Args:
        directory: the directory.
        cache: what it answered before.
        open_session: opens an unscoped session at the first answer that the cache does not know; without it, such an
            answer is refused by :class:`NotCached`.

    .. versionadded:: 0.1
    """

    def __init__(
        self, directory: Directory, cache: DirectoryCache, open_session: Callable[[], Session] | None = None
    ) -> None:
        self._directory, self._cache, self._open = directory, cache, open_session
        self._session: Session | None = None
        self._changes = cache.changes

    def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant of a slug, or None."""
        return self.find(("slug", slug), lambda session: self._directory.by_slug(session, slug))

    def by_id(self, tenant_id: str) -> Tenant | None:
        """Return the tenant of an id in text form, or None."""
        return self.find(("id", tenant_id), lambda session: self._directory.by_id(session, tenant_id))

    def by_domain(self, domain: str) -> Tenant | None:
        """Return the tenant whose own domain it is known to be, or None."""
        return self.find(("domain", domain), lambda session: self._directory.by_domain(session, domain))

    def membership(self, tenant: Tenant, user_id: str) -> Membership | None:
        """Return the active membership of a user, or None."""
        key = ("member", tenant.id, user_id)
        return self.find(key, lambda session: self._directory.membership(session, tenant, user_id))

    def find(self, key: object, ask: Callable[[Session], Found | None]) -> Found | None:
        """
        Return what is known under a key, or what a question to the database finds; only that is remembered.

        Raises:
            NotCached: it is not known, and nobody may be asked.
        """
        cached: Found | None = self._cache.recall(key)
        if cached is not None:
            return cached
        if self._session is None:
            if self._open is None:
                raise NotCached
            self._session = self._open()
        found = ask(self._session)
        if found is not None:
            self._cache.remember(key, found, changes=self._changes)
        return found
