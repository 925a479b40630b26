"""The permission matrix: which role grants what. Checked when it is made."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tenantkit.exceptions import ConfigurationError
from tenantkit.rbac.conditions import Condition
from tenantkit.rbac.model import Permission, Role, Rule, Side
from tenantkit.rbac.names import WILDCARD, is_name, is_separator, meant, named_by

__all__ = ["Matrix", "Written"]

Written = Mapping[str, tuple[tuple[Rule, str], ...]]
"""What a role comes to: by permission the rules about it, each with the role in which it is written."""

_NOTHING: Written = MappingProxyType({})


class Matrix:
    """
    Permissions, and the roles that grant them.

    Immutable. Questions are asked of an :class:`Authorizer`, which is made with one; a kit has one.

    Args:
        permissions: every permission: by its name the meaning, or a :class:`Permission`.
        roles: by name what a role grants: permissions, ``area:*`` or ``*``; :class:`Rule`; or a whole :class:`Role`.
        separator: what stands between the parts of a permission's name: ``:``, ``.`` or ``/``.
        conditions: conditions that have a name, by which tables show them.
        origin: returns where something is written, for messages: of ``("roles", "reader", "documents:raed")``, say,
            ``"roles.toml, line 7: "``.

    Raises:
        ConfigurationError: a name is malformed or not declared, or roles include each other.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        permissions: Mapping[str, str | Permission],
        roles: Mapping[str, Iterable[str | Rule] | Role],
        *,
        separator: str = ":",
        conditions: Mapping[str, Condition] | None = None,
        origin: Callable[..., str] | None = None,
    ) -> None:
        if not isinstance(separator, str) or not is_separator(separator):
            raise ConfigurationError(
                f"The separator in names of permissions is ':', '.' or '/', not {separator!r}."
            )
        self.separator, self.conditions = separator, MappingProxyType(dict(conditions or {}))
        self._at = origin or _nowhere
        self.permissions: Mapping[str, Permission] = MappingProxyType(
            {name: self._declared(name, said) for name, said in permissions.items()}
        )
        self.roles: Mapping[str, Role] = MappingProxyType(
            {name: _role(name, said) for name, said in roles.items()}
        )
        self._written: dict[str, Written] = {}
        for role in self.roles.values():
            self.check_role(role, self.roles)
        for name in self.roles:
            self._write(name, self.roles, self._written)
        self._at = _nowhere  # what is checked from now on is written elsewhere

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        conditions: Mapping[str, Condition] | None = None,
        separator: str | None = None,
    ) -> Self:
        """
        Read a file: TOML, YAML, CSV, or Markdown with a table; its ending says which.

        Args:
            path: the file.
            conditions: conditions by the names that the file gives them, beside those that it describes itself.
            separator: what stands between the parts of a permission's name, where the file does not say.

        Raises:
            ConfigurationError: the file cannot be read, or something in it is wrong; the message names file and line.
            DependencyMissing: YAML needs PyYAML.
        """
        from tenantkit.rbac.reading import read_matrix  # noqa: PLC0415 - it makes what this is

        return cls(**read_matrix(Path(path), conditions or {}, separator))

    def granted(self, roles: Iterable[str]) -> frozenset[str]:
        """
        Return the permissions that roles grant together, whatever the resource; an unknown role grants none.

        What one of them denies is not among these, nor what is granted on some resources, or in some workspace, alone.
        """
        found: dict[str, list[Rule]] = {}
        for role in roles:
            for permission, rules in self.written(role).items():
                found.setdefault(permission, []).extend(rule for rule, _ in rules)
        return frozenset(
            permission
            for permission, rules in found.items()
            if any(rule.is_plain for rule in rules) and all(rule.effect == "allow" for rule in rules)
        )

    def written(self, role: str, further: Mapping[str, Role] | None = None) -> Written:
        """
        Return what a role comes to: its rules and those of the roles that it includes, without what it excludes.

        Nothing, where there is no such role. A rule about what is not declared (any more) counts for nothing.

        Args:
            role: its name.
            further: roles beside the matrix's own, such as those that a tenant made.
        """
        found = self._written.get(role)
        if found is not None:
            return found
        if not further or role not in further:
            return _NOTHING
        return self._write(role, {**further, **self.roles}, dict(self._written))

    def included(self, role: str) -> frozenset[str]:
        """Return a role of the matrix and all that it includes, by name; nothing where there is no such role."""
        found, waiting = set[str](), [role]
        while waiting:
            name = waiting.pop()
            if name in self.roles and name not in found:
                found.add(name)
                waiting += self.roles[name].includes
        return frozenset(found)

    def permissions_of(self, pattern: str, side: Side = "tenant") -> frozenset[str]:
        """Return the permissions that a pattern stands for in a role of a side; a tenant's has none of the host's."""
        named = named_by(pattern, self.permissions, self.separator)
        return named if side == "host" else frozenset(one for one in named if not self._is_hosts(one))

    def check_declared(self, permission: str) -> None:
        """
        Refuse a permission that is not declared.

        Raises:
            ConfigurationError: it is not.
        """
        if not isinstance(permission, str):
            raise ConfigurationError(
                f"A permission is a text, such as 'documents:read', and not {permission!r}."
            )
        if permission not in self.permissions:
            raise ConfigurationError(
                f"Permission {permission!r} is not declared.{meant(permission, self.permissions)}"
            )

    def check_roles(self, *names: str) -> None:
        """
        Refuse names of roles that the matrix does not have.

        Raises:
            ConfigurationError: it lacks one, or none is given.
        """
        if not names:
            raise ConfigurationError("No role is named: name one at least.")
        for name in names:
            if name not in self.roles:
                raise ConfigurationError(f"There is no role {name!r}.{meant(name, self.roles)}")

    def check_role(self, role: Role, roles: Mapping[str, Role]) -> None:
        """
        Refuse a role that names what there is not.

        Args:
            role: the role.
            roles: all that there are, itself among them, by name.

        Raises:
            ConfigurationError: it does, or it includes itself.
        """
        place, named = ("roles", role.name), f"Role {role.name!r}"
        if not role.name.strip() or role.name != role.name.strip() or not role.name.isprintable():
            raise ConfigurationError(
                f"{self._at(*place)}A role needs a name that is seen, without spaces around it."
            )
        alike = [name for name in roles if name != role.name and name.casefold() == role.name.casefold()]
        if alike:
            raise ConfigurationError(
                f"{self._at(*place)}The roles {role.name!r} and {alike[0]!r} look like one."
            )
        for rule in role.rules:
            self.check_rule(rule, named, role.side, place)
        for pattern in role.excluding:
            self._check_pattern(pattern, f"{named} excludes", role.side, place)
        for other in role.includes:
            at = self._at(*place, other)
            if other not in roles:
                raise ConfigurationError(
                    f"{at}{named} includes {other!r}, which is no role.{meant(other, roles)}"
                )
            if roles[other].side == "host" and role.side == "tenant":
                raise ConfigurationError(
                    f"{at}{named} includes {other!r}, which is of the host's side, and is itself a tenant's."
                )
            self._check_acyclic(role.name, other, roles, at)

    def check_rule(
        self, rule: Rule, whose: str, side: Side = "tenant", place: tuple[str, ...] = ("grants",)
    ) -> None:
        """
        Refuse a rule about what there is not.

        Args:
            rule: the rule.
            whose: whose it is, in words.
            side: the side that it is to hold on.
            place: where it is written.

        Raises:
            ConfigurationError: its permission, or one that its condition asks for, is not declared, or is one of the
                host's side.
        """
        verb = "grants" if rule.effect == "allow" else "denies"
        self._check_pattern(rule.permission, f"{whose} {verb}", side, place)
        for permission in rule.when.permissions if rule.when is not None else ():
            if permission not in self.permissions:
                raise ConfigurationError(
                    f"{self._at(*place, rule.permission)}{whose} has a condition that asks for {permission!r}, "
                    f"which is not declared.{meant(permission, self.permissions)}"
                )

    def _check_pattern(self, pattern: str, verb: str, side: Side, place: tuple[str, ...]) -> None:
        named = named_by(pattern, self.permissions, self.separator)
        at = self._at(*place, pattern)
        if not named:
            areas = {
                f"{name.rpartition(self.separator)[0]}{self.separator}{WILDCARD}" for name in self.permissions
            }
            known = areas if pattern.endswith(WILDCARD) else self.permissions.keys()
            raise ConfigurationError(
                f"{at}{verb} {pattern!r}, which matches no declared permission.{meant(pattern, known)}"
            )
        if side == "tenant" and all(map(self._is_hosts, named)):
            raise ConfigurationError(
                f"{at}{verb} {pattern!r}, which is of the host's side: no role of a tenant can."
            )

    def _check_acyclic(self, name: str, included: str, roles: Mapping[str, Role], at: str) -> None:
        path, waiting = [name], [(included, [name, included])]
        seen: set[str] = set()
        while waiting:
            one, path = waiting.pop()
            if one == name:
                raise ConfigurationError(f"{at}Roles include each other: {' -> '.join(path)}.")
            if one not in seen and one in roles:
                seen.add(one)
                waiting += [(other, [*path, other]) for other in roles[one].includes]

    def _write(self, name: str, roles: Mapping[str, Role], done: dict[str, Written]) -> Written:
        """Note what a role comes to, and before it those that it includes, however many stand in a row."""
        waiting = [name]
        while waiting:
            role = roles[waiting[-1]]
            # a tenant's role may be older than one of the host's side that has taken a name
            included = [
                one
                for one in role.includes
                if one in roles and (role.side == "host" or roles[one].side == "tenant")
            ]
            first = [one for one in included if one not in done]
            if first:
                done[role.name] = _NOTHING  # of a circle, which data that nobody checked can have
                waiting += first
            else:
                done[role.name] = self._together(role, [done[one] for one in included])
                waiting.pop()
        return done[name]

    def _together(self, role: Role, included: Iterable[Written]) -> Written:
        """Return what a role comes to with what those come to that it includes."""
        found: dict[str, list[tuple[Rule, str]]] = {}
        for inner in included:
            for permission, rules in inner.items():
                found.setdefault(permission, []).extend(rules)
        for rule in role.rules:
            for permission in self.permissions_of(rule.permission, role.side):
                found.setdefault(permission, []).append((rule, role.name))
        excluded = frozenset().union(*(self.permissions_of(one, role.side) for one in role.excluding))
        for permission in excluded & found.keys():
            found[permission] = [one for one in found[permission] if one[0].effect == "deny"]
        return {permission: tuple(dict.fromkeys(rules)) for permission, rules in found.items() if rules}

    def _declared(self, name: str, said: str | Permission) -> Permission:
        permission = said if isinstance(said, Permission) else Permission(name, said)
        at = self._at("permissions", name)
        if not is_name(name, self.separator):
            raise ConfigurationError(
                f"{at}Permission {name!r} is not of the form 'area{self.separator}action', of letters, digits, '_' and "
                "'-'."
            )
        if permission.name != name:
            raise ConfigurationError(f"{at}Permission {name!r} is called {permission.name!r} inside.")
        if permission.side not in ("tenant", "host"):
            raise ConfigurationError(
                f"{at}Permission {name!r} is of the side 'tenant' or 'host', not {permission.side!r}."
            )
        return permission

    def _is_hosts(self, permission: str) -> bool:
        return self.permissions[permission].side == "host"


def _role(name: str, said: Iterable[str | Rule] | Role) -> Role:
    if isinstance(said, Role):
        if said.name != name:
            raise ConfigurationError(f"Role {name!r} is called {said.name!r} inside.")
        return said
    return Role(name, tuple(one if isinstance(one, Rule) else Rule(one) for one in said))


def _nowhere(*_place: str) -> str:
    return ""
