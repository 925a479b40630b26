"""
What is known of every table, frozen when an engine is scoped.

The compiler asks the registry two questions: which conditions must a FROM element meet, and what must be checked
when rows of this table are written.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, cast, get_args
from weakref import WeakKeyDictionary

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, Table
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import Mapper

from tenantkit.core.scope import Scope
from tenantkit.exceptions import ConfigurationError, ScopeRequired, UndeclaredTable
from tenantkit.isolation.elements import PARENT_PREFIX, RESERVED_PREFIX, OwnName, ScopeBind, kinds_of
from tenantkit.isolation.entry import Condition, Entry, Link, Stamp
from tenantkit.isolation.functions import ALLOWED_FUNCTIONS
from tenantkit.isolation.rules import SOFT_DELETE, TENANT, RowRule
from tenantkit.sql.declarations import (
    Mode,
    ScopedBy,
    ScopedThrough,
    Shared,
    declaration_of,
    is_kit_table,
    ruled_column,
)

__all__ = ["Registry"]

_LOOSE: Final = frozenset({"NOCASE", "RTRIM"})  # SQLite's; MariaDB's are made exact where they are compiled


class Registry:
    """
    The declared tables of one or more ``MetaData``, frozen.

    Args:
        metadata: where the tables are declared.
        rules: further row rules, beside the tenant's.
        functions: names of SQL functions that statements may call, beside the built-in list.
        elements: classes of the application's own ``@compiles`` elements that statements may hold.
        lifted: names of rules that do not hold here.
        is_rehearsal: whether tables in the mode ``"shadow"`` are taken as enforced.

    Raises:
        ConfigurationError: a declaration names a column that does not exist, a foreign key that leads to no
            declared table, or tenant columns of different types.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        *metadata: MetaData,
        rules: Sequence[RowRule] = (),
        functions: Iterable[str] = (),
        elements: Iterable[type] = (),
        lifted: Collection[str] = (),
        is_rehearsal: bool = False,
    ) -> None:
        _refuse_equal_names(rules)
        self.rules = (TENANT, SOFT_DELETE, *rules)
        self._lifted = frozenset(lifted)
        self._is_rehearsal = is_rehearsal
        self.functions = ALLOWED_FUNCTIONS | {name.lower() for name in functions}
        self.elements = tuple(elements)
        self._binds: dict[str, tuple[RowRule, ScopeBind]] = {}
        self._numbers = 0
        self._entries: dict[Table, Entry] = {}
        self._attributes: WeakKeyDictionary[Mapper[Any], tuple[tuple[str, Stamp], ...]] = WeakKeyDictionary()
        tables = [table for one in metadata for table in one.tables.values()]
        declared = {table: found for table in tables if (found := declaration_of(table)) is not None}
        for table in tables:
            if table.name.casefold().startswith(PARENT_PREFIX):
                raise ConfigurationError(
                    f"The table name {table.name!r} is reserved: {PARENT_PREFIX}... is scoping's own."
                )
        self.table_names = frozenset(table.name.casefold() for table in tables)
        for table, declaration in declared.items():
            self._entries[table] = self._entry(table, declaration, declared)

    def entry(self, table: object) -> Entry:
        """
        Return what is known of a table.

        Raises:
            UndeclaredTable: nothing is.
        """
        try:
            return self._entries[cast("Table", table)]
        except (KeyError, TypeError):
            name = getattr(table, "fullname", None) or getattr(table, "name", None) or table
            raise UndeclaredTable(
                f"Table {str(name)!r} is not declared for this engine, so it is not known whose rows it holds. Use "
                "TenantScoped, scoped_by(), scoped_through() or shared() before the engine is scoped, and name it "
                "by that Table or class, not by sa.table() or a second Table."
            ) from None

    @property
    def has_shadows(self) -> bool:
        """Whether some table is in the mode ``"shadow"``."""
        return any(entry.mode == "shadow" for entry in self._entries.values())

    @property
    def rules_in_use(self) -> list[RowRule]:
        """The rules that some table follows."""
        followed = {condition.rule.name for entry in self._entries.values() for condition in entry.conditions}
        return [rule for rule in self.rules if rule.name in followed]

    @property
    def entries(self) -> list[Entry]:
        """What is known of each declared table, parents before children where they do not point in circles."""
        metadata = dict.fromkeys(table.metadata for table in self._entries)
        return [
            self._entries[table] for one in metadata for table in one.sorted_tables if table in self._entries
        ]

    @property
    def binds_by_name(self) -> list[tuple[RowRule, ScopeBind]]:
        """Every value that is filled from a scope, with its rule; a rule has several if its columns' types differ."""
        return list(self._binds.values())

    @property
    def binds_by_rule(self) -> dict[RowRule, ScopeBind]:
        """One value for each rule that has any."""
        first = dict(reversed(self._binds.values()))
        return {rule: first[rule] for rule in self.rules if rule in first}

    @property
    def bind_names(self) -> Collection[str]:
        """The names of the values that are filled from a scope."""
        return self._binds.keys()

    def stamped_attributes(self, mapper: Mapper[Any]) -> tuple[tuple[str, Stamp], ...]:
        """Return the attributes of a mapped class that rules stamp; a mapping may leave the column out."""
        found = self._attributes.get(mapper)
        if found is None:
            stamps = (stamp for table in mapper.tables for stamp in self.entry(table).stamps)
            found = tuple(
                (prop.key, stamp)
                for stamp in stamps
                for prop in mapper.column_attrs
                if stamp.column in prop.columns
            )
            self._attributes[mapper] = found
        return found

    def values(self, scope: Scope) -> tuple[dict[str, object], dict[str, ScopeRequired]]:
        """Return the bound values of a scope by parameter name, and what it does not say."""
        found: dict[str, object] = {}
        missing: dict[str, ScopeRequired] = {}
        for name, (rule, bind) in self._binds.items():
            try:
                value = rule.value(scope) if rule.value is not None else None
            except ScopeRequired as error:
                missing[name] = error
                continue
            expected = bind.type.python_type
            if not isinstance(value, expected):
                raise ConfigurationError(
                    f"Rule {rule.name!r} gives a {type(value).__name__}, and the columns it guards hold "
                    f"{expected.__name__}. Tenant ids have one type in an application."
                )
            found[name] = value
        return found, missing

    def _bind(self, rule: RowRule, column: Column[Any]) -> ScopeBind:
        for known, bind in self._binds.values():
            if known is rule and repr(bind.type) == repr(column.type):
                return bind
            if known is rule and bind.type.python_type is not column.type.python_type:
                raise ConfigurationError(
                    f"{column} holds {column.type.python_type.__name__}, other columns of rule {rule.name!r} hold "
                    f"{bind.type.python_type.__name__}. Tenant ids have one type in an application."
                )
        number = sum(known is rule for known, _ in self._binds.values())
        name = f"{RESERVED_PREFIX}{rule.name}" + (f"_{number}" if number else "")
        bind = ScopeBind(name, required=True, unique=False, type_=column.type)
        self._binds[name] = (rule, bind)
        return bind

    def _links(self, table: Table, declared: dict[Table, Any]) -> Iterator[Link]:
        for key in sorted(table.foreign_key_constraints, key=lambda key: tuple(key.column_keys)):
            parent = declared.get(key.referred_table)
            if parent is None or isinstance(parent, Shared):
                continue
            pairs = [(one.parent, one.column) for one in key.elements]
            if _is_guarded(key, declared):
                if not self._is_ruled(key.referred_table, parent):
                    continue  # the database itself keeps tenants apart, and nothing else is asked
                # the tenant is the same; where the key is nothing else, it is the tenant's own row that is asked for
                pairs = [pair for pair in pairs if pair[0].name != declared[table].column] or pairs
            self._numbers += 1
            name = OwnName(f"{PARENT_PREFIX}{self._numbers}")
            yield Link(tuple(ours for ours, _ in pairs), tuple(theirs for _, theirs in pairs), name)

    def _rules_of(self, table: Table, declaration: object) -> Iterator[tuple[RowRule, Column[Any]]]:
        for rule in self.rules:
            column = None if rule.name in self._lifted else _column_for(rule, table, declaration)
            if column is not None:
                yield rule, column

    def _mode(self, table: Table, declared: dict[Table, Any]) -> Mode:
        mode = _mode_of(table, declared, frozenset())
        return "enforce" if self._is_rehearsal and mode == "shadow" else mode

    def _is_ruled(self, table: Table, declaration: object) -> bool:
        return any(rule is not TENANT for rule, _ in self._rules_of(table, declaration))

    def _refuse_shared_parent(self, table: Table, parent: Table, declaration: object) -> None:
        """Refuse to scope through rows that several scopes share: a child that one writes would be everybody's."""
        if any(_shares_null(rule, declaration) for rule, _ in self._rules_of(parent, declaration)):
            raise ConfigurationError(
                f"Table {table.fullname!r} is scoped through a table with shared rows (null_is_shared). Give it a "
                "tenant column of its own, and declare scoped_by()."
            )

    def _entry(self, table: Table, declaration: object, declared: dict[Table, Any]) -> Entry:
        _refuse_replacing(table)
        mode = self._mode(table, declared)
        links = tuple(self._links(table, declared))
        for linking in (column for link in links for column in link.columns):
            made = [
                one for one in (linking.default, linking.onupdate) if one is not None and not _is_python(one)
            ]
            _refuse_own_values(linking, *made, linking.server_default, linking.server_onupdate)
        conditions: list[Condition] = []
        stamps: list[Stamp] = []
        for rule, column in self._rules_of(table, declaration):
            bind = self._bind(rule, column) if rule.value is not None else None
            _refuse_loose_texts(column)
            conditions.append(Condition(rule, column, bind, _shares_null(rule, declaration)))
            if bind is not None and rule.on_write == "stamp":
                _refuse_own_values(column, column.onupdate, column.server_onupdate)
                stamps.append(Stamp(rule, column, bind, is_strict=mode != "shadow"))
        parents = _parents(table, declaration, links) if isinstance(declaration, ScopedThrough) else ()
        for parent in parents:
            self._refuse_shared_parent(table, parent.table, declared[parent.table])
        is_writable = not isinstance(declaration, Shared) or declaration.writable
        # of tables in shadow nothing is asked yet
        asked = [link for link in links if "shadow" not in (mode, self._mode(link.table, declared))]
        return Entry(table, tuple(stamps), tuple(conditions), parents, tuple(asked), is_writable, mode)


