"""The hooks into Django's compilers of SELECT."""

from collections.abc import Iterator
from typing import Any

from django.db.models.sql.datastructures import BaseTable

from tenantkit.adapters.django.db.nodes import check_source
from tenantkit.adapters.django.db.scoping import Scoping
from tenantkit.exceptions import StatementRefused

__all__ = ["ScopedAggregate", "ScopedSelect"]


class ScopedSelect(Scoping):
    """SELECT, whatever it is part of."""

    where: Any

    def get_from_clause(self) -> tuple[list[str], Any]:
        """Return the FROM clause; the conditions of its base tables go into WHERE, which is compiled after it."""
        froms: tuple[list[str], Any] = super().get_from_clause()  # type: ignore[misc]
        sight = self.sight
        if sight is None:
            return froms
        if self.query.extra_tables:
            raise StatementRefused(
                "extra(tables=...) names tables past the models. Use relations or subqueries."
            )
        for source in self._sources():
            check_source(source)
            if type(source) is BaseTable:
                added = self.filter_of(sight, source.table_name, source.table_alias)
                self.where = self.limited(self.where, added)
        return froms

    def _sources(self) -> Iterator[Any]:
        for alias, source in tuple(self.query.alias_map.items()):
            if self.query.alias_refcount[alias]:
                yield source

    def as_sql(self, *args: Any, **options: Any) -> tuple[str, Any]:
        """Return the statement."""
        if self.query.explain_info and not self.connection.tenancy.is_unscoped:
            raise StatementRefused(
                "explain() tells how many rows were filtered out, which are other tenants'. Ask for it in unscoped()."
            )
        return self.admitted(*super().as_sql(*args, **options))  # type: ignore[misc]


class ScopedAggregate(Scoping):
    """SELECT over a subquery, which is scoped by itself."""

    def as_sql(self, *args: Any, **options: Any) -> tuple[str, Any]:
        """Return the statement."""
        return self.admitted(*super().as_sql(*args, **options))  # type: ignore[misc]
