"""The mechanisms as a kit offers them: on the session of the current scope."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from tenantkit.audit import AuditTrail, Event, Outcome
from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope, current, enter
from tenantkit.isolation import ScopedSession
from tenantkit.quotas import Quotas

if TYPE_CHECKING:
    from tenantkit.kit.scopes import Scopes

__all__ = ["KitAudit", "KitQuotas"]


class KitAudit:
    """
    The trail, on the session of the current scope.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: "Scopes", trail: AuditTrail) -> None:
        self._kit = kit
        self.trail = trail

    def record(self, action: str, target: object = None, **facts: Any) -> Event:
        """Record an event in the transaction of the current scope's session; see :meth:`AuditTrail.record`."""
        return self.trail.record(self._kit.session(), current(), action, target, **facts)

    async def arecord(self, action: str, target: object = None, **facts: Any) -> Event:
        """Record an event on the async session; see :meth:`AuditTrail.record`."""
        scope = current()
        return await self._kit.async_session().run_sync(self.trail.record, scope, action, target, **facts)

    def record_apart(
        self, scope: Scope, action: str, *, outcome: Outcome, details: Mapping[str, Any]
    ) -> None:
        """Record an event of a refused or failed request, in a transaction of its own."""
        with enter(scope), ScopedSession(self._kit.apart_engine, scope=scope) as session:
            self.trail.record(session, scope, action, outcome=outcome, details=details)
            session.commit()

    def record_central(self, action: str, *, actor: Actor | None = None, **facts: Any) -> None:
        """Record an event of no tenant, in a transaction of its own."""
        with Session(self._kit.owner_engine) as session:
            self.trail.record_central(session, action, actor=actor, **facts)
            session.commit()

    def latest(self, limit: int = 50) -> list[Event]:
        """Return the current tenant's newest events; see :meth:`AuditTrail.latest`."""
        return self.trail.latest(self._kit.session(), limit)

    async def alatest(self, limit: int = 50) -> list[Event]:
        """Return the current tenant's newest events; see :meth:`AuditTrail.latest`."""
        return await self._kit.async_session().run_sync(self.trail.latest, limit)


class KitQuotas:
    """
    The counters, on the session of the current scope.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: "Scopes", store: Quotas) -> None:
        self._kit = kit
        self.store = store

    def consume(self, meter: str, units: int = 1) -> int:
        """Count units in the transaction of the current scope's session; see :meth:`Quotas.consume`."""
        return self.store.consume(self._kit.session(), current(), meter, units)

    async def aconsume(self, meter: str, units: int = 1) -> int:
        """Count units on the async session; see :meth:`Quotas.consume`."""
        scope = current()
        return await self._kit.async_session().run_sync(self.store.consume, scope, meter, units)

    def used(self, meter: str) -> int:
        """Return the units that the current tenant used. Costs one statement."""
        return self.store.used(self._kit.session(), meter) or 0

    async def aused(self, meter: str) -> int:
        """Return the units that the current tenant used, on the async session."""
        return await self._kit.async_session().run_sync(self.store.used, meter) or 0
