"""
A statement on tables in the mode ``"shadow"`` is rehearsed first: run as if they were enforced, and undone.

Then it runs as it is, and what it answers is compared with the rehearsal: rows in any order, and what is written. So
whatever a statement's shape, the difference is what the database says, and no rule of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.dialects.mysql.dml import OnDuplicateClause
from sqlalchemy.engine.cursor import FullyBufferedCursorFetchStrategy
from sqlalchemy.exc import DontWrapMixin, SQLAlchemyError

from tenantkit.exceptions import TenantKitError
from tenantkit.isolation.difference import count_same, report
from tenantkit.isolation.hooks.dialect import own_call
from tenantkit.isolation.hooks.fetching import WrappedFetch
from tenantkit.isolation.hooks.statement import Shadows
from tenantkit.isolation.pin import Pin, exchanged
from tenantkit.isolation.refusals import unwrapped
from tenantkit.isolation.writes import Values, is_expression, key_of

__all__ = ["Checked", "Execution", "Rehearsal", "rehearse"]

_SAVEPOINT: Final = "tenantkit_rehearsal"
_TRANSACTIONAL: Final = """
    SELECT 1 FROM information_schema.tables AS t JOIN information_schema.engines AS e ON e.engine = t.engine
    WHERE t.table_schema = coalesce(%s, database()) AND t.table_name = %s AND e.transactions = 'YES'
