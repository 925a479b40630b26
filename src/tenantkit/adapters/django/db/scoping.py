"""What all compilers do: find out what is in sight, look at each expression, vouch for the statement."""

from collections.abc import Iterable
from typing import Any

from django.db.models.sql.datastructures import Join
from django.db.models.sql.where import WhereNode

from tenantkit.adapters.django.db.admission import Admitted
from tenantkit.adapters.django.db.fields import check_field
from tenantkit.adapters.django.db.nodes import RowFilter, check_node, is_column_of
from tenantkit.adapters.django.db.sights import Sight, Text
from tenantkit.exceptions import StatementRefused
from tenantkit.isolation.elements import RESERVED_PREFIX

__all__ = ["LIFTED", "Scoping"]

LIFTED = "tenantkit_lifted"  # a query's attribute: its clones and what becomes of it in update() keep it


class Scoping:
    """Mixed into each compiler of a backend, before Django's."""

    query: Any
    connection: Any

    @property
    def sight(self) -> Sight | None:
        """What is in sight of this statement; None where all tenants' rows are."""
        found: Sight | None = self.connection.tenancy.sight(getattr(self.query, LIFTED, frozenset()))
        return found

    def compile(self, node: Any) -> tuple[str, Any]:
        """Compile an expression; a join gets the conditions of its table in its ON."""
        tenancy = self.connection.tenancy
        if not (tenancy.is_unscoped or is_column_of(node, self.query)):
            check_node(node, tenancy.functions, tenancy.elements)
        sql, params = super().compile(node)  # type: ignore[misc]
        if type(node) is Join and (sight := self.sight) is not None:
            added = self.filter_of(sight, node.table_name, node.table_alias)
            if added is not None:
                condition, own = added.as_sql(self, self.connection)
                return f"{sql} AND {condition}", [*params, *own]
        return sql, params

    def check_fields(self, fields: Iterable[Any]) -> None:
        """Refuse fields that hold SQL of a caller's own."""
        for field in fields:
            check_field(field, self.connection.tenancy.elements)

    def filter_of(self, sight: Sight, table: str, alias: str, *, for_write: bool = False) -> RowFilter | None:
        """Return the condition for a table that stands in the statement under an alias."""
        if alias != table and alias.casefold().startswith(RESERVED_PREFIX):
            raise StatementRefused(f"The alias {alias!r} is reserved: {RESERVED_PREFIX}... is scoping's own.")
        text = sight.condition(table, for_write=for_write)
        return None if text is None else self.filled(sight, text, alias)

    def filled(self, sight: Sight, text: Text, alias: str) -> RowFilter:
        """Return a condition with the values of the scope."""
        values = self.connection.tenancy.values(sight, text.binds)
        return RowFilter(f"({text.spelled(self._quoted(alias))})", values)

    def _quoted(self, alias: str) -> str:
        """Return an alias as the statement spells it; Django calls that differently since 6.1."""
        quote = getattr(self, "quote_name", None) or self.quote_name_unless_alias  # type: ignore[attr-defined]
        return str(quote(alias))

    def limited(self, where: Any, added: RowFilter | None) -> Any:
        """Return a WHERE with one more condition."""
        if added is None:
            return where
        if where is not None and type(where) is not WhereNode:
            raise StatementRefused(
                f"A WHERE is a {type(where).__qualname__}, and could say OR. Use filter()."
            )
        return WhereNode([added] if where is None else [added, where])

    def admitted(self, sql: str, params: Any) -> tuple[str, Any]:
        """Vouch for a compiled statement, so that the cursor takes it in this scope and with these parameters."""
        return Admitted.now(sql, params), params
