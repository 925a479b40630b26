"""What the directory answered a moment ago: a person's requests follow one another."""

import math
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy.orm import Session

from tenantkit.core.forking import renew_after_fork
from tenantkit.core.tenant import Tenant, TenantId
from tenantkit.directory.model import Membership
from tenantkit.exceptions import ConfigurationError
from tenantkit.protocols import Clock, DirectoryLookup
from tenantkit.sql.endings import at_transaction_end

__all__ = ["CachedLookup", "DirectoryCache", "Lifetimes", "NotCached"]

Found = TypeVar("Found")
_MISSING: Final = 1000  # strangers' questions that are remembered; they must not push out answers


class NotCached(LookupError):
    """The directory itself has to be asked."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """
    Seconds for which an answer of the directory is good; 0 remembers none.

    Args:
        untold: of any answer, while nobody tells what other processes change. 0 remembers nothing at all.
        tenant: of a tenant, while changes are told.
        member: of a membership or an API key, while changes are told.
        missing: of what was not found.

    Raises:
        ConfigurationError: one is negative, or no number.

    .. versionadded:: 0.1
    """

    untold: float = 10
    tenant: float = 900
    member: float = 300
    missing: float = 2

    def __post_init__(self) -> None:
        for one in fields(self):
            if not 0 <= getattr(self, one.name) < math.inf:
                raise ConfigurationError(
                    f"The lifetime `{one.name}` of cached answers is seconds from 0 up, not "
                    f"{getattr(self, one.name)!r}."
                )


@dataclass(frozen=True, slots=True)
class _Answer:
    found: Any
    since: float
    lifetime: float  # while changes are told
    tenant: str


class DirectoryCache:
    """
    Tenants and memberships that were found, each for as long as it can be relied on.

    A change that is made through the kit's :class:`Directory` is seen by this kit when its transaction ends: the
    answers about its tenant are forgotten, and whatever was not found. Other processes are told, if somebody tells
    them; while nobody does, the shorter lifetime bounds how old an answer can be. The least recently asked is forgotten
    first. Threads may share one.

    Args:
        clock: tells the time.
        lifetimes: for how long answers are good.
        size: how many answers are remembered at the most; about 0.7 kB each.
        is_told: whether this process is told of others' changes just now; it must be quick.
        tell: tells others of the tenants that were changed, by id as text; it must not wait.

    Raises:
        ConfigurationError: the size is no whole number from 0 up.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        clock: Clock,
        lifetimes: Lifetimes | None = None,
        *,
        size: int = 10_000,
        is_told: Callable[[], bool] | None = None,
        tell: Callable[[frozenset[str]], object] | None = None,
    ) -> None:
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ConfigurationError(
                f"The size of a directory cache is a whole number from 0 up, not {size!r}."
            )
        self._clock, self._lifetimes, self._size = clock, lifetimes or Lifetimes(), size
        self._is_told, self._tell = is_told, tell
        self._answers: OrderedDict[object, _Answer] = OrderedDict()
        self._of_tenant: defaultdict[str, set[object]] = defaultdict(set)
        self._missing: OrderedDict[object, float] = OrderedDict()
        self._changes = 0
        self._renew()
        renew_after_fork(self._renew)

    def _renew(self) -> None:
        """Make the lock, which in a process that was forked may be held by nobody."""
        # the same thread may come a second time: what it makes collects garbage, whose end may be a session's
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def changes(self) -> int:
        """How often something was forgotten because it changed."""
        return self._changes

    def recall(self, key: object, now: float | None = None) -> Any | None:
        """
        Return what was found, or None.

        Args:
            key: what was asked.
            now: the present moment, in seconds of Unix time; the clock's by default.
        """
        now = self.now() if now is None else now
        is_told = self._is_told is not None and self._is_told()
        with self._lock:
            answer = self._answers.get(key)
            if answer is None:
                return None
            lifetime = answer.lifetime if is_told else min(answer.lifetime, self._lifetimes.untold)
            if not answer.since <= now < answer.since + lifetime:
                self._drop(key)
                return None
            self._answers.move_to_end(key)
        return answer.found

    def is_missing(self, key: object) -> bool:
        """Whether it was looked for a moment ago, and not found."""
        now = self.now()
        with self._lock:
            since = self._missing.get(key)
            return since is not None and since <= now < since + self._lifetimes.missing

    def remember(self, key: object, found: Any, *, changes: int) -> None:
        """
        Remember what was found, unless something changed since: then it may be what was there before.

        Args:
            key: what was asked.
            found: the answer; None where there is none.
            changes: how many there were before the transaction began in which it was found.
        """
        if self._lifetimes.untold == 0:
            return
        if found is None:
            self._remember_missing(key, changes)
            return
        is_tenant = isinstance(found, Tenant)
        lifetime = self._lifetimes.tenant if is_tenant else self._lifetimes.member
        if lifetime == 0:
            return
        answer = _Answer(found, self.now(), lifetime, str(found.id if is_tenant else found.tenant_id))
        with self._lock:
            if changes != self._changes:
                return
            self._drop(key)
            self._answers[key] = answer
            self._of_tenant[answer.tenant].add(key)
            while len(self._answers) > self._size:
                self._drop(next(iter(self._answers), None))

    def _remember_missing(self, key: object, changes: int) -> None:
        now = self.now()
        with self._lock:
            if changes != self._changes or self._lifetimes.missing == 0:
                return
            self._missing[key] = now
            while len(self._missing) > _MISSING:
                self._missing.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._changes += 1
            self._answers.clear()
            self._of_tenant.clear()
            self._missing.clear()

    def forget(self, tenant_id: str) -> None:
        """Forget what is known about a tenant, by its id as text, and what was not found."""
        with self._lock:
            self._changes += 1
            self._missing.clear()
            for key in tuple(self._of_tenant.get(tenant_id, ())):
                self._drop(key)

    def forget_after(self, session: Session, tenant_id: TenantId) -> None:
        """Forget what is known about a tenant when a session's transaction ends, which changed it; and tell others."""
        at_transaction_end(session, (self, tenant_id), partial(self.announce, tenant_id))

    def announce(self, tenant_id: TenantId) -> None:
        """Forget what is known about a tenant that changed, and tell others."""
        self.forget(str(tenant_id))
        if self._tell is not None:
            self._tell(frozenset({str(tenant_id)}))

    def _drop(self, key: object) -> None:
        answer = self._answers.pop(key, None)
        if answer is not None:
            keys = self._of_tenant[answer.tenant]
            keys.discard(key)
            if not keys:
                self._of_tenant.pop(answer.tenant, None)

    def now(self) -> float:
        """Return the present moment, in seconds of Unix time."""
        return self._clock.now().timestamp()


