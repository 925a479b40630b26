"""Members of tenants on a database."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.tenant import Tenant, TenantId
from tenantkit.core.texts import check_text, is_storable
from tenantkit.directory import statements
from tenantkit.directory.model import Membership, MembershipStatus, Page
from tenantkit.directory.rules import check_known
from tenantkit.directory.tables import DirectoryTables
from tenantkit.directory.tenants import Told
from tenantkit.exceptions import AlreadyTaken, ConfigurationError, InvalidValue, LastOwner, NotAMember
from tenantkit.protocols import Clock

__all__ = ["Members"]

_MAX_USER_ID = 200


class Members:
    """
    The part of a directory that knows who belongs to tenants; see :class:`Directory`.

    .. versionadded:: 0.1
    """

    tables: DirectoryTables
    _clock: Clock
    _roles: Collection[str]
    _permissions: Collection[str]
    _owner_role: str
    _roles_of: Callable[[Session, TenantId], Collection[str]]
    _changed: Callable[[Session, TenantId], object]
    _told: Told

    def add_member(  # noqa: PLR0913
        self,
        session: Session,
        tenant: Tenant,
        user_id: str,
        roles: Iterable[str],
        *,
        permissions: Iterable[str] = (),
        guest: bool = False,
        invited_by: str | None = None,
        actor: Actor | None = None,
    ) -> Membership:
        """
        Insert an active membership and return it. Costs two statements, within a savepoint.

        Args:
            session: the session.
            tenant: where.
            user_id: who; 1 to 200 characters.
            roles: at least one role, or one as a text.
            permissions: permissions beside those that the roles grant.
            guest: whether as a guest, which the tenant has to allow.
            invited_by: who invited them.
            actor: who adds them.

        Raises:
            ConfigurationError: no role is given, or a role or permission that does not exist.
            InvalidValue: the id is none that can be kept, or the tenant has no guests.
            AlreadyTaken: the user is a member already.
        """
        held, further = (
            self.check_invited(session, tenant, user_id, roles, guest=guest),
            frozenset(permissions),
        )
        check_known("permission", further, self._permissions)
        check_text(user_id, "user_id", _MAX_USER_ID)
        member = Membership(tenant.id, user_id, held, further, guest, "active", invited_by, self._clock.now())
        row = {name: getattr(member, name) for name in member.__slots__}
        row |= {
            "roles": sorted(held),
            "permissions": sorted(member.permissions),
            "owner": self._owner_role in held,
        }
        try:
            with session.begin_nested():
                session.execute(insert(self.tables.memberships).values(**row))
        except IntegrityError:
            raise AlreadyTaken(
                f"{user_id!r} is a member of {tenant.slug!r} already.", field="user_id"
            ) from None
        self._tell_of(
            session,
            tenant,
            "member.added",
            user_id,
            actor=actor,
            details={"roles": sorted(held), "guest": guest},
        )
        return member

    def change_member(
        self,
        session: Session,
        tenant: Tenant,
        user_id: str,
        *,
        roles: Iterable[str] | None = None,
        permissions: Iterable[str] | None = None,
        status: MembershipStatus | None = None,
        actor: Actor | None = None,
    ) -> Membership:
        """
        Change a member's roles, permissions or status, and return the membership. Costs four statements.

        Raises:
            NotAMember: there is no such member.
            LastOwner: nobody would own the tenant.
            ConfigurationError: no role is given, or a role or permission that does not exist.
        """
        check_known("permission", permissions or (), self._permissions)
        if status not in (None, *get_args(MembershipStatus)):
            raise InvalidValue(f"There is no status {status!r} of a member.", field="status")
        before = self._locked(session, tenant, user_id)
        held = before.roles if roles is None else self._checked_roles(session, tenant, user_id, roles)
        after = replace(
            before,
            roles=held,
            permissions=before.permissions if permissions is None else frozenset(permissions),
            status=status or before.status,
        )
        if self._owns(before) and not self._owns(after):
            self._require_another_owner(session, tenant, user_id)
        row = {"roles": sorted(held), "permissions": sorted(after.permissions), "status": after.status}
        table = self.tables.memberships
        changed = update(table).where(table.c.tenant_id == tenant.id, table.c.user_id == user_id)
        session.execute(changed.values(**row, owner=self._owner_role in held))
        old = {
            "roles": sorted(before.roles),
            "permissions": sorted(before.permissions),
            "status": before.status,
        }
        self._tell_of(
            session, tenant, "member.changed", user_id, actor=actor, details={"from": old, "to": row}
        )
        return after

    def remove_member(
        self, session: Session, tenant: Tenant, user_id: str, *, actor: Actor | None = None
    ) -> None:
        """
        Delete a membership. Costs four statements.

        Raises:
            NotAMember: there is no such member.
            LastOwner: nobody would own the tenant.
        """
        before = self._locked(session, tenant, user_id)
        if self._owns(before):
            self._require_another_owner(session, tenant, user_id)
        table = self.tables.memberships
        session.execute(delete(table).where(table.c.tenant_id == tenant.id, table.c.user_id == user_id))
        self._tell_of(
            session, tenant, "member.removed", user_id, actor=actor, details={"roles": sorted(before.roles)}
        )

    def transfer_ownership(
        self,
        session: Session,
        tenant: Tenant,
        *,
        to: str,
        by: str,
        keeps: Iterable[str] = (),
        actor: Actor | None = None,
    ) -> None:
        """
        Make a member an owner in an owner's place. Costs nine statements.

        Args:
            session: the session.
            tenant: of what.
            to: the member who becomes an owner, beside the roles that they have.
            by: the owner who gives it up.
            keeps: the roles that this one has afterwards; by default those that they had beside the owner's, and if
                there are none, the membership ends.
            actor: who does it.

        Raises:
            NotAMember: one of them is no active member.
            InvalidValue: the one who gives it up does not own the tenant, or both are the same.
        """
        if to == by:
            raise InvalidValue("The owner and the new owner are the same.", field="to")
        giver, heir = self._locked(session, tenant, by), self._locked(session, tenant, to)
        if not self._owns(giver):
            raise InvalidValue(f"{by!r} does not own {tenant.slug!r}.", field="by")
        if heir.status != "active" or heir.guest:
            raise InvalidValue(f"{to!r} is suspended or a guest, and can own nothing.", field="to")
        self.change_member(session, tenant, to, roles=heir.roles | {self._owner_role}, actor=actor)
        left = frozenset(keeps) or giver.roles - {self._owner_role}
        if left:
            self.change_member(session, tenant, by, roles=left, actor=actor)
        else:
            self.remove_member(session, tenant, by, actor=actor)

    def membership(self, session: Session, tenant: Tenant, user_id: str) -> Membership | None:
        """Return the active membership of a user, or None. Costs one statement."""
        if not is_storable(user_id):
            return None
        member = self.tables.memberships.c
        query = statements.memberships(self.tables).where(
            member.tenant_id == tenant.id, member.user_id == user_id, member.status == "active"
        )
        row = session.execute(query).one_or_none()
        return statements.membership_from(row) if row else None

    def members(
        self, session: Session, tenant: Tenant, *, after: str | None = None, limit: int = 100
    ) -> Page[Membership]:
        """
        Return a page of a tenant's members, suspended ones included, by user id. Costs one statement.

        Args:
            session: the session.
            tenant: whose.
            after: ``Page.after`` of the page before.
            limit: how many at the most, 1 to 1000.
        """
        member = self.tables.memberships.c
        query = statements.memberships(self.tables).where(member.tenant_id == tenant.id)
        if after is not None:
            check_text(after, "after", _MAX_USER_ID)
            query = query.where(member.user_id > after)
        size = max(1, min(limit, 1000))
        rows = session.execute(query.order_by(member.user_id).limit(size + 1)).all()
        items = [statements.membership_from(row) for row in rows[:size]]
        return Page(items, items[-1].user_id if len(rows) > size else None)

    def tenants_of(self, session: Session, user_id: str) -> list[tuple[Tenant, Membership]]:
        """
        Return the tenants that a user is an active member of, by slug, with the membership. Costs two statements.

        Closed and suspended tenants are among them; the session has to be unscoped.
        """
        member, tenants = self.tables.memberships.c, self.tables.tenants
        query = statements.memberships(self.tables).where(
            member.user_id == user_id, member.status == "active"
        )
        ids = {one.tenant_id: one for one in map(statements.membership_from, session.execute(query))}
        rows = session.execute(
            statements.tenants(self.tables).where(tenants.c.id.in_(ids)).order_by(tenants.c.slug)
        )
        return [(tenant, ids[tenant.id]) for tenant in map(statements.tenant_from, rows)]

    def check_invited(
        self, session: Session, tenant: Tenant, who: str, roles: Iterable[str], *, guest: bool
    ) -> frozenset[str]:
        """
        Return the roles that somebody would hold.

        Raises:
            ConfigurationError: no role is given, or one that does not exist.
            InvalidValue: it would be a guest, and the tenant has none.
        """
        if guest and not tenant.entry.guests:
            raise InvalidValue(
                f"The tenant {tenant.slug!r} has no guests. Its entry rules can allow them.", field="guest"
            )
        return self._checked_roles(session, tenant, who, roles)

    def _checked_roles(
        self, session: Session, tenant: Tenant, user_id: str, roles: Iterable[str]
    ) -> frozenset[str]:
        held = frozenset([roles] if isinstance(roles, str) else roles)
        if self._roles and not held <= set(self._roles):
            check_known("role", held, [*self._roles, *self._roles_of(session, tenant.id)])
        if not held:
            raise ConfigurationError(
                f"User {user_id!r} needs at least one role to be a member of {tenant.slug!r}."
            )
        return held

    def _owns(self, member: Membership) -> bool:
        return member.status == "active" and self._owner_role in member.roles

    def _locked(self, session: Session, tenant: Tenant, user_id: str) -> Membership:
        """Return a membership, after waiting for whoever changes members of the same tenant."""
        tenants, member = self.tables.tenants, self.tables.memberships.c
        if not is_storable(user_id):
            raise NotAMember("A text that no database can hold is not a member of any tenant.")
        # a row lock on PostgreSQL, the writer's on SQLite: two last owners cannot both see the other one leave
        session.execute(update(tenants).where(tenants.c.id == tenant.id).values(plan=tenants.c.plan))
        query = statements.memberships(self.tables)
        row = session.execute(
            query.where(member.tenant_id == tenant.id, member.user_id == user_id)
        ).one_or_none()
        if row is None:
            raise NotAMember(f"{user_id[:80]!r} is not a member of {tenant.slug!r}.")
        return statements.membership_from(row)

    def _require_another_owner(self, session: Session, tenant: Tenant, user_id: str) -> None:
        member = self.tables.memberships.c
        others = select(member.user_id).where(
            member.tenant_id == tenant.id,
            member.user_id != user_id,
            member.owner.is_(True),
            member.status == "active",
        )
        if session.scalar(others.limit(1)) is None:
            raise LastOwner(
                f"{user_id!r} is the last owner of {tenant.slug!r}. Make somebody else an owner first."
            )

    def _tell_of(
        self,
        session: Session,
        tenant: Tenant,
        action: str,
        user_id: str,
        *,
        actor: Actor | None,
        details: Mapping[str, Any],
    ) -> None:
        self._changed(session, tenant.id)
        self._told(session, tenant.id, action, actor=actor, details={"user": user_id, **details})
