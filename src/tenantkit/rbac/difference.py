"""What is different between two matrices, cell by cell."""

from dataclasses import dataclass
from typing import Literal

from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.showing import NOTHING, cell_of

__all__ = ["Difference", "differences"]


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One thing that two matrices say differently.

    Args:
        kind: of a permission, of a role, or of what a role says of a permission.
        subject: which one; ``role of permission`` of a cell.
        before: what the one says; None where it is not there.
        after: what the other says; None where it is not there.

    .. versionadded:: 0.1
    """

    kind: Literal["permission", "role", "cell"]
    subject: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.kind} {self.subject}: {self.after}"
        if self.after is None:
            return f"- {self.kind} {self.subject}: {self.before}"
        return f"~ {self.kind} {self.subject}: {self.before} -> {self.after}"


def differences(before: Matrix, after: Matrix) -> list[Difference]:
    """
    Return what is different between two matrices: permissions, roles, then cells.

    .. versionadded:: 0.1
    """
    found = [
        *_of_kind("permission", _permissions(before), _permissions(after)),
        *_of_kind("role", _roles(before), _roles(after)),
    ]
    old, new = _cells(before), _cells(after)
    # what only one of them has is nothing in the other
    return found + _of_kind("cell", dict.fromkeys(new, NOTHING) | old, dict.fromkeys(old, NOTHING) | new)


def _of_kind(
    kind: Literal["permission", "role", "cell"], before: dict[str, str], after: dict[str, str]
) -> list[Difference]:
    return [
        Difference(kind, subject, before.get(subject), after.get(subject))
        for subject in dict.fromkeys([*before, *after])
        if before.get(subject) != after.get(subject)
    ]


def _permissions(matrix: Matrix) -> dict[str, str]:
    return {
        name: ", ".join(
            [
                one.description or "no description",
                *(["of the host's side"] if one.side == "host" else []),
                *([f"needs the feature {one.feature!r}"] if one.feature else []),
            ]
        )
        for name, one in matrix.permissions.items()
    }


def _roles(matrix: Matrix) -> dict[str, str]:
    return {
        name: (role.description or "no description") + (", of the host's side" if role.side == "host" else "")
        for name, role in matrix.roles.items()
    }


def _cells(matrix: Matrix) -> dict[str, str]:
    found = {}
    for role in matrix.roles:
        written = matrix.written(role)
        for permission in matrix.permissions:
            rules = [rule for rule, _ in written.get(permission, ())]
            found[f"{role} of {permission}"] = cell_of(rules, {}) if rules else NOTHING
    return found
