"""The trail on a database."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, inspect, select
from sqlalchemy.exc import NoInspectionAvailable
from sqlalchemy.orm import Session

from tenantkit.audit.model import Event, Outcome
from tenantkit.audit.tables import AuditTables
from tenantkit.core.actor import Actor
from tenantkit.core.ids import new_id
from tenantkit.core.scope import RequestFacts, Scope
from tenantkit.core.tenant import TenantId, central_tenant_id
from tenantkit.exceptions import AuditError
from tenantkit.protocols import Clock

__all__ = ["AuditTrail"]


class AuditTrail:
    """
    Records events in the caller's transaction: they are kept if and only if it commits.

    .. versionadded:: 0.1
    """

    def __init__(self, tables: AuditTables, clock: Clock) -> None:
        self.tables = tables
        self._clock = clock

    def record(
        self,
        session: Session,
        scope: Scope,
        action: str,
        target: object = None,
        *,
        outcome: Outcome = "success",
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """
        Insert an event of the scope's tenant and actor. Costs one statement, and a flush where the target is new.

        Args:
            action: what was done, for example ``flight.cancelled``.
            target: what it was done to: a mapped object, or a text.
            outcome: whether it was done, refused, or tried in vain.
            details: further facts; strings, numbers, lists and mappings of them.

        Raises:
            AuditError: the target is neither, or has no identity.
        """
        session.flush()  # so that a new target has its key
        made = self._event(action, outcome, actor=scope.actor, request=scope.request, details=details)
        impersonator = scope.impersonator.id if scope.impersonator else None
        return self._insert(
            session, scope.tenant.id, replace(made, target=_spelled(target), impersonator=impersonator)
        )

    def record_central(
        self,
        session: Session,
        action: str,
        *,
        actor: Actor | None = None,
        request: RequestFacts | None = None,
        outcome: Outcome = "success",
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """Insert an event of no tenant, on an unscoped session. Costs one statement."""
        central = central_tenant_id(self.tables.events.c.tenant_id.type.python_type)
        facts: dict[str, Any] = {"actor": actor, "request": request, "outcome": outcome, "details": details}
        return self.record_for(session, central, action, **facts)

    def record_for(
        self,
        session: Session,
        tenant_id: TenantId,
        action: str,
        *,
        actor: Actor | None = None,
        request: RequestFacts | None = None,
        outcome: Outcome = "success",
        details: Mapping[str, Any] | None = None,
    ) -> Event:
        """Insert an event of a tenant that nobody is in the scope of, on an unscoped session. Costs one statement."""
        made = self._event(action, outcome, actor=actor, request=request or RequestFacts(), details=details)
        return self._insert(session, tenant_id, made)

    def latest(self, session: Session, limit: int = 50) -> list[Event]:
        """
        Return the newest events in sight of the session, newest first. Costs one statement.

        Args:
            limit: how many at the most, 1 to 1000.
        """
        events = self.tables.events.c
        query = select(self.tables.events).order_by(events.occurred_at.desc(), events.id.desc())
        rows = session.execute(query.limit(max(1, min(limit, 1000)))).mappings()
        return [Event(**{key: row[key] for key in row if key != "tenant_id"}) for row in rows]

    def _event(
        self,
        action: str,
        outcome: Outcome,
        *,
        actor: Actor | None,
        request: RequestFacts,
        details: Mapping[str, Any] | None,
    ) -> Event:
        return Event(
            id=new_id(),
            occurred_at=self._clock.now(),
            actor=actor.id if actor else None,
            actor_kind=actor.kind if actor else None,
            action=action,
            target=None,
            outcome=outcome,
            details=dict(details or {}),
            request_id=request.request_id,
        )

    def _insert(self, session: Session, tenant_id: TenantId, event: Event) -> Event:
        row = {name: getattr(event, name) for name in event.__dataclass_fields__}
        session.execute(insert(self.tables.events).values(tenant_id=tenant_id, **row))
        return event


def _spelled(target: object) -> str | None:
    """Return ``<table>:<key>`` of a mapped object, or the text itself."""
    if target is None or isinstance(target, str):
        return target
    try:
        state = inspect(target)
        key = ",".join(str(part) for part in state.identity)
    except (NoInspectionAvailable, AttributeError, TypeError) as error:
        raise AuditError(
            f"{type(target).__name__} cannot be the target of an event: pass a mapped object that is added to the "
            "session, or a text such as 'document:42'."
        ) from error
    return f"{state.mapper.local_table.name}:{key}"
