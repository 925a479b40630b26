"""
The hooks into SQLAlchemy's execution: the connection's pin fills the parameters, last, and nothing else runs.

Like the compiler's (:mod:`compiler`) these are not public; a canary and the leak matrix watch them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeGuard

from sqlalchemy import select
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.elements import (
    ReleaseSavepointClause,
    RollbackToSavepointClause,
    SavepointClause,
    TextClause,
)

from tenantkit.isolation import raw_sql
from tenantkit.isolation.hooks.dialect import is_own_call
from tenantkit.isolation.hooks.fetching import GuardedFetch
from tenantkit.isolation.hooks.rehearsal import Checked, Execution, Rehearsal, rehearse
from tenantkit.isolation.pin import Pin, pin_of
from tenantkit.isolation.refusals import refusal, statement_refused
from tenantkit.isolation.writes import WritePlan

__all__ = ["ScopedContext", "is_transactional"]

_SAVEPOINT_CLAUSES: Final = (SavepointClause, ReleaseSavepointClause, RollbackToSavepointClause)


class ScopedContext:
    """Execution context: the connection's pin fills the parameters, last, and nothing else runs."""

    compiled: Any
    compiled_parameters: list[dict[str, Any]]
    root_connection: Any
    execution_options: Mapping[str, Any]
    isdelete: bool
    cursor: Any
    dialect: Any

    @classmethod
    def _init_compiled(
        cls,
        dialect: Any,
        connection: Any,
        dbapi_connection: Any,
        execution_options: Any,
        compiled: Any,
        parameters: Any,
        *rest: Any,
        **kw: Any,
    ) -> Any:
        is_control = isinstance(compiled.statement, _SAVEPOINT_CLAUSES) or _is_of_two_phases(
            compiled.statement
        )
        if is_control and is_own_call(connection):
            return super()._init_compiled(  # type: ignore[misc]
                dialect, connection, dbapi_connection, execution_options, compiled, parameters, *rest, **kw
            )
        pin = pin_of(connection)
        pin.check_ambient()
        _refuse_unscoped(dialect, compiled, execution_options)
        if pin.missing:
            pin.check_known(compiled.bind_names.values())
        _refuse_reserved(parameters, pin)
        plan: WritePlan | None = compiled.write_plan
        if plan is None:
            filled = [{**one, **pin.values} for one in parameters] if parameters else [pin.values]
        else:
            sets: Sequence[Mapping[str, Any]] = parameters or [{}]
            filled = [plan.fill(one, pin) for one in sets]
        rehearsal = None
        if dialect.tenantkit_enforced is not None and compiled.shadows.tables and not pin.is_rehearsing:
            asked = rest[0] if rest and rest[0] is not None else compiled.statement
            execution = Execution(connection, compiled, asked, parameters, execution_options)
            rehearsal = rehearse(execution, pin, in_transaction=is_transactional(connection))
        context = super()._init_compiled(  # type: ignore[misc]
            dialect, connection, dbapi_connection, execution_options, compiled, filled, *rest, **kw
        )
        context.tenantkit_pin = pin
        context.tenantkit_rehearsal = rehearsal
        if plan is not None:
            context.tenantkit_seen = plan.check(context.compiled_parameters, connection, pin)
            if plan.is_settled and dialect.tenantkit_is_rehearsal:
                raise Checked
        return context

    @classmethod
    def _init_statement(cls, dialect: Any, connection: Any, *args: Any, **kw: Any) -> Any:
        if not is_own_call(connection):
            pin_of(connection)
            raise statement_refused(
                "Driver SQL is not scoped. Use SQLAlchemy expressions, or vouch(text(...), reason) for raw SQL."
            )
        return super()._init_statement(dialect, connection, *args, **kw)  # type: ignore[misc]

    @classmethod
    def _init_default(cls, dialect: Any, connection: Any, *args: Any, **kw: Any) -> Any:
        pin_of(connection).check_ambient()  # a sequence or default executed by itself
        return super()._init_default(dialect, connection, *args, **kw)  # type: ignore[misc]

    @classmethod
    def _init_ddl(cls, *args: Any, **kw: Any) -> Any:
        raise statement_refused(
            "DDL does not run on a scoped engine. Use an engine of the role that owns the tables."
        )

    def _exec_default_clause_element(self, column: Any, default: Any, type_: Any) -> Any:
        # SQLAlchemy compiles and runs such a default past the hooks; this way it is scoped like any statement
        return self.root_connection.scalar(select(default.arg))

    def post_exec(self) -> None:
        super().post_exec()  # type: ignore[misc]
        if self.dialect.tenantkit_enforced is not None or self.dialect.tenantkit_is_rehearsal:
            self.tenantkit_rowcount = self.cursor.rowcount
        plan = self.compiled.write_plan if self.compiled is not None else None
        if plan is not None and plan.is_certain and is_transactional(self.root_connection):
            plan.remember(self.compiled_parameters, self.tenantkit_seen, self.tenantkit_pin)
        elif getattr(self, "isupdate", False) or getattr(self, "isdelete", False):
            self.tenantkit_pin.known.clear()  # a key may be free again, and taken by another tenant
        # the ORM's flush runs on the mapper's own cache; it only warns when a DELETE matches too few rows
        if getattr(self, "isdelete", False) and "compiled_cache" in self.execution_options:
            self._check_deleted()

    tenantkit_pin: Pin
    tenantkit_seen: Any
    tenantkit_rowcount: int  # while the cursor is open; some drivers forget it
    tenantkit_rehearsal: Rehearsal | None

    def _check_deleted(self) -> None:
        expected, matched = len(self.compiled_parameters), self.cursor.rowcount
        if 0 <= matched < expected:
            raise StaleDataError(
                f"A DELETE of {expected} row(s) matched {matched} in this scope: an object's identity is not a row "
                "of this tenant, or the row is gone."
            )

    def _setup_result_proxy(self) -> Any:
        result = super()._setup_result_proxy()  # type: ignore[misc]
        if "tenantkit_pin" in self.__dict__ and hasattr(result, "cursor_strategy"):
            if self.tenantkit_rehearsal is not None:
                self.tenantkit_rehearsal.compare(result)
            GuardedFetch.guard(result, self.tenantkit_pin)
        return result


def is_transactional(connection: Any) -> bool:
    """Whether what is seen and set on a connection stays until its transaction ends."""
    level = connection.get_execution_options().get("isolation_level")
    return bool((level or connection.dialect._on_connect_isolation_level) != "AUTOCOMMIT")


def _is_of_two_phases(statement: Any) -> TypeGuard[TextClause]:
    """Whether a statement is what MySQL's dialects execute for transactions of two phases."""
    return isinstance(statement, TextClause) and statement.text in raw_sql.TWO_PHASES


def _refuse_unscoped(dialect: Any, compiled: Any, options: Mapping[str, Any]) -> None:
    """Refuse what was compiled past the hooks, or would be sent elsewhere than it was compiled for."""
    if _is_of_two_phases(compiled.statement):
        raise refusal(raw_sql.text_refused(compiled.statement.text))
    if compiled.__class__ is not dialect.statement_compiler or compiled.dialect is not dialect:
        raise statement_refused(
            "This statement was compiled for another dialect, so it is not scoped. Execute the statement itself."
        )
    if options.get("schema_translate_map"):
        raise refusal(raw_sql.schema_map_refused())


def _refuse_reserved(parameters: Any, pin: Pin) -> None:
    for one in parameters or ():
        if reserved := pin.values.keys() & one:
            raise statement_refused(
                f"The parameter {min(reserved)!r} was given, which is filled from the scope. Name yours otherwise."
            )
