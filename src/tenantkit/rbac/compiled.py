"""What somebody may do: all rules that count for them, compiled, so that a question is a look into a set."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, false, not_, or_, true

from tenantkit.core.scope import Scope
from tenantkit.rbac.conditions import Asker
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import Basis, MemberRules, Rule
from tenantkit.rbac.resources import identity_clause, identity_of

__all__ = [
    "WORKSPACE",
    "Compiled",
    "Contested",
    "compile_scope",
    "gather_givable",
    "gather_given",
    "included_roles",
]

WORKSPACE: Final = "workspace"  # the dimension that rules can be limited to
_NOBODYS: Final = MemberRules()


@dataclass(frozen=True, slots=True)
class Contested:
    """
    The rules about one permission, where the answer depends on the resource.

    Args:
        allows: those that allow it.
        denies: those that deny it; they win.
    """

    allows: tuple[Basis, ...]
    denies: tuple[Basis, ...] = ()

    def allowing(self, asker: Asker, resource: Any) -> tuple[Basis, ...]:
        """Return the rules that allow it on a resource; without one, on every resource."""
        return tuple(one for one in self.allows if _holds(one.rule, asker, resource) is True)

    def denying(self, asker: Asker, resource: Any) -> tuple[Basis, ...]:
        """Return the rules that deny it on a resource, as far as is known; without one, on any resource."""
        return tuple(one for one in self.denies if _holds(one.rule, asker, resource) is not False)

    @property
    def is_plain(self) -> bool:
        """Whether it is allowed on every resource."""
        return not self.denies and any(not one.rule.is_partial for one in self.allows)

    @property
    def is_open(self) -> bool:
        """Whether it can be allowed on some resource."""
        return bool(self.allows) and all(one.rule.is_partial for one in self.denies)

    def clause(self, asker: Asker, model: Any) -> ColumnElement[bool]:
        """Return what is true of the rows of a mapped class on which it is allowed."""
        allowed = or_(false(), *(_clause(one.rule, asker, model) for one in self.allows))
        denied = [_clause(one.rule, asker, model) for one in self.denies]
        return and_(allowed, not_(or_(*denied))) if denied else allowed


@dataclass(frozen=True, slots=True)
class Compiled:
    """
    What somebody may do.

    Args:
        allowed: permissions that are allowed on every resource, without another question.
        answers: by permission True where it is allowed so, or the rules where it depends on what is asked. Nothing is
            said of what is allowed on no resource.
        contested: the rules about each permission about which there are any.
        until: the moment from which on this is another, if time changes it.
    """

    allowed: frozenset[str]
    answers: Mapping[str, "bool | Contested"]
    contested: Mapping[str, Contested]
    until: datetime | None


def compile_scope(matrix: Matrix, scope: Scope, now: datetime, *, featured: Collection[str] = ()) -> Compiled:
    """
    Return what the actor of a scope may do, by the rules that count now and where the scope is.

    Args:
        matrix: the permissions and roles.
        scope: whose actor.
        now: the present moment.
        featured: permissions that are asked about further each time.
    """
    moments = set[datetime]()

    def counts(basis: Basis) -> bool:
        rule = basis.rule
        moments.update(one for one in (rule.since, rule.until) if one is not None and one > now)
        return _is_in(rule, scope.dimensions.get(WORKSPACE)) and _is_at(rule, now)

    found = gather(matrix, scope, counts)
    limited = found.keys() if scope.limits is None else found.keys() & scope.limits
    allowed = frozenset(one for one in limited if found[one].is_plain and one not in featured)
    answers = {one: one in allowed or rules for one, rules in found.items() if rules.is_open}
    return Compiled(allowed, answers, found, min(moments, default=None))


def gather(matrix: Matrix, scope: Scope, counts: Callable[[Basis], bool]) -> dict[str, Contested]:
    """Return by permission those rules about it that are the actor's and that count."""
    found: dict[str, list[Basis]] = {}
    for permission, basis in _bases(matrix, scope):
        if counts(basis):
            found.setdefault(permission, []).append(basis)
    return {
        permission: Contested(
            tuple(one for one in bases if one.rule.effect == "allow"),
            tuple(one for one in bases if one.rule.effect == "deny"),
        )
        for permission, bases in found.items()
    }


