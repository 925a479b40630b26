"""Upserts: a row that stands in the way is changed only if it is in scope."""

from typing import Any

from sqlalchemy import and_

from tenantkit.isolation.criteria import grouped
from tenantkit.isolation.hooks.writing import WritingHooks
from tenantkit.isolation.inserts import columns_of_set, is_inserted
from tenantkit.isolation.refusals import statement_refused
from tenantkit.isolation.writes import Values, guarded, is_expression, null_or_in_sight, refuse_partial_links

__all__ = ["UpsertHooks"]


class UpsertHooks(WritingHooks):
    """Statement compiler: ON CONFLICT and ON DUPLICATE KEY stay in scope."""

    def visit_on_conflict_do_update(self, on_conflict: Any, **kw: Any) -> str:
        frame = self.stack[-1]
        table = frame["selectable"].table
        entry = self.registry.entry(table)
        self._check_elements(on_conflict)
        values = columns_of_set(entry, dict(on_conflict.update_values_to_set))
        row = Values(values)
        refuse_partial_links(entry, row)
        conditions = entry.criteria(table)
        for link in entry.links:
            value = row.of(link.columns[0])
            if is_expression(value) and not is_inserted(value, link):
                conditions.append(null_or_in_sight(link, [value]))
                row.replaced(link.columns[0], guarded(link, value))
        values = {column: row.of(column) for column in values}
        scoped = on_conflict._clone()
        scoped.update_values_to_set = list(values.items())
        if conditions:
            where = (
                () if on_conflict.update_whereclause is None else grouped([on_conflict.update_whereclause])
            )
            scoped.update_whereclause = and_(*where, *conditions)
        outer = {key: frame[key] for key in ("correlate_froms", "asfrom_froms")}
        near = {table, *(one for value in values.values() for one in getattr(value, "_from_objects", ()))}
        frame.update(
            correlate_froms=near, asfrom_froms=near
        )  # so that EXISTS correlates to target and `excluded`
        text: str = super().visit_on_conflict_do_update(scoped, **kw)  # type: ignore[misc]
        frame.update(outer)
        for link in entry.links:
            if names := self._names(link.columns, [row], toplevel=False):
                self._plan().links.append((link, names))
        return text

    def visit_on_duplicate_key_update(self, on_duplicate: Any, **kw: Any) -> str:
        table = self.stack[-1]["selectable"].table
        if self.registry.entry(table).is_scoped:
            raise statement_refused(
                f"ON DUPLICATE KEY UPDATE has no WHERE, so it could change another tenant's row of {table.fullname!r}. "
                "Insert in a savepoint and update on a conflict."
            )
        return super().visit_on_duplicate_key_update(on_duplicate, **kw)  # type: ignore[misc,no-any-return]