def _mode_of(table: Table, declared: dict[Table, Any], below: frozenset[Table]) -> Mode:
    """Return how far a table has come; one without a tenant column of its own is as far as its parents."""
    declaration = declared.get(table)
    if isinstance(declaration, ScopedBy):
        return declaration.mode
    if not isinstance(declaration, ScopedThrough) or table in below:
        return "enforce"
    columns = [column for column in table.columns if column.name in declaration.columns]
    parents = {key.column.table for column in columns for key in column.foreign_keys}
    modes: list[Mode] = [_mode_of(parent, declared, below | {table}) for parent in parents]
    return min(modes, key=get_args(Mode).index) if modes else "enforce"


def _column_for(rule: RowRule, table: Table, declaration: object) -> Column[Any] | None:
    if rule is not TENANT:
        if is_kit_table(table):
            return None
        own = ruled_column(table, rule.name)
        if own is not None and _named(table, own) is None:
            raise ConfigurationError(
                f"Table {table.fullname!r} puts {own!r} under the rule {rule.name!r}, and has no such column. It has "
                f"{', '.join(column.name for column in table.columns)}."
            )
        return _named(table, own or rule.column or "")
    if not isinstance(declaration, ScopedBy):
        return None
    column = _named(table, declaration.column)
    if column is None:
        raise ConfigurationError(
            f"Table {table.fullname!r} is scoped by {declaration.column!r}, and has no such column. It has "
            f"{', '.join(column.name for column in table.columns)}."
        )
    return column