def gather_given(matrix: Matrix, scope: Scope) -> dict[str, Contested]:
    """
    Return the rules that somebody would have, wherever and whenever they hold.

    Of denials count what holds always and is written in the very role: others can be ended without it.
    """

    def counts(basis: Basis) -> bool:
        is_own = basis.role == basis.held and basis.rule == basis.rule.everywhere
        return basis.rule.effect == "allow" or is_own

    return gather(matrix, scope, counts)


def gather_givable(
    matrix: Matrix, scope: Scope, *, workspace: str | None, now: datetime, until: datetime | None
) -> dict[str, Contested]:
    """
    Return the rules of who gives: what allows in a workspace from now until a moment, and all that ever denies.

    What was lent to them is not theirs to give.
    """

    def counts(basis: Basis) -> bool:
        rule = basis.rule
        is_long = rule.until is None or (until is not None and until <= rule.until)
        allows = _is_in(rule, workspace) and _is_at(rule, now) and is_long and not basis.lent
        return rule.effect == "deny" or allows

    return gather(matrix, scope, counts)


def included_roles(matrix: Matrix, scope: Scope) -> frozenset[str]:
    """
    Return the roles that the actor of a scope holds, and those that the application's among them include.

    What a tenant's own role includes is left out: it may exclude all that the other one grants.
    """
    held = _held(matrix, scope)
    return frozenset(held).union(*(matrix.included(one) for one in held))


def _held(matrix: Matrix, scope: Scope) -> list[str]:
    """Return the roles of a scope that count: those of the host's side only for who comes from there."""
    is_hosts = scope.impersonator is not None
    return sorted(
        one
        for one in scope.roles
        if is_hosts or one not in matrix.roles or matrix.roles[one].side == "tenant"
    )


def _bases(matrix: Matrix, scope: Scope) -> Iterator[tuple[str, Basis]]:
    """Yield each rule that may count for the actor of a scope, with the permission."""
    further: MemberRules = scope.rules or _NOBODYS
    for held in _held(matrix, scope):
        for permission, rules in matrix.written(held, further.roles).items():
            for rule, written_in in rules:
                yield permission, Basis(rule, written_in, held)
    for permission in sorted(scope.permissions):
        yield from ((one, Basis(Rule(permission))) for one in matrix.permissions_of(permission))
    for grant in further.grants:
        for permission in matrix.permissions_of(grant.rule.permission):
            yield permission, Basis(grant.rule, grant=grant.id, lent=grant.delegated)


def _is_in(rule: Rule, workspace: object) -> bool:
    return rule.workspace is None or (workspace is not None and rule.workspace == str(workspace))


def _is_at(rule: Rule, moment: datetime) -> bool:
    return (rule.since is None or rule.since <= moment) and (rule.until is None or moment < rule.until)


def _holds(rule: Rule, asker: Asker, resource: Any) -> bool | None:
    """Whether a rule is about a resource; None where that cannot be said, as where there is no resource."""
    if not rule.is_partial:
        return True
    if resource is None:
        return None
    if rule.resource is not None:
        identity = identity_of(resource)
        if identity is None:
            return None
        if identity != rule.resource:
            return False
    return True if rule.when is None else rule.when.holds(asker, resource)


def _clause(rule: Rule, asker: Asker, model: Any) -> ColumnElement[bool]:
    clauses: list[ColumnElement[bool]] = []
    if rule.resource is not None:
        clauses.append(identity_clause(model, rule.resource))
    if rule.when is not None:
        clauses.append(rule.when.clause(asker, model))
    return and_(true(), *clauses)
