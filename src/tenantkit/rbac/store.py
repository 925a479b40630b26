"""Tenants' own roles and what was granted to members, on a database."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, and_, insert, or_, select, update
from sqlalchemy.orm import Session

from tenantkit.core.actor import Actor
from tenantkit.core.ids import new_id
from tenantkit.core.tenant import TenantId
from tenantkit.core.texts import check_text, is_storable
from tenantkit.exceptions import AlreadyTaken, ConfigurationError, InvalidValue
from tenantkit.protocols import Clock
from tenantkit.rbac.data import role_data, role_from, rule_data, rule_from
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import Change, Drift, Grant, MemberRules, Role, Rule, Rulebook
from tenantkit.rbac.tables import RuleTables
from tenantkit.sql.upsert import insert_if_absent

__all__ = ["RuleStore", "as_value", "included_first"]

_MAX_NAME: Final = 100
_MAX_USER_ID: Final = 200
_MAX_LENGTH: Final = 100_000


class RuleStore:
    """
    Roles of tenants and grants of members, on the session given to each call.

    Every operation runs in the caller's transaction and commits nothing. Changes of one tenant's wait for each other.

    Args:
        tables: its tables.
        matrix: the permissions, and the roles that every tenant has.
        clock: tells the time.
        changed: called with the session, and the id of the tenant whose rules were changed.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        tables: RuleTables,
        matrix: Matrix,
        clock: Clock,
        *,
        changed: Callable[[Session, TenantId], object] | None = None,
    ) -> None:
        self.tables, self.matrix, self._clock, self._changed = tables, matrix, clock, changed

    def rulebook(self, session: Session, tenant_id: TenantId) -> Rulebook:
        """Return what a tenant has of rules, its roles among them. Costs one statement."""
        books, roles = self.tables.rulebooks.c, self.tables.roles.c
        is_its = and_(roles.tenant_id == books.tenant_id, roles.current_name.is_not(None))
        query = select(books.version, books.has_grants, roles.name, roles.definition)
        joined = self.tables.rulebooks.outerjoin(self.tables.roles, is_its)
        rows = session.execute(query.select_from(joined).where(books.tenant_id == tenant_id)).all()
        made = {row.name: role_from(row.name, row.definition) for row in rows if row.name is not None}
        version, has_grants = (rows[0].version, rows[0].has_grants) if rows else (0, False)
        return Rulebook(tenant_id, version, MemberRules(made, tenant_id=tenant_id), has_grants)

    def grants(self, session: Session, tenant_id: TenantId, user_id: str | None = None) -> list[Grant]:
        """
        Return the grants of a member, or of all, that count or will, the oldest first. Costs one statement.

        Raises:
            InvalidValue: the user id is none that can be kept.
        """
        grants, now = self.tables.grants, self._clock.now()
        query = select(grants).where(
            grants.c.tenant_id == tenant_id,
            grants.c.ended_at.is_(None),
            or_(grants.c.until.is_(None), grants.c.until > now),
        )
        if user_id is not None:
            check_text(user_id, "user_id", _MAX_USER_ID)
            query = query.where(grants.c.user_id == user_id)
        return [_grant_of(row) for row in session.execute(query.order_by(grants.c.id))]

    def define_role(
        self, session: Session, tenant_id: TenantId, role: Role, *, actor: Actor | None = None
    ) -> Role | None:
        """
        Define a role of a tenant, or define it anew, and return what it was before. Costs five statements.

        Raises:
            InvalidValue: it names what there is not, is of the host's side, includes itself, or cannot be kept.
            AlreadyTaken: the matrix has a role of this name.
        """
        check_text(role.name, "name", _MAX_NAME)
        if role.name in self.matrix.roles:
            raise AlreadyTaken(f"The role {role.name!r} is the application's own.", field="name")
        if role.side != "tenant":
            raise InvalidValue(f"The role {role.name!r} of a tenant is of no other side.", field="side")
        with as_value("role"):
            data = _checked(role_data(role))
        self._change(session, tenant_id)
        known = self.rulebook(session, tenant_id).rules.roles
        with as_value("role"):
            self.matrix.check_role(role, {**known, role.name: role, **self.matrix.roles})
        before = known.get(role.name)
        if before is not None:
            self._end_role(session, tenant_id, role.name, actor)
        row: dict[str, Any] = {
            "id": new_id(),
            "tenant_id": tenant_id,
            "name": role.name,
            "current_name": role.name,
        }
        row |= {
            "definition": data,
            "defined_at": self._clock.now(),
            "defined_by": actor.id if actor else None,
        }
        session.execute(insert(self.tables.roles).values(**row))
        return before

    def remove_role(
        self, session: Session, tenant_id: TenantId, name: str, *, actor: Actor | None = None
    ) -> Role | None:
        """
        End a role of a tenant, and return what it was, or None where there is none. Costs four statements.

        Members who hold it keep its name, which grants nothing until there is such a role again.

        Raises:
            InvalidValue: another role includes it.
        """
        self._change(session, tenant_id)
        known = self.rulebook(session, tenant_id).rules.roles
        for other in known.values():
            if name in other.includes:
                raise InvalidValue(
                    f"The role {other.name!r} includes {name!r}. Change it first.", field="name"
                )
        if name in known:
            self._end_role(session, tenant_id, name, actor)
        return known.get(name)

    def grant(
        self,
        session: Session,
        tenant_id: TenantId,
        user_id: str,
        rule: Rule,
        *,
        delegated: bool = False,
        actor: Actor | None = None,
    ) -> Grant:
        """
        Allow or deny something to one member, and return the grant. Costs three statements.

        Args:
            session: the session.
            tenant_id: where.
            user_id: to whom.
            rule: what.
            delegated: whether it counts only while the actor has the permission, too.
            actor: who grants it.

        Raises:
            InvalidValue: the rule names what there is not, or cannot be kept; it is over; or it is delegated without an
                end, by no member, or denies.
        """
        check_text(user_id, "user_id", _MAX_USER_ID)
        with as_value("rule"):
            self.matrix.check_rule(rule, "The grant")
            data = _checked(rule_data(rule))
        if rule.until is not None and rule.until <= self._clock.now():
            raise InvalidValue(f"The grant would be over already, at {rule.until}.", field="until")
        if delegated and (
            rule.until is None or actor is None or actor.kind != "user" or rule.effect == "deny"
        ):
            raise InvalidValue(
                "What is delegated is allowed, by a member, until a moment: say `until`.", field="until"
            )
        made = Grant(str(new_id()), user_id, rule, actor.id if actor else None, delegated, self._clock.now())
        row = {
            "id": UUID(made.id),
            "tenant_id": tenant_id,
            "user_id": user_id,
            "rule": data,
            "until": rule.until,
            "delegated": delegated,
            "given_at": made.given_at,
            "given_by": made.given_by,
        }
        self._change(session, tenant_id, has_grants=True)
        session.execute(insert(self.tables.grants).values(**row))
        return made

    def revoke(
        self, session: Session, tenant_id: TenantId, grant_id: str, *, actor: Actor | None = None
    ) -> Grant | None:
        """End a grant, and return it, or None where there is none that counts. Costs four statements."""
        self._change(session, tenant_id)
        found = self.find_grant(session, tenant_id, grant_id)
        if found is not None:
            grants = self.tables.grants
            ended = update(grants).where(grants.c.tenant_id == tenant_id, grants.c.id == UUID(found.id))
            session.execute(ended.values(**self._ended(actor)))
        return found

    def find_grant(self, session: Session, tenant_id: TenantId, grant_id: str) -> Grant | None:
        """Return a grant that was not ended, or None where there is none. Costs one statement."""
        try:
            key = UUID(grant_id)
        except ValueError:
            return None
        grants = self.tables.grants
        is_it = and_(grants.c.tenant_id == tenant_id, grants.c.id == key, grants.c.ended_at.is_(None))
        row = session.execute(select(grants).where(is_it)).one_or_none()
        return None if row is None else _grant_of(row)

    def export(self, session: Session, tenant_id: TenantId) -> dict[str, Any]:
        """Return a tenant's roles and grants that count or will, as JSON-able data. Costs two statements."""
        roles = self.rulebook(session, tenant_id).rules.roles
        grants = [one for one in self.grants(session, tenant_id) if not one.delegated]
        return {
            "roles": {name: role_data(roles[name]) for name in sorted(roles)},
            "grants": [{"user": one.user_id, "rule": rule_data(one.rule)} for one in grants],
        }

    def load(
        self, session: Session, tenant_id: TenantId, content: Mapping[str, Any], *, actor: Actor | None = None
    ) -> tuple[list[Role], list[Grant]]:
        """
        Define and grant what :meth:`export` gave, and return what was not there already. What is there besides stays.

        Costs what each definition and each grant costs, and two statements.

        Raises:
            ConfigurationError: the data is no such export.
            InvalidValue: it names what there is not.
            AlreadyTaken: the matrix has a role of such a name.
        """
        roles, given = _read_export(content)
        there = self.rulebook(session, tenant_id).rules.roles
        known = {(one.user_id, one.rule) for one in self.grants(session, tenant_id)}
        new = [role for role in included_first(roles) if there.get(role.name) != role]
        for role in new:
            self.define_role(session, tenant_id, role, actor=actor)
        granted = [
            self.grant(session, tenant_id, user_id, rule, actor=actor)
            for user_id, rule in given
            if (user_id, rule) not in known
        ]
        return new, granted

    def drift(self, session: Session) -> Iterator[Drift]:
        """
        Yield where what tenants made does not go with the matrix any more.

        Such rules count for nothing; nobody is told but who asks here. Costs two statements, on an unscoped session.
        """
        roles, grants = self.tables.roles, self.tables.grants
        made: dict[TenantId, dict[str, Role]] = {}
        for row in session.execute(
            select(roles).where(roles.c.current_name.is_not(None)).order_by(roles.c.id)
        ):
            made.setdefault(row.tenant_id, {})[row.name] = role_from(row.name, row.definition)
        for tenant_id, own in made.items():
            for name, role in own.items():
                if name in self.matrix.roles:
                    yield Drift(
                        tenant_id, f"role {name!r}", "The application has a role of this name, which counts."
                    )
                    continue
                try:
                    self.matrix.check_role(role, {**own, **self.matrix.roles})
                except ConfigurationError as error:
                    yield Drift(tenant_id, f"role {name!r}", error.message)
        counting = or_(grants.c.until.is_(None), grants.c.until > self._clock.now())
        given = select(grants).where(grants.c.ended_at.is_(None), counting).order_by(grants.c.id)
        for row in session.execute(given):
            try:
                self.matrix.check_rule(rule_from(row.rule), "It")
            except ConfigurationError as error:
                yield Drift(row.tenant_id, f"grant {row.id} of {row.user_id!r}", error.message)

    def history(self, session: Session, tenant_id: TenantId, *, limit: int = 100) -> list[Change]:
        """
        Return what was defined and granted, the newest first, also what does not count any more. Costs two statements.

        Args:
            session: the session.
            tenant_id: where.
            limit: how many at the most, 1 to 1000.
        """
        roles, grants, size = self.tables.roles, self.tables.grants, max(1, min(limit, 1000))
        made = select(roles).where(roles.c.tenant_id == tenant_id).order_by(roles.c.id.desc()).limit(size)
        given = select(grants).where(grants.c.tenant_id == tenant_id).order_by(grants.c.id.desc()).limit(size)
        found = [
            Change(
                role_from(row.name, row.definition),
                row.defined_at,
                row.defined_by,
                row.ended_at,
                row.ended_by,
            )
            for row in session.execute(made)
        ]
        found += [
            Change(_grant_of(row), row.given_at, row.given_by, row.ended_at, row.ended_by)
            for row in session.execute(given)
        ]
        return sorted(found, key=lambda one: one.at, reverse=True)[:size]

    def lock(self, session: Session, tenant_id: TenantId) -> None:
        """Wait for who changes a tenant's rules, and let nobody else until the transaction ends. Two statements."""
        books = self.tables.rulebooks
        self._open(session, tenant_id)
        session.execute(update(books).where(books.c.tenant_id == tenant_id).values(version=books.c.version))

    def _end_role(self, session: Session, tenant_id: TenantId, name: str, actor: Actor | None) -> None:
        roles = self.tables.roles
        ended = update(roles).where(roles.c.tenant_id == tenant_id, roles.c.current_name == name)
        session.execute(ended.values(current_name=None, **self._ended(actor)))

    def _ended(self, actor: Actor | None) -> dict[str, Any]:
        return {"ended_at": self._clock.now(), "ended_by": actor.id if actor else None}

    def _open(self, session: Session, tenant_id: TenantId) -> None:
        new = {"tenant_id": tenant_id, "version": 0, "has_grants": False, "changed_at": self._clock.now()}
        session.execute(insert_if_absent(session.get_bind().dialect.name, self.tables.rulebooks, new))

    def _change(self, session: Session, tenant_id: TenantId, *, has_grants: bool = False) -> None:
        """Count a change, after waiting for whoever changes the same tenant's rules."""
        books, now = self.tables.rulebooks, self._clock.now()
        self._open(session, tenant_id)
        more = {"has_grants": True} if has_grants else {}
        counted = update(books).where(books.c.tenant_id == tenant_id)
        session.execute(counted.values(version=books.c.version + 1, changed_at=now, **more))
        if self._changed is not None:
            self._changed(session, tenant_id)


