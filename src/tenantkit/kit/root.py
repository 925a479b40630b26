"""The composition root: builds the mechanisms from one Settings and wires them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import URL, Engine, MetaData, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session

from tenantkit.audit import AuditTables, AuditTrail
from tenantkit.core.actor import Actor
from tenantkit.core.clock import SystemClock
from tenantkit.core.scope import current_or_none
from tenantkit.core.settings import Settings
from tenantkit.core.tenant import TenantId
from tenantkit.directory import (
    Directory,
    DirectoryCache,
    DirectoryTables,
    Domains,
    Invitations,
    Lifetimes,
    TenantSettings,
    Workspaces,
)
from tenantkit.directory.rules import check_known
from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation import (
    Policies,
    scope_async_engine,
    scope_engine,
)
from tenantkit.kit.access import KitAccess
from tenantkit.kit.announcements import Announcements
from tenantkit.kit.credentials import KitApiKeys, KitLockouts, KitShareLinks
from tenantkit.kit.facades import KitAudit, KitQuotas
from tenantkit.kit.health import Health, connect_redis, examine, ping_database
from tenantkit.kit.logins import KitLogins
from tenantkit.kit.once import once
from tenantkit.kit.requests import Requests
from tenantkit.kit.scopes import ACTOR
from tenantkit.kit.trust import Trust, keys_of
from tenantkit.protocols import Clock, DirectoryLookup, FeatureLookup
from tenantkit.quotas import Plans, Quotas, QuotaTables
from tenantkit.rbac import Authorizer, Matrix, Permission, Role, RuleStore, RuleTables
from tenantkit.resolution import Claim, Resolver
from tenantkit.sql.endings import at_transaction_end
from tenantkit.sql.sqlite import prepare_sqlite
from tenantkit.sql.types import tenant_id_type
from tenantkit.tokens import (
    AccessTokens,
    ApiKeys,
    Lockouts,
    Logins,
    RevokedLogins,
    ShareLinks,
    TokenTables,
    TrustedIssuers,
    VerifiedTokens,
)

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["TenantKit"]

_TENANTS: Final = "tenants"
_LOGINS: Final = "logins"


class NoSettings(BaseModel):
    """What an application keeps of a tenant that keeps nothing."""


class TenantKit(Requests):
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
        dimensions: what further row rules ask for, by name, and the claim of the token that says it.
        tenant_settings: what the application keeps of each tenant: a pydantic model whose fields have defaults.
        trust: whose tokens are believed, beside those signed with the settings' secret.
        organizations: gives the application's own directory of tenants and members on an unscoped session, where the
            kit's is not the one: a class that implements :class:`~tenantkit.protocols.DirectoryLookup` and is made with
            a session.
        features: says which features a tenant has, where a permission asks for one.
        checks: what else has to answer before the application is ready, by name: callables that raise where it does
            not.
        engine_options: for ``sqlalchemy.create_engine``, and for the functions, elements and rules of
            ``scope_engine``.

    .. versionadded:: 0.1
    """

    def __init__(  # noqa: PLR0913 - where everything is put together, by keyword
        self,
        settings: Settings,
        *,
        metadata: MetaData | Sequence[MetaData],
        resolve: Resolver,
        roles: Matrix | None = None,
        plans: Plans | None = None,
        clock: Clock | None = None,
        dimensions: Mapping[str, Claim] | None = None,
        tenant_settings: type[BaseModel] | None = None,
        trust: Trust | None = None,
        organizations: Callable[[Session], DirectoryLookup] | None = None,
        features: FeatureLookup | None = None,
        checks: Mapping[str, Callable[[], object]] | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.resolve = resolve
        self.roles = roles if roles is not None else Matrix({}, {})
        self.plans = plans if plans is not None else Plans()
        self.clock = clock or SystemClock()
        self.metadata = MetaData()
        tenant_id = tenant_id_type(settings.tenant_id_type)
        self.redis = connect_redis(settings.redis_url.get_secret_value()) if settings.redis_url else None
        self.announcements = self._announcements(self.redis) if self.redis is not None else None
        self.directory_cache = DirectoryCache(
            self.clock,
            Lifetimes(
                untold=settings.directory_cache_lifetime,
                tenant=settings.tenant_cache_lifetime,
                member=settings.member_cache_lifetime,
                missing=settings.missing_cache_lifetime,
            ),
            size=settings.directory_cache_size,
            is_told=self.announcements.is_heard if self.announcements else None,
            tell=partial(self.announcements.tell, _TENANTS) if self.announcements else None,
        )
        rules = RuleStore(
            RuleTables.define(self.metadata, tenant_id),
            self.roles,
            self.clock,
            changed=self.directory_changed,
        )
        self.access = KitAccess(self, Authorizer(self.roles, self.clock, features=features), rules)
        self.directory = Directory(
            DirectoryTables.define(self.metadata, tenant_id),
            self.clock,
            roles=_of_tenants(self.roles.roles),
            permissions=_of_tenants(self.roles.permissions),
            roles_of=lambda session, tenant_id: rules.rulebook(session, tenant_id).rules.roles,
            plans=self.plans.names,
            owner_role=settings.owner_role,
            reserved_slugs=settings.reserved_slugs,
            strict_slugs=settings.strict_slugs,
            changed=self.directory_changed,
            told=self._directory_told,
        )
        self.organizations = organizations or self.directory.on
        self.tenant_settings = TenantSettings(
            tenant_settings or NoSettings, [key.get_secret_value() for key in settings.sealing_keys]
        )
        self.invitations = Invitations(self.directory, self.clock)
        self.domains = Domains(self.directory, self.clock, reserved=settings.reserved_domains)
        self.workspaces = Workspaces(self.directory, self.clock)
        self.audit = KitAudit(self, AuditTrail(AuditTables.define(self.metadata, tenant_id), self.clock))
        self.quotas = KitQuotas(self, Quotas(QuotaTables.define(self.metadata, tenant_id), self.plans))
        self.trust = trust = trust or Trust()
        if trust.support is not None:
            check_known("role", trust.support.roles, self.roles.roles)
        self.tokens = AccessTokens(
            keys_of(settings, trust),
            issuer=settings.token_issuer,
            audience=settings.token_audience,
            lifetime=settings.token_lifetime,
            leeway=settings.token_leeway,
            clock=self.clock,
        )
        tokens = TokenTables.define(self.metadata, tenant_id)
        logins = Logins(
            tokens,
            self.tokens,
            self.clock,
            lifetime=settings.login_lifetime,
            idle_lifetime=settings.login_idle_lifetime,
            grace=settings.refresh_grace,
            changed=self._logins_changed,
        )
        revoked = RevokedLogins(
            self._revoked_since,
            self.clock,
            horizon=settings.token_lifetime + settings.token_leeway,
            lag=settings.revocation_lag,
        )
        self.logins = KitLogins(self, logins, revoked)
        self.api_keys = KitApiKeys(
            self,
            ApiKeys(tokens, self.clock, prefix=settings.api_key_prefix, changed=self.directory_changed),
        )
        self.share_links = KitShareLinks(self, ShareLinks(tokens, self.clock))
        self.lockouts = KitLockouts(self, Lockouts(tokens, self.clock, backoffs=trust.backoffs))
        self.issuers = TrustedIssuers(
            self.tokens.issuer, *trust.issuers, clock=self.clock, find=trust.find_issuer
        )
        self.verified_tokens = VerifiedTokens(
            self.issuers, self.clock, size=settings.token_cache_size, is_revoked=self._is_revoked
        )
        self.dimensions = dict(dimensions or {})
        self._checks = dict(checks or {})
        _check_url(settings.database_url.get_secret_value(), policies=settings.policies)
        own = (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)
        self._metadata = (*own, self.metadata)
        self._options = dict(engine_options or {})

    def add_metadata(self, metadata: MetaData) -> None:
        """Add tables of the application that are known only after the kit; before the first engine is made."""
        self._metadata = (*self._metadata, metadata)

    @property
    def all_metadata(self) -> tuple[MetaData, ...]:
        """Where the application's and the kit's tables are declared."""
        return self._metadata

    # engines --------------------------------------------------------------------------------------------------

    @once
    def engine(self) -> Engine:
        """The scoped engine."""
        return self._make_engine(self.settings.database_url.get_secret_value())

    @once
    def async_engine(self) -> AsyncEngine:
        """The scoped engine for asyncio; SQLite runs on aiosqlite."""
        url = self.settings.database_url.get_secret_value()
        if url.startswith("sqlite:"):
            url = url.replace("sqlite:", "sqlite+aiosqlite:", 1)
        policies = self.settings.policies
        return scope_async_engine(url, metadata=self._metadata, policies=policies, **self._options)

    @once
    def owner_engine(self) -> Engine:
        """The engine of the role that owns the tables; not scoped."""
        url = self.settings.owner_database_url or self.settings.database_url
        return self._make_owner_engine(url.get_secret_value())

    def _make_engine(self, url: str | URL, **options: Any) -> Engine:
        policies = self.settings.policies
        return scope_engine(
            url, metadata=self._metadata, **{"policies": policies, **self._options, **options}
        )

    def _make_owner_engine(self, url: str | URL, **options: Any) -> Engine:
        own = {key: value for key, value in self._options.items() if key not in _SCOPING_OPTIONS}
        engine = create_engine(url, **own, **options)
        prepare_sqlite(engine)
        return engine

    @once
    def policies(self) -> Policies:
        """The row level security of the application's and the kit's tables; the owner always sees all of the kit's."""
        rules = self._options.get("rules", ())
        return Policies(self._metadata, rules=rules, open_to_owner=self.metadata.tables.values())

    def create_tables(self) -> None:
        """Create what is missing of the application's and the kit's tables, as their owner, and their policies."""
        self.directory_cache.clear()  # of tables that were there before
        for metadata in self._metadata:
            metadata.create_all(self.owner_engine)
        if self.settings.policies:
            with self.owner_engine.begin() as connection:
                self.policies.create_all(connection)

    def _directory_told(
        self,
        session: Session,
        tenant_id: TenantId,
        action: str,
        *,
        actor: Actor | None,
        details: Mapping[str, Any],
    ) -> None:
        scope = current_or_none()
        who = actor or session.info.get(ACTOR) or (scope.actor if scope else None)
        request = scope.request if scope else None
        self.audit.trail.record_for(session, tenant_id, action, actor=who, request=request, details=details)

    def _revoked_since(self, moment: datetime) -> set[UUID]:
        with Session(self.owner_engine) as session:
            return self.logins.store.revoked_since(session, moment)

    def _logins_changed(self, session: Session) -> None:
        def ended() -> None:
            self.logins.revoked.forget()
            if self.announcements is not None:
                self.announcements.tell(_LOGINS, frozenset({"ended"}))

        at_transaction_end(session, self.logins, ended)

    def directory_changed(self, session: Session, tenant_id: TenantId) -> None:
        """
        Have forgotten what was looked up of a tenant, here and in other processes, once the session's transaction ends.

        The kit's directory does this by itself. An application with a directory of its own calls it when it changes a
        tenant, or who belongs to it. A session that is joined to a transaction of somebody else's ends before that one:
        then call it again when that one was committed.
        """
        self.directory_cache.forget_after(session, tenant_id)

    def _announcements(self, redis: "Redis") -> Announcements:
        def tenants_changed(tenant_ids: frozenset[str]) -> None:
            for tenant_id in tenant_ids:
                self.directory_cache.forget(tenant_id)

        def missed() -> None:
            self.directory_cache.clear()
            self.logins.revoked.forget()

        return Announcements(
            redis,
            f"{self.settings.redis_prefix}:changes",
            heard={_TENANTS: tenants_changed, _LOGINS: lambda _ended: self.logins.revoked.forget()},
            missed=missed,
        )

    def check_health(self) -> Health:
        """
        Ask whatever the kit needs for a sign of life: the database as each of its roles, Redis, and the checks given.

        Costs a round trip each. Opens no transaction, needs no scope, raises nothing.
        """
        checks: dict[str, Callable[[], object]] = {"database": self._ping_database}
        if self.redis is not None:
            checks["redis"] = self.redis.ping
        return examine(checks | self._checks)

    def _ping_database(self) -> None:
        ping_database(self.owner_engine)
        if self.settings.owner_database_url is not None:
            ping_database(self.engine)

    def dispose(self) -> None:
        """Close the pooled connections of what was used; async engines need :meth:`adispose`."""
        self._dispose_redis()
        for name in ("engine", "owner_engine"):
            if name in self.__dict__:
                getattr(self, name).dispose()

    def _dispose_redis(self) -> None:
        if self.announcements is not None:
            self.announcements.close()
        if self.redis is not None:
            self.redis.close()

    async def adispose(self) -> None:
        """Close the pooled connections of all engines that were used."""
        if "async_engine" in self.__dict__:
            await self.async_engine.dispose()
        self.dispose()


def _of_tenants(declared: Mapping[str, Role] | Mapping[str, Permission]) -> list[str]:
    """Return the names of what a member of a tenant can be given."""
    return [name for name, one in declared.items() if one.side == "tenant"]


def _check_url(text: str, *, policies: bool) -> None:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigurationError("database_url is no SQLAlchemy URL, such as sqlite:///app.db.") from None
    if policies and url.get_backend_name() != "postgresql":
        raise ConfigurationError(
            f"The setting `policies` needs PostgreSQL, and database_url names {url.get_backend_name()}. Leave it out: "
            "every statement is scoped without policies."
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "SQLite in memory is another database on each connection. Use a file, such as sqlite:///app.db."
        )


_SCOPING_OPTIONS = frozenset({"rules", "functions", "elements"})
