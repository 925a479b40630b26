"""The mechanisms as a kit offers them: on the session of the current scope."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import Session

from tenantkit.audit import AuditTrail, Event, Outcome
from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope, current, enter
from tenantkit.isolation import ScopedSession
from tenantkit.quotas import Quotas
from tenantkit.rbac import Authorizer, Decision, Mode

if TYPE_CHECKING:
    from tenantkit.kit.scopes import Scopes

__all__ = ["KitAccess", "KitAudit", "KitQuotas"]

Selected = TypeVar("Selected", bound=Select[Any])


class KitAccess:
    """
    What the actor of the current scope may do. Costs no statement; see :class:`~tenantkit.rbac.Authorizer`.

    .. versionadded:: 0.1
    """

    def __init__(self, authorizer: Authorizer) -> None:
        self.authorizer = authorizer

    def check(self, permission: str, resource: object = None) -> bool:
        """Whether the actor may do something to a resource; see :meth:`Authorizer.check`."""
        return self.authorizer.check(current(), permission, resource)

    def check_some(self, permission: str) -> bool:
        """Whether there can be a resource to which they may; see :meth:`Authorizer.check_some`."""
        return self.authorizer.check_some(current(), permission)

    def require(self, permission: str, resource: object = None, *, some: bool = False) -> None:
        """Refuse unless they may; see :meth:`Authorizer.require`."""
        self.authorizer.require(current(), permission, resource, some=some)

    def require_any(self, permissions: Sequence[str], resource: object = None) -> None:
        """Refuse unless one of several permissions is allowed; see :meth:`Authorizer.require_any`."""
        self.authorizer.require_any(current(), permissions, resource)

    def require_role(self, *roles: str) -> None:
        """Refuse unless the actor holds one of several roles; see :meth:`Authorizer.require_role`."""
        self.authorizer.require_role(current(), *roles)

    def explain(self, permission: str, resource: object = None) -> Decision:
        """Return the answer, with what it rests on; see :meth:`Authorizer.explain`."""
        return self.authorizer.explain(current(), permission, resource)

    def check_many(self, questions: Iterable[tuple[str, object]], mode: Mode = "all") -> list[bool]:
        """Return the answers to several questions; see :meth:`Authorizer.check_many`."""
        return self.authorizer.check_many(current(), questions, mode)

    def allowed_actions(self, resource: object = None) -> frozenset[str]:
        """Return all permissions that the actor has on a resource; see :meth:`Authorizer.allowed_actions`."""
        return self.authorizer.allowed_actions(current(), resource)

    def filter(self, statement: Selected, permission: str, *, model: Any = None) -> Selected:
        """Return a select of only those rows on which they may; see :meth:`Authorizer.filter`."""
        return self.authorizer.filter(current(), statement, permission, model=model)


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
