"""Upserts: a row that stands in the way is changed only if it is in scope."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Column, Table, and_, case
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.elements import BindParameter, ClauseElement

from tenantkit.isolation.criteria import grouped
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.hooks.writing import WritingHooks
from tenantkit.isolation.inserts import columns_of_set, is_inserted
from tenantkit.isolation.refusals import statement_refused
from tenantkit.isolation.writes import Values, guarded, is_expression, null_or_in_sight, refuse_partial_links

__all__ = ["UpsertHooks"]


class UpsertHooks(WritingHooks):
    """Statement compiler: ON CONFLICT and ON DUPLICATE KEY stay in scope."""

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> str:
        table, entry = self._target()
        self._check_elements(on_conflict)
        given = dict(on_conflict.update_values_to_set)
        row, conditions = self._settled(entry, given, entry.criteria(table, for_write=True))
        scoped = on_conflict._clone()
        scoped.update_values_to_set = list(row.items())
        if conditions:
            own = on_conflict.update_whereclause
            scoped.update_whereclause = and_(*(() if own is None else grouped([own])), *conditions)
        with self._correlated(table, given):
            text: str = super().visit_on_conflict_do_update(scoped, **kw)  # type: ignore[misc]
        self._plan_links(entry, row)
        return text

    def visit_on_duplicate_key_update(self, on_duplicate: Any, **kw: Any) -> str:
        # the clause has no WHERE: each value is one that a row in scope takes, and any other row keeps its own
        table, entry = self._target()
        if self.current_executable._returning:
            raise statement_refused(
                "ON DUPLICATE KEY UPDATE with RETURNING gives back the row that stood in the way, whosever it is. "
                f"Leave RETURNING out, and select from {table.fullname!r}."
            )
        # compared with the new row's tenant, which is the scope's: so the drivers can still write many rows at once
        in_scope = entry.criteria(table, for_write=True, new_row=on_duplicate.inserted_alias)
        row, conditions = self._settled(entry, on_duplicate.update, in_scope)
        columns = (
            list(row) if on_duplicate._parameter_ordering else [one for one in table.columns if one in row]
        )
        # evaluated from left to right: what conditions look at is set when they have been asked by all others
        looked_at = entry.looked_at
        columns.sort(key=lambda column: column in looked_at)
        new_alias = self._new_alias(table)
        with (
            self._correlated(table, on_duplicate.update),
            self._inserted(on_duplicate.inserted_alias, new_alias),
        ):
            clauses = ", ".join(self._set(column, row[column], conditions) for column in columns)
        self._plan_links(entry, row)
        # PyMySQL and its kin write an executemany as one INSERT, and forget parameters after VALUES; not so before this
        apart = "/* one by one */ " if "%" in clauses else ""
        named = f"AS {new_alias} " if new_alias else ""
        return f"{apart}{named}ON DUPLICATE KEY UPDATE {clauses}"

    def _set(self, column: Column[Any], value: Any, conditions: Sequence[ColumnElement[bool]]) -> str:
        if isinstance(value, BindParameter) and value.type._isnull:
            value = value._with_binary_element_type(column.type)
        taken = case((and_(*conditions), value), else_=column) if conditions else value
        return f"{self.preparer.quote(column.name)} = {self.process(taken.self_group(), use_schema=False)}"

    def _new_alias(self, table: Table) -> str | None:
        """Return the alias under which MySQL from 8.0.19 on wants the new values, where it is one that does."""
        if (
            not self.dialect._requires_alias_for_on_duplicate_key
            or self.current_executable.select is not None
        ):
            return None
        return "new_1" if table.name.lower() == "new" else "new"

    @contextmanager
    def _inserted(self, alias: Any, name: str | None) -> Iterator[None]:
        self._new_values = alias, name
        try:
            yield
        finally:
            del self._new_values

    def visit_column(self, column: Any, **kw: Any) -> str:
        alias, name = getattr(self, "_new_values", (None, None))
        if alias is None or column.table is not alias:
            return super().visit_column(column, **kw)  # type: ignore[misc,no-any-return]
        quoted = self.preparer.quote(column.name)
        # inside a subquery MariaDB takes VALUES for a table
        word = "VALUE" if self.dialect.is_mariadb else "VALUES"
        return f"{name}.{quoted}" if name else f"{word}({quoted})"

    # both ------------------------------------------------------------------------------------------------------

    def _target(self) -> tuple[Table, Entry]:
        table = self.stack[-1]["selectable"].table
        return table, self.registry.entry(table)

    def _settled(
        self, entry: Entry, given: Mapping[Any, Any], conditions: list[ColumnElement[bool]]
    ) -> tuple[dict[Column[Any], Any], list[ColumnElement[bool]]]:
        """Return the SET by column with its links guarded, and the conditions on which a row takes it, with theirs."""
        for value in given.values():
            if isinstance(value, ClauseElement):
                self._check_elements(value)
        columns = columns_of_set(entry, given)
        row = Values(columns)
        refuse_partial_links(entry, row)
        for link in entry.links:
            values = [row.of(column) for column in link.columns]
            pairs = zip(values, link.columns, strict=True)
            if not any(map(is_expression, values)) or all(is_inserted(*pair) for pair in pairs):
                continue  # checked when it is executed, as values of its own or of the INSERT
            row.replaced(link.columns[0], guarded(link, values[0]))  # refuses a key of several columns
            conditions.append(null_or_in_sight(link, values))
        return {column: row.of(column) for column in columns}, conditions

    @contextmanager
    def _correlated(self, table: Table, given: Mapping[Any, Any]) -> Iterator[None]:
        """Let the EXISTS of conditions correlate to the target and to the row that was to be inserted."""
        frame = self.stack[-1]
        outer = {key: frame[key] for key in ("correlate_froms", "asfrom_froms")}
        near = {table, *(one for value in given.values() for one in getattr(value, "_from_objects", ()))}
        frame.update(correlate_froms=near, asfrom_froms=near)
        yield
        frame.update(outer)

    def _plan_links(self, entry: Entry, row: Mapping[Column[Any], Any]) -> None:
        for link in entry.links:
            if names := self._names(link.columns, [Values(row)], toplevel=False):
                self._plan().links.append((link, names))
