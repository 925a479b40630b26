"""
What must be true of the values that an INSERT or UPDATE writes.

While a statement is compiled its values are sorted into a :class:`WritePlan`; while it is executed the plan checks
each parameter set. A foreign key that is set to an SQL expression cannot be looked up beforehand: it is replaced by a
look-up of its own inside the statement, evaluated once, which finds only keys of rows in sight.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Table, or_, select, tuple_
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement, coercions, roles
from sqlalchemy.sql.elements import BindParameter, ClauseElement, ColumnClause, Null

from tenantkit.exceptions import ForeignTenant, StatementRefused
from tenantkit.isolation.entry import Entry, Link, Stamp, column_of
from tenantkit.isolation.pin import Pin
from tenantkit.isolation.refusals import refusal
from tenantkit.sql.sqlite import begin_writing

__all__ = ["MISSING", "Values", "WritePlan", "guarded", "is_expression", "is_value", "refuse_stamp_change"]

_CHUNK: Final = 500  # keys per look-up; SQLite before 3.32 takes 999 parameters
MISSING: Final = object()
Names = tuple[str, ...]
Key = tuple[Any, ...]
Seen = dict[tuple[Column[Any], ...], set[Key]]
_PLAIN: Final = frozenset({int, str, bytes, UUID})


@dataclass(slots=True)
class WritePlan:
    """
    What to do with the parameter sets of one compiled statement.

    Attributes:
        fills: parameter keys that a rule fills where the caller left them out or gave None.
        given: names of binds that must equal the rule's value, where the rule is strict.
        links: per foreign key the names of binds that must together be the key of a row in sight.
        own_keys: per table the names of binds that are the keys of the rows being inserted.
        is_certain: whether the rows are written or an error is raised, so that their parents stay locked.
        is_settled: whether what is checked here is all that scoping has to do with it.
        is_plain: whether it inserts rows of values, and no SQL expression.
    """

    fills: dict[str, Stamp] = field(default_factory=dict)
    given: list[tuple[str, Stamp]] = field(default_factory=list)
    links: list[tuple[Link, list[Names]]] = field(default_factory=list)
    own_keys: dict[tuple[Column[Any], ...], list[Names]] = field(default_factory=dict)
    is_certain: bool = False
    is_settled: bool = False
    is_plain: bool = False

    def fill(self, parameters: Mapping[str, Any], pin: Pin) -> dict[str, Any]:
        """Return one caller's parameter set with the pin's values; nothing the caller gives can win."""
        filled = {**parameters, **pin.values}
        for key, stamp in self.fills.items():
            given, value = parameters.get(key), pin.value_of(stamp.bind.key)
            if stamp.is_strict:
                _compare(given, value, stamp)
            filled[key] = value if stamp.is_strict or given is None else given
        return filled

    def check(self, parameter_sets: Sequence[Mapping[str, Any]], connection: Connection, pin: Pin) -> Seen:
        """
        Compare given tenants and look up the rows that foreign keys point to; return the keys seen.

        Costs one SELECT per foreign key whose rows are not known yet, whatever the number of parameter sets.

        Raises:
            ForeignTenant: a value is another tenant's.
        """
        for name, stamp in self.given:
            for parameters in parameter_sets:
                if parameters.get(name) is None:
                    raise _foreign(None, stamp)
                _compare(parameters[name], pin.value_of(stamp.bind.key), stamp)
        seen: Seen = {}
        for link, names in self.links:
            wanted, odd = self._wanted(link, names, parameter_sets)
            wanted -= pin.known.get(link.parents, set())
            if (wanted or odd) and connection.dialect.name == "sqlite":
                begin_writing(connection)  # or the parent could go while this writer waits for its turn
            if wanted:
                seen.setdefault(link.parents, set()).update(_look_up(link, wanted, connection))
            for key in odd:
                _look_up_one(link, key, connection)
        return seen

    def _wanted(
        self, link: Link, names: list[Names], parameter_sets: Sequence[Mapping[str, Any]]
    ) -> tuple[set[Key], list[Key]]:
        """Return the keys that must be in sight: plain ones, and odd ones that are not to be compared."""
        wanted: set[Key] = set()
        odd: list[Key] = []
        inserted: set[Key] = set()
        # row by row: where a later one fails, the earlier ones stay written
        for parameters in parameter_sets:
            inserted |= _plain(_keys(self.own_keys.get(link.parents, ()), [parameters]))
            keys = _keys(names, [parameters])
            wanted |= _plain(keys) - inserted
            odd += [key for key in keys if not _is_plain(key)]
        return wanted, odd

    def remember(self, parameter_sets: Sequence[Mapping[str, Any]], seen: Seen, pin: Pin) -> None:
        """Note the keys of rows just inserted and of their parents, so that their children need no look-up."""
        for key, names in self.own_keys.items():
            pin.known.setdefault(key, set()).update(_plain(_keys(names, parameter_sets)))
        for key, found in seen.items():
            pin.known.setdefault(key, set()).update(found)


def _compare(given: object, own: object, stamp: Stamp) -> None:
    # a subclass may call itself equal to anything, and True is equal to 1
    if given is not None and (type(given) is not type(own) or given != own):
        raise _foreign(given, stamp)


def _foreign(given: object, stamp: Stamp) -> Exception:
    return refusal(
        ForeignTenant(
            f"{stamp.column} was given {given!r}, which is not the value of rule {stamp.rule.name!r} in this scope. "
            "Leave the column out: it is stamped."
        )
    )


def _keys(names: Iterable[Names], parameter_sets: Sequence[Mapping[str, Any]]) -> list[Key]:
    """Return the keys that parameter sets hold; one with a NULL in it points nowhere (MATCH SIMPLE)."""
    found = [tuple(parameters[name] for name in row) for row in names for parameters in parameter_sets]
    return [key for key in found if not any(part is None for part in key)]


def _is_plain(key: Key) -> bool:
    """Whether a key is equal to another only where the database finds it so; a subclass may lie about it."""
    return all(type(part) in _PLAIN for part in key)


def _plain(keys: Iterable[Key]) -> set[Key]:
    return {key for key in keys if _is_plain(key)}


def _look_up(link: Link, wanted: set[Key], connection: Connection) -> set[Key]:
    keys = list(wanted)
    seen: set[Key] = set()
    for start in range(0, len(keys), _CHUNK):
        seen.update(tuple(row) for row in connection.execute(_rows_of(link, keys[start : start + _CHUNK])))
    for key in wanted - seen:  # the database may hold it equal where Python does not: "1" and 1, padded text
        _look_up_one(link, key, connection)
    return seen & wanted


def _look_up_one(link: Link, key: Key, connection: Connection) -> None:
    if connection.execute(_rows_of(link, [key])).first() is None:
        shown = key[0] if len(key) == 1 else key
        raise refusal(
            ForeignTenant(
                f"{', '.join(map(str, link.columns))} = {shown!r} points to no row of {link.table.fullname!r} in "
                "this scope: it is missing or another tenant's. Load or insert the row in this scope first."
            )
        )


def _rows_of(link: Link, keys: Sequence[tuple[Any, ...]]) -> Any:
    parent = link.table.alias(link.name)
    columns = [column_of(parent, column) for column in link.parents]
    if len(columns) == 1:
        return select(*columns).where(columns[0].in_([key[0] for key in keys]))
    return select(*columns).where(tuple_(*columns).in_(keys))


class Values:
    """
    What a statement gives to the columns of its table, by the column's key, as SQLAlchemy itself reads it.

    Whatever spells the key - a text, a bare ``column()``, a column of another table - writes to the column.
    """

    __slots__ = ("_given",)

    def __init__(self, given: Mapping[Any, Any] | None) -> None:
        self._given = {key_of(key): value for key, value in (given or {}).items()}

    def of(self, column: Column[Any]) -> Any:
        """Return what is given to a column, or MISSING."""
        return self._given.get(column.key, MISSING)

    @property
    def are_plain(self) -> bool:
        """Whether none is an SQL expression."""
        return all(is_value(value) for value in self._given.values())

    def replaced(self, column: Column[Any], value: Any) -> None:
        """Exchange what is given to a column."""
        self._given[column.key] = value


def key_of(key: Any) -> str:
    """Return the key by which SQLAlchemy matches a name or column with the columns of a written table."""
    return str(coercions.expect_as_key(roles.DMLColumnRole, key))


def refuse_other_tables(values: Mapping[Any, Any] | None, table: Table) -> None:
    """Refuse SET of a column that belongs to another table: some databases would write it there."""
    for key in values or {}:
        owner = getattr(key, "table", None) if isinstance(key, ColumnClause) else None
        if owner is not None and owner != table:
            raise StatementRefused(
                f"{key} is set by a statement that writes {table.fullname!r}. Name its own columns."
            )


def is_value(value: object) -> bool:
    """Whether a value is bound or plain, and so can be checked before the statement runs."""
    if isinstance(value, BindParameter):
        return not (
            value.literal_execute or value.expanding
        )  # rendered into the text, and gone when it is checked
    return not (isinstance(value, ClauseElement) or hasattr(value, "__clause_element__"))


def is_expression(value: object) -> bool:
    """Whether a value given to a foreign key is an SQL expression that may point anywhere; NULL points nowhere."""
    return value is not MISSING and not is_value(value) and not isinstance(value, Null)


def guarded(link: Link, value: Any) -> ColumnElement[Any]:
    """
    Return the key that a value points to if its row is in sight, else NULL; the value is evaluated once.

    Raises:
        StatementRefused: the value is a parameter that is rendered late, or the key has several columns, which one
            expression cannot set together.
    """
    if isinstance(value, BindParameter):
        raise refusal(
            StatementRefused(
                f"{link.columns[0]} is given a parameter that is rendered into the text (literal_execute, expanding), "
                "so it cannot be looked up. Give it as an ordinary bound value."
            )
        )
    if len(link.columns) > 1:
        raise refusal(
            StatementRefused(
                f"A foreign key of several columns ({', '.join(map(str, link.columns))}) is set by SQL expressions. "
                "Give its columns values, all of them together."
            )
        )
    return link.pointing([value]).scalar_subquery()


def null_or_in_sight(link: Link, values: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that a key has a NULL in it or points to a row in sight."""
    return or_(*(value.is_(None) for value in values), link.in_sight(values))


