"""What the hooks of the statement compiler know of the compiler that they are mixed into, and share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BindParameter

from tenantkit.isolation import raw_sql
from tenantkit.isolation.entry import Entry
from tenantkit.isolation.refusals import statement_refused
from tenantkit.isolation.registry import Registry
from tenantkit.isolation.writes import WritePlan

__all__ = ["COVERED", "Shadows", "Statement"]

COVERED: Final = "tenantkit_covered"


@dataclass(slots=True)
class Shadows:
    """
    The tables in shadow that a statement names, and how it names any.

    Attributes:
        tables: their names.
        read_inside: whether a table is read in a subquery, or beside the one that is written.
        written_beside: whether a table is written in a common table expression, of which a result says nothing.
    """

    tables: set[str] = field(default_factory=set)
    read_inside: bool = False
    written_beside: bool = False


_NO_SHADOWS: Final = Shadows()


class Statement:
    """One statement while it is compiled."""

    dialect: Any
    stack: list[dict[str, Any]]
    bind_names: Mapping[BindParameter[Any], str]
    column_keys: Sequence[str] | None
    current_executable: Any
    preparer: Any
    process: Any
    visit_binary: Any
    ctes: Any
    _within_exec_param_key_getter: Any
    _truncate_bindparam: Any

    @property
    def registry(self) -> Registry:
        """What is known of the tables."""
        return self.dialect.tenantkit_registry  # type: ignore[no-any-return]

    @property
    def write_plan(self) -> WritePlan | None:
        """What is to be checked when the statement is executed, if it writes."""
        return self.__dict__.get("_write_plan")

    @property
    def shadows(self) -> Shadows:
        """The tables in shadow that it names."""
        shadows: Shadows = self.__dict__.get("_shadows", _NO_SHADOWS)
        return shadows

    def _notice(self, entry: Entry, *, is_inner: bool = False, is_beside: bool = False) -> None:
        shadows: Shadows = self.__dict__.setdefault("_shadows", Shadows())
        if entry.mode == "shadow":
            shadows.tables.add(entry.table.fullname)
        shadows.read_inside |= is_inner
        shadows.written_beside |= is_beside

    def _plan(self) -> WritePlan:
        plan: WritePlan = self.__dict__.setdefault("_write_plan", WritePlan())
        return plan

    def _check_elements(self, statement: Any) -> None:
        for element in visitors.iterate(statement):
            raw_sql.check_elements(element, self.registry.elements)

    def _check_hints(self, statement: Any) -> None:
        names = ("*", self.dialect.name)
        hints = [text for (_, dialect), text in getattr(statement, "_hints", {}).items() if dialect in names]
        hints += [text for dialect, text in getattr(statement, "_statement_hints", ()) if dialect in names]
        if hints:
            raise statement_refused(
                f"The hint {hints[0][:80]!r} is raw SQL. Leave hints out of scoped statements."
            )