"""
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
        self._expected: list[Any] | int | None = None
        self._is_doubtful = False

    def tell(self, what: str | None) -> None:
        """Report what is different, or count that nothing is; once."""
        if self.is_told:
            return
        self.is_told = True
        if what is None:
            count_same(self._tables)
        else:
            report(self._tables, self._tenant, what, self._text)

    def tell_unknown(self, why: str) -> None:
        """Report that it cannot be told whether anything is different; once."""
        if not self.is_told:
            self.is_told = True
            report(self._tables, self._tenant, f"cannot be compared: {why}", self._text, outcome="unknown")

    def expect(self, answer: list[Any] | int, *, is_doubtful: bool) -> None:
        """Note what the rehearsal answered: rows, or how many it wrote, which may not say which they were."""
        self._expected, self._is_doubtful = answer, is_doubtful

    def compare(self, result: Any) -> None:
        """Compare the result of the statement itself, now or while its rows are fetched."""
        if self.is_told or self._expected is None:
            return
        if not isinstance(self._expected, int):
            result.cursor_strategy = RehearsedFetch(result.cursor_strategy, self, [])
            return
        if not result.returns_rows or result._soft_closed:
            self.compare_writes(_written(result), self._expected)
            return
        # RETURNING: each row is one that was written, whether it is fetched or not
        if not isinstance(result.cursor_strategy, FullyBufferedCursorFetchStrategy):
            result.cursor_strategy = FullyBufferedCursorFetchStrategy(result.cursor)
        self.compare_writes(len(result.cursor_strategy._rowbuffer), self._expected)

    def compare_writes(self, written: int, rehearsed: int) -> None:
        """Compare how many rows were written."""
        if written != rehearsed:
            self.tell(f"it wrote {written} rows, and would write {rehearsed}")
        elif self._is_doubtful:
            self.tell_unknown("it writes as many rows, and which ones and with what cannot be seen")
        else:
            self.tell(None)

    def compare_shown(self, written: Counter[Any], rehearsed: Counter[Any]) -> None:
        """Compare which rows were written, and with what."""
        other = max((written - rehearsed).total(), (rehearsed - written).total())
        self.tell(f"{other} of the {written.total()} rows it wrote would be others" if other else None)

    def compare_rows(self, seen: list[Any], *, is_all: bool) -> None:
        """Compare the rows that were handed out; where some were not fetched, look at the fetched ones only."""
        if not isinstance(self._expected, list):
            return
        ours, theirs = Counter(seen), Counter(self._expected)
        hidden, shown = (ours - theirs).total(), (theirs - ours).total() if is_all else 0
        if hidden or shown:
            instead = f", and {shown} others be there" if shown else ""
            self.tell(f"{hidden} of the {len(seen)} rows it read would be missing{instead}")
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

    def answer(self) -> list[Any] | int:
        """Run the statement and return its rows, or how many it wrote."""
        result = self._run(self.statement)
        if not result.returns_rows or result._soft_closed:
            return _written(result)
        rows = _comparable_rows(_fetched(result))
        return len(rows) if self.is_write else rows

    @property
    def is_counted(self) -> bool:
        """Whether the number of rows that it writes says which they are, and with what."""
        if any(str(option).endswith("_limit") for option in getattr(self.statement, "dialect_kwargs", ())):
            return False
        if self.compiled.isinsert:
            return bool(self.compiled.write_plan.is_plain)
        return not self.compiled.shadows.read_inside

    def rows(self, statement: Any) -> Counter[Any]:
        """Run another statement in its place, and return its rows."""
        return Counter(_comparable_rows(_fetched(self._run(statement))))

    def showing(self) -> Any:
        """Return the statement, a write, so that it returns the rows it writes; None where that cannot be had."""
        conflict = getattr(self.statement, "_post_values_clause", None)
        settable = getattr(conflict, "update_values_to_set", None)
        if isinstance(conflict, OnDuplicateClause):  # with RETURNING it is refused
            return None
        kind = "insert" if self.compiled.isinsert else "update" if self.compiled.isupdate else "delete"
        state, table = self.compiled.dml_compile_state, self.statement.table
        beside = "_multifrom" if getattr(state, "_extra_froms", ()) else ""
        can = getattr(self.connection.dialect, f"{kind}_returning{beside}")
        if not can or not isinstance(table, Table) or len(self.parameters) > 1:
            return None
        several = getattr(state, "_has_multi_parameters", False)
        given = [Values(one) for one in (state._multi_parameters if several else [state._dict_parameters])]
        chosen = {key_of(name) for name in getattr(self.statement, "_select_names", None) or ()}
        chosen |= {key_of(name) for name in dict(settable or ())}
        columns: list[Any] = [
            column
            for column in table.columns
            if column.key in chosen
            or any(is_expression(row.of(column)) for row in given)
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
        found.tell_unknown("it writes in AUTOCOMMIT, where nothing can be undone")
    elif shadows.written_beside:
        found.tell_unknown("it writes in a common table expression, of whose rows nothing is seen")
    elif execution.is_write and not _can_be_undone(execution):
        found.tell_unknown("it writes to a table without transactions, where nothing can be undone")
    else:
        try:
            is_doubtful = execution.is_write and not execution.is_counted
            shown = execution.showing() if is_doubtful else None
            if shown is None:
                # SQLite alone goes on after any failed SELECT, and would become a writer by a savepoint
                can_fail = in_transaction and execution.connection.dialect.name != "sqlite"
                with _enforced(execution.connection, pin, undo=execution.is_write or can_fail):
                    answer = execution.answer()
                found.expect(answer, is_doubtful=is_doubtful)
            else:
                found.compare_shown(*_both(execution, pin, shown))
        except Lost as lost:
            raise unwrapped(lost.cause) from None
        except Checked:
            found.tell(None)
        except TooMany:
            found.tell_unknown(f"it reads more than {_MOST} rows")
        except (TenantKitError, SQLAlchemyError) as error:
            found.tell(f"it would fail with {type(error).__name__}: {error}")
        except Exception as error:  # noqa: BLE001 - reported; what is only watched must go on
            found.tell(f"it could not be rehearsed: {type(error).__name__}: {error}")
    return found


def _can_be_undone(execution: Execution) -> bool:
    """Whether the tables know transactions; on MariaDB and MySQL some do not, and there a savepoint is no help."""
    dialect = execution.connection.dialect
    if dialect.name not in ("mysql", "mariadb"):
        return True
    known: dict[str, bool] = dialect.tenantkit_enforced.__dict__.setdefault("tenantkit_transactional", {})
    for name in execution.compiled.shadows.tables - known.keys():
        schema, _, table = name.rpartition(".")
        cursor = execution.connection.connection.cursor()
        cursor.execute(_TRANSACTIONAL, (schema or None, table))
        known[name] = bool(cursor.fetchall())
        cursor.close()
    return all(known[name] for name in execution.compiled.shadows.tables)


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
    with own_call(connection):
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


def _comparable_rows(rows: Iterable[Any]) -> list[Any]:
    return [_comparable(row) for row in rows]


def _comparable(row: Any) -> Any:
    values = tuple("not a number" if one != one else one for one in row)  # noqa: PLR0124 - NaN is not itself
    try:
        hash(values)
    except TypeError:  # JSON and arrays
        return repr(values)
    return values


class RehearsedFetch(WrappedFetch):
    """Compares the rows it hands out with those of a rehearsal."""

    __slots__ = ("_is_fetching", "_rehearsal", "_seen")

    def __init__(self, inner: Any, rehearsal: Rehearsal, seen: list[Any]) -> None:
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
            self._seen += _comparable_rows(rows)
            if result._soft_closed or len(self._seen) > _MOST:
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