def refuse_read_only(entry: Entry) -> None:
    """Refuse to write a shared table, unless it is declared as writable."""
    if not entry.is_writable:
        raise refusal(
            StatementRefused(
                f"Table {entry.table.fullname!r} is shared: all tenants read its rows, so no scope writes them. Write "
                "them in kit.unscoped_session(reason=...), or declare the table shared(writable=True)."
            )
        )


def refuse_stamp_change(stamp: Stamp) -> None:
    """
    Refuse to set a stamped column of an existing row.

    Raises:
        ForeignTenant: the stamp is strict.
    """
    if not stamp.is_strict:
        return
    raise refusal(
        ForeignTenant(
            f"{stamp.column} is set by an UPDATE, and what rule {stamp.rule.name!r} stamps never changes. Leave it out "
            "of SET; to move a row, copy it in the other scope and delete it here."
        )
    )


def refuse_partial_links(entry: Entry, values: Values) -> None:
    """Refuse an UPDATE that sets some columns of a foreign key of several: where it then points is not known."""
    for link in entry.links:
        given = [values.of(column) is not MISSING for column in link.columns]
        if any(given) and not all(given):
            raise refusal(
                StatementRefused(
                    f"Of a foreign key of several columns ({', '.join(map(str, link.columns))}) only some are set. "
                    "Set all of them together."
                )
            )


def insert_refused(column: Column[Any], table: Table) -> StatementRefused:
    """Return the refusal of an INSERT whose stamped column is an SQL expression."""
    return StatementRefused(
        f"INSERT into {table.fullname!r} gives {column.name!r} an SQL expression, which cannot be compared before the "
        "row exists. Leave it out: it is stamped."
    )
