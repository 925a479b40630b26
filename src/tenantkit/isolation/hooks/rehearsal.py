"""
A statement on tables in the mode ``"shadow"`` is rehearsed first: run as if they were enforced, and undone.

Then it runs as it is, and what it answers is compared with the rehearsal. So whatever a statement's shape, the
difference is what the database says, and no rule of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.dialects.mysql.dml import OnDuplicateClause
from sqlalchemy.exc import DontWrapMixin, SQLAlchemyError

from tenantkit.exceptions import TenantKitError
from tenantkit.isolation.difference import count_same, report
from tenantkit.isolation.hooks.dialect import own_call
from tenantkit.isolation.hooks.fetching import WrappedFetch
from tenantkit.isolation.hooks.statement import Shadows
from tenantkit.isolation.pin import Pin, exchanged
from tenantkit.isolation.writes import Values, is_expression, key_of

__all__ = ["Checked", "Execution", "Rehearsal", "rehearse"]

_SAVEPOINT: Final = "tenantkit_rehearsal"
_MOST: Final = 100_000  # rows that are kept to be compared


class Checked(DontWrapMixin, Exception):
    """Ends the rehearsal of an INSERT whose values passed: nothing else about it could differ."""


class TooMany(DontWrapMixin, Exception):
    """Ends the rehearsal of a statement whose rows would not fit into memory."""


class Lost(DontWrapMixin, Exception):
    """An error of a rehearsal took the transaction with it, such as a deadlock in MariaDB: it is the application's."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Rehearsal:
    """What a statement answered while its tables were enforced, to compare with what it answers now."""

    def __init__(self, compiled: Any, pin: Pin) -> None:
        self._tables: tuple[str, ...] = tuple(sorted(compiled.shadows.tables))
        self._text: str = compiled.string
        self._tenant = pin.scope.tenant.slug
        self.is_told = False
        self._expected: Counter[Any] | int | None = None

    def tell(self, what: str | None) -> None:
        """Report what is different, or count that nothing is; once."""
        if self.is_told:
            return
        self.is_told = True
        if what is None:
            count_same(self._tables)
        else:
            report(self._tables, self._tenant, what, self._text)

    def expect(self, answer: Counter[Any] | int) -> None:
        """Note what the rehearsal answered: rows, or how many it wrote."""
        self._expected = answer

    def compare(self, result: Any) -> None:
        """Compare the result of the statement itself, now or while its rows are fetched."""
        if self.is_told or self._expected is None:
            return
        if result.returns_rows and not result._soft_closed:
            result.cursor_strategy = RehearsedFetch(result.cursor_strategy, self, Counter())
        elif isinstance(self._expected, int):
            self.compare_writes(_written(result), self._expected)

    def compare_writes(self, written: int, rehearsed: int) -> None:
        """Compare how many rows were written."""
        same = written == rehearsed
        self.tell(None if same else f"it wrote {written} rows, and would write {rehearsed}")

    def compare_shown(self, written: Counter[Any], rehearsed: Counter[Any]) -> None:
        """Compare which rows were written, and with what."""
        other = max((written - rehearsed).total(), (rehearsed - written).total())
        self.tell(f"{other} of the {written.total()} rows it wrote would be others" if other else None)

    def compare_rows(self, seen: Counter[Any], *, is_all: bool) -> None:
        """Compare the rows that were handed out; where some were not fetched, look at the fetched ones only."""
        if self._expected is None:
            return
        if isinstance(self._expected, int):  # RETURNING: each row is one that was written
            if is_all:
                self.compare_writes(seen.total(), self._expected)
            return
        hidden = (seen - self._expected).total()
        shown = (self._expected - seen).total() if is_all else 0
        if hidden or shown:
            instead = f", and {shown} others be there" if shown else ""
            self.tell(f"{hidden} of the {seen.total()} rows it read would be missing{instead}")
        else:
            self.tell(None)


