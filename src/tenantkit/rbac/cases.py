"""Tests of a matrix, written as data: who may what, on which, and who may not."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tenantkit.core.actor import Actor
from tenantkit.core.scope import Scope
from tenantkit.core.tenant import Tenant
from tenantkit.exceptions import ConfigurationError
from tenantkit.protocols import Clock
from tenantkit.rbac.authorizer import Authorizer
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import Decision
from tenantkit.rbac.names import meant

__all__ = ["Case", "Cases", "Coverage", "read_cases"]

_KEYS: Final = {"who", "what", "on", "expected", "because"}
_WHO: Final = {"roles", "user", "permissions", "workspace", "features"}
_TENANT: Final = Tenant(1, "test")


@dataclass(frozen=True, slots=True)
class Case:
    """
    One question and the answer that is expected.

    Args:
        path: the file in which it is written.
        line: and where in it.
        roles: the roles of who asks.
        user: their user id.
        what: the permission.
        on: the resource: its attributes, or its name; None for every resource.
        expected: the answer.
        because: why, for people.
        permissions: what they have beside their roles.
        workspace: where they are.
        features: what their tenant's plan has.

    .. versionadded:: 0.1
    """

    path: Path
    line: int
    roles: tuple[str, ...]
    what: str
    expected: bool
    user: str = "user"
    on: Any = field(default=None, hash=False)
    because: str = ""
    permissions: tuple[str, ...] = ()
    workspace: str | None = None
    features: tuple[str, ...] = ()

    def __str__(self) -> str:
        verb = "may" if self.expected else "may not"
        on = f" on {self.on!r}" if self.on is not None else ""
        return f"{'+'.join(self.roles) or 'nobody'} {verb} {self.what}{on}"

    def check(self, matrix: Matrix) -> None:
        """
        Refuse what the matrix does not know, which would be refused in whatever case.

        Raises:
            ConfigurationError: the matrix has no such permission, no such role, or asks for no such feature.
        """
        at = f"{self.path}, line {self.line}: "
        for name in self.roles:
            if name not in matrix.roles:
                raise ConfigurationError(f"{at}There is no role {name!r}.{meant(name, matrix.roles)}")
        for name in (self.what, *self.permissions):
            if name not in matrix.permissions:
                raise ConfigurationError(
                    f"{at}Permission {name!r} is not declared.{meant(name, matrix.permissions)}"
                )
        asked = {one.feature for one in matrix.permissions.values() if one.feature is not None}
        for name in self.features:
            if name not in asked:
                raise ConfigurationError(
                    f"{at}No permission asks for the feature {name!r}.{meant(name, asked)}"
                )

    def decide(self, matrix: Matrix, clock: Clock | None = None) -> Decision:
        """
        Return what a matrix decides.

        Raises:
            ConfigurationError: the matrix does not know what it names.
        """
        self.check(matrix)
        who, is_hosts = Actor(self.user), self._is_hosts(matrix)
        scope = Scope(
            _TENANT,
            None if is_hosts else who,
            roles=frozenset(self.roles),
            permissions=frozenset(self.permissions),
            dimensions={} if self.workspace is None else {"workspace": self.workspace},
            # roles of the host's side count for who comes from there, and is no member
            impersonator=who if is_hosts else None,
        )
        return Authorizer(matrix, clock, features=_Features(self.features)).explain(scope, self.what, self.on)

    def _is_hosts(self, matrix: Matrix) -> bool:
        return any(one in matrix.roles and matrix.roles[one].side == "host" for one in self.roles)


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    Which cells of a matrix some cases ask about: a permission, of who holds one role alone.

    Args:
        asked: cells that are, as role and permission.
        missing: cells that are not.

    .. versionadded:: 0.1
    """

    asked: tuple[tuple[str, str], ...]
    missing: tuple[tuple[str, str], ...]

    @property
    def share(self) -> float:
        """How many of all cells are asked about, 0 to 1."""
        return len(self.asked) / max(1, len(self.asked) + len(self.missing))


