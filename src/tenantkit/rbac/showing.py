"""A matrix as a grid to look at: roles across, permissions down."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

from tenantkit.rbac.conditions import Condition
from tenantkit.rbac.matrix import Matrix
from tenantkit.rbac.model import Rule

__all__ = ["DENIED", "GRANTED", "NOTHING", "Grid", "grid_of"]

GRANTED, DENIED, NOTHING = "y", "deny", "-"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Grid:
    """
    A matrix as text: one row for each permission, one column for each role, behind name and description.

    ``y`` stands for what is granted, ``deny`` for what is denied, ``-`` for what is neither; a condition by its name,
    or in words, for what is granted where it holds. What CSV and Markdown show can be read again, as far as conditions
    have names and are given to :meth:`Matrix.read`; included roles are spelled out, and sides of roles are left out.

    .. versionadded:: 0.1
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def csv(self) -> str:
        """The grid as CSV."""
        written = io.StringIO()
        rows = [[_harmless(cell) for cell in row] for row in (self.headings, *self.rows)]
        csv.writer(written, lineterminator="\n").writerows(rows)
        return written.getvalue()

    @property
    def markdown(self) -> str:
        """The grid as a table of Markdown."""
        rows = [
            [" ".join(cell.replace("|", "\\|").split()) for cell in row]
            for row in (self.headings, *self.rows)
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
            for row in rows
        ]
        rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
        return "\n".join([lines[0], rule, *lines[1:]]) + "\n"

    @property
    def html(self) -> str:
        """The grid as a table of HTML; nothing in it is markup."""
        head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in self.headings)
        body = "".join(
            f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(one)}</td>" for one in row[1:])}</tr>\n'
            for row in self.rows
        )
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def grid_of(matrix: Matrix, roles: Iterable[str] | None = None) -> Grid:
    """
    Return a matrix as a grid.

    Args:
        matrix: the matrix.
        roles: the roles to show; all by default.

    Raises:
        ConfigurationError: the matrix has no such role.

    .. versionadded:: 0.1
    """
    shown = list(matrix.roles if roles is None else roles)
    if shown:
        matrix.check_roles(*shown)
    written = {role: matrix.written(role) for role in shown}
    names = {condition: name for name, condition in matrix.conditions.items()}
    facts = [
        heading
        for heading, usual in (("side", "tenant"), ("feature", None))
        if any(getattr(one, heading) != usual for one in matrix.permissions.values())
    ]
    rows = tuple(
        (
            name,
            permission.description,
            *(getattr(permission, fact) or "" for fact in facts),
            *(cell_of([rule for rule, _ in written[role].get(name, ())], names) for role in shown),
        )
        for name, permission in matrix.permissions.items()
    )
    return Grid(("permission", "description", *facts, *shown), rows)


def cell_of(rules: list[Rule], names: Mapping[Condition, str]) -> str:
    """Return in a word or a few what rules about one permission say; names are those of conditions."""
    allows = [rule for rule in rules if rule.effect == "allow"]
    denies = [rule for rule in rules if rule.effect == "deny"]
    if any(not rule.is_partial and rule == rule.everywhere for rule in denies):
        return DENIED
    granted = GRANTED if any(rule.is_plain for rule in allows) else _bounds(allows, names)
    denied = _bounds(denies, names)
    if not denied:
        return granted or NOTHING
    return f"{granted}, but not {denied}" if granted else f"{DENIED} {denied}"


def _harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell != NOTHING and cell[:1] in _FORMULA else cell


def _bounds(rules: list[Rule], names: Mapping[Condition, str]) -> str:
    return " or ".join(dict.fromkeys(_bound(rule, names) for rule in rules))


def _bound(rule: Rule, names: Mapping[Condition, str]) -> str:
    """Return the name of a rule's condition where that is all that bounds it, and its bounds in words otherwise."""
    if (
        rule.when is not None
        and rule.when in names
        and rule == Rule(rule.permission, rule.effect, when=rule.when)
    ):
        return names[rule.when]
    return rule.bounds
