"""
The hooks into SQLAlchemy's statement compiler: every FROM element gets its conditions, every raw piece is refused.

They are not public, so they stand in this file (and those of execution in :mod:`execution`) and nowhere else, and a
canary proves at start that this SQLAlchemy calls them. They are mixed into the classes of whatever dialect an engine
has (:mod:`engine`). What they add is decided elsewhere: :mod:`criteria`, :mod:`raw_sql`, :mod:`writes`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from sqlalchemy import and_
from sqlalchemy.sql import ColumnElement, Join, visitors
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.util import immutabledict

from tenantkit.exceptions import IsolationError, StatementRefused
from tenantkit.isolation import raw_sql
from tenantkit.isolation.criteria import covered, for_on, for_where, grouped, table_of
from tenantkit.isolation.inserts import columns_of_set, is_inserted, stamped_rows, stamped_select
from tenantkit.isolation.pin import refusal
from tenantkit.isolation.registry import (
    PARENT_PREFIX,
    RESERVED_PREFIX,
    Entry,
    Link,
    OwnName,
    Registry,
    ScopeBind,
)
from tenantkit.isolation.vouch import VouchedLiteral, VouchedText, logger
from tenantkit.isolation.writes import (
    MISSING,
    Values,
    WritePlan,
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

__all__ = ["ScopedCompiler", "ScopedPreparer", "ScopedTypeCompiler", "statement_refused"]

_COVERED: Final = "tenantkit_covered"
_NO_WORD: Final = re.compile(r"\W")


def statement_refused(message: str) -> IsolationError:
    """Return a refusal that SQLAlchemy lets pass."""
    return refusal(StatementRefused(message))


class ScopedPreparer:
    """Identifier preparer: a name that asks not to be quoted must be a plain identifier."""

    def quote(self, ident: str, *args: Any) -> str:
        raw_sql.check_identifier(ident)
        return super().quote(ident, *args)  # type: ignore[misc,no-any-return]


class ScopedTypeCompiler:
    """Type compiler: the text of a type, wherever it is rendered, is a name with sizes."""

    def process(self, type_: Any, **kw: Any) -> str:
        text: str = super().process(type_, **kw)  # type: ignore[misc]
        raw_sql.check_type(text)
        return text


class ScopedCompiler:
    """Statement compiler: every FROM element gets its conditions, every raw piece is refused."""

    dialect: Any
    stack: list[dict[str, Any]]
    bind_names: Mapping[BindParameter[Any], str]
    column_keys: Sequence[str] | None
    process: Any
    ctes: Any
    _within_exec_param_key_getter: Any
    _truncate_bindparam: Any

    @property
    def registry(self) -> Registry:
        return self.dialect.tenantkit_registry  # type: ignore[no-any-return]

    @property
    def write_plan(self) -> WritePlan | None:
        return self.__dict__.get("_write_plan")

    def _plan(self) -> WritePlan:
        plan: WritePlan = self.__dict__.setdefault("_write_plan", WritePlan())
        return plan

    # reading --------------------------------------------------------------------------------------------------

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
        self.stack[-1][_COVERED] = covered(froms)
        scoped = select._clone()
        scoped._where_criteria = (*grouped(select._where_criteria), *criteria)
        return super()._compose_select_body(  # type: ignore[misc,no-any-return]
            text, scoped, compile_state, inner_columns, froms, byfrom, toplevel, kwargs
        )

    def visit_join(self, join: Join, asfrom: bool = False, from_linter: Any = None, **kw: Any) -> str:
        scoped = join._clone()
        scoped.onclause = and_(
            *grouped([cast("ColumnElement[bool]", join.onclause)]), *for_on(join, self.registry)
        )
        return super().visit_join(scoped, asfrom=asfrom, from_linter=from_linter, **kw)  # type: ignore[misc,no-any-return]

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
        if not self.registry.entry(table).is_scoped:
            return
        # SQLAlchemy hands the alias of a subquery down to the tables inside of it, too
        shown = alias if alias is not None and alias.element is table else table
        if any(shown in frame.get(_COVERED, ()) for frame in self.stack):
            return
        raise statement_refused(
            f"Table {table.fullname!r} stands in a place of the statement where its rows cannot be scoped."
        )

    # writing --------------------------------------------------------------------------------------------------

    def visit_insert(
        self, insert_stmt: Any, visited_bindparam: Any = None, visiting_cte: Any = None, **kw: Any
    ) -> str:
        self._check_hints(insert_stmt)
        self._check_elements(insert_stmt)
        toplevel = visiting_cte is None and not self.stack
        state = insert_stmt._compile_state_factory(insert_stmt, self, **kw)
        entry = self.registry.entry(state.statement.table)  # the ORM writes a subclass table by table
        refuse_read_only(entry)
        rows: list[Values] = []
        if insert_stmt._select_names:
            scoped = stamped_select(insert_stmt, entry, self.registry)
        else:
            scoped, rows = stamped_rows(insert_stmt, state, entry, self.column_keys if toplevel else None)
        text: str = super().visit_insert(  # type: ignore[misc]
            scoped, visited_bindparam=visited_bindparam, visiting_cte=visiting_cte, **kw
        )
        own = toplevel and insert_stmt._post_values_clause is None and not self.ctes
        self._plan_insert(entry, rows, toplevel=toplevel, remember=own)
        return text

    def _plan_insert(self, entry: Entry, rows: list[Values], *, toplevel: bool, remember: bool) -> None:
        plan = self._plan()
        for stamp in entry.stamps:
            if any(row.of(stamp.column) is not MISSING for row in rows):
                names = self._names((stamp.column,), rows, toplevel=toplevel)
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
        entry, state, scoped = self._restricted(update_stmt, **kw)
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
        _, _, scoped = self._restricted(delete_stmt, **kw)
        return super().visit_delete(scoped, visiting_cte=visiting_cte, **kw)  # type: ignore[misc,no-any-return]

    def _restricted(self, statement: Any, **kw: Any) -> tuple[Entry, Any, Any]:
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
        self._check_elements(state.statement)
        froms = [target, *state._extra_froms]
        scoped = statement._clone()
        scoped._where_criteria = (
            *grouped(statement._where_criteria),
            *(one for element in froms for one in for_where(element, self.registry)),
        )
        self._targets = covered(froms)
        return entry, state, scoped

    def update_tables_clause(self, *args: Any, **kw: Any) -> str:
        self.stack[-1][_COVERED] = self._targets
        return super().update_tables_clause(*args, **kw)  # type: ignore[misc,no-any-return]

    def delete_table_clause(self, *args: Any, **kw: Any) -> str:
        self.stack[-1][_COVERED] = self._targets
        return super().delete_table_clause(*args, **kw)  # type: ignore[misc,no-any-return]

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

    # raw pieces -----------------------------------------------------------------------------------------------

    def visit_textclause(self, textclause: Any, **kw: Any) -> str:
        if textclause.text in raw_sql.HARMLESS_TEXTS and not textclause._bindparams:
            return super().visit_textclause(textclause, **kw)  # type: ignore[misc,no-any-return]
        if not isinstance(textclause, VouchedText):
            raise refusal(raw_sql.text_refused(textclause.text))
        _note(textclause.text, textclause.reason)
        return super().visit_textclause(textclause, **kw)  # type: ignore[misc,no-any-return]

    def visit_tstring(self, tstring: Any, **kw: Any) -> str:
        raise refusal(raw_sql.text_refused(str(tstring)))

    def visit_column(self, column: Any, **kw: Any) -> str:
        if column.is_literal:
            if isinstance(column, VouchedLiteral):
                _note(column.name, column.reason)
            else:
                raw_sql.check_literal(column.name)
        return super().visit_column(column, **kw)  # type: ignore[misc,no-any-return]

    def visit_function(self, func: Any, **kw: Any) -> str:
        raw_sql.check_function(func.name, tuple(getattr(func, "packagenames", ())), self.registry.functions)
        return super().visit_function(func, **kw)  # type: ignore[misc,no-any-return]

    def visit_custom_op_binary(self, element: Any, operator: Any, **kw: Any) -> str:
        raw_sql.check_operator(operator, is_question_parameter=self.dialect.paramstyle == "qmark")
        return super().visit_custom_op_binary(element, operator, **kw)  # type: ignore[misc,no-any-return]

    def visit_custom_op_unary_operator(self, element: Any, operator: Any, **kw: Any) -> str:
        raw_sql.check_operator(operator, is_question_parameter=self.dialect.paramstyle == "qmark")
        return super().visit_custom_op_unary_operator(element, operator, **kw)  # type: ignore[misc,no-any-return]

    def visit_custom_op_unary_modifier(self, element: Any, operator: Any, **kw: Any) -> str:
        raw_sql.check_operator(operator, is_question_parameter=self.dialect.paramstyle == "qmark")
        return super().visit_custom_op_unary_modifier(element, operator, **kw)  # type: ignore[misc,no-any-return]

    def visit_extract(self, extract: Any, **kw: Any) -> str:
        raw_sql.check_keyword(extract.field)
        return super().visit_extract(extract, **kw)  # type: ignore[misc,no-any-return]

    def render_literal_value(self, value: Any, type_: Any) -> str:
        text: str = super().render_literal_value(value, type_)  # type: ignore[misc]
        raw_sql.check_rendered_literal(text, backslash_escapes=self.dialect.name in ("mysql", "mariadb"))
        return text

    def visit_bindparam(self, bindparam: Any, **kw: Any) -> str:
        # the name as it is sent: 2.0 spells what is no letter as an underscore, and so two names as one
        name = _NO_WORD.sub("_", self._truncate_bindparam(bindparam))
        is_reserved = bindparam.key.startswith(RESERVED_PREFIX) or name in self.registry.bind_names
        if is_reserved and not isinstance(bindparam, ScopeBind):
            raise statement_refused(
                f"{bindparam.key!r} is reserved: parameters named {RESERVED_PREFIX}... are filled from the scope."
            )
        return super().visit_bindparam(bindparam, **kw)  # type: ignore[misc,no-any-return]

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


def _note(text: str, reason: str) -> None:
    """Log raw SQL that somebody answers for; once per compilation, since compiled statements are kept."""
    logger.info("vouched SQL compiled: %s (%s)", text, reason)
