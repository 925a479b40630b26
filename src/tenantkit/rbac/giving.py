"""What somebody may give away: roles, permissions, denials and their ends, of what they have themselves."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from tenantkit.core.scope import Scope
from tenantkit.exceptions import PermissionDenied
from tenantkit.rbac.authorizer import Authorizer
from tenantkit.rbac.model import Grant, MemberRules, Role, Rule

__all__ = ["Giving"]

_ENDED: Final = "This would end a denial of"
_DENIED: Final = "This would deny"


class Giving:
    """
    Refuses to give away what the giver does not have: for as long, and wherever it would hold.

    A giver is a scope by the rules that count now; what is known are the tenant's roles. Each check raises
    :class:`~tenantkit.exceptions.PermissionDenied`, which names what is lacking.

    .. versionadded:: 0.1
    """

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def check_roles(self, giver: Scope, known: MemberRules, roles: Iterable[str]) -> None:
        """Refuse to make somebody hold roles."""
        named = sorted(roles)
        lacked = self._authorizer.lacked(giver, _holding(giver, named, known))
        _refuse(lacked, f"{', '.join(named)} would allow")

    def check_change(
        self,
        giver: Scope,
        known: MemberRules,
        *,
        roles: tuple[frozenset[str], Iterable[str] | None],
        permissions: tuple[frozenset[str], Iterable[str] | None],
    ) -> None:
        """Refuse to change a member's roles and permissions, each from what they were to what they would be, if any."""
        had, would_have = roles[0], _after(*roles)
        given = _holding(giver, would_have - had, known, permissions=_after(*permissions) - permissions[0])
        _refuse(self._authorizer.lacked(giver, given), "They would be allowed")
        self._check_denials(giver, self._denials(had, known) - self._denials(would_have, known), _ENDED)

    def check_definition(self, giver: Scope, known: MemberRules, role: Role) -> None:
        """
        Refuse to define a role, or to define it anew.

        What it takes out of what it includes, or of what a wildcard stands for, excuses nothing: there may be more to
        take out tomorrow.
        """
        bare = replace(role, rules=tuple(one for one in role.rules if one.effect == "allow"), excluding=())
        lacked = self._authorizer.lacked(giver, _holding(giver, [role.name], _with_role(known, bare)))
        _refuse(lacked, f"The role {role.name!r} would allow")
        before, after = (self._denials([role.name], one) for one in (known, _with_role(known, role)))
        self._check_denials(giver, before - after, _ENDED)
        self._check_denials(giver, after - before, _DENIED)

    def check_removal(self, giver: Scope, known: MemberRules, name: str) -> None:
        """Refuse to remove a role of the tenant's."""
        if name in known.roles:
            self._check_denials(giver, self._denials([name], known), _ENDED)

    def check_grant(self, giver: Scope, rule: Rule) -> None:
        """Refuse to grant a rule to a member, be it that it allows or denies."""
        if rule.effect == "deny":
            self._check_denials(giver, [rule], _DENIED)
        else:
            _refuse(self.lacked(giver, rule), "You would allow")

    def check_lending(self, giver: Scope, rule: Rule) -> None:
        """Refuse to lend a rule to a member."""
        _refuse(self.lacked(giver, rule), "You would lend")

    def check_revocation(self, giver: Scope, rule: Rule) -> None:
        """Refuse to end a grant that denies."""
        self._check_denials(giver, [rule], _ENDED)

    def lacked(self, scope: Scope, rule: Rule) -> str | None:
        """Return what the actor of a scope lacks of a rule, for as long as it holds and where it does."""
        would = _holding(scope, (), MemberRules(grants=(Grant("", "", rule),)))
        return self._authorizer.lacked(scope, would, workspace=rule.workspace, until=rule.until)

    def _denials(self, roles: Iterable[str], known: MemberRules) -> frozenset[Rule]:
        written = [self._authorizer.matrix.written(name, known.roles) for name in roles]
        every = (rules for one in written for rules in one.values())
        return frozenset(rule for rules in every for rule, _ in rules if rule.effect == "deny")

    def _check_denials(self, giver: Scope, denials: Iterable[Rule], what: str) -> None:
        for rule in denials:
            # it holds on what is not known, too, so that what is allowed where something is true is not enough
            given = replace(rule, effect="allow", when=None, resource=None)
            _refuse(self.lacked(giver, given), what)


def _holding(
    scope: Scope, roles: Iterable[str], rules: MemberRules, *, permissions: frozenset[str] = frozenset()
) -> Scope:
    """Return a scope of somebody who has these roles, permissions and rules, and nothing else."""
    return replace(scope, roles=frozenset(roles), permissions=permissions, limits=None, rules=rules)


def _after(before: frozenset[str], names: Iterable[str] | None) -> frozenset[str]:
    """Return what there is after a change to these names, or to this one; what there was, where there is no change."""
    if names is None:
        return before
    return frozenset([names] if isinstance(names, str) else names)


def _with_role(known: MemberRules, role: Role) -> MemberRules:
    return replace(known, roles={**known.roles, role.name: role})


def _refuse(lacked: str | None, what: str) -> None:
    if lacked is not None:
        raise PermissionDenied(
            f"{what} {lacked!r}, which you do not have, or not for as long, or not everywhere.",
            permission=lacked,
        )
