"""The directory on a database."""

from collections.abc import Callable, Collection, Iterable
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from tenantkit.core.ids import new_id
from tenantkit.core.tenant import Tenant, TenantId, central_tenant_id, is_slug
from tenantkit.directory import statements
from tenantkit.directory.model import Membership
from tenantkit.directory.tables import DirectoryTables
from tenantkit.exceptions import ConfigurationError
from tenantkit.protocols import Clock
from tenantkit.sql.spelling import read_key

__all__ = ["Directory"]


class Directory:
    """
    Tenants and memberships, on the session given to each call.

    Every operation runs in the caller's transaction and commits nothing. Looking up tenants that are not known yet
    needs an unscoped session; within a scope a session sees its own tenant only.

    Args:
        tables: its tables.
        clock: tells the time.
        roles: names of the roles that members may have; any, if there are none.
        plans: names of the plans that tenants may have; any, if there are none.
        changed: called with the session when a row was written.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        tables: DirectoryTables,
        clock: Clock,
        *,
        roles: Collection[str] = (),
        plans: Collection[str] = (),
        changed: Callable[[Session], object] | None = None,
    ) -> None:
        self.tables = tables
        self._clock = clock
        self._roles, self._plans = roles, plans
        self._changed = changed or _nobody

    def create_tenant(
        self,
        session: Session,
        slug: str,
        *,
        name: str = "",
        plan: str = "default",
        tenant_id: TenantId | None = None,
    ) -> Tenant:
        """
        Insert an active tenant and return it. Costs one statement.

        Args:
            tenant_id: its id; a new UUID by default, which applications with int or str ids must override.

        Raises:
            ConfigurationError: the slug is no DNS label; there is no such plan; the id has not the type of this
                application's, or is the central trail's.
            sqlalchemy.exc.IntegrityError: the slug or id is taken.
        """
        self._check_id(tenant_id)
        _check_names("plan", [plan], self._plans)
        tenant = Tenant(
            id=new_id() if tenant_id is None else tenant_id, slug=slug, name=name or slug, plan=plan
        )
        row = {"id": tenant.id, "slug": slug, "name": tenant.name, "plan": plan, "active": True}
        session.execute(insert(self.tables.tenants).values(**row, created_at=self._clock.now()))
        self._changed(session)  # one of the same id or slug may have been deleted
        return tenant

    def set_active(self, session: Session, tenant: Tenant, *, active: bool) -> None:
        """Suspend a tenant or serve it again. Costs one statement."""
        table = self.tables.tenants
        session.execute(table.update().where(table.c.id == tenant.id).values(active=active))
        self._changed(session)

    def add_member(self, session: Session, tenant: Tenant, user_id: str, roles: Iterable[str]) -> Membership:
        """
        Insert an active membership and return it. Costs one statement.

        Raises:
            ConfigurationError: no role is given, or one that does not exist.
            sqlalchemy.exc.IntegrityError: the user is a member already.
        """
        held = frozenset([roles] if isinstance(roles, str) else roles)
        _check_names("role", held, self._roles)
        if not held:
            raise ConfigurationError(
                f"User {user_id!r} needs at least one role to be a member of {tenant.slug!r}."
            )
        row = {"tenant_id": tenant.id, "user_id": user_id, "roles": sorted(held), "active": True}
        session.execute(insert(self.tables.memberships).values(**row))
        self._changed(session)
        return Membership(tenant.id, user_id, held)

    def by_slug(self, session: Session, slug: str) -> Tenant | None:
        """Return the tenant of a slug, or None; what cannot be a slug is not looked up. Costs one statement."""
        if not is_slug(slug):
            return None
        row = session.execute(statements.tenant_by_slug(self.tables, slug)).one_or_none()
        return statements.tenant_of(row) if row else None

    def by_id(self, session: Session, tenant_id: str) -> Tenant | None:
        """Return the tenant of an id in text form, or None; a malformed id is unknown. Costs one statement."""
        key = read_key(self.tables.tenants.c.id.type, tenant_id)
        if key is None:
            return None
        row = session.execute(statements.tenant_by_id(self.tables, key)).one_or_none()
        return statements.tenant_of(row) if row else None

    def membership(self, session: Session, tenant: Tenant, user_id: str) -> Membership | None:
        """Return the active membership of a user, or None. Costs one statement."""
        roles = session.scalar(statements.membership_of(self.tables, tenant.id, user_id))
        return None if roles is None else Membership(tenant.id, user_id, frozenset(roles))

    def _check_id(self, tenant_id: TenantId | None) -> None:
        kind = self.tables.tenants.c.id.type.python_type
        if tenant_id is None and kind is UUID:
            return
        if (
            not isinstance(tenant_id, kind)
            or isinstance(tenant_id, bool)
            or tenant_id == central_tenant_id(kind)
        ):
            raise ConfigurationError(
                f"A tenant of this application needs an id of type {kind.__name__}, not {tenant_id!r}; the empty one "
                "is the central trail's. Give it as tenant_id=."
            )


def _nobody(_session: Session) -> None:
    """Nobody remembers what was looked up."""


def _check_names(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if known and name not in known:
            raise ConfigurationError(f"There is no {kind} {name!r}; known are {', '.join(sorted(known))}.")