@dataclass(frozen=True, slots=True)
class Execution:
    """
    One execution of a statement, as SQLAlchemy is about to begin it.

    Attributes:
        connection: where.
        compiled: the statement as it is compiled now.
        statement: the statement.
        parameters: its parameter sets, as the caller gave them.
        options: its execution options.
    """

    connection: Any
    compiled: Any
    statement: Any
    parameters: Sequence[Mapping[str, Any]]
    options: Mapping[str, Any]

    @property
    def is_write(self) -> bool:
        """Whether it writes."""
        return bool(self.compiled.isinsert or self.compiled.isupdate or self.compiled.isdelete)

    def _run(self, statement: Any) -> Any:
        streams = bool(self.options.get("stream_results") or self.options.get("yield_per"))
        plain = {**self.options, "stream_results": streams, "yield_per": None}
        return self.connection.execute(statement, self.parameters or None, execution_options=plain)

    def answer(self) -> Counter[Any] | int:
        """Run the statement and return its rows, or how many it wrote."""
        result = self._run(self.statement)
        if not result.returns_rows or result._soft_closed:
            return _written(result)
        rows = _counted(_fetched(result))
        return rows.total() if self.is_write else rows

    def rows(self, statement: Any) -> Counter[Any]:
        """Run another statement in its place, and return its rows."""
        return _counted(_fetched(self._run(statement)))

    def showing(self) -> Any:
        """
        Return the statement, a write, so that it returns the rows it writes.

        None where their number says as much, or where it cannot be had.
        """
        plan, conflict = self.compiled.write_plan, getattr(self.statement, "_post_values_clause", None)
        settable = getattr(conflict, "update_values_to_set", None)
        if not self.compiled.shadows.read_inside and (not self.compiled.isinsert or plan.is_settled):
            return None
        if isinstance(conflict, OnDuplicateClause):  # with RETURNING it is refused
            return None
        kind = "insert" if self.compiled.isinsert else "update" if self.compiled.isupdate else "delete"
        state, table = self.compiled.dml_compile_state, self.statement.table
        beside = "_multifrom" if getattr(state, "_extra_froms", ()) else ""
        can = getattr(self.connection.dialect, f"{kind}_returning{beside}")
        if not can or not isinstance(table, Table) or len(self.parameters) > 1:
            return None
        given = Values(None if getattr(state, "_has_multi_parameters", False) else state._dict_parameters)
        chosen = {key_of(name) for name in getattr(self.statement, "_select_names", None) or ()}
        chosen |= {key_of(name) for name in dict(settable or ())}
        columns: list[Any] = [
            column
            for column in table.columns
            if column.key in chosen
            or is_expression(given.of(column))
            or (kind == "insert" and _is_selected(column.default))
            or (kind != "insert" and column.primary_key)
        ]
        columns += [
            one
            for one in self.statement._returning
            if isinstance(one, ColumnElement) and not (kind == "insert" and isinstance(one, Column))
        ]
        shown = self.statement._clone()
        shown._returning, shown._return_defaults, shown._supplemental_returning = (), False, None
        return shown.returning(*columns) if columns else None


