"""The permission matrix: which role grants what. Read once, checked by set membership."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from tenantkit.core.scope import Scope
from tenantkit.core.toml import read_toml
from tenantkit.exceptions import ConfigurationError, PermissionDenied

__all__ = ["Matrix"]

_WILDCARD = "*"


class Matrix:
    """
    Roles and the permissions they grant, checked when made.

    Args:
        permissions: every permission with its meaning; ``area:action``.
        roles: per role its grants: permissions, ``area:*`` or ``*``.

    Raises:
        ConfigurationError: a grant matches no declared permission, or a permission is malformed.

    .. versionadded:: 0.1
    """

    def __init__(self, permissions: Mapping[str, str], roles: Mapping[str, Iterable[str]]) -> None:
        for name in permissions:
            area, _, action = name.partition(":")
            if not area or not action or ":" in action or _WILDCARD in name:
                raise ConfigurationError(f"Permission {name!r} is not of the form 'area:action'.")
        self.permissions = dict(permissions)
        self._granted = {role: self._expand(role, grants) for role, grants in roles.items()}

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """
        Read a TOML file with a table ``[permissions]`` (name = meaning) and a table ``[roles]`` (role = grants).

        Raises:
            ConfigurationError: the file cannot be read, has another shape or an unknown key.
        """
        content = read_toml(path, {"permissions", "roles"})
        for role, grants in content["roles"].items():
            if not isinstance(grants, list) or not all(isinstance(grant, str) for grant in grants):
                raise ConfigurationError(f"{path}: role {role!r} must be a list of permissions.")
        return cls(content["permissions"], content["roles"])

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of the roles."""
        return tuple(self._granted)

    def granted(self, roles: Iterable[str]) -> frozenset[str]:
        """Return the permissions that roles grant together; an unknown role grants none."""
        return frozenset().union(*(self._granted.get(role, frozenset()) for role in roles))

    def allows(self, scope: Scope, permission: str) -> bool:
        """
        Whether the scope's actor has a permission, by a role or beside the roles, and the scope's limits leave it.

        Raises:
            ConfigurationError: the permission is not declared; a misspelt check must not pass for a refusal.
        """
        self.check_declared(permission)
        if scope.limits is not None and permission not in scope.limits:
            return False
        return permission in scope.permissions or any(
            permission in self._granted.get(role, ()) for role in scope.roles
        )

    def require(self, scope: Scope, permission: str) -> None:
        """
        Refuse unless :meth:`allows`.

        Raises:
            PermissionDenied: no role grants it; the error names the permission.
        """
        if not self.allows(scope, permission):
            why = "none of your roles here grants. Ask an administrator of the tenant."
            if scope.limits is not None and permission not in scope.limits:
                why = "these credentials are not good for. Use others, or have them made for it."
            raise PermissionDenied(
                f"This needs the permission {permission!r}, which {why}", permission=permission
            )

    def check_declared(self, permission: str) -> None:
        """
        Refuse a permission that is not declared.

        Raises:
            ConfigurationError: it is not.
        """
        if permission not in self.permissions:
            raise ConfigurationError(
                f"Permission {permission!r} is not declared. Declared are {', '.join(sorted(self.permissions))}."
            )

    def _expand(self, role: str, grants: Iterable[str]) -> frozenset[str]:
        granted: set[str] = set()
        for grant in grants:
            area = grant.removesuffix(f":{_WILDCARD}")
            matching = {
                name
                for name in self.permissions
                if grant in (_WILDCARD, name) or (area != grant and name.split(":")[0] == area)
            }
            if not matching:
                raise ConfigurationError(
                    f"Role {role!r} grants {grant!r}, which matches no declared permission. Declare it under "
                    "[permissions], or correct the spelling."
                )
            granted |= matching
        return frozenset(granted)
