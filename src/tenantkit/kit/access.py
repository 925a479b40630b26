"""Who may do what as a kit offers it: questions, and the rules that tenants make."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope, current
from tenantkit.core.tenant import Tenant
from tenantkit.directory import Page
from tenantkit.exceptions import ConfigurationError, NotAMember
from tenantkit.kit.questions import KitQuestions
from tenantkit.protocols import MembershipLookup
from tenantkit.rbac import (
    Authorizer,
    Change,
    Grant,
    MemberRules,
    Role,
    Rule,
    Rulebook,
    RuleStore,
    role_data,
    rule_data,
)
from tenantkit.rbac.giving import Giving
from tenantkit.rbac.store import as_value

if TYPE_CHECKING:
    from tenantkit.kit.requests import Requests

__all__ = ["KitAccess"]


class KitAccess(KitQuestions):
    """
    What the actor of the current scope may do, and what tenants say of it beside the matrix.

    A tenant's own roles and what was granted to its members are kept on the session of the current scope, in its
    transaction, and count from its commit on: at once in this process, and in others as soon as they are told, or when
    what they remember expires (``member_cache_lifetime``, ``directory_cache_lifetime``). In a request nobody gives away
    what they do not have themselves. Each change is recorded in the tenant's trail.

    .. versionadded:: 0.1
    """

    def __init__(self, kit: "Requests", authorizer: Authorizer, store: RuleStore) -> None:
        self._kit, self.authorizer, self.store = kit, authorizer, store
        self._giving = Giving(authorizer)

    def roles(self) -> Mapping[str, Role]:
        """Return the roles that a member of the current tenant can hold, its own among them. Costs one statement."""
        return self._roles(self._kit.session(), current())

    async def aroles(self) -> Mapping[str, Role]:
        """Return the roles, on the async session; see :meth:`roles`."""
        return await self._kit.async_session().run_sync(self._roles, current())

    def define_role(self, role: Role) -> None:
        """
        Define a role of the current tenant, or define it anew. Recorded as ``role.defined``.

        In a request the role is judged without what it excludes and denies: what it includes, or a wildcard stands for,
        may be more tomorrow. Costs six statements, in a request nine, and one more where the tenant ever granted
        anything.

        Raises:
            PermissionDenied: in a request, the actor has not what the role would allow, or not what it would deny or
                denied before.
            InvalidValue: it names what there is not, includes itself, is of the host's side, or cannot be kept.
            AlreadyTaken: the application has a role of this name.
        """
        self._define(self._kit.session(), current(), role)

    async def adefine_role(self, role: Role) -> None:
        """Define a role on the async session; see :meth:`define_role`."""
        await self._kit.async_session().run_sync(self._define, current(), role)

    def remove_role(self, name: str) -> bool:
        """
        End a role of the current tenant; return whether there was one. Recorded as ``role.removed``.

        Who holds it keeps its name, which grants nothing any more. Costs five statements, in a request eight or nine.

        Raises:
            PermissionDenied: in a request, it denies something that the actor does not have.
            InvalidValue: another role includes it.
        """
        return self._remove(self._kit.session(), current(), name)

    async def aremove_role(self, name: str) -> bool:
        """End a role on the async session; see :meth:`remove_role`."""
        return await self._kit.async_session().run_sync(self._remove, current(), name)

    def grant(self, user_id: str, rule: Rule | str) -> Grant:
        """
        Allow something to one member, or deny it. Recorded as ``permission.granted`` or ``permission.denied``.

        Costs four statements, in a request seven or eight.

        Args:
            user_id: to whom.
            rule: what; a text allows the permission that it names.

        Raises:
            PermissionDenied: in a request, the actor has not what they allow or deny.
            InvalidValue: the rule names what there is not, or is over; or the user id is none that can be kept.
        """
        return self._grant(self._kit.session(), current(), user_id, rule)

    async def agrant(self, user_id: str, rule: Rule | str) -> Grant:
        """Grant on the async session; see :meth:`grant`."""
        return await self._kit.async_session().run_sync(self._grant, current(), user_id, rule)

    def delegate(self, user_id: str, rule: Rule | str, *, until: datetime) -> Grant:
        """
        Lend another member what the actor may do. Recorded as ``permission.delegated``.

        Costs seven statements, and one more where the tenant ever granted anything.

        It counts until the moment, and only while the actor has it, too; what was lent cannot be lent on.

        Args:
            user_id: to whom.
            rule: what; a text lends the permission that it names.
            until: how long.

        Raises:
            PermissionDenied: the actor has it not, or it was lent to them.
            InvalidValue: no member acts, the rule denies, names what there is not, or is over.
        """
        return self._delegate(self._kit.session(), current(), user_id, _ending(rule, until))

    async def adelegate(self, user_id: str, rule: Rule | str, *, until: datetime) -> Grant:
        """Lend on the async session; see :meth:`delegate`."""
        return await self._kit.async_session().run_sync(
            self._delegate, current(), user_id, _ending(rule, until)
        )

    def revoke(self, grant_id: str) -> bool:
        """
        End a grant; return whether there was one. Recorded as ``permission.revoked``.

        Costs six statements; in a request, where it denies something, nine or ten.

        Raises:
            PermissionDenied: in a request, it denies something that the actor does not have.
        """
        return self._revoke(self._kit.session(), current(), grant_id)

    async def arevoke(self, grant_id: str) -> bool:
        """End a grant on the async session; see :meth:`revoke`."""
        return await self._kit.async_session().run_sync(self._revoke, current(), grant_id)

    def grants(self, user_id: str | None = None) -> list[Grant]:
        """Return what was granted in the current tenant and counts, or will: to one, or to all. Costs one statement."""
        return self.store.grants(self._kit.session(), current().tenant.id, user_id)

    async def agrants(self, user_id: str | None = None) -> list[Grant]:
        """Return what was granted, on the async session; see :meth:`grants`."""
        return await self._kit.async_session().run_sync(self.store.grants, current().tenant.id, user_id)

    def list_subjects(
        self,
        permission: str,
        resource: object = None,
        *,
        after: str | None = None,
        limit: int = 100,
        dimensions: Mapping[str, Any] | None = None,
    ) -> Page[str]:
        """
        Return those of a page of the current tenant's members who may do something to a resource, by user id.

        Looks at ``limit`` members; ``Page.after`` goes on behind them. Costs one statement, and what the cache does not
        know of each member.

        Args:
            permission: what.
            resource: on what; on every resource by default.
            after: ``Page.after`` of the page before.
            limit: how many members to look at, 1 to 1000.
            dimensions: where, such as a workspace.

        Raises:
            ConfigurationError: the permission is not declared, or the application has a directory of its own, which
                knows its members.
        """
        kit, scope = self._kit, current()
        self.authorizer.matrix.check_declared(permission)
        if kit.organizations != kit.directory.on:
            raise ConfigurationError(
                "This application has a directory of its own, which knows its members. Ask about each of them."
            )
        page = kit.directory.members(kit.session(), scope.tenant, after=after, limit=limit)
        asked = (one.user_id for one in page.items if one.status == "active")
        found = [one for one in asked if self._may(one, permission, resource, dimensions)]
        return Page(found, page.after)

    def history(self, *, limit: int = 100) -> list[Change]:
        """Return what the current tenant defined and granted, the newest first; see :meth:`RuleStore.history`."""
        return self.store.history(self._kit.session(), current().tenant.id, limit=limit)

    async def ahistory(self, *, limit: int = 100) -> list[Change]:
        """Return what was defined and granted, on the async session; see :meth:`history`."""
        return await self._kit.async_session().run_sync(self.store.history, current().tenant.id, limit=limit)

    def export(self) -> dict[str, Any]:
        """Return what the current tenant made, as JSON-able data; see :meth:`RuleStore.export`."""
        return self.store.export(self._kit.session(), current().tenant.id)

    async def aexport(self) -> dict[str, Any]:
        """Return what the current tenant made, on the async session; see :meth:`export`."""
        return await self._kit.async_session().run_sync(self.store.export, current().tenant.id)

    def load(self, content: Mapping[str, Any]) -> tuple[list[Role], list[Grant]]:
        """
        Define and grant in the current tenant what :meth:`export` gave; return what was new.

        Recorded as each definition and grant is. A script's work: in a request, define and grant one by one.

        Raises:
            ConfigurationError: it is no such export, or the scope is a request's.
            InvalidValue: it names what there is not.
            AlreadyTaken: the application has a role of such a name.
        """
        return self._load(self._kit.session(), current(), content)

    async def aload(self, content: Mapping[str, Any]) -> tuple[list[Role], list[Grant]]:
        """Define and grant on the async session; see :meth:`load`."""
        return await self._kit.async_session().run_sync(self._load, current(), content)

    def require_giving(self, *roles: str) -> None:
        """
        Refuse unless the actor has all that roles allow: before an endpoint makes somebody a member who holds them.

        The directory itself is not bounded: scripts and sign-ups use it. Costs three statements in a request, or four,
        after which nobody else changes the tenant's rules until the transaction ends; none in a script.

        Raises:
            PermissionDenied: in a request, the actor lacks something; the error names it.
        """
        self._require_giving(self._kit.session(), current(), *roles)

    async def arequire_giving(self, *roles: str) -> None:
        """Refuse on the async session; see :meth:`require_giving`."""
        await self._kit.async_session().run_sync(self._require_giving, current(), *roles)

    def require_changing(
        self, user_id: str, *, roles: Iterable[str] | None = None, permissions: Iterable[str] | None = None
    ) -> None:
        """
        Refuse unless the actor has what a member would be given, and what would be denied to them no longer.

        Before an endpoint changes what a member holds. Costs one statement more than :meth:`require_giving`.

        Args:
            user_id: the member.
            roles: all roles that they would hold; those that they have by default.
            permissions: all permissions that they would have beside them; those that they have by default.

        Raises:
            PermissionDenied: in a request, the actor lacks something; the error names it.
            NotAMember: in a request, they are no active member.
        """
        self._require_changing(self._kit.session(), current(), user_id, roles=roles, permissions=permissions)

    async def arequire_changing(
        self, user_id: str, *, roles: Iterable[str] | None = None, permissions: Iterable[str] | None = None
    ) -> None:
        """Refuse on the async session; see :meth:`require_changing`."""
        await self._kit.async_session().run_sync(
            self._require_changing, current(), user_id, roles=roles, permissions=permissions
        )

    def _may(
        self, user_id: str, permission: str, resource: object, dimensions: Mapping[str, Any] | None
    ) -> bool:
        try:
            scope = self._kit.member_scope(current().tenant, user_id, dimensions=dimensions)
        except NotAMember:  # any more
            return False
        return self.authorizer.check(scope, permission, resource)

    # what requests are told ---------------------------------------------------------------------------------------

    def member_rules(
        self, session: Session, tenant: Tenant, user_id: str, *, members: MembershipLookup, book: Rulebook
    ) -> MemberRules:
        """
        Return what counts for a member beside the matrix, on an unscoped session.

        Costs one statement, and for each grant that was lent one more, which asks whether the lender has it still, and
        where they are members one for what was granted to them.
        """
        given = self.store.grants(session, tenant.id, user_id)
        looked = (
            self._counting(session, tenant, one, members=members, book=book) if one.delegated else one
            for one in given
        )
        counting = tuple(one for one in looked if one is not None)
        return replace(book.rules, grants=counting) if counting else book.rules

    def locked(self, session: Session, scope: Scope) -> tuple[Scope, MemberRules]:
        """
        Return the scope by the rules that count now, and the tenant's roles, which nobody else can change from now on.

        What was lent counts as long as it did when the request began, if it was not ended since.
        """
        tenant, actor = scope.tenant, scope.actor
        self.store.lock(session, tenant.id)
        book = self.store.rulebook(session, tenant.id)
        grants: tuple[Grant, ...] = ()
        if book.has_grants and actor is not None and actor.kind == "user":
            there = {one.id: one for one in self.store.grants(session, tenant.id, actor.id)}
            lent = [one for one in (scope.rules.grants if scope.rules else ()) if one.delegated]
            grants = (
                *(one for one in there.values() if not one.delegated),
                *(one for one in lent if one.id in there),
            )
        return replace(scope, rules=replace(book.rules, grants=grants)), book.rules

    def _counting(
        self, session: Session, tenant: Tenant, lent: Grant, *, members: MembershipLookup, book: Rulebook
    ) -> Grant | None:
        """Return what was lent while the lender has it still, until time changes what they have; None if not."""
        lender = lent.given_by or ""
        membership = members.membership(tenant, lender)
        if membership is None:
            return None
        own = tuple(one for one in self.store.grants(session, tenant.id, lender) if not one.delegated)
        scope = Scope(
            tenant,
            Actor(lender),
            roles=membership.roles,
            permissions=membership.permissions,
            rules=replace(book.rules, grants=own),
        )
        now = self.authorizer.clock.now()
        if self._giving.lacked(scope, replace(lent.rule, since=None, until=now)) is not None:
            return None
        changes = self.authorizer.changes_at(scope)
        until = min(one for one in (lent.rule.until, changes) if one is not None)
        if lent.rule.since is not None and lent.rule.since >= until:
            return None  # it begins when the lender is asked about again
        return replace(lent, rule=replace(lent.rule, until=until))

    # on a session -------------------------------------------------------------------------------------------------

    def _roles(self, session: Session, scope: Scope) -> Mapping[str, Role]:
        made = self.store.rulebook(session, scope.tenant.id).rules.roles
        own = {name: role for name, role in self.authorizer.matrix.roles.items() if role.side == "tenant"}
        return {**made, **own}

    def _require_giving(self, session: Session, scope: Scope, *roles: str) -> None:
        if scope.is_bounded:
            self._giving.check_roles(*self.locked(session, scope), roles)

    def _require_changing(
        self,
        session: Session,
        scope: Scope,
        user_id: str,
        *,
        roles: Iterable[str] | None,
        permissions: Iterable[str] | None,
    ) -> None:
        if not scope.is_bounded:
            return
        giver, known = self.locked(session, scope)
        member = self._kit.organizations(session).membership(scope.tenant, user_id)
        if member is None:
            raise NotAMember(f"{user_id[:80]!r} is no active member of {scope.tenant.slug!r}.")
        self._giving.check_change(
            giver, known, roles=(member.roles, roles), permissions=(member.permissions, permissions)
        )

    def _define(self, session: Session, scope: Scope, role: Role) -> None:
        if scope.is_bounded:
            self._giving.check_definition(*self.locked(session, scope), role)
        before = self.store.define_role(session, scope.tenant.id, role, actor=scope.actor)
        details = {"role": role_data(role), "before": None if before is None else role_data(before)}
        self._kit.audit.trail.record(session, scope, "role.defined", f"role:{role.name}", details=details)

    def _remove(self, session: Session, scope: Scope, name: str) -> bool:
        if scope.is_bounded:
            self._giving.check_removal(*self.locked(session, scope), name)
        before = self.store.remove_role(session, scope.tenant.id, name, actor=scope.actor)
        if before is not None:
            details = {"before": role_data(before)}
            self._kit.audit.trail.record(session, scope, "role.removed", f"role:{name}", details=details)
        return before is not None

    def _grant(self, session: Session, scope: Scope, user_id: str, rule: Rule | str) -> Grant:
        rule = Rule(rule) if isinstance(rule, str) else rule
        if scope.is_bounded:
            self._giving.check_grant(self.locked(session, scope)[0], rule)
        made = self.store.grant(session, scope.tenant.id, user_id, rule, actor=scope.actor)
        self._tell(
            session, scope, "permission.granted" if rule.effect == "allow" else "permission.denied", made
        )
        return made

    def _delegate(self, session: Session, scope: Scope, user_id: str, rule: Rule) -> Grant:
        if scope.actor is not None:
            self._giving.check_lending(self.locked(session, scope)[0], rule)
        made = self.store.grant(session, scope.tenant.id, user_id, rule, delegated=True, actor=scope.actor)
        self._tell(session, scope, "permission.delegated", made)
        return made

    def _revoke(self, session: Session, scope: Scope, grant_id: str) -> bool:
        found = self.store.find_grant(session, scope.tenant.id, grant_id)
        if found is None:
            return False
        if scope.is_bounded and found.rule.effect == "deny":
            self._giving.check_revocation(self.locked(session, scope)[0], found.rule)
        if self.store.revoke(session, scope.tenant.id, grant_id, actor=scope.actor) is None:
            return False
        self._tell(session, scope, "permission.revoked", found)
        return True

    def _load(
        self, session: Session, scope: Scope, content: Mapping[str, Any]
    ) -> tuple[list[Role], list[Grant]]:
        if scope.is_bounded:
            raise ConfigurationError("What was exported is taken in by a script, and not in a request.")
        roles, grants = self.store.load(session, scope.tenant.id, content, actor=scope.actor)
        for role in roles:
            details = {"role": role_data(role)}
            self._kit.audit.trail.record(session, scope, "role.defined", f"role:{role.name}", details=details)
        for grant in grants:
            self._tell(session, scope, "permission.granted", grant)
        return roles, grants

    def _tell(self, session: Session, scope: Scope, action: str, grant: Grant) -> None:
        details = {"user": grant.user_id, "rule": rule_data(grant.rule)}
        self._kit.audit.trail.record(session, scope, action, f"grant:{grant.id}", details=details)


def _ending(rule: Rule | str, until: datetime) -> Rule:
    """Return a rule that ends at a moment."""
    with as_value("until"):
        return Rule(rule, until=until) if isinstance(rule, str) else replace(rule, until=until)
