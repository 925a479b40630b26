"""The composition root: builds the mechanisms from one Settings and wires them."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from tenantkit.audit import AuditTables, AuditTrail
from tenantkit.core.actor import Actor
from tenantkit.core.clock import SystemClock
from tenantkit.core.scope import RequestFacts, Scope, current, current_or_none, enter
from tenantkit.core.settings import Settings
from tenantkit.core.telemetry import counter
from tenantkit.core.tenant import Tenant
from tenantkit.directory import Directory, DirectoryTables
from tenantkit.exceptions import (
    ConfigurationError,
    NotAMember,
    NotAuthenticated,
    TenantSuspended,
    UnknownTenant,
)
from tenantkit.facades import KitAudit, KitQuotas
from tenantkit.isolation import (
    SOFT_DELETE,
    Policies,
    ScopedSession,
    UnscopedSession,
    scope_async_engine,
    scope_engine,
)
from tenantkit.protocols import Clock
from tenantkit.quotas import Plans, Quotas, QuotaTables
from tenantkit.rbac import Matrix
from tenantkit.resolution import Agreement
from tenantkit.sql.sqlite import prepare_sqlite
from tenantkit.sql.types import tenant_id_type
from tenantkit.tokens import AccessTokens

__all__ = ["RequestCredentials", "TenantKit"]


@dataclass(frozen=True, slots=True)
class RequestCredentials:
    """
    What a request says of itself: its host, its bearer token, and facts worth remembering.

    .. versionadded:: 0.1
    """

    host: str | None
    token: str | None
    facts: RequestFacts


class TenantKit:
    """
    All mechanisms of an application, built from one configuration.

    Building it connects to nothing; engines are made at first use.

    Args:
        settings: the configuration.
        metadata: the application's tables, every one declared.
        resolve: how a request's tenant is settled.
        roles: the permission matrix; by default one without permissions and roles.
        plans: the plans; by default none, so that nothing can be metered.
        clock: tells the time; the machine's by default.
        engine_options: for ``sqlalchemy.create_engine``, and for the functions, elements and rules of
            ``scope_engine``.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        settings: Settings,
        *,
        metadata: MetaData | Sequence[MetaData],
        resolve: Agreement,
        roles: Matrix | None = None,
        plans: Plans | None = None,
        clock: Clock | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.resolve = resolve
        self.roles = roles if roles is not None else Matrix({}, {})
        self.plans = plans if plans is not None else Plans()
        self.clock = clock or SystemClock()
        self.metadata = MetaData()
        tenant_id = tenant_id_type(settings.tenant_id_type)
        self.directory = Directory(
            DirectoryTables.define(self.metadata, tenant_id),
            self.clock,
            roles=self.roles.roles,
            plans=self.plans.names,
        )
        self.audit = KitAudit(self, AuditTrail(AuditTables.define(self.metadata, tenant_id), self.clock))
        self.quotas = KitQuotas(self, Quotas(QuotaTables.define(self.metadata, tenant_id), self.plans))
        self.tokens = AccessTokens(
            settings.token_secret.get_secret_value(),
            algorithm=settings.token_algorithm,
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            lifetime=settings.token_lifetime,
            leeway=settings.token_leeway,
            clock=self.clock,
        )
        _check_url(settings.database_url.get_secret_value())
        own = (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)
        self._metadata = (*own, self.metadata)
        self._options = dict(engine_options or {})

    # engines --------------------------------------------------------------------------------------------------

    @cached_property
    def engine(self) -> Engine:
        """The scoped engine."""
        url = self.settings.database_url.get_secret_value()
        return scope_engine(url, metadata=self._metadata, policies=self.settings.policies, **self._options)

    @cached_property
    def async_engine(self) -> AsyncEngine:
        """The scoped engine for asyncio; SQLite runs on aiosqlite."""
        url = self.settings.database_url.get_secret_value()
        if url.startswith("sqlite:"):
            url = url.replace("sqlite:", "sqlite+aiosqlite:", 1)
        policies = self.settings.policies
        return scope_async_engine(url, metadata=self._metadata, policies=policies, **self._options)

    @cached_property
    def owner_engine(self) -> Engine:
        """The engine of the role that owns the tables; not scoped."""
        url = self.settings.owner_database_url or self.settings.database_url
        options = {key: value for key, value in self._options.items() if key not in _SCOPING_OPTIONS}
        engine = create_engine(url.get_secret_value(), **options)
        prepare_sqlite(engine)
        return engine

    @cached_property
    def policies(self) -> Policies:
        """The row level security of the application's and the kit's tables; the owner always sees all of the kit's."""
        rules = self._options.get("rules", ())
        return Policies(self._metadata, rules=rules, open_to_owner=self.metadata.tables.values())

    def create_tables(self) -> None:
        """Create what is missing of the application's and the kit's tables, as their owner, and their policies."""
        for metadata in self._metadata:
            metadata.create_all(self.owner_engine)
        if self.settings.policies:
            with self.owner_engine.begin() as connection:
                self.policies.create_all(connection)

    def dispose(self) -> None:
        """Close the pooled connections of the engines that were used; async ones need :meth:`adispose`."""
        for name in ("engine", "owner_engine"):
            if name in self.__dict__:
                getattr(self, name).dispose()

    async def adispose(self) -> None:
        """Close the pooled connections of all engines that were used."""
        if "async_engine" in self.__dict__:
            await self.async_engine.dispose()
        self.dispose()

    # scopes and sessions --------------------------------------------------------------------------------------

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
            TenantSuspended: it is not active.
        """
        scope = Scope(tenant=self._tenant(tenant), actor=actor, dimensions=dimensions or {})
        with enter(scope):
            try:
                yield scope
            except BaseException:
                self._abandon(scope)
                raise
            self.release(scope)

    @asynccontextmanager
    async def ascope(
        self,
        tenant: Tenant | str,
        *,
        actor: Actor | None = None,
        dimensions: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Scope]:
        """Enter a tenant's scope; as :meth:`scope`, but looks up in a thread, and closes async sessions too."""
        found = await asyncio.to_thread(self._tenant, tenant)
        scope = Scope(tenant=found, actor=actor, dimensions=dimensions or {})
        with enter(scope):
            try:
                yield scope
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
        return [scope.held[key] for key in self._keys() if key in scope.held]

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
    def unscoped_session(self, *, reason: str, actor: Actor | None = None) -> Iterator[UnscopedSession]:
        """
        Open a session over the rows of all tenants, as the owner; each use is recorded in the central trail.

        The record is committed before the session is handed out, in a transaction of its own. The caller commits
        the session.

        Args:
            reason: why all tenants' rows are needed.
            actor: who needs them; the current scope's by default.

        Raises:
            ConfigurationError: there is no reason, or the settings forbid unscoped sessions.
        """
        if not reason.strip():
            raise ConfigurationError(
                "unscoped_session() needs a reason, which is written into the audit trail."
            )
        if not self.settings.unscoped_sessions:
            raise ConfigurationError("Unscoped sessions are switched off by the setting `unscoped_sessions`.")
        ambient = current_or_none()
        who = actor or (ambient.actor if ambient else None)
        self.audit.record_central("session.unscoped", actor=who, details={"reason": reason})
        counter("unscoped_sessions", "Sessions opened over all tenants' rows").add(1)
        with UnscopedSession(self.owner_engine, policies=self.settings.policies) as session:
            yield session

    # requests -------------------------------------------------------------------------------------------------

    def identify(self, request: RequestCredentials) -> Scope:
        """
        Return the scope of a request: verify its token, settle its tenant, find the actor's membership.

        Costs one statement for each source that speaks and one for the membership, on a connection of the owner.

        Raises:
            NotAuthenticated: there is no token.
            TokenInvalid: it does not verify.
            ResolutionError: the tenant cannot be settled, is suspended, or the actor is no member.
        """
        claims = self.tokens.verify(request.token) if request.token is not None else {}
        spoken = self.resolve.read(request.host, claims)
        if "sub" not in claims:
            raise NotAuthenticated("The request does not say who asks. Send `Authorization: Bearer <token>`.")
        with Session(self.owner_engine) as session:
            tenant = self.resolve.settle(spoken, _Lookup(self.directory, session))
            membership = self.directory.membership(session, tenant, claims["sub"])
        if membership is None:
            raise NotAMember(
                f"You are not an active member of {tenant.slug!r}. Ask its owner for an invitation."
            )
        return Scope(tenant=tenant, actor=Actor(claims["sub"]), roles=membership.roles, request=request.facts)

    def _tenant(self, tenant: Tenant | str) -> Tenant:
        if isinstance(tenant, Tenant):
            found: Tenant | None = tenant
        else:
            with Session(self.owner_engine) as session:
                found = self.directory.by_slug(session, tenant)
        if found is None:
            raise UnknownTenant(f"There is no tenant {str(tenant)[:80]!r}.")
        if not found.active:
            raise TenantSuspended(f"The tenant {found.slug!r} is suspended.")
        return found


def _check_url(text: str) -> None:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigurationError("database_url is no SQLAlchemy URL, such as sqlite:///app.db.") from None
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "SQLite in memory is another database on each connection. Use a file, such as sqlite:///app.db."
        )


_SCOPING_OPTIONS = frozenset({"rules", "functions", "elements"})


class _Lookup:
    """The directory on one session, as resolution asks for it."""

    def __init__(self, directory: Directory, session: Session) -> None:
        self._directory, self._session = directory, session

    def by_slug(self, slug: str) -> Tenant | None:
        return self._directory.by_slug(self._session, slug)

    def by_id(self, tenant_id: str) -> Tenant | None:
        return self._directory.by_id(self._session, tenant_id)