def rehearse(execution: Execution, pin: Pin, *, in_transaction: bool) -> Rehearsal:
    """
    Run a statement as if its tables were enforced, undo it, and return what it answered.

    An INSERT of values is only checked. Costs the statement once more, and three round trips for the savepoint; a
    write that reads tables in shadow, too, all that twice, to see which rows it writes and not only how many.

    Args:
        execution: the statement, before it runs.
        pin: the connection's.
        in_transaction: whether what is done can be undone.
    """
    found = Rehearsal(execution.compiled, pin)
    shadows: Shadows = execution.compiled.shadows
    if execution.is_write and not in_transaction:
        found.tell("it writes in AUTOCOMMIT, where it cannot be rehearsed")
    elif shadows.written_beside:
        found.tell("it writes in a common table expression, whose rows cannot be compared")
    else:
        try:
            shown = execution.showing() if execution.is_write else None
            if shown is None:
                # SQLite alone goes on after any failed SELECT, and would become a writer by a savepoint
                can_fail = in_transaction and execution.connection.dialect.name != "sqlite"
                with _enforced(execution.connection, pin, undo=execution.is_write or can_fail):
                    found.expect(execution.answer())
            else:
                found.compare_shown(*_both(execution, pin, shown))
        except Lost as lost:
            raise lost.cause from None
        except Checked:
            found.tell(None)
        except TooMany:
            found.tell(f"it reads more than {_MOST} rows, which are not compared")
        except (TenantKitError, SQLAlchemyError) as error:
            found.tell(f"it would fail with {type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - reported; what is only watched must go on
            found.tell(f"it could not be rehearsed: {type(error).__name__}: {error}")
    return found


def _both(execution: Execution, pin: Pin, shown: Any) -> tuple[Counter[Any], Counter[Any]]:
    """Return the rows that a statement writes as it is, and those that it writes enforced."""
    with _enforced(execution.connection, pin, undo=True):
        enforced = execution.rows(shown)
    pin.is_rehearsing = True
    try:
        with _undone(execution.connection):
            return execution.rows(shown), enforced
    finally:
        pin.is_rehearsing = False
        pin.known.clear()  # what it wrote is gone again


@contextmanager
def _enforced(connection: Any, pin: Pin, *, undo: bool) -> Iterator[None]:
    dialect = connection.dialect.tenantkit_enforced
    rehearsing = pin.for_rehearsal(dialect.tenantkit_registry)
    with (
        _undone(connection) if undo else nullcontext(),
        exchanged(connection, dialect, rehearsing),
    ):
        yield


@contextmanager
def _undone(connection: Any) -> Iterator[None]:
    _say(connection, f"SAVEPOINT {_SAVEPOINT}")
    try:
        yield
    except BaseException as error:
        try:
            _undo(connection)
        except SQLAlchemyError:
            raise Lost(error) from error
        raise
    _undo(connection)


def _undo(connection: Any) -> None:
    _say(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
    _say(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")


def _say(connection: Any, command: str) -> None:
    with own_call(connection):  # by the driver: no listener takes it for a statement
        connection.exec_driver_sql(command).close()


def _written(result: Any) -> int:
    context = result.context
    counted = context._rowcount  # by SQLAlchemy, where it has fetched the rows
    return int(context.tenantkit_rowcount if counted is None else counted)


def _fetched(result: Any) -> Sequence[Any]:
    rows: list[Any] = []
    while part := result.cursor_strategy.fetchmany(result, result.cursor, 10_000):
        rows += part
        if len(rows) > _MOST:
            result.close()
            raise TooMany
    return rows


def _is_selected(default: Any) -> bool:
    return default is not None and default.is_clause_element


def _counted(rows: Iterable[Any]) -> Counter[Any]:
    return Counter(_comparable(row) for row in rows)


def _comparable(row: Any) -> Any:
    values = tuple(row)
    try:
        hash(values)
    except TypeError:  # JSON and arrays
        return repr(values)
    return values


class RehearsedFetch(WrappedFetch):
    """Compares the rows it hands out with those of a rehearsal."""

    __slots__ = ("_is_fetching", "_rehearsal", "_seen")

    def __init__(self, inner: Any, rehearsal: Rehearsal, seen: Counter[Any]) -> None:
        super().__init__(inner)
        self._rehearsal, self._seen = rehearsal, seen
        self._is_fetching = False

    def _around(self, inner: Any) -> "RehearsedFetch":
        return RehearsedFetch(inner, self._rehearsal, self._seen)

    def _fetch(self, how: str, result: Any, *args: Any, **kw: Any) -> Any:
        self._is_fetching = True
        try:
            fetched = super()._fetch(how, result, *args, **kw)
        finally:
            self._is_fetching = False
        if not self._rehearsal.is_told:
            rows = fetched if how != "fetchone" else () if fetched is None else (fetched,)
            self._seen.update(_counted(rows))
            if result._soft_closed or self._seen.total() > _MOST:
                self._rehearsal.compare_rows(self._seen, is_all=result._soft_closed)
        return fetched

    def _end(self) -> None:
        if not self._is_fetching:  # else the last rows come yet
            self._rehearsal.compare_rows(self._seen, is_all=False)

    def soft_close(self, *args: Any, **kw: Any) -> None:
        self._end()
        super().soft_close(*args, **kw)

    def hard_close(self, *args: Any, **kw: Any) -> None:
        self._end()
        super().hard_close(*args, **kw)
