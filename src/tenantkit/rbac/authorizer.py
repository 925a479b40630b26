"""The questions that can be asked of a matrix: may they, why, on which, and what else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from threading import Lock
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import ColumnElement, Select, false

from tenantkit.core.clock import SystemClock
from tenantkit.core.scope import Scope
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import ConfigurationError, PermissionDenied, RoleRequired
from tenantkit.protocols import Clock, FeatureLookup
from tenantkit.rbac.compiled import (
    WORKSPACE,
    Compiled,
    Contested,
    compile_scope,
    gather_givable,
    gather_given,
    included_roles,
)
from tenantkit.rbac.conditions import Asker
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import Basis, Decision, Reason, Rule
from tenantkit.rbac.resources import check_resource

__all__ = ["Authorizer", "Mode"]

Mode = Literal["all", "until_denied", "until_allowed"]
Selected = TypeVar("Selected", bound=Select[Any])
_SIZE: Final = 20_000
_NOTHING: Final = Contested(())
_ASK: Final = "Ask an administrator of the tenant."
_LAST: Final[Mapping[Mode, bool | None]] = {"all": None, "until_denied": False, "until_allowed": True}


class Authorizer:
    """
    Answers what the actor of a scope may do.

    No answer asks a database; only a condition that follows a relationship may load it. What a scope comes to is
    compiled once and remembered, so that the next question is a look into a set. Threads may share one.

    Args:
        matrix: the permissions and roles.
        clock: tells the time.
        features: says which features a tenant's plan has; needed where a permission asks for one.
        size: how many compiled scopes are remembered at the most, of roles, rules and workspace each; about 4 kB each
            where a tenant has roles of its own, and much less where many share the matrix's.

    Raises:
        ConfigurationError: a permission asks for a feature, and nobody says which there are.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        matrix: Matrix,
        clock: Clock | None = None,
        *,
        features: FeatureLookup | None = None,
        size: int = _SIZE,
    ) -> None:
        self.matrix = matrix
        self.clock, self._features, self._size = clock or SystemClock(), features, size
        self._compiled: dict[object, Compiled] = {}
        self._lock = Lock()
        self._featured = frozenset(one.name for one in matrix.permissions.values() if one.feature is not None)
        if self._featured and features is None:
            raise ConfigurationError(
                f"The permission {min(self._featured)!r} asks for a feature of the tenant's plan, and nobody says "
                "which there are. Give `features`."
            )

    def check(self, scope: Scope, permission: str, resource: object = None) -> bool:
        """
        Whether the actor may do something to a resource; without one, to every resource.

        A rule that holds for some resources alone does not allow without one, and one that denies on some does deny:
        what goes further has to ask again, or to use :meth:`filter`. See :meth:`check_some`.

        Args:
            scope: whose actor.
            permission: what.
            resource: a mapped object, a mapping, a :class:`Resource`, or ``<table>:<key>``.

        Raises:
            ConfigurationError: the permission is not declared, or what is asked about no resource; a misspelt check
                must not pass for a refusal.
        """
        access = self._compiled_for(scope)
        answer = access.answers.get(permission)
        if resource is not None:
            check_resource(resource)
        if answer is True:
            return True
        if answer is not None:
            return self._decide(scope, access, permission, resource)[0] == "allowed"
        self.matrix.check_declared(permission)
        return False

    def check_some(self, scope: Scope, permission: str) -> bool:
        """
        Whether there can be a resource on which the actor may do something.

        For what lists or opens: where it is false, :meth:`filter` gives no row. Which ones, only a further check says.

        Raises:
            ConfigurationError: the permission is not declared.
        """
        if permission in self._compiled_for(scope).answers:
            return self._hindrance(scope, permission) is None
        self.matrix.check_declared(permission)
        return False

    def require(self, scope: Scope, permission: str, resource: object = None, *, some: bool = False) -> None:
        """
        Refuse unless :meth:`check` is true, or :meth:`check_some`.

        Args:
            scope: whose actor.
            permission: what.
            resource: on what; on every resource by default.
            some: whether it is enough that there can be a resource on which they may.

        Raises:
            PermissionDenied: they may not; the error names the permission, the roles held, and those that grant it.
            ConfigurationError: the permission is not declared.
        """
        if self.check_some(scope, permission) if some else self.check(scope, permission, resource):
            return
        told = self.explain(scope, permission, resource)
        raise PermissionDenied(
            f"This needs the permission {permission!r}. {told.words}",
            permission=permission,
            roles=sorted(scope.roles),
            granted_by=self.granting(permission),
        )

    def require_any(self, scope: Scope, permissions: Sequence[str], resource: object = None) -> None:
        """
        Refuse unless one of several permissions is allowed.

        Raises:
            PermissionDenied: none is; the error names the first.
            ConfigurationError: one is not declared, or none is named.
        """
        if not permissions:
            raise ConfigurationError("No permission is named: name one at least.")
        for permission in permissions:
            self.matrix.check_declared(permission)
        if not any(self.check(scope, permission, resource) for permission in permissions):
            self.require(scope, permissions[0], resource)

    def require_role(self, scope: Scope, *roles: str) -> None:
        """
        Refuse unless the actor holds one of several roles, or a role that includes one.

        A permission says more: ask for a role only where it is the role that is meant. Credentials that are good for
        some permissions alone stand for no role.

        Raises:
            RoleRequired: they hold none of them; the error names these and those that they hold.
            ConfigurationError: the matrix has no such role.
        """
        self.matrix.check_roles(*roles)
        is_held = bool(included_roles(self.matrix, scope) & set(roles))
        if is_held and scope.limits is None:
            return
        held = ", ".join(sorted(scope.roles)) or "without a role"
        why = (
            "your credentials are good for some permissions alone. Use others."
            if is_held
            else f"you are {held} here. Ask an owner of the tenant."
        )
        raise RoleRequired(
            f"This is for {' or '.join(roles)}, and {why}", required=sorted(roles), roles=sorted(scope.roles)
        )

    def explain(self, scope: Scope, permission: str, resource: object = None) -> Decision:
        """
        Return the answer of :meth:`check`, with what it rests on.

        Raises:
            ConfigurationError: the permission is not declared.
        """
        self.matrix.check_declared(permission)
        reason, bases = self._decide(scope, self._compiled_for(scope), permission, resource)
        words = self._words(scope, permission, resource, reason=reason, bases=bases)
        return Decision(reason == "allowed", permission, reason, bases, words)

    def check_many(
        self,
        scope: Scope,
        questions: Iterable[tuple[str, object]],
        mode: Mode = "all",
    ) -> list[bool]:
        """
        Return the answers to several questions, in their order.

        Args:
            scope: whose actor.
            questions: permissions with resources; None for every resource.
            mode: ``"all"`` answers all; ``"until_denied"`` and ``"until_allowed"`` end with the first such answer.

        Raises:
            ConfigurationError: a permission is not declared.
        """
        if mode not in _LAST:
            raise ConfigurationError(
                f"Several questions are asked {' or '.join(map(repr, _LAST))}, not {mode!r}."
            )
        answers: list[bool] = []
        for permission, resource in questions:
            answers.append(self.check(scope, permission, resource))
            if answers[-1] is _LAST[mode]:
                break
        return answers

    def allowed_actions(self, scope: Scope, resource: object = None) -> frozenset[str]:
        """Return all permissions that the actor has on a resource; without one, on every resource."""
        access = self._compiled_for(scope)
        if resource is None and not self._featured:
            return access.allowed
        return access.allowed | {
            permission
            for permission in access.answers.keys() - access.allowed
            if self._decide(scope, access, permission, resource)[0] == "allowed"
        }

    def filter(self, scope: Scope, statement: Selected, permission: str, *, model: Any = None) -> Selected:
        """
        Return a select of only those rows on which the actor has a permission. Costs no statement more.

        Args:
            scope: whose actor.
            statement: the select.
            permission: what they want to do.
            model: the mapped class, or the alias of one, whose rows are meant, where the statement selects several.

        Raises:
            ConfigurationError: the permission is not declared, a rule names a column that the class does not have, or
                it cannot be told whose rows are meant.
        """
        if permission in self._compiled_for(scope).allowed:
            return statement
        return statement.where(
            self.clause(scope, permission, _model_of(statement) if model is None else model)
        )

    def clause(self, scope: Scope, permission: str, model: Any) -> ColumnElement[bool]:
        """
        Return what is true of the rows of a mapped class on which the actor has a permission.

        Raises:
            ConfigurationError: the permission is not declared, or a rule names a column that the class does not have.
        """
        self.matrix.check_declared(permission)
        rules = self._compiled_for(scope).contested.get(permission, _NOTHING)
        return false() if self._hindrance(scope, permission) else rules.clause(self._asker(scope), model)

    def lacked(
        self, scope: Scope, other: Scope, *, workspace: str | None = None, until: datetime | None = None
    ) -> str | None:
        """
        Return a permission that another scope has, and this one has not as far; None where there is none.

        Nobody gives away what they do not have: not elsewhere, not for longer; of what holds on some resources alone
        the giver needs the same rules, or the permission on every resource.

        Args:
            scope: whose actor gives.
            other: what somebody would have.
            workspace: where they would; everywhere by default.
            until: how long they would; for ever by default.
        """
        bounds: dict[str, Any] = {"workspace": workspace, "now": self.clock.now(), "until": until}
        ours = gather_givable(self.matrix, scope, **bounds)
        # each role by itself: what one of them denies can be taken away alone
        alone = [replace(other, roles=frozenset({one}), permissions=frozenset()) for one in other.roles]
        gifts = [gather_given(self.matrix, one) for one in (*alone, replace(other, roles=frozenset()))]
        for permission, would in sorted(
            ((name, one) for gift in gifts for name, one in gift.items()), key=_by_name
        ):
            if not would.is_open or (other.limits is not None and permission not in other.limits):
                continue
            has = ours.get(permission, _NOTHING)
            is_as_far = has.is_plain or (
                _rules(would.allows) <= _rules(has.allows) and _rules(has.denies) <= _rules(would.denies)
            )
            if not is_as_far or (scope.limits is not None and permission not in scope.limits):
                return permission
        return None

    def features_of(self, tenant: Tenant) -> frozenset[str]:
        """Return those features of a tenant that permissions ask for."""
        asked = {one.feature for one in self.matrix.permissions.values() if one.feature is not None}
        features = self._features
        return frozenset(one for one in asked if features is not None and features.has_feature(tenant, one))

    def changes_at(self, scope: Scope) -> datetime | None:
        """Return the moment at which time will change what the actor may do, if it will."""
        return self._compiled_for(scope).until

    def granting(self, permission: str) -> list[str]:
        """Return the roles of the matrix that grant a permission, be it on some resources alone."""
        written = ((role, self.matrix.written(role).get(permission, ())) for role in self.matrix.roles)
        return sorted(role for role, rules in written if any(rule.effect == "allow" for rule, _ in rules))

    def _compiled_for(self, scope: Scope) -> Compiled:
        """Return what the actor of a scope may do, compiled."""
        place = scope.dimensions.get(WORKSPACE)
        key = (
            scope.roles,
            scope.permissions,
            scope.rules,
            None if place is None else str(place),  # as rules spell it: 1, 1.0 and True are one key
            scope.limits,
            scope.impersonator is None,
        )
        access = self._compiled.get(key)
        if access is None or (access.until is not None and access.until <= self.clock.now()):
            access = compile_scope(self.matrix, scope, self.clock.now(), featured=self._featured)
            with self._lock:
                self._compiled[key] = access
                while len(self._compiled) > self._size:
                    del self._compiled[next(iter(self._compiled))]
        return access

    def _decide(
        self, scope: Scope, access: Compiled, permission: str, resource: object
    ) -> tuple[Reason, tuple[Basis, ...]]:
        check_resource(resource)
        rules, asker = access.contested.get(permission, _NOTHING), self._asker(scope)
        allowing = rules.allowing(asker, resource)
        if not allowing:
            return "not granted", ()
        if (hindrance := self._hindrance(scope, permission)) is not None:
            return hindrance, ()
        denying = rules.denying(asker, resource)
        return ("denied", denying) if denying else ("allowed", allowing)

    def _hindrance(self, scope: Scope, permission: str) -> Reason | None:
        """Return what stands against a permission beside the rules, if anything does."""
        if scope.limits is not None and permission not in scope.limits:
            return "credentials"
        feature = self.matrix.permissions[permission].feature if permission in self._featured else None
        if feature is not None and (
            self._features is None or not self._features.has_feature(scope.tenant, feature)
        ):
            return "feature"
        return None

    def _asker(self, scope: Scope) -> Asker:
        return Asker(scope, partial(self._may, scope))

    def _may(self, scope: Scope, permission: str) -> bool:
        """Whether a permission is allowed everywhere that a rule asks for; one that was dropped meanwhile is not."""
        return permission in self.matrix.permissions and self.check(scope, permission)

    def _words(
        self, scope: Scope, permission: str, resource: object, *, reason: Reason, bases: tuple[Basis, ...]
    ) -> str:
        match reason:
            case "allowed" | "denied":
                return f"{_sentence(bases[0])}."
            case "credentials":
                return "Your credentials are not good for it. Use others, or have them made for it."
            case "feature":
                feature = self.matrix.permissions[permission].feature
                return f"The plan {scope.tenant.plan!r} of your tenant lacks the feature {feature!r}."
            case _:
                return self._not_granted(scope, permission, resource)

    def _not_granted(self, scope: Scope, permission: str, resource: object) -> str:
        if scope.actor is None and not scope.roles:
            return "Nobody acts in this scope: enter the one that `kit.member_scope` makes."
        near = self._compiled_for(scope).contested.get(permission, _NOTHING).allows
        if near:
            which = "which is not everywhere" if resource is None else "which is not so here"
            return f"{_sentence(near[0])}, {which}. {_ASK}"
        granting = self.granting(permission)
        would = f"; {' or '.join(granting)} would" if granting else ""
        held = f"None of your roles here ({', '.join(sorted(scope.roles))})" if scope.roles else "No role"
        return f"{held} grants it{would}. {_ASK}"


def _by_name(pair: tuple[str, object]) -> str:
    return pair[0]


def _sentence(basis: Basis) -> str:
    words = str(basis)
    return f"{words[0].upper()}{words[1:]}"


def _rules(bases: Iterable[Basis]) -> frozenset[Rule]:
    return frozenset(replace(one.rule.everywhere, permission="") for one in bases)


def _model_of(statement: Select[Any]) -> Any:
    models = {one.get("entity") for one in statement.column_descriptions} - {None}
    if len(models) != 1:
        raise ConfigurationError(
            f"This statement selects {len(models) or 'no'} mapped classes; say whose rows are meant: filter(..., "
            "model=Document)."
        )
    return models.pop()