def _checked(data: dict[str, Any]) -> dict[str, Any]:
    """
    Return data that a database can hold.

    Raises:
        ConfigurationError: it is none.
    """
    text = json.dumps(data, ensure_ascii=False)
    if len(text) > _MAX_LENGTH or not is_storable(text) or "\\u0000" in json.dumps(data):
        raise ConfigurationError(
            f"A role or rule is kept in up to {_MAX_LENGTH} characters that a database can hold."
        )
    return data


@contextmanager
def as_value(field: str) -> Iterator[None]:
    """Say of what a tenant wrote that it cannot be used, and not that the application is misconfigured."""
    try:
        yield
    except ConfigurationError as error:
        raise InvalidValue(error.message, field=field) from None


def included_first(roles: Sequence[Role]) -> list[Role]:
    """Return roles in an order in which each comes behind those that it includes; circles stay in theirs."""
    waiting, done = list(roles), list[Role]()
    while waiting:
        names = {one.name for one in waiting}
        ready = [one for one in waiting if not names & set(one.includes)] or waiting
        done += ready
        waiting = [one for one in waiting if one not in ready]
    return done


def _read_export(content: Mapping[str, Any]) -> tuple[list[Role], list[tuple[str, Rule]]]:
    roles, grants = (
        content.get(key) if isinstance(content, Mapping) else None for key in ("roles", "grants")
    )
    if not isinstance(roles, Mapping) or not isinstance(grants, list):
        raise ConfigurationError(
            "This is no export of roles and grants: it has no `roles` by name, or no list of `grants`."
        )
    given = []
    for one in grants:
        if (
            not isinstance(one, Mapping)
            or not isinstance(one.get("user"), str)
            or one.keys() != {"user", "rule"}
        ):
            raise ConfigurationError(
                f"{one!r} is no exported grant: it has a `user` and a `rule`, and nothing else."
            )
        given.append((one["user"], rule_from(one["rule"])))
    return [role_from(name, data) for name, data in roles.items()], given


def _grant_of(row: Row[Any]) -> Grant:
    return Grant(str(row.id), row.user_id, rule_from(row.rule), row.given_by, row.delegated, row.given_at)