class CachedLookup:
    """
    The directory as requests ask it: from the cache, and where that does not know, on a session.

    Args:
        directory: gives the directory on a session: the kit's own, or the application's.
        cache: what it answered before.
        open_session: opens an unscoped session at the first answer that the cache does not know; without it, such an
            answer is refused by :class:`NotCached`.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        directory: Callable[[Session], DirectoryLookup],
        cache: DirectoryCache,
        open_session: Callable[[], Session] | None = None,
    ) -> None:
        self._directory, self._cache, self._open = directory, cache, open_session
        self._session: Session | None = None
        self._changes, self._now = cache.changes, cache.now()  # for all that one request asks

    def by_slug(self, slug: str) -> Tenant | None:
        """Return the tenant of a slug, or None."""
        return self.find(("slug", slug), lambda session: self._directory(session).by_slug(slug))

    def by_slug_now(self, slug: str) -> Tenant | None:
        """
        Return the tenant of a slug as it is now, whatever was remembered.

        Raises:
            NotCached: nobody may be asked.
        """
        return self._directory(self._opened()).by_slug(slug)

    def by_id(self, tenant_id: str) -> Tenant | None:
        """Return the tenant of an id in text form, or None."""
        return self.find(("id", tenant_id), lambda session: self._directory(session).by_id(tenant_id))

    def by_domain(self, domain: str) -> Tenant | None:
        """Return the tenant whose own domain it is known to be, or None."""
        return self.find(("domain", domain), lambda session: self._directory(session).by_domain(domain))

    def membership(self, tenant: Tenant, user_id: str) -> Membership | None:
        """Return the active membership of a user, or None."""
        key = ("member", tenant.id, user_id)
        return self.find(key, lambda session: self._directory(session).membership(tenant, user_id))

    def find(self, key: object, ask: Callable[[Session], Found | None]) -> Found | None:
        """
        Return what is known under a key, or what a question to the database finds.

        Raises:
            NotCached: it is not known, and nobody may be asked.
        """
        cached: Found | None = self._cache.recall(key, self._now)
        if cached is not None or self._cache.is_missing(key):
            return cached
        found = ask(self._opened())
        self._cache.remember(key, found, changes=self._changes)
        return found

    def _opened(self) -> Session:
        if self._session is None:
            if self._open is None:
                raise NotCached
            self._session = self._open()
        return self._session
