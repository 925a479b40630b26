"""
What Django's compiler asks: which conditions rows of a table must meet, and what is checked when they are written.

The answers are those of the one registry, spelled by SQLAlchemy's scoped compiler once and kept as pieces of text.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError, ScopeRequired, UndeclaredTable
from tenantkit.isolation.conditions import Spell, plain_dialect, speller
from tenantkit.isolation.elements import OwnName, ScopeBind
from tenantkit.isolation.entry import Entry, Link, Stamp
from tenantkit.isolation.local_settings import setting_of
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.rules import RowRule

__all__ = ["Sight", "Sights", "Text"]

_DIALECTS: Final[dict[str, Any]] = {"sqlite": SQLiteDialect, "postgresql": PGDialect}
_ROW: Final = "tenantkit_row"  # what the table is called in a text, until its alias is known
_PIECES: Final = re.compile(rf"({_ROW}|\0\w+\0)")


@dataclass(frozen=True, slots=True)
class Text:
    """A condition as pieces of text: between them the alias of the table, and values of the scope by name."""

    pieces: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Text":
        """Return a text in its pieces."""
        return cls(tuple(_PIECES.split(text)))

    @property
    def binds(self) -> tuple[str, ...]:
        """The names of its values, in the order of the text."""
        return tuple(piece.strip("\0") for piece in self.pieces if piece.startswith("\0"))

    def spelled(self, alias: str) -> str:
        """Return the text with an alias as SQL spells it, and `%s` for each value."""
        return "".join(
            alias if piece == _ROW else "%s" if piece.startswith("\0") else piece.replace("%", "%%")
            for piece in self.pieces
        )


class Sights:
    """
    What is known of the tables of a project, with all rules and without those that are lifted.

    Args:
        metadata: the project's tables and the kit's.
        rules: further row rules, beside the tenant's.
        read_only: names of tables that Django never writes.

    Raises:
        ConfigurationError: a declaration is wrong.
    """

    def __init__(
        self, metadata: Sequence[MetaData], *, rules: Sequence[RowRule] = (), read_only: Iterable[str] = ()
    ) -> None:
        self._metadata, self._rules = tuple(metadata), tuple(rules)
        self.read_only = frozenset(read_only)
        self._sights: dict[tuple[str, frozenset[str]], Sight] = {}
        self._registries: dict[frozenset[str], Registry] = {}
        self.registry = self._registry(frozenset())

    def of(self, vendor: str, lifted: frozenset[str] = frozenset()) -> "Sight":
        """
        Return what is in sight on a kind of database, without some rules.

        Raises:
            ConfigurationError: a rule cannot be lifted, or the database is of another kind.
        """
        found = self._sights.get((vendor, lifted))
        if found is None:
            if vendor not in _DIALECTS:
                raise ConfigurationError(
                    f"There is no scoping for {vendor} in Django; use PostgreSQL or SQLite."
                )
            found = self._sights[vendor, lifted] = Sight(self._registry(lifted), vendor, self.read_only)
        return found

    def _registry(self, lifted: frozenset[str]) -> Registry:
        found = self._registries.get(lifted)
        if found is None:
            if lifted:
                self._check_liftable(lifted)
            found = self._registries[lifted] = Registry(*self._metadata, rules=self._rules, lifted=lifted)
        return found

    def _check_liftable(self, lifted: frozenset[str]) -> None:
        liftable = {rule.name for rule in self.registry.rules if rule.liftable}
        if fixed := sorted(lifted - liftable):
            raise ConfigurationError(
                f"The rule {fixed[0]!r} cannot be lifted. Those that can: {', '.join(sorted(liftable))}."
            )


class Sight:
    """What is in sight on one kind of database, under one set of rules."""

    def __init__(self, registry: Registry, vendor: str, read_only: frozenset[str]) -> None:
        self.registry = registry
        self._read_only = read_only
        self._dialect = plain_dialect(_DIALECTS[vendor])
        self._spell: Spell = speller(_DIALECTS[vendor], registry, lambda bind, _dialect: f"\0{bind.key}\0")
        self._entries = {entry.table.name: entry for entry in registry.entries}
        self._conditions: dict[tuple[str, bool], Text | None] = {}
        self._parents: dict[Link, Text] = {}

    def entry(self, table: str) -> Entry:
        """
        Return what is known of a table.

        Raises:
            UndeclaredTable: nothing is.
        """
        found = self._entries.get(table)
        if found is None:
            raise UndeclaredTable(
                f"The table {table!r} is not declared, so it is not known whose rows it holds. Give its model "
                "`tenancy = scoped_by(...)`, scoped_through(...) or shared(), or name it in TENANTKIT['MODELS']."
            )
        return found

    def is_writable(self, entry: Entry) -> bool:
        """Whether Django writes rows of the table at all."""
        return entry.is_writable and entry.table.name not in self._read_only

    def condition(self, table: str, *, for_write: bool = False) -> Text | None:
        """Return what rows of a table must meet, or None where all are in sight."""
        key = (table, for_write)
        if key not in self._conditions:
            entry = self.entry(table)
            row = entry.table.alias(_ROW)
            criteria = entry.criteria(row, for_write=for_write)
            self._conditions[key] = Text.of(self._spell(row, criteria)) if criteria else None
        return self._conditions[key]

    def condition_of_parent(self, link: Link) -> Text:
        """Return what the row must meet that a foreign key of a written row points to."""
        if link not in self._parents:
            row = link.table.alias(OwnName(_ROW))
            criteria = self.registry.entry(link.table).criteria(row)
            self._parents[link] = Text.of(self._spell(row, criteria) if criteria else "1 = 1")
        return self._parents[link]

    def values(self, scope: Scope) -> tuple[Mapping[str, object], Mapping[str, ScopeRequired]]:
        """Return the values of a scope by name, as they stand in Python, and what it does not say."""
        kept: Any = scope.held.get(self)
        if kept is None:
            kept = scope.held[self] = self.registry.values(scope)
        return kept  # type: ignore[no-any-return]

    def stored(self, bind: ScopeBind, value: object) -> object:
        """Return a value as the driver takes it."""
        process = self._processors.get(bind.key)
        return value if process is None else process(value)

    @cached_property
    def _processors(self) -> dict[str, Any]:
        binds = (bind for _, bind in self.registry.binds_by_name)
        return {
            bind.key: bind.type.dialect_impl(self._dialect).bind_processor(self._dialect) for bind in binds
        }

    @cached_property
    def binds(self) -> dict[str, ScopeBind]:
        """The values that are filled from a scope, by name."""
        return {bind.key: bind for _, bind in self.registry.binds_by_name}

    @cached_property
    def settings(self) -> tuple[tuple[str, ScopeBind], ...]:
        """What policies compare with: names of settings, each with its value."""
        return tuple((setting_of(rule), bind) for rule, bind in self.registry.binds_by_rule.items())


def stamps_by_column(entry: Entry) -> dict[str, Stamp]:
    """Return the columns of a table that rules fill."""
    return {stamp.column.name: stamp for stamp in entry.stamps}
