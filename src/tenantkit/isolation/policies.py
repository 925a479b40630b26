"""
Row level security of PostgreSQL, made from the same declarations and rules as the scoping of statements.

A policy is a wall against forgotten filters and foreign code. It is no wall against SQL that the application's role
itself may choose, since that role may change the setting that policies read.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from sqlalchemy import CHAR, Connection, MetaData, String, Table
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import IdentifierPreparer

from tenantkit.exceptions import ConfigurationError
from tenantkit.isolation.conditions import plain_dialect, speller
from tenantkit.isolation.elements import PARENT_PREFIX, ScopeBind, kinds_of
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.local_settings import UNSCOPED, setting_of
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import RowRule

__all__ = ["Policies", "Policy", "TablePolicies"]

_SCOPE: Final = "tenantkit_scope"
_SHARED: Final = "tenantkit_shared"
_UNSCOPED: Final = "tenantkit_unscoped"
_PARENT: Final = re.compile(rf"\b{PARENT_PREFIX}\d+\b")


@dataclass(frozen=True, slots=True)
class Policy:
    """
    One policy of a table.

    Attributes:
        name: its name, unique in the table.
        command: the kind of statement it is for.
        role: the role it is for; ``PUBLIC``, or ``CURRENT_USER`` for the role that creates it.
        using: which rows are in sight, as SQL.
        check: which rows may be written, as SQL; None where nothing is written.

    .. versionadded:: 0.1
    """

    name: str
    command: Literal["ALL", "SELECT"]
    role: Literal["PUBLIC", "CURRENT_USER"]
    using: str
    check: str | None


@dataclass(frozen=True, slots=True)
class TablePolicies:
    """
    The policies of one table, and the SQL that makes and drops them.

    Attributes:
        table: the table.
        policies: the policies.

    .. versionadded:: 0.1
    """

    table: Table
    policies: tuple[Policy, ...]

    @property
    def name(self) -> str:
        """The table as SQL spells it, with the schema."""
        quoting: IdentifierPreparer = plain_dialect(PGDialect).identifier_preparer
        return quoting.format_table(self.table)

    def create(self) -> list[str]:
        """Return the statements that enable, force and create; they take an ACCESS EXCLUSIVE lock for a moment."""
        return [
            f"ALTER TABLE {self.name} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {self.name} FORCE ROW LEVEL SECURITY",
            *(self.statement(policy) for policy in self.policies),
        ]

    def drop(self) -> list[str]:
        """Return the statements that drop and disable."""
        return [
            *(f"DROP POLICY IF EXISTS {policy.name} ON {self.name}" for policy in self.policies),
            f"ALTER TABLE {self.name} NO FORCE ROW LEVEL SECURITY",
            f"ALTER TABLE {self.name} DISABLE ROW LEVEL SECURITY",
        ]

    def statement(self, policy: Policy) -> str:
        """Return the statement that creates one policy."""
        check = "" if policy.check is None else f" WITH CHECK ({policy.check})"
        return (
            f"CREATE POLICY {policy.name} ON {self.name} FOR {policy.command} TO {policy.role} "
            f"USING ({policy.using}){check}"
        )


class Policies:
    """
    The policies of the tables of one or more ``MetaData``.

    Each scoped table has one policy for every role, which compares its columns with settings of the transaction that
    a :class:`ScopedSession` of an engine with ``policies=True`` makes, and one for the role that creates it, which
    sees all rows in a transaction that says so: an unscoped session's. Shared tables that no scope writes can only be
    read. Rules that can be lifted are left out.

    Args:
        metadata: where the tables are declared.
        rules: further row rules, as for ``scope_engine``.
        open_to_owner: tables of which the creating role always sees all rows.

    Raises:
        ConfigurationError: a declaration is wrong.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        metadata: MetaData | Sequence[MetaData],
        *,
        rules: Sequence[RowRule] = (),
        open_to_owner: Iterable[Table] = (),
    ) -> None:
        several = (metadata,) if isinstance(metadata, MetaData) else tuple(metadata)
        known = Registry(*several, rules=rules)
        lifted = {rule.name for rule in known.rules if rule.liftable}
        self.registry = Registry(*several, rules=rules, lifted=lifted)
        self._open = frozenset(open_to_owner)
        self._spell = _speller(self.registry)

    @cached_property
    def tables(self) -> tuple[TablePolicies, ...]:
        """The policies of each table that is scoped or that no scope writes, parents before children."""
        return tuple(
            self._of(entry) for entry in self.registry.entries if entry.is_scoped or not entry.is_writable
        )

    @cached_property
    def without(self) -> tuple[TablePolicies, ...]:
        """The declared tables that are to have no policy, since they are not enforced yet, or written by all."""
        covered = {one.table for one in self.tables}
        entries = [entry for entry in self.registry.entries if entry.table not in covered]
        return tuple(TablePolicies(entry.table, ()) for entry in entries)

    def create_all(self, connection: Connection) -> None:
        """
        Create all policies or replace them, as the owner of the tables, in the caller's transaction.

        Each table is locked (ACCESS EXCLUSIVE) until that transaction ends.

        Raises:
            ConfigurationError: the database is not PostgreSQL.
        """
        self._run(
            connection, (statement for one in self.tables for statement in (*one.drop(), *one.create()))
        )

    def drop_all(self, connection: Connection) -> None:
        """Drop all policies, as :meth:`create_all`."""
        self._run(connection, (statement for one in reversed(self.tables) for statement in one.drop()))

    @staticmethod
    def _run(connection: Connection, statements: Iterable[str]) -> None:
        if connection.dialect.name != "postgresql":
            raise ConfigurationError(
                f"Policies are a feature of PostgreSQL, and this is {connection.dialect.name}. Leave them out here: "
                "every statement is scoped without them."
            )
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})

    def _of(self, entry: Entry) -> TablePolicies:
        return TablePolicies(entry.table, tuple(self._policies(entry)))

    def _policies(self, entry: Entry) -> Iterator[Policy]:
        if entry.is_scoped:
            strict = self._spelled(entry, entry.criteria(entry.table, for_write=True))
            loose = self._spelled(entry, entry.criteria(entry.table))
            yield Policy(_SCOPE, "ALL", "PUBLIC", strict, strict)
            if loose != strict:
                yield Policy(_SHARED, "SELECT", "PUBLIC", loose, None)
        else:
            yield Policy(_SHARED, "SELECT", "PUBLIC", "true", None)
        if entry.table in self._open:
            yield Policy(_UNSCOPED, "ALL", "CURRENT_USER", "true", "true")
        else:
            said = f"(SELECT current_setting('{UNSCOPED}', true)) = 'on'"
            yield Policy(_UNSCOPED, "ALL", "CURRENT_USER", said, said)

    def _spelled(self, entry: Entry, criteria: Sequence[ColumnElement[bool]]) -> str:
        text = self._spell(entry.table, criteria)
        numbers = list(dict.fromkeys(_PARENT.findall(text)))  # numbered anew, whatever other tables there are
        return _PARENT.sub(lambda match: f"{PARENT_PREFIX}{numbers.index(match[0]) + 1}", text)


def _speller(registry: Registry) -> Any:
    """Return what spells conditions whose values are read from settings."""
    rules = {bind.key: rule for rule, bind in registry.binds_by_name}

    def setting(bind: ScopeBind, dialect: Any) -> str:
        # the setting is cast, never the column, which would lose its index; '' is what a pooler leaves behind
        kind = dialect.type_compiler_instance.process(bind.type)
        texts = [one for one in kinds_of(bind.type) if isinstance(one, String)]
        if texts:  # without a length, to which the setting would be cut in silence
            kind = "BPCHAR" if isinstance(texts[0], CHAR) else "TEXT"
        return f"(SELECT nullif(current_setting('{setting_of(rules[bind.key])}', true), '')::{kind})"

    return speller(PGDialect, registry, setting)
