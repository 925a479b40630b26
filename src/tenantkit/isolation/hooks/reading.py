"""Reading: every FROM element of a SELECT gets its conditions."""

from collections.abc import Sequence
from typing import Any
from typing import cast as typed

from sqlalchemy import LargeBinary, and_, cast
from sqlalchemy.sql import ColumnElement, Join

from tenantkit.isolation.criteria import covered, for_on, for_where, grouped
from tenantkit.isolation.elements import PARENT_PREFIX, OwnName, SameText
from tenantkit.isolation.hooks.statement import COVERED, Statement
from tenantkit.isolation.refusals import statement_refused

__all__ = ["ReadingHooks"]


class ReadingHooks(Statement):
    """Statement compiler: rows are read in scope."""

    def visit_select(self, select_stmt: Any, **kw: Any) -> str:
        kw.pop("use_schema", None)  # an upsert's WHERE hands its own spelling of names down to subqueries
        kw.pop("include_table", None)
        text: str = super().visit_select(select_stmt, **kw)  # type: ignore[misc]
        if kw.get("compound_index") is not None and " FULL OUTER JOIN " in text and self._forgets_where():
            return f"SELECT * FROM ({text})"  # noqa: S608 - the text is the compiled statement
        return text

    def _forgets_where(self) -> bool:
        """
        Whether the database drops the WHERE of a UNION ALL's part that stands beside a FULL JOIN.

        SQLite before 3.43 does when it flattens the UNION ALL of a FROM; a part in a FROM of its own it leaves alone.
        """
        if self.dialect.name != "sqlite":
            return False
        dbapi = self.dialect.dbapi
        return dbapi is None or bool(dbapi.sqlite_version_info < (3, 43))

    def _compose_select_body(  # noqa: PLR0913 - SQLAlchemy's signature
        self,
        text: str,
        select: Any,
        compile_state: Any,
        inner_columns: Any,
        froms: Sequence[Any],
        byfrom: Any,
        toplevel: bool,
        kwargs: Any,
    ) -> str:
        self._check_hints(select)
        self._check_elements(select)
        for *_, column, _ in compile_state.columns_plus_names:
            if column.type._has_column_expression:
                self._check_elements(column.type.column_expression(column))
        criteria = [one for element in froms for one in for_where(element, self.registry)]
        self.stack[-1][COVERED] = covered(froms)
        scoped = select._clone()
        scoped._where_criteria = (*grouped(select._where_criteria), *criteria)
        return super()._compose_select_body(  # type: ignore[misc,no-any-return]
            text, scoped, compile_state, inner_columns, froms, byfrom, toplevel, kwargs
        )

    def visit_join(self, join: Join, asfrom: bool = False, from_linter: Any = None, **kw: Any) -> str:
        scoped = join._clone()
        scoped.onclause = and_(
            *grouped([typed("ColumnElement[bool]", join.onclause)]), *for_on(join, self.registry)
        )
        return super().visit_join(scoped, asfrom=asfrom, from_linter=from_linter, **kw)  # type: ignore[misc,no-any-return]

    def visit_same_text(self, same: SameText, **kw: Any) -> str:
        text: str = self.visit_binary(same, **kw)
        if self.dialect.name not in ("mysql", "mariadb"):
            return text
        # nearly all of their collations ignore case, accents and trailing spaces; the first half still finds the index
        exact = cast(same.left, LargeBinary) == cast(same.right, LargeBinary)
        return f"({text} AND {self.visit_binary(exact, **kw)})"

    def visit_alias(self, alias: Any, **kw: Any) -> str:
        self._check_name(alias.name)
        return super().visit_alias(alias, **kw)  # type: ignore[misc,no-any-return]

    def visit_cte(self, cte: Any, **kw: Any) -> str:
        self._check_name(cte.name)
        # a CTE hides the table of its name, also in the conditions that look for a parent
        if str(cte.name).casefold() in self.registry.table_names:
            raise statement_refused(f"The CTE {cte.name!r} has the name of a table. Give it another name.")
        return super().visit_cte(cte, **kw)  # type: ignore[misc,no-any-return]

    @staticmethod
    def _check_name(name: str) -> None:
        if name.casefold().startswith(PARENT_PREFIX) and not isinstance(name, OwnName):
            raise statement_refused(f"The name {name!r} is reserved: choose one without {PARENT_PREFIX!r}.")

    def visit_compound_select(self, cs: Any, **kw: Any) -> str:
        self._check_elements(cs)
        return super().visit_compound_select(cs, **kw)  # type: ignore[misc,no-any-return]

    def visit_table(self, table: Any, asfrom: bool = False, **kw: Any) -> str:
        if asfrom:
            self._check_covered(table, kw.get("enclosing_alias"))
        return super().visit_table(table, asfrom=asfrom, **kw)  # type: ignore[misc,no-any-return]

    def _check_covered(self, table: Any, alias: Any) -> None:
        """Refuse a table that is rendered where no handler above has put its conditions."""
        entry = self.registry.entry(table)
        self._notice(entry, is_inner=len(self.stack) > 1)
        if not entry.is_scoped:
            return
        # SQLAlchemy hands the alias of a subquery down to the tables inside of it, too
        shown = alias if alias is not None and alias.element is table else table
        if any(shown in frame.get(COVERED, ()) for frame in self.stack):
            return
        raise statement_refused(
            f"Table {table.fullname!r} stands in a place of the statement where its rows cannot be scoped."
        )