def _shares_null(rule: RowRule, declaration: object) -> bool:
    if rule is TENANT and isinstance(declaration, ScopedBy):
        return declaration.null_is_shared
    return rule.null_is_shared


def _named(table: Table, name: str) -> Column[Any] | None:
    return next((column for column in table.columns if column.name == name), None)


def _parents(table: Table, declaration: ScopedThrough, links: tuple[Link, ...]) -> tuple[Link, ...]:
    found: list[Link] = []
    for name in declaration.columns:
        link = next((link for link in links if name in {column.name for column in link.columns}), None)
        if link is None:
            raise ConfigurationError(
                f"Table {table.fullname!r} is scoped through {name!r}, which is no foreign key to a table that is "
                "scoped itself. Declare the parent, or name the column that points to it."
            )
        if link not in found:
            found.append(link)
    return tuple(found)


def _refuse_equal_names(rules: Sequence[RowRule]) -> None:
    names = [rule.name for rule in (TENANT, SOFT_DELETE, *rules)]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(
            f"Several rules are called {', '.join(doubled)}. Give each a name of its own."
        )


def _is_guarded(key: ForeignKeyConstraint, declared: dict[Table, Any]) -> bool:
    """Whether the key pairs the tenant columns of both tables, so that the database itself keeps tenants apart."""
    ours, theirs = declared[key.table], declared.get(key.referred_table)
    if not isinstance(ours, ScopedBy) or not isinstance(theirs, ScopedBy):
        return False
    return (ours.column, theirs.column) in {(one.parent.name, one.column.name) for one in key.elements}


def _is_python(default: Any) -> bool:
    """Whether a default is made in Python, and so is checked like any value."""
    return not (default.is_clause_element or default.is_sequence)


def _refuse_own_values(column: Column[Any], *sources: object) -> None:
    """Refuse a column that the database, or an UPDATE by itself, gives values that nobody checks."""
    if any(source is not None for source in sources):
        raise ConfigurationError(
            f"{column} gets values by itself (onupdate, server_default or an SQL default), which cannot be checked to "
            "stay in the tenant. Leave that out, and give the value."
        )


def _refuse_loose_texts(column: Column[Any]) -> None:
    """Refuse a column whose texts are equal though they differ: tenants `acme` and `ACME` would be one."""
    for kind in kinds_of(column.type):
        collation = str(getattr(kind, "collation", None) or "")
        if isinstance(kind, CITEXT) or collation.upper() in _LOOSE:
            raise ConfigurationError(
                f"{column} compares texts loosely ({collation or 'citext'}), so two values of a rule could be one. "
                "Declare it without that collation or type."
            )


def _refuse_replacing(table: Table) -> None:
    """Refuse a schema in which SQLite settles conflicts by deleting or skipping rows that a scope cannot see."""
    for part in (*table.columns, *table.constraints):
        for option, value in part.dialect_kwargs.items():
            if option.startswith("sqlite_on_conflict") and str(value).upper() in ("REPLACE", "IGNORE"):
                raise ConfigurationError(
                    f"Table {table.fullname!r} has {option}={value!r}: an INSERT could delete another tenant's row. "
                    "Leave it out, and use on_conflict_do_update() in the statement."
                )