@dataclass(frozen=True, slots=True)
class Cases:
    """
    The cases of a file.

    Args:
        path: the file.
        matrix: the path of the matrix that it names, if it names one.
        cases: the cases, in their order.

    .. versionadded:: 0.1
    """

    path: Path
    matrix: Path | None
    cases: tuple[Case, ...]

    def coverage(self, matrix: Matrix) -> Coverage:
        """Return which cells of a matrix they ask about."""
        asked = {(case.roles[0], case.what) for case in self.cases if len(case.roles) == 1}
        every = [(role, permission) for role in matrix.roles for permission in matrix.permissions]
        return Coverage(
            tuple(one for one in every if one in asked), tuple(one for one in every if one not in asked)
        )


@dataclass(frozen=True, slots=True)
class _Features:
    known: tuple[str, ...]

    def has_feature(self, tenant: Tenant, feature: str) -> bool:  # noqa: ARG002 - there is one
        return feature in self.known


def read_cases(path: str | Path) -> Cases:
    """
    Read a file of cases: TOML with tables ``[[case]]``.

    .. code-block:: toml

        matrix = "roles.toml"

        [[case]]
        who = "editor"
        what = ["documents:read", "documents:update"]
        expected = "allow"

        [[case]]
        who = { roles = ["member"], user = "ann" }
        what = "documents:export"
        on = { created_by = "bob" }
        expected = "deny"

    Raises:
        ConfigurationError: it cannot be read, or something in it is wrong; the message names file and line.

    .. versionadded:: 0.1
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from error
    for key in content:
        if key not in ("matrix", "case"):
            raise ConfigurationError(f"{path}: There is no {key!r}.{meant(key, {'matrix', 'case'})}")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line.strip() == "[[case]]"]
    written, matrix = content.get("case"), content.get("matrix")
    if (
        not isinstance(written, list)
        or len(lines) != len(written)
        or not all(isinstance(one, Mapping) for one in written)
    ):
        raise ConfigurationError(f"{path}: Cases are tables `[[case]]`, each on a line of its own.")
    if not isinstance(matrix, str | None):
        raise ConfigurationError(f"{path}: `matrix` is the path of a file, not {matrix!r}.")
    cases = [case for line, said in zip(lines, written, strict=True) for case in _cases_of(path, line, said)]
    return Cases(path, path.parent / matrix if matrix is not None else None, tuple(cases))


def _cases_of(path: Path, line: int, said: Mapping[str, Any]) -> list[Case]:
    at = f"{path}, line {line}: "
    _check_keys(at, said, _KEYS, "a case")
    for key in ("who", "what", "expected"):
        if key not in said:
            raise ConfigurationError(f"{at}A case says {key!r}.")
    if said["expected"] not in ("allow", "deny"):
        raise ConfigurationError(f"{at}What is expected is 'allow' or 'deny', not {said['expected']!r}.")
    on = said.get("on")
    if "on" in said and not (isinstance(on, Mapping) or (isinstance(on, str) and ":" in on)):
        raise ConfigurationError(
            f"{at}`on` is a table of attributes, or a name such as 'documents:42', not {on!r}."
        )
    who = said["who"] if isinstance(said["who"], Mapping) else {"roles": said["who"]}
    _check_keys(at, who, _WHO, "who asks")
    _texts(
        at, [table[key] for table in (who, said) for key in ("user", "workspace", "because") if key in table]
    )
    about: dict[str, Any] = {
        key: tuple(_texts(at, who.get(key, []))) for key in ("roles", "permissions", "features")
    }
    about |= {key: who[key] for key in ("user", "workspace") if key in who}
    what = _texts(at, said["what"])
    if not what:
        raise ConfigurationError(f"{at}A case asks for a permission at least.")
    about |= {key: said[key] for key in ("on", "because") if key in said}
    return [Case(path, line, what=one, expected=said["expected"] == "allow", **about) for one in what]


def _check_keys(at: str, table: Mapping[str, Any], known: set[str], whose: str) -> None:
    for key in table:
        if key not in known:
            raise ConfigurationError(f"{at}There is no {key!r} of {whose}.{meant(key, known)}")


def _texts(at: str, said: Any) -> list[str]:
    found = [said] if isinstance(said, str) else said
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ConfigurationError(f"{at}{said!r} is neither a text nor a list of texts.")
    return found
