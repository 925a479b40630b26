"""Writing: what INSERT, UPDATE and DELETE touch is in scope, and what they store stays there."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.sql import Join
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.util import immutabledict

from tenantkit.isolation.criteria import covered, for_where, grouped, table_of
from tenantkit.isolation.entry import Entry, Link
from tenantkit.isolation.hooks.statement import COVERED, Statement
from tenantkit.isolation.inserts import stamped_rows, stamped_select
from tenantkit.isolation.refusals import statement_refused
from tenantkit.isolation.writes import (
    MISSING,
    Values,
    guarded,
    is_expression,
    is_value,
    key_of,
    null_or_in_sight,
    refuse_other_tables,
    refuse_partial_links,
    refuse_read_only,
    refuse_stamp_change,
)

__all__ = ["WritingHooks"]


class WritingHooks(Statement):
    """Statement compiler: rows are written in scope."""

    def visit_insert(
        self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any
    ) -> str:
        self._check_hints(insert_stmt)
        self._check_elements(insert_stmt)
        toplevel = visiting_cte is None and not self.stack
        state = insert_stmt._compile_state_factory(insert_stmt, self, **kw)
        entry = self.registry.entry(state.statement.table)  # the ORM writes a subclass table by table
        refuse_read_only(entry)
        self._notice(entry, is_beside=visiting_cte is not None)
        rows: list[Values] = []
        if insert_stmt._select_names:
            scoped = stamped_select(insert_stmt, entry, self.registry)
        else:
            scoped, rows = stamped_rows(insert_stmt, state, entry, self.column_keys if toplevel else None)
        text: str = super().visit_insert(  # type: ignore[misc]
            scoped, visited_bindparam=visited_bindparam, visiting_cte=visiting_cte, **kw
        )
        own = toplevel and insert_stmt._post_values_clause is None and not self.ctes
        plan = self._plan()
        plan.is_plain = bool(rows) and all(row.are_plain for row in rows) and not self.shadows.read_inside
        plan.is_settled = own and plan.is_plain
        self._plan_insert(entry, rows, toplevel=toplevel, remember=own)
        return text

    def _plan_insert(self, entry: Entry, rows: list[Values], *, toplevel: bool, remember: bool) -> None:
        plan = self._plan()
        for stamp in entry.stamps:
            if any(row.of(stamp.column) is not MISSING for row in rows):
                names = self._names((stamp.column,), rows, toplevel=toplevel) if stamp.is_strict else []
                plan.given.extend((name, stamp) for (name,) in names)
            elif toplevel and stamp.column.key in (self.column_keys or ()):
                plan.fills[stamp.column.key] = stamp
        for link in entry.links:
            if names := self._names(link.columns, rows, toplevel=toplevel):
                plan.links.append((link, names))
        keys = tuple(entry.table.primary_key.columns)
        plan.is_certain = remember
        if remember and keys:
            plan.own_keys[keys] = self._names(keys, rows, toplevel=True)

    def _names(
        self, columns: tuple[Any, ...], rows: Sequence[Values], *, toplevel: bool
    ) -> list[tuple[str, ...]]:
        """Return per row the names of the binds that a compiled statement writes into columns, where all are bound."""
        found = []
        for number, row in enumerate(rows):
            names = tuple(self._name(column, row, number, toplevel=toplevel) for column in columns)
            if None not in names:
                found.append(names)
        return found  # type: ignore[return-value]  # None was left out

    def _name(self, column: Any, row: Values, number: int, *, toplevel: bool) -> str | None:
        value = row.of(column)
        if isinstance(value, BindParameter):
            named = [name for bind, name in self.bind_names.items() if bind.key == value.key]
        elif value is MISSING or is_value(value):
            if not toplevel and value is MISSING:
                return None
            bare = self._within_exec_param_key_getter(column)
            names = set(self.bind_names.values())
            named = [name for name in (f"{bare}_m{number}", *(() if number else (bare,))) if name in names]
        else:
            return None  # an expression, which is guarded in the statement, or NULL
        if value is not MISSING and not named:
            raise statement_refused(
                f"What is written into {column} cannot be checked. Give it as a bound value."
            )
        return named[0] if named else None

    def visit_update(self, update_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        toplevel = visiting_cte is None and not self.stack
        entry, state, scoped = self._restricted(update_stmt, is_beside=visiting_cte is not None, **kw)
        refuse_other_tables(state._dict_parameters, entry.table)
        values = Values(
            {**dict.fromkeys(self.column_keys or () if toplevel else ()), **(state._dict_parameters or {})}
        )
        for stamp in entry.stamps:
            if values.of(stamp.column) is not MISSING:
                refuse_stamp_change(stamp)
        refuse_partial_links(entry, values)
        values = Values(state._dict_parameters)
        for link in entry.links:
            self._guard_link(scoped, link, values)
        text: str = super().visit_update(scoped, visiting_cte=visiting_cte, **kw)  # type: ignore[misc]
        for link in entry.links:
            if names := self._names(link.columns, [values], toplevel=toplevel):
                self._plan().links.append((link, names))
        return text

    @staticmethod
    def _guard_link(scoped: Any, link: Link, values: Values) -> None:
        """Let an UPDATE that sets a link by an expression leave rows alone where it points out of sight."""
        if not any(is_expression(values.of(column)) for column in link.columns):
            return
        value = values.of(link.columns[0])
        new = guarded(link, value)
        pairs = scoped._values.items() if isinstance(scoped._values, Mapping) else scoped._values
        exchanged = [(key, new if key_of(key) == link.columns[0].key else old) for key, old in pairs]
        scoped._values = immutabledict(exchanged) if isinstance(scoped._values, Mapping) else exchanged
        scoped._where_criteria += (null_or_in_sight(link, [value]),)

    def visit_delete(self, delete_stmt: Any, visiting_cte: Any = None, **kw: Any) -> str:
        _, _, scoped = self._restricted(delete_stmt, is_beside=visiting_cte is not None, **kw)
        return super().visit_delete(scoped, visiting_cte=visiting_cte, **kw)  # type: ignore[misc,no-any-return]

    def _restricted(self, statement: Any, *, is_beside: bool, **kw: Any) -> tuple[Entry, Any, Any]:
        """Return the target's entry, a compile state to read, and the statement with conditions on all its tables."""
        self._check_hints(statement)
        # the conditions go to the original statement: on the compile state's copy ORM RETURNING loses its entity
        state = statement._compile_state_factory(statement, self, **kw)
        target = state.statement.table
        if isinstance(target, Join):
            raise statement_refused(
                "UPDATE and DELETE of a JOIN cannot be scoped. Name one table, join in a subquery."
            )
        entry = self.registry.entry(table_of(target))
        refuse_read_only(entry)
        self._notice(entry, is_inner=bool(state._extra_froms), is_beside=is_beside)
        self._check_elements(state.statement)
        froms = [target, *state._extra_froms]
        scoped = statement._clone()
        scoped._where_criteria = (
            *grouped(statement._where_criteria),
            *entry.criteria(target, for_write=True),
            *(one for element in state._extra_froms for one in for_where(element, self.registry)),
        )
        self._targets = covered(froms)
        return entry, state, scoped

    def update_tables_clause(self, *args: Any, **kw: Any) -> str:
        self.stack[-1][COVERED] = self._targets
        return super().update_tables_clause(*args, **kw)  # type: ignore[misc,no-any-return]

    def delete_table_clause(self, *args: Any, **kw: Any) -> str:
        self.stack[-1][COVERED] = self._targets
        return super().delete_table_clause(*args, **kw)  # type: ignore[misc,no-any-return]
