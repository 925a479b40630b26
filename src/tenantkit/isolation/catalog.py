"""What the catalog of PostgreSQL says of a table's row level security, and whether it is what was declared."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from sqlalchemy import Connection, text

from tenantkit.isolation.policies import Policy

__all__ = ["StoredPolicy", "StoredTable", "spelled_alike"]

_TABLE: Final = """
    SELECT c.oid, pg_get_userbyid(c.relowner) AS owner, pg_has_role(c.relowner, 'MEMBER') AS is_owner,
           c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced, c.relkind = 'p' AS partitioned,
           has_table_privilege(c.oid, 'TRUNCATE') AS truncates
    FROM pg_class c WHERE c.oid = to_regclass(:name)
"""
_POLICIES: Final = """
    SELECT polname AS name, polcmd AS command, polpermissive AS permissive, polroles = '{0}'::oid[] AS is_public,
           pg_get_expr(polqual, polrelid) AS using, pg_get_expr(polwithcheck, polrelid) AS check
    FROM pg_policy WHERE polrelid = CAST(:oid AS oid) ORDER BY polname
"""
_COMMANDS: Final = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
_PART: Final = r"""(?:"(?:[^"]|"")*"|\w+)"""
_TOKEN: Final = re.compile(rf"""'(?:[^']|'')*'|{_PART}(?:\.{_PART})*|::|[<>=!~]+|\S""")
_TYPES: Final = {
    "varchar": ("character", "varying"),
    "int": ("integer",),
    "bpchar": ("character",),
    "char": ("character",),
}
_PRINTED: Final = {"nullif", "set_config", "current_setting"}  # PostgreSQL names a column after its function


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy as the server has it."""

    name: str
    command: str
    permissive: bool
    role: Literal["PUBLIC", "CURRENT_USER"]
    using: str | None
    check: str | None

    def is_as_declared(self, policy: Policy, table: str) -> bool:
        """Whether it says what a declared policy says of a table of that bare name."""
        said = (self.command, self.permissive, self.role)
        return said == (policy.command, True, policy.role) and all(
            spelled_alike(ours, theirs, table)
            for ours, theirs in ((self.using, policy.using), (self.check, policy.check))
        )


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as the server has it, and its policies by name."""

    oid: int
    owner: str
    is_owner: bool
    enabled: bool
    forced: bool
    partitioned: bool
    truncates: bool
    policies: dict[str, StoredPolicy]

    @classmethod
    def read(cls, connection: Connection, name: str) -> Self | None:
        """
        Read what the catalog says; None if there is no such table. Costs two statements.

        Args:
            connection: to PostgreSQL, as any role.
            name: the table as SQL spells it.
        """
        facts = connection.execute(text(_TABLE), {"name": name}).mappings().one_or_none()
        if facts is None:
            return None
        rows = connection.execute(text(_POLICIES), {"oid": facts["oid"]})
        return cls(**facts, policies={row.name: _policy(row) for row in rows})


def _policy(row: Any) -> StoredPolicy:
    letter = row.command.decode() if isinstance(row.command, bytes) else row.command
    role: Literal["PUBLIC", "CURRENT_USER"] = "PUBLIC" if row.is_public else "CURRENT_USER"
    return StoredPolicy(row.name, _COMMANDS[letter], row.permissive, role, row.using, row.check)


def spelled_alike(one: str | None, other: str | None, table: str) -> bool:
    """
    Whether two conditions are the same, though PostgreSQL prints casts, parentheses and aliases of its own.

    What is compared is the sequence of words, names, operators and values. Parentheses are left out, so of two
    conditions that differ in grouping only, none is told from the other.

    Args:
        one: a condition, as it was written or as PostgreSQL prints it.
        other: another one.
        table: the bare name of the table, which qualifies its columns or not.
    """
    return _words(one, table) == _words(other, table)


def _words(expression: str | None, table: str) -> list[str]:
    words: list[str] = []
    for token in _TOKEN.findall(expression or ""):
        word = token if token.startswith("'") else _name(token, table, of_table=words[-1:] == ["from"])
        if word in "()":
            continue
        if words and words[-1] == "as":  # an alias: `AS "nullif"` is PostgreSQL's own, `AS parent_1` ours
            words.pop()
            if word in _PRINTED:
                continue
        if word == "text" and words and words[-1] == "::":
            words.pop()
            continue
        words += _TYPES.get(word, (word,))
    return words


def _name(token: str, table: str, *, of_table: bool) -> str:
    """Return a name without quotes, and without what stands before a table's or an own column's."""
    parts = [part[1:-1] if part.startswith('"') else part.lower() for part in re.findall(_PART, token)] or [
        token
    ]
    return parts[-1] if of_table or (len(parts) > 1 and parts[-2] == table) else ".".join(parts)
