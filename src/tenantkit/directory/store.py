"""The directory on a database."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.tenant import Tenant, TenantId
from tenantkit.directory.members import Members
from tenantkit.directory.model import Membership
from tenantkit.directory.tables import DirectoryTables
from tenantkit.directory.tenants import Tenants, Told
from tenantkit.protocols import Clock, DirectoryLookup

__all__ = ["Directory"]


class Directory(Tenants, Members):
    """
    Tenants and memberships, on the session given to each call.

    Every operation runs in the caller's transaction and commits nothing. Looking up tenants that are not known yet
    needs an unscoped session; within a scope a session sees its own tenant only.

    Args:
        tables: its tables.
        clock: tells the time.
        roles: names of the roles that members may have; any, if there are none.
        roles_of: returns the names of further roles that members of one tenant may have; asked where a role is unknown.
        permissions: names of the permissions that members may have beside their roles; any, if there are none.
        plans: names of the plans that tenants may have; any, if there are none.
        owner_role: the role whose last holder cannot leave a tenant.
        reserved_slugs: slugs that no tenant can have.
        strict_slugs: whether a slug has to be the one that is made of the name.
        changed: called with the session, and the id of the tenant of which a row was written.
        told: called with what happened, to be recorded in the same transaction.

    .. versionadded:: 0.1
    """

    def __init__(  # noqa: PLR0913
        self,
        tables: DirectoryTables,
        clock: Clock,
        *,
        roles: Collection[str] = (),
        permissions: Collection[str] = (),
        plans: Collection[str] = (),
        owner_role: str = "owner",
        reserved_slugs: Collection[str] = ("www", "api"),
        strict_slugs: bool = False,
        changed: Callable[[Session, TenantId], object] | None = None,
        told: Told | None = None,
        roles_of: Callable[[Session, TenantId], Collection[str]] | None = None,
    ) -> None:
        self.tables = tables
        self._clock = clock
        self._roles, self._permissions, self._plans = roles, permissions, plans
        self._owner_role, self._roles_of = owner_role, roles_of or _no_roles
        self._reserved, self._strict_slugs = frozenset(reserved_slugs), strict_slugs
        self._changed, self._told = changed or _nobody, told or _to_nobody

    def on(self, session: Session) -> DirectoryLookup:
        """Return the look-ups on a session, which has to be unscoped."""
        return _OnSession(self, session)


@dataclass(frozen=True, slots=True)
class _OnSession:
    """The look-ups of a directory on one session."""

    directory: Directory
    session: Session

    def by_slug(self, slug: str) -> Tenant | None:
        return self.directory.by_slug(self.session, slug)

    def by_id(self, tenant_id: str) -> Tenant | None:
        return self.directory.by_id(self.session, tenant_id)

    def by_domain(self, domain: str) -> Tenant | None:
        return self.directory.by_domain(self.session, domain)

    def membership(self, tenant: Tenant, user_id: str) -> Membership | None:
        return self.directory.membership(self.session, tenant, user_id)


def _no_roles(_session: Session, _tenant_id: TenantId) -> Collection[str]:
    """No tenant has roles of its own."""
    return ()


def _nobody(_session: Session, _tenant_id: TenantId) -> None:
    """Nobody remembers what was looked up."""


def _to_nobody(
    session: Session,
    tenant_id: TenantId,
    action: str,
    *,
    actor: Actor | None,
    details: Mapping[str, Any],
) -> None:
    """Nobody keeps a trail."""
