"""How code enters a tenant's scope, and what sessions it finds there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.scope import RequestFacts, Scope, current, current_or_none, enter
from tenantkit.core.settings import Settings
from tenantkit.core.telemetry import counter
from tenantkit.core.tenant import Tenant, check_served
from tenantkit.directory import Directory
from tenantkit.exceptions import ConfigurationError, UnknownTenant
from tenantkit.isolation import SOFT_DELETE, ScopedSession, UnscopedSession
from tenantkit.kit.facades import KitAudit
from tenantkit.protocols import DirectoryLookup

__all__ = ["ACTOR", "Scopes"]

ACTOR: Final = "tenantkit.actor"  # in a session's info: who works in it, where no scope says it


class Scopes:
    """
    The part of a kit that enters scopes and opens sessions; see :class:`TenantKit`.

    .. versionadded:: 0.1
    """

    settings: Settings
    directory: Directory
    organizations: Callable[[Session], DirectoryLookup]
    audit: KitAudit
    engine: Any
    async_engine: Any
    owner_engine: Any

    @property
    def apart_engine(self) -> Any:
        """The scoped engine for what is committed whatever becomes of the scope's own transaction."""
        return self.engine

    @contextmanager
    def scope(
        self,
        tenant: Tenant | str,
        *,
        actor: Actor | None = None,
        dimensions: Mapping[str, Any] | None = None,
    ) -> Iterator[Scope]:
        """
        Enter a tenant's scope; on leaving, its sessions are closed, and what was not committed rolled back.

        Args:
            tenant: the tenant, or its slug, which costs one look-up.
            actor: who works in it.
            dimensions: what further row rules ask for, such as a workspace.

        Raises:
            UnknownTenant: there is no tenant of this slug.
            ResolutionError: it is not served.
        """
        scope = Scope(tenant=self.served(tenant), actor=actor, dimensions=dimensions or {})
        with self.entered(scope):
            yield scope

    @asynccontextmanager
    async def ascope(
        self,
        tenant: Tenant | str,
        *,
        actor: Actor | None = None,
        dimensions: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Scope]:
        """Enter a tenant's scope; as :meth:`scope`, but looks up in a thread, and closes async sessions too."""
        found = await asyncio.to_thread(self.served, tenant)
        scope = Scope(tenant=found, actor=actor, dimensions=dimensions or {})
        async with self.aentered(scope):
            yield scope

    @contextmanager
    def impersonation(
        self,
        tenant: Tenant | str,
        *,
        impersonator: Actor,
        reason: str,
        actor: Actor | None = None,
        dimensions: Mapping[str, Any] | None = None,
    ) -> Iterator[Scope]:
        """
        Enter a tenant's scope for somebody from outside, such as a person of the support.

        An event in the tenant's trail says so, committed before the scope is handed out; every event in the scope
        names the impersonator beside the actor.

        Args:
            tenant: the tenant, or its slug.
            impersonator: who it is in truth.
            reason: why; the tenant reads it.
            actor: the member in whose place the impersonator works, if it is one member's.
            dimensions: as for :meth:`scope`.

        Raises:
            ConfigurationError: there is no reason.
            UnknownTenant: there is no tenant of this slug.
            ResolutionError: it is not served.
        """
        scope = self._impersonated(
            tenant, impersonator=impersonator, reason=reason, actor=actor, dimensions=dimensions
        )
        with self.entered(scope):
            yield scope

    @asynccontextmanager
    async def aimpersonation(
        self,
        tenant: Tenant | str,
        *,
        impersonator: Actor,
        reason: str,
        actor: Actor | None = None,
        dimensions: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Scope]:
        """Enter a tenant's scope for somebody from outside; as :meth:`impersonation`, and as :meth:`ascope`."""
        facts: dict[str, Any] = {
            "impersonator": impersonator,
            "reason": reason,
            "actor": actor,
            "dimensions": dimensions,
        }
        scope = await asyncio.to_thread(self._impersonated, tenant, **facts)
        async with self.aentered(scope):
            yield scope

    def _impersonated(
        self,
        tenant: Tenant | str,
        *,
        impersonator: Actor,
        reason: str,
        actor: Actor | None,
        dimensions: Mapping[str, Any] | None,
    ) -> Scope:
        _check_reason("impersonation", reason)
        scope = Scope(
            tenant=self.served(tenant), actor=actor, impersonator=impersonator, dimensions=dimensions or {}
        )
        self.record_impersonation(scope, reason)
        return scope

    def record_impersonation(self, scope: Scope, reason: str) -> None:
        """Record in a tenant's trail that somebody from outside enters it, in a transaction of its own."""
        self.audit.record_apart(scope, "tenant.impersonated", outcome="success", details={"reason": reason})
        counter("impersonations", "Scopes entered for somebody from outside").add(1)

    @contextmanager
    def entered(self, scope: Scope) -> Iterator[None]:
        """Enter a scope that was made by hand; on leaving, its sessions are closed, as for :meth:`scope`."""
        with enter(scope):
            try:
                yield
            except BaseException:
                self._abandon(scope)
                raise
            self.release(scope)

    @asynccontextmanager
    async def aentered(self, scope: Scope) -> AsyncIterator[None]:
        """Enter a scope that was made by hand; on leaving, its sessions are closed, as for :meth:`ascope`."""
        with enter(scope):
            try:
                yield
            finally:
                await self.arelease(scope)

    def session(self, *, with_deleted: bool = False) -> ScopedSession:
        """
        Return the session of the current scope; the first call in a scope opens it.

        The caller commits; leaving the scope closes it.

        Args:
            with_deleted: whether rows that were deleted softly are in sight. That is a session of its own beside the
                other, with a transaction of its own.

        Raises:
            ScopeRequired: no scope is entered.
        """
        scope, key = current(), self._key(with_deleted)
        session = scope.held.get(key)
        if session is None:
            lift = [SOFT_DELETE] if with_deleted else []
            session = scope.held[key] = ScopedSession(self.engine, scope=scope, lift=lift)
        if not isinstance(session, ScopedSession):
            raise ConfigurationError(
                "This scope works with an AsyncSession already; use kit.async_session() in it."
            )
        return session

    def async_session(self, *, with_deleted: bool = False) -> AsyncSession:
        """
        Return the async session of the current scope; otherwise the same as :meth:`session`.

        Raises:
            ScopeRequired: no scope is entered.
        """
        scope, key = current(), self._key(with_deleted)
        session = scope.held.get(key)
        if session is None:
            lift = [SOFT_DELETE] if with_deleted else []
            session = scope.held[key] = AsyncSession(
                self.async_engine,
                sync_session_class=ScopedSession,
                scope=scope,
                lift=lift,
                expire_on_commit=False,
            )
        if not isinstance(session, AsyncSession):
            raise ConfigurationError("This scope works with a Session already; use kit.session() in it.")
        return session

    def _key(self, with_deleted: bool) -> object:  # noqa: FBT001 - one of two
        return self, with_deleted

    def release(self, scope: Scope) -> None:
        """Close the sessions that a scope holds, if it opened any; async ones need :meth:`arelease`."""
        if not all(isinstance(session, Session) for session in self._abandon(scope)):
            raise ConfigurationError(
                "This scope was left with an AsyncSession open, which was dropped with its connection. Use "
                "`async with kit.ascope(...)`, or `await kit.arelease(scope)` before leaving."
            )

    def _abandon(self, scope: Scope) -> list[Session | AsyncSession]:
        sessions = self._taken(scope)
        with ExitStack() as closing:
            for session in sessions:
                # closing an async one would have to wait
                closing.callback(
                    session.close if isinstance(session, Session) else session.sync_session.invalidate
                )
        return sessions

    def opened(self, scope: Scope) -> list[Session | AsyncSession]:
        """Return the sessions that a scope holds, for an adapter to commit or roll back."""
        return [scope.held[key] for key in self._keys() if key in scope.held] if scope.held else []

    def _taken(self, scope: Scope) -> list[Session | AsyncSession]:
        return [scope.held.pop(key) for key in self._keys() if key in scope.held]

    def _keys(self) -> tuple[object, object]:
        return self._key(with_deleted=False), self._key(with_deleted=True)

    async def arelease(self, scope: Scope) -> None:
        """Close the sessions that a scope holds, sync or async."""
        async with AsyncExitStack() as closing:
            for session in self._taken(scope):
                if isinstance(session, Session):
                    closing.callback(session.close)
                else:  # a task that is cut off still gives its connection back
                    closing.push_async_callback(asyncio.shield, session.close())

    @contextmanager
    def unscoped_session(
        self, *, reason: str, actor: Actor | str | None = None, request: RequestFacts | None = None
    ) -> Iterator[UnscopedSession]:
        """
        Open a session over the rows of all tenants, as the owner; each use is recorded in the central trail.

        The record is committed before the session is handed out, in a transaction of its own. The caller commits
        the session.

        Args:
            reason: why all tenants' rows are needed.
            actor: who needs them: an actor, or the name of a program; the current scope's actor by default.
            request: facts of the request that needs them, for the record.

        Raises:
            ConfigurationError: there is no reason, nobody is named, or the settings forbid unscoped sessions.
        """
        _check_reason("unscoped_session", reason)
        if not self.settings.unscoped_sessions:
            raise ConfigurationError("Unscoped sessions are switched off by the setting `unscoped_sessions`.")
        ambient = current_or_none()
        who = Actor.system(actor) if isinstance(actor, str) else actor or (ambient.actor if ambient else None)
        if who is None or not who.id.strip():
            raise ConfigurationError(
                "unscoped_session() needs to know who asks, which is written into the audit trail: pass an actor, or "
                'the name of the program, such as actor="nightly totals".'
            )
        facts = {"request": request} if request is not None else {}
        self.audit.record_central("session.unscoped", actor=who, details={"reason": reason}, **facts)
        counter("unscoped_sessions", "Sessions opened over all tenants' rows").add(1)
        with UnscopedSession(self.owner_engine, policies=self.settings.policies) as session:
            session.info[ACTOR] = who
            yield session

    def served(self, tenant: Tenant | str) -> Tenant:
        """
        Return a tenant, or the one of a slug, if it is served.

        Raises:
            UnknownTenant: there is no tenant of this slug.
            ResolutionError: it is not served.
        """
        if isinstance(tenant, Tenant):
            found: Tenant | None = tenant
        else:
            with Session(self.owner_engine) as session:
                found = self.organizations(session).by_slug(tenant)
        if found is None:
            raise UnknownTenant(f"There is no tenant {str(tenant)[:80]!r}.")
        check_served(found)
        return found


def _check_reason(what: str, reason: str) -> None:
    if not reason.strip():
        raise ConfigurationError(f"{what}() needs a reason, which is written into the audit trail.")
